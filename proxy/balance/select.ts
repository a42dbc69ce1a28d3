// Which endpoints of an upstream may be picked at all, before any balancer is asked. Run when something changes, never
// for a request.
//
//   table's endpoints --tier--> ready ones, else terminating = bindable --zone--> near ones, unless too few of them can be
//     used = members --health--> available; none left: panic, all members are used

import type { ZonePreference } from '../table/upstream-settings.ts';

/** What the choice looks at. */
export interface Candidate {
  /** The Pod is going but still serves. */
  readonly isTerminating: boolean;
  /** Zones it is recommended for; empty without hints. */
  readonly zones: readonly string[];
  /** Health speaks against it: it was ejected, or probes fail. */
  readonly isOut: boolean;
}

export interface Selection<C> {
  /** All that may serve, whatever their zone: where clients of affinity may be bound. `members` itself without a zone. */
  readonly bindable: readonly C[];
  readonly members: readonly C[];
  readonly available: readonly C[];
  /** Every member is out, so that all are used: some answer is better than none. */
  readonly isPanic: boolean;
}

/** Chooses bindable, members and available endpoints; all keep the order of `endpoints`. */
export function selectEndpoints<C extends Candidate>(
  endpoints: readonly C[],
  zone: ZonePreference | null,
): Selection<C> {
  const tier = servingEndpoints(endpoints);
  const members = zone === null ? tier : nearEndpoints(tier, zone);
  const available = members.filter(({ isOut }) => !isOut);
  const isPanic = available.length === 0 && members.length > 0;
  return { bindable: tier, members, available: isPanic ? members : available, isPanic };
}

/** The ready endpoints; those that terminate only where no other is left. */
export function servingEndpoints<C extends Pick<Candidate, 'isTerminating'>>(endpoints: readonly C[]): readonly C[] {
  const ready = endpoints.filter(({ isTerminating }) => !isTerminating);
  return ready.length > 0 ? ready : endpoints;
}

/**
 * The endpoints hinted for the zone. All of them instead: when any endpoint lacks hints (Kubernetes docs, Topology Aware
 * Routing, "Safeguards"), when none is near, and when fewer of the near ones can be used than the setting asks for,
 * since those that are left would carry the load of all.
 */
function nearEndpoints<C extends Candidate>(tier: readonly C[], preference: ZonePreference): readonly C[] {
  if (tier.some(({ zones }) => zones.length === 0)) return tier;
  const near = tier.filter(({ zones }) => zones.includes(preference.zone));
  const usable = near.filter(({ isOut }) => !isOut).length;
  if (usable === 0 || usable * 100 < preference.minUsablePercent * near.length) return tier;
  return near;
}
