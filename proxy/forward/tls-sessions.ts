// The last TLS session with each endpoint, so that a further connection to it resumes (RFC 8446 §2.2, RFC 5077) and saves
// both sides the certificates and signatures of a full handshake.
//
// Belongs to one transport: a session stands for what was verified when it began, so it must not serve other settings.
// An endpoint that does not know the session any more, such as another pod at the same address, simply takes the full way.

import type { EndpointAddress } from '../table/types.ts';

/** A session is a few KB. */
const MAX_SESSIONS = 512;

export class TlsSessions {
  readonly #limit: number;
  /** By address and port, the one used longest ago first. */
  readonly #sessions = new Map<string, Buffer>();

  constructor(limit = MAX_SESSIONS) {
    this.#limit = limit;
  }

  get size(): number {
    return this.#sessions.size;
  }

  /** The session to offer; undefined when there is none. */
  take(endpoint: EndpointAddress): Buffer | undefined {
    const key = keyOf(endpoint);
    const session = this.#sessions.get(key);
    if (session === undefined) return undefined;
    this.#sessions.delete(key);
    this.#sessions.set(key, session);
    return session;
  }

  /** Remembers the newest session with an endpoint; beyond the limit another is forgotten. */
  put(endpoint: EndpointAddress, session: Buffer): void {
    const key = keyOf(endpoint);
    this.#sessions.delete(key);
    this.#sessions.set(key, session);
    if (this.#sessions.size <= this.#limit) return;
    for (const oldest of this.#sessions.keys()) {
      this.#sessions.delete(oldest);
      return;
    }
  }

  /** A handshake with it has failed: it is not offered again. */
  drop(endpoint: EndpointAddress): void {
    this.#sessions.delete(keyOf(endpoint));
  }
}

function keyOf({ address, port }: EndpointAddress): string {
  return `${address} ${port}`;
}
