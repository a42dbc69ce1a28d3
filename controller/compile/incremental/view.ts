// What a running compiler can say about an Ingress that is not in the cluster, or not in this version. Reads only:
// asking changes no result, and nothing of the answer goes into the table. For the admission webhook.

import type { VirtualHostName } from '#proxy/table/types.ts';
import type { Diagnostic } from '../../objects/diagnostic.ts';
import type { Snapshot } from '../../objects/snapshot.ts';
import { type Ingress, type IngressPath, type IngressRule, keyOf, type ObjectKey } from '../../objects/types.ts';
import type { HostClaim, HostPlan } from '../host-plan.ts';
import { checkDefaultBackend, claimHosts, planHost } from '../hosts.ts';
import { compareIngresses } from '../order.ts';
import type { AcceptedIngress } from '../select.ts';
import type { GlobalValues } from '../settings/record.ts';
import { sslPassthrough } from '../settings/tls.ts';
import type { CompileOptions } from '../types.ts';
import type { HostStage } from './host-stage.ts';
import type { IngressStage } from './ingress-stage.ts';

/** The state after the last compile. Holds until the next one: ask and let go. */
export interface CompilerView {
  readonly options: CompileOptions;
  readonly global: GlobalValues;
  readonly ingressClasses: Snapshot['ingressClasses'];
  readonly namespaces: Snapshot['namespaces'];
  /** Ingresses in the snapshot, foreign ones included. */
  readonly ingressCount: number;
  /** Whether the snapshot holds it, in any version and of any class. */
  hasIngress(key: ObjectKey): boolean;
  /** The version of an Ingress that counts today; null when it is not ours, not there or was never accepted. */
  acceptedVersion(key: ObjectKey): Ingress | null;
  /** Accepted Ingresses with a rule for this host, canaries too, in conflict order. Linear in them. */
  claimantsOf(host: VirtualHostName): readonly Ingress[];
  /**
   * What planning the hosts of `candidate` would say about it, were it there in place of its present version. `alone`
   * leaves the other Ingresses out. Linear in the paths of its hosts, at some nanoseconds each.
   */
  planWith(candidate: AcceptedIngress, alone: boolean): readonly Diagnostic[];
}

export interface ViewParts {
  readonly snapshot: Snapshot;
  readonly options: CompileOptions;
  readonly global: GlobalValues;
  readonly ingresses: IngressStage;
  readonly hosts: HostStage;
}

/** Makes the view of stages that are up to date with `snapshot`. Constant time. */
export function viewOf({ snapshot, options, global, ingresses, hosts }: ViewParts): CompilerView {
  return {
    options,
    global,
    ingressClasses: snapshot.ingressClasses,
    namespaces: snapshot.namespaces,
    ingressCount: snapshot.ingresses.size,
    hasIngress: (key) => snapshot.ingresses.has(key),
    acceptedVersion: (key) => ingresses.acceptedVersion(key),
    claimantsOf(host) {
      return hosts.claimsOn(host).map(({ accepted }) => accepted.ingress);
    },
    planWith: (candidate, alone) => planWith(candidate, (name) => (alone ? [] : hosts.claimsOn(name))),
  };
}

function planWith(
  candidate: AcceptedIngress,
  claimsOn: (name: VirtualHostName) => readonly HostClaim[],
): readonly Diagnostic[] {
  const key = keyOf(candidate.ingress.meta);
  const plans = new Map<VirtualHostName, HostPlan>();
  const diagnostics: Diagnostic[] = [];
  for (const [name, claim] of claimHosts(candidate)) {
    const claims = [...narrowClaims(claimsOn(name), claim), claim];
    claims.sort((a, b) => compareIngresses(a.accepted.ingress, b.accepted.ingress));
    const planned = planHost(name, claims);
    if (planned.plan !== null) plans.set(name, planned.plan);
    diagnostics.push(...planned.diagnostics.filter(({ object }) => keyOf(object) === key));
  }
  return [...diagnostics, ...checkDefaultBackend(candidate, (name) => plans.get(name))];
}

/**
 * The claims of others that can matter to `claim`, with only the paths that can: of thousands on one host, nearly none.
 * The first claim that is no canary's always matters, because its Ingress creates the host.
 */
function narrowClaims(claims: readonly HostClaim[], claim: HostClaim): HostClaim[] {
  const { namespace, name } = claim.accepted.ingress.meta;
  const wanted = new Set(claim.rules.flatMap(({ paths }) => paths ?? []).map(baseOf));
  // Whether it can have what it asks for is decided by the path `/`, whoever has it.
  if (claim.accepted.values.get(sslPassthrough) === true) wanted.add('');
  const narrowed: HostClaim[] = [];
  let hasCreator = false;
  for (const other of claims) {
    const { meta } = other.accepted.ingress;
    if (meta.name === name && meta.namespace === namespace) continue;
    const isNear = other.rules.some(({ paths }) => paths?.some((path) => wanted.has(baseOf(path))));
    const { isCanary } = other.accepted;
    if ((hasCreator || isCanary) && !isNear && other.rules.length > 0) continue;
    hasCreator ||= !isCanary;
    narrowed.push({ ...other, rules: other.rules.map((rule) => narrowRule(rule, wanted)) });
  }
  return narrowed;
}

function narrowRule(rule: IngressRule, wanted: ReadonlySet<string>): IngressRule {
  return { ...rule, paths: rule.paths?.filter((path) => wanted.has(baseOf(path))) ?? null };
}

/** Paths that are one place have one base, whatever their type. */
function baseOf({ path }: IngressPath): string {
  return path.endsWith('/') ? path.slice(0, -1) : path;
}
