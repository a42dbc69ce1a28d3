// EndpointSlices of one Service port -> endpoints (routing-semantics §7).
//
// In: the slices, the ServicePort, and the zone when topology hints count. Out: the endpoints new requests may go to,
// sorted and without duplicates; which of them are near, their zones say.

import { plainEndpoint } from '#proxy/table/defaults.ts';
import type { Endpoint } from '#proxy/table/types.ts';
import type { ZonePreference } from '#proxy/table/upstream-settings.ts';
import { compareText } from '../objects/diagnostic.ts';
import { keptList } from '../objects/kept-list.ts';
import type { EndpointSlice, Service, ServicePort, SliceConditions, SliceEndpoint } from '../objects/types.ts';
import { DEFAULT_SPILL_OVER_PERCENT } from './settings/own-balancing.ts';
import type { CompileOptions } from './types.ts';

/**
 * Zone whose endpoints are preferred, and whether hints that name no endpoint of the zone are ignored (PreferClose). What
 * gets them must prefer the zone as well (`Upstream.zone`).
 */
export interface ZoneHints {
  readonly zone: string;
  readonly needsMatch: boolean;
}

/**
 * Collects the endpoints of a port. Ready ones are used (a nil `ready` was decoded as true). Those that are terminating
 * but still serving come along as such: the balancer takes them as the last resort, as kube-proxy does. Deviation:
 * ingress-nginx answers 503 then; here a rolling restart of a single replica loses no request.
 *
 * With `hints` those to be used in the zone have that zone alone, the others any but that one. Deviation: ingress-nginx
 * drops the others; here they help while the zone is short of healthy endpoints, and nobody is answered 503 for it.
 */
export function sliceEndpoints(
  slices: readonly EndpointSlice[],
  port: ServicePort,
  hints: ZoneHints | null,
  protocol: 'TCP' | 'UDP' = 'TCP',
): readonly Endpoint[] {
  const usable = slices
    .filter(({ addressType }) => addressType !== 'FQDN')
    .map((slice) => ({ weight: slice.weight, endpoints: slice.endpoints, ports: slicePorts(slice, port, protocol) }));
  return sortEndpoints([...collect(usable, isReady, hints), ...collect(usable, isServingWhileTerminating, null)]);
}

/**
 * Sorts by address, then port, and drops repetitions: of two slices that name one endpoint, as while it moves from one to
 * the other, the one that says `ready` counts.
 */
export function sortEndpoints(endpoints: readonly Endpoint[]): readonly Endpoint[] {
  const sorted = [...endpoints].sort(
    (a, b) =>
      compareText(a.address, b.address) ||
      a.port - b.port ||
      compareText(a.state, b.state) ||
      // Only so that the order of slices does not matter.
      b.weight - a.weight ||
      compareText(a.zones.join(), b.zones.join()),
  );
  const distinct = sorted.filter(({ address, port }, i) => {
    const previous = sorted[i - 1];
    return previous?.address !== address || previous.port !== port;
  });
  return keptList(distinct);
}

/**
 * Values of `spec.trafficDistribution` that ask for it. PreferSameZone is the newer name of PreferClose; PreferSameNode
 * falls back to the zone, which is as near as a proxy of a whole cluster can mean.
 */
const closeDistributions: ReadonlySet<string> = new Set(['PreferClose', 'PreferSameZone', 'PreferSameNode']);

/**
 * Zone hints to follow for a Service: only with `--enable-topology-aware-routing`, a known node zone, and the Service
 * asking for it by annotation `service.kubernetes.io/topology-mode: auto` or by `spec.trafficDistribution`.
 */
export function zoneHints(service: Service, options: CompileOptions): ZoneHints | null {
  if (!options.enableTopologyAwareRouting || options.nodeZone === '') return null;
  const mode = service.meta.annotations['service.kubernetes.io/topology-mode'] ?? '';
  if (mode.toLowerCase() === 'auto') return { zone: options.nodeZone, needsMatch: false };
  return closeDistributions.has(service.trafficDistribution) ? { zone: options.nodeZone, needsMatch: true } : null;
}

/** The preference for a zone that comes with hints. */
export function preferenceOf(hints: ZoneHints | null): ZonePreference | null {
  return hints === null ? null : { zone: hints.zone, minUsablePercent: DEFAULT_SPILL_OVER_PERCENT };
}

function isReady(conditions: SliceConditions): boolean {
  return conditions.ready;
}

function isServingWhileTerminating(conditions: SliceConditions): boolean {
  return !conditions.ready && conditions.serving && conditions.terminating;
}

interface UsableSlice {
  readonly weight: number;
  readonly endpoints: readonly SliceEndpoint[];
  readonly ports: readonly number[];
}

function collect(
  slices: readonly UsableSlice[],
  isWanted: (conditions: SliceConditions) => boolean,
  hints: ZoneHints | null,
): Endpoint[] {
  const found: Endpoint[] = [];
  const near = hints === null ? [] : [hints.zone];
  for (const { endpoints, ports, weight } of slices) {
    const hasHints = hints !== null && followsHints(endpoints, hints);
    for (const endpoint of endpoints) {
      if (!isWanted(endpoint.conditions)) continue;
      const isNear = hints !== null && (!hasHints || endpoint.hintZones.includes(hints.zone));
      const zones = isNear ? near : sortedZones(endpoint);
      const state = endpoint.conditions.ready ? 'ready' : 'terminating';
      for (const address of endpoint.addresses) {
        for (const number of ports) found.push({ ...plainEndpoint(address, number), weight, zones, state });
      }
    }
  }
  return found;
}

function sortedZones({ hintZones }: SliceEndpoint): readonly string[] {
  return hintZones.length < 2 ? hintZones : [...new Set(hintZones)].sort(compareText);
}

/** Hints count per slice, and only when every endpoint of it has some (Kubernetes docs, Topology Aware Routing, "Safeguards"). */
function followsHints(endpoints: readonly SliceEndpoint[], { zone, needsMatch }: ZoneHints): boolean {
  if (endpoints.some(({ hintZones }) => hintZones.length === 0)) return false;
  return !needsMatch || endpoints.some(({ hintZones }) => hintZones.includes(zone));
}

/**
 * Port numbers of a slice for a ServicePort: ports of the protocol and the same name, or all of the protocol when the
 * ServicePort has no name. A slice that offers none (no ports, other names, null numbers) falls back to the ServicePort's numeric
 * targetPort (ingress-nginx #7390).
 */
function slicePorts(slice: EndpointSlice, port: ServicePort, wanted: 'TCP' | 'UDP'): number[] {
  const matching = slice.ports
    .filter(({ protocol, name }) => protocol === wanted && (port.name === '' || name === port.name))
    .flatMap(({ port: number }) => (number === null ? [] : [number]));
  if (matching.length > 0) return matching;
  const offersIt = slice.ports.length === 0 || slice.ports.some(({ protocol }) => protocol === wanted);
  return offersIt && typeof port.targetPort === 'number' ? [port.targetPort] : [];
}
