// Incremental half of routes.ts and policies.ts: virtual hosts, assembled again when their plan, their having a
// certificate or an upstream id changes, and the policies they use.

import type { CertificateId, PolicyId, VirtualHost, VirtualHostName } from '#proxy/table/types.ts';
import type { HostPlan } from '../host-plan.ts';
import { wildcardOf } from '../key-pair.ts';
import { type NamedPolicy, type PolicyContext, policyOf } from '../policies.ts';
import { assembleVirtualHost, certificateOf, type RouteParts } from '../routes.ts';
import type { AcceptedIngress } from '../select.ts';
import type { SortedList } from '../sorted-list.ts';
import { emptyPolicies, emptyVirtualHosts } from '../table-version.ts';
import { asBefore } from './as-before.ts';
import type { PlanChange } from './host-stage.ts';
import { KeyIndex } from './key-index.ts';
import type { UpstreamChanges } from './upstream-stage.ts';

interface HostState {
  readonly plan: HostPlan;
  readonly policies: readonly PolicyId[];
  virtualHost: VirtualHost;
}

/** What the earlier stages know now. */
export interface RouteSources extends Pick<RouteParts, 'idByBackend' | 'settingsByBackend' | 'defaultBackend'> {
  readonly certificateByHost: ReadonlyMap<VirtualHostName, CertificateId>;
}

interface PolicyUse {
  readonly named: NamedPolicy;
  hosts: number;
}

export class RouteStage {
  readonly #context: PolicyContext;
  readonly #hosts = new Map<VirtualHostName, HostState>();
  readonly #byWildcard = new KeyIndex();
  readonly #policyOf = new WeakMap<AcceptedIngress, NamedPolicy>();
  readonly #ownPolicy: NamedPolicy;
  readonly #policyUses = new Map<PolicyId, PolicyUse>();
  #virtualHosts: SortedList<VirtualHost> = emptyVirtualHosts;
  #policies: SortedList<NamedPolicy> = emptyPolicies;
  #earlier: SortedList<VirtualHost>;

  /** `earlier` are the virtual hosts of an earlier life. */
  constructor(context: PolicyContext, earlier: SortedList<VirtualHost>) {
    this.#context = context;
    this.#earlier = earlier;
    this.#ownPolicy = policyOf(null, context);
  }

  forgetEarlierLife(): void {
    this.#earlier = emptyVirtualHosts;
  }

  get virtualHosts(): SortedList<VirtualHost> {
    return this.#virtualHosts;
  }

  get policies(): SortedList<NamedPolicy> {
    return this.#policies;
  }

  update(
    plans: readonly PlanChange[],
    certificates: ReadonlySet<VirtualHostName>,
    upstreams: UpstreamChanges,
    sources: RouteSources,
  ): void {
    const edits: Edits = { hosts: new Map(), policies: new Set() };
    for (const { name, after } of plans) {
      if (after === null) this.#remove(name, edits);
      else this.#assemble(after, sources, edits);
    }
    for (const plan of this.#plansToRepeat(upstreams)) {
      if (!edits.hosts.has(plan.name)) this.#assemble(plan, sources, edits);
    }
    for (const name of certificates) {
      for (const dependant of [name, ...this.#byWildcard.get(name)]) {
        if (!edits.hosts.has(dependant)) this.#replaceCertificate(dependant, sources, edits);
      }
    }
    this.#virtualHosts = this.#virtualHosts.with(edits.hosts);
    const policies = [...edits.policies].map((id) => [id, this.#policyUses.get(id)?.named ?? null] as const);
    this.#policies = this.#policies.with(new Map(policies));
  }

  /** Hosts whose plan stays, but whose routes lead elsewhere. */
  #plansToRepeat({ hosts, isDefaultDifferent }: UpstreamChanges): HostPlan[] {
    const renamed = [...hosts].flatMap((name) => this.#hosts.get(name)?.plan ?? []);
    if (!isDefaultDifferent) return renamed;
    const byDefault = [...this.#hosts.values()].map(({ plan }) => plan).filter(usesDefaultBackend);
    return [...renamed, ...byDefault];
  }

  #assemble(plan: HostPlan, sources: RouteSources, edits: Edits): void {
    const { name } = plan;
    const { options, global } = this.#context;
    const made = assembleVirtualHost(plan, certificateOf(name, sources.certificateByHost), {
      policies: { idFor: (owner) => this.#policyFor(owner).id },
      idByBackend: sources.idByBackend,
      settingsByBackend: sources.settingsByBackend,
      defaultBackend: sources.defaultBackend,
      global,
      httpsPort: options.httpsPort,
      enableSslPassthrough: options.enableSslPassthrough,
    });
    const virtualHost = asBefore(this.#earlier, name, made);
    const owners = new Set(plan.routes.map(({ owner }) => owner));
    const named = [...owners].map((owner) => this.#policyFor(owner));
    const policies = new Map(named.map((policy) => [policy.id, policy]));
    for (const policy of policies.values()) this.#holdPolicy(policy, edits);
    this.#releasePolicies(name, edits);
    this.#hosts.set(name, { plan, policies: Array.from(policies.keys()), virtualHost });
    this.#byWildcard.add(wildcardOf(name), name);
    edits.hosts.set(name, virtualHost);
  }

  /** A new certificate alone leaves the routes as they are, unless the host had none before or has none now. */
  #replaceCertificate(name: VirtualHostName, sources: RouteSources, edits: Edits): void {
    const state = this.#hosts.get(name);
    const certificate = certificateOf(name, sources.certificateByHost);
    if (state === undefined || state.virtualHost.certificate === certificate) return;
    if (state.virtualHost.certificate === null || certificate === null) {
      this.#assemble(state.plan, sources, edits);
      return;
    }
    state.virtualHost = { ...state.virtualHost, certificate };
    edits.hosts.set(name, state.virtualHost);
  }

  #remove(name: VirtualHostName, edits: Edits): void {
    this.#releasePolicies(name, edits);
    this.#hosts.delete(name);
    this.#byWildcard.remove(wildcardOf(name), name);
    edits.hosts.set(name, null);
  }

  #policyFor(owner: AcceptedIngress | null): NamedPolicy {
    if (owner === null) return this.#ownPolicy;
    const named = this.#policyOf.get(owner) ?? policyOf(owner, this.#context);
    this.#policyOf.set(owner, named);
    return named;
  }

  #holdPolicy(named: NamedPolicy, { policies }: Edits): void {
    const use = this.#policyUses.get(named.id);
    if (use !== undefined) {
      use.hosts++;
      return;
    }
    this.#policyUses.set(named.id, { named, hosts: 1 });
    policies.add(named.id);
  }

  #releasePolicies(name: VirtualHostName, { policies }: Edits): void {
    for (const id of this.#hosts.get(name)?.policies ?? []) {
      const use = this.#policyUses.get(id);
      if (use === undefined || --use.hosts > 0) continue;
      this.#policyUses.delete(id);
      policies.add(id);
    }
  }
}

/** What an update does to the lists. */
interface Edits {
  readonly hosts: Map<VirtualHostName, VirtualHost | null>;
  /** Policies whose first user came or whose last one went. */
  readonly policies: Set<PolicyId>;
}

function usesDefaultBackend({ routes }: HostPlan): boolean {
  return routes.some(({ origin, owner, backend }) => origin !== 'healthz' && (owner === null || backend === null));
}
