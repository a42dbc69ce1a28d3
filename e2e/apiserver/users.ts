// Bearer tokens and whose they are. Tokens can be added, replaced and taken away while the server runs, for rotation tests.

import { randomBytes } from 'node:crypto';
import { ANONYMOUS, type User } from './rbac.ts';

export class Users {
  readonly #byToken = new Map<string, User>();

  constructor(tokens: Readonly<Record<string, User>>) {
    for (const [token, user] of Object.entries(tokens)) this.add(user, token);
  }

  /** Lets a token in; without one, makes it up. Returns the token. */
  add(user: User, token: string = randomBytes(16).toString('hex')): string {
    const groups = new Set([...(user.groups ?? []), ...serviceAccountGroups(user.name), 'system:authenticated']);
    this.#byToken.set(token, { ...user, groups: [...groups] });
    return token;
  }

  /** Requests with this token are 401 from now on; watches that run go on, as on a real server. */
  revoke(token: string): void {
    this.#byToken.delete(token);
  }

  /** A token of the named user; undefined when there is none. */
  tokenOf(name: string): string | undefined {
    for (const [token, user] of this.#byToken) if (user.name === name) return token;
    return undefined;
  }

  /** The user of an Authorization header. No header is the anonymous user; a wrong token is nobody: null. */
  find(authorization: string | undefined): User | null {
    if (authorization === undefined) return ANONYMOUS;
    const token = /^Bearer\s+(\S+)$/i.exec(authorization)?.[1];
    return token === undefined ? null : (this.#byToken.get(token) ?? null);
  }
}

/** `system:serviceaccount:<namespace>:<name>` is in the groups of all service accounts and of its namespace's. */
function serviceAccountGroups(name: string): string[] {
  const namespace = /^system:serviceaccount:([^:]+):/.exec(name)?.[1];
  return namespace === undefined ? [] : ['system:serviceaccounts', `system:serviceaccounts:${namespace}`];
}
