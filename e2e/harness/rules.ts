// The rights of Sluice's service account: what `sluice rbac` prints for the same flags, bound to the account and nothing
// else. And the question whether any of it could be left out.

import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { type Admin, readManifests } from './admin.ts';
import type { PassedRequest } from './gate-log.ts';
import type { Manifest } from './kinds.ts';
import { SLUICE_MAIN } from './sluice-process.ts';

export interface Grant {
  /** Of the ClusterRole, Roles and bindings. */
  readonly name: string;
  /** Flags of the Sluice that needs the rights. */
  readonly flags: readonly string[];
  readonly account: { readonly namespace: string; readonly name: string };
}

export interface PolicyRule {
  readonly apiGroups: readonly string[];
  readonly resources: readonly string[];
  readonly verbs: readonly string[];
  readonly resourceNames?: readonly string[];
}

/** One right that could be taken away: a verb on a resource, in a namespace or ('') everywhere. */
interface Right {
  readonly namespace: string;
  readonly group: string;
  readonly resource: string;
  readonly verb: string;
  readonly names: readonly string[];
}

/** The roles and bindings `sluice rbac` prints. */
async function readRules(flags: readonly string[], account: Grant['account']): Promise<readonly Manifest[]> {
  const env = { ...process.env, NODE_OPTIONS: '', POD_NAMESPACE: account.namespace, POD_NAME: 'any' };
  const { stdout } = await promisify(execFile)(process.execPath, [SLUICE_MAIN, 'rbac', ...flags], { env });
  return readManifests(stdout);
}

/** Applies them under a name of this run; returns the roles. */
export async function grantRules(admin: Admin, { name, flags, account }: Grant): Promise<readonly Manifest[]> {
  const printed = await readRules(flags, account);
  const renamed = printed.map((object) => {
    const roleRef = object['roleRef'] as object | undefined;
    return {
      ...object,
      metadata: { ...object.metadata, name },
      ...(roleRef === undefined ? {} : { roleRef: { ...roleRef, name } }),
    };
  });
  await admin.apply(renamed);
  return renamed.filter(({ kind }) => !kind.endsWith('Binding'));
}

/** Rights without which every one of these requests would still be allowed: what is granted for nothing. */
export function spareRights(roles: readonly Manifest[], requests: readonly PassedRequest[]): readonly string[] {
  const rights = roles.flatMap(rightsOf);
  const needed = new Set<Right>();
  for (const request of requests) {
    const allowing = rights.filter((right) => allows(right, request));
    if (allowing.length === 1 && allowing[0] !== undefined) needed.add(allowing[0]);
  }
  return rights.filter((right) => !needed.has(right)).map(render);
}

function rightsOf(role: Manifest): readonly Right[] {
  const namespace = role.kind === 'ClusterRole' ? '' : (role.metadata.namespace ?? '');
  const rules = (role['rules'] ?? []) as readonly PolicyRule[];
  return rules.flatMap(({ apiGroups, resources, verbs, resourceNames: names = [] }) =>
    apiGroups.flatMap((group) =>
      resources.flatMap((resource) => verbs.map((verb) => ({ namespace, group, resource, verb, names }))),
    ),
  );
}

function allows({ namespace, group, resource, verb, names }: Right, request: PassedRequest): boolean {
  const fits = group === request.group && resource === request.resource && verb === request.verb;
  const isNamed = names.length === 0 || (verb !== 'create' && names.includes(request.name));
  return fits && isNamed && (namespace === '' || namespace === request.namespace);
}

function render({ namespace, resource, verb, names }: Right): string {
  return `${verb} ${resource}${names.length === 0 ? '' : ` ${names.join()}`} in ${namespace || 'all namespaces'}`;
}
