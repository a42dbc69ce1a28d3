// Incremental half of hosts.ts: the plan of each host, made again when an Ingress that claims it changes.

import type { VirtualHostName } from '#proxy/table/types.ts';
import { keyOf, type ObjectKey } from '../../objects/types.ts';
import { catchAllHost, type HostClaim, type HostPlan } from '../host-plan.ts';
import { checkDefaultBackend, claimHosts, creatorOf, planHost } from '../hosts.ts';
import { compareIngresses } from '../order.ts';
import type { AcceptedIngress } from '../select.ts';
import type { DiagnosticBook } from './diagnostic-book.ts';
import type { AcceptedChange } from './ingress-stage.ts';

/** One host that was planned again. null: there was, or is, no such host. */
export interface PlanChange {
  readonly name: VirtualHostName;
  readonly before: HostPlan | null;
  readonly after: HostPlan | null;
}

interface ClaimChanges {
  readonly gone: Set<AcceptedIngress>;
  readonly added: HostClaim[];
}

export class HostStage {
  readonly #book: DiagnosticBook;
  /** In conflict order. */
  readonly #claims = new Map<VirtualHostName, readonly HostClaim[]>();
  readonly #plans = new Map<VirtualHostName, HostPlan>();

  constructor(book: DiagnosticBook) {
    this.#book = book;
  }

  /** Plans the hosts again that the changed Ingresses claim or claimed. Linear in the claims on these hosts. */
  update(accepted: readonly AcceptedChange[]): PlanChange[] {
    const plans = [...this.#collect(accepted)].map(([name, changes]) => this.#plan(name, changes));
    this.#checkDefaultBackends(accepted, plans);
    return plans;
  }

  /** The claims on a host in conflict order. */
  claimsOn(name: VirtualHostName): readonly HostClaim[] {
    return this.#claims.get(name) ?? [];
  }

  #collect(accepted: readonly AcceptedChange[]): Map<VirtualHostName, ClaimChanges> {
    const changes = new Map<VirtualHostName, ClaimChanges>();
    const changesOf = (name: VirtualHostName) => {
      const known = changes.get(name) ?? { gone: new Set(), added: [] };
      changes.set(name, known);
      return known;
    };
    // It is there before any Ingress claims it.
    if (!this.#plans.has(catchAllHost)) changesOf(catchAllHost);
    for (const { before, after } of accepted) {
      if (before !== null) for (const name of claimHosts(before).keys()) changesOf(name).gone.add(before);
      if (after !== null) for (const [name, claim] of claimHosts(after)) changesOf(name).added.push(claim);
    }
    return changes;
  }

  #plan(name: VirtualHostName, { gone, added }: ClaimChanges): PlanChange {
    const kept = (this.#claims.get(name) ?? []).filter((claim) => !gone.has(claim.accepted));
    const claims = [...kept, ...added].sort((a, b) => compareIngresses(a.accepted.ingress, b.accepted.ingress));
    const before = this.#plans.get(name) ?? null;
    if (claims.length === 0 && name !== catchAllHost) {
      this.#claims.delete(name);
      this.#plans.delete(name);
      this.#book.set(`host/${name}`, []);
      return { name, before, after: null };
    }
    const { plan, diagnostics } = planHost(name, claims);
    this.#claims.set(name, claims);
    if (plan === null) this.#plans.delete(name);
    else this.#plans.set(name, plan);
    this.#book.set(`host/${name}`, diagnostics);
    return { name, before, after: plan };
  }

  /** Looks again at the changed Ingresses, and at those on a host that somebody else has created now. */
  #checkDefaultBackends(accepted: readonly AcceptedChange[], plans: readonly PlanChange[]): void {
    const affected = new Map<ObjectKey, AcceptedIngress | null>();
    for (const { before, after } of plans) {
      if (after === null || creatorOf(before ?? undefined) === creatorOf(after)) continue;
      for (const one of after.ingresses) affected.set(keyOf(one.ingress.meta), one);
    }
    for (const { key, after } of accepted) affected.set(key, after);
    for (const [key, one] of affected) {
      const found = one === null ? [] : checkDefaultBackend(one, (name) => this.#plans.get(name));
      this.#book.set(`defaultBackend/${key}`, found);
    }
  }
}
