// Pass: backends of the planned routes -> upstreams with endpoints (routing-semantics §7).
//
// In: the host plans and the Ingresses, oldest first. Out: one upstream per Service port that a route uses, shared by all
// Ingresses and hosts, and the names somebody must resolve. A backend that cannot be found stays as an upstream without
// endpoints: its route keeps its place and answers 503, rather than falling to a wider route of somebody else.

import { plainUpstream } from '#proxy/table/defaults.ts';
import type { Upstream, UpstreamId } from '#proxy/table/types.ts';
import { compareText, type Diagnostic } from '../objects/diagnostic.ts';
import type { Snapshot } from '../objects/snapshot.ts';
import {
  type Backend,
  type BackendObjects,
  type BackendProblem,
  type BackendTarget,
  resolveBackend,
} from './backend-target.ts';
import {
  type BackendUse,
  backendKey,
  type HostPlan,
  type PlannedCanary,
  type RoutePlace,
  serviceBackend,
  serviceFieldOf,
} from './host-plan.ts';
import { absentObject, diagnose } from './report.ts';
import type { AcceptedIngress } from './select.ts';
import { reportOverruled, type ServiceSettings, type ServiceVoices, serviceSettings } from './service-settings.ts';
import type { CompileOptions } from './types.ts';
import { defaultBackendId, upstreamIds } from './upstream-ids.ts';

export interface UpstreamsPass {
  /** Sorted by id. */
  readonly upstreams: readonly Upstream[];
  /** By `backendKey`: every backend of a route that is not denied. */
  readonly idByBackend: ReadonlyMap<string, UpstreamId>;
  /** By `backendKey`, of the same backends. */
  readonly settingsByBackend: ReadonlyMap<string, ServiceSettings>;
  /** null: requests without a backend get the built-in 404 answer. */
  readonly defaultBackend: UpstreamId | null;
  /** Sorted. */
  readonly wantedNames: readonly string[];
  readonly diagnostics: readonly Diagnostic[];
}

/** Resolves every backend that a route uses, and the global default backend. Cost is linear in routes and endpoints. */
export function resolveUpstreams(
  plans: Iterable<HostPlan>,
  ordered: readonly AcceptedIngress[],
  snapshot: Snapshot,
  options: CompileOptions,
): UpstreamsPass {
  const uses = [...plans].flatMap(backendUses);
  const backends = new Map(uses.map((use) => [use.key, use]));
  const ids = upstreamIds(backends.values());
  const voices = collectVoices(ordered);
  const targets = new Map<string, BackendTarget>();
  const settings = new Map<string, ServiceSettings>();
  const diagnostics: Diagnostic[] = [];
  for (const [key, backend] of backends) {
    const ofBackend = voices.get(key);
    if (ofBackend === undefined) throw new Error(`no Ingress names backend ${key}`);
    const service = serviceSettings(ofBackend, options);
    settings.set(key, service);
    targets.set(key, resolveBackend(backend, service.isViaClusterIp, snapshot, options));
    diagnostics.push(...reportOverruled(ofBackend, backendText(backend), options));
  }
  const problemOf = (key: string) => targets.get(key)?.problem ?? null;
  for (const [owner, ofOwner] of Map.groupBy(uses, (use) => use.owner)) {
    diagnostics.push(...reportBackends(owner, ofOwner, problemOf));
  }
  const fallback = resolveDefaultBackend(snapshot, options);
  const upstreams = [...targets].map(([key, target]) =>
    upstreamWith(ids.get(key) ?? key, target, settings.get(key) ?? null),
  );
  if (fallback.upstream !== null) upstreams.push(fallback.upstream);
  const wanted = [...targets.values(), fallback].flatMap(({ wantedName }) => (wantedName === null ? [] : [wantedName]));
  return {
    upstreams: upstreams.sort((a, b) => compareText(a.id, b.id)),
    idByBackend: ids,
    settingsByBackend: settings,
    defaultBackend: fallback.upstream?.id ?? null,
    wantedNames: [...new Set(wanted)].sort(compareText),
    diagnostics: [...diagnostics, ...fallback.diagnostics],
  };
}

/** A route or a canary of one that sends requests to a backend. `key` is the backend's. */
export interface BackendRoute extends Backend {
  readonly key: string;
  readonly owner: AcceptedIngress;
  readonly place: RoutePlace;
}

/** Lists the routes of a host that need an upstream. Denied ones do not, nor do those of the default backend. */
export function backendUses(plan: HostPlan): BackendRoute[] {
  return plan.routes.flatMap((route) => {
    const { owner, backend, place, canaries } = route;
    if (owner === null || owner.isDenied || backend === null) return [];
    const primary = useOf({ owner, backend, place });
    return canaries.length === 0 ? [primary] : [primary, ...canaries.map(useOf)];
  });
}

function useOf({ owner, backend, place }: Omit<PlannedCanary, 'path'>): BackendRoute {
  const { namespace } = owner.ingress.meta;
  return { key: backendKey(namespace, backend), namespace, use: backend, owner, place };
}

/** Who has a word about each backend, by `backendKey`. Takes the Ingresses oldest first. */
function collectVoices(ordered: readonly AcceptedIngress[]): ReadonlyMap<string, ServiceVoices> {
  const voices = new Map<string, { readonly oldest: AcceptedIngress; readonly speakers: AcceptedIngress[] }>();
  for (const accepted of ordered) {
    for (const key of namedBackends(accepted)) {
      const ofBackend = voices.get(key) ?? { oldest: accepted, speakers: [] };
      voices.set(key, ofBackend);
      if (accepted.speaksOfServices) ofBackend.speakers.push(accepted);
    }
  }
  return voices;
}

/** Names a backend in a sentence. */
export function backendText({ namespace, use }: Backend): string {
  return `Service ${namespace}/${use.service}${use.port === '' ? '' : ` port ${use.port}`}`;
}

/** Keys of all backends in the text of an Ingress, whether a route came of them or not. */
export function namedBackends({ ingress }: AcceptedIngress): ReadonlySet<string> {
  const { meta, defaultBackend, rules } = ingress;
  const paths = rules.flatMap((rule) => rule.paths ?? []);
  const named = [defaultBackend, ...paths.map(({ backend }) => backend)].map(serviceBackend);
  return new Set(named.flatMap((use) => (use === null ? [] : [backendKey(meta.namespace, use)])));
}

/**
 * Tells the owner of `uses` about its backends that lead nowhere: one diagnostic each, at the first use in the order of
 * the Ingress. A backend of 10,000 paths is one problem.
 */
export function reportBackends(
  owner: AcceptedIngress,
  uses: readonly BackendRoute[],
  problemOf: (key: string) => BackendProblem | null,
): Diagnostic[] {
  const reported = new Set<string>();
  const diagnostics: Diagnostic[] = [];
  // A backend without port came through the decoder, which has reported it.
  const broken = uses.filter(({ key, use }) => use.portKind !== 'none' && problemOf(key) !== null);
  for (const { key, place } of broken.sort(compareByPlace)) {
    const problem = problemOf(key);
    if (problem === null || reported.has(key)) continue;
    reported.add(key);
    const consequence = owner.isCanary ? 'this canary takes no requests' : 'requests for this backend are answered 503';
    const message = `${problem.text}; ${consequence}`;
    const field = `${serviceFieldOf(place)}${problem.field}`;
    diagnostics.push(diagnose(problem.severity, problem.reason, owner.ingress, field, message));
  }
  return diagnostics;
}

function compareByPlace({ place: a }: BackendRoute, { place: b }: BackendRoute): number {
  return a.rule - b.rule || a.path - b.path;
}

export interface DefaultBackend {
  readonly upstream: Upstream | null;
  readonly wantedName: string | null;
  readonly diagnostics: readonly Diagnostic[];
}

/** `--default-backend-service`, first port (§5). Missing or without endpoints: the built-in 404 answers. */
export function resolveDefaultBackend(snapshot: BackendObjects, options: CompileOptions): DefaultBackend {
  const key = options.defaultBackendService;
  if (key === '') return { upstream: null, wantedName: null, diagnostics: [] };
  const about = absentObject('Service', key);
  const { namespace, name } = about.meta;
  const port = snapshot.services.get(key)?.ports[0];
  const use: BackendUse =
    port === undefined
      ? { service: name, port: '', portKind: 'none' }
      : { service: name, port: String(port.port), portKind: 'number' };
  const target = resolveBackend({ namespace, use }, false, snapshot, options);
  const { wantedName, problem } = target;
  if (problem === null) return { upstream: upstreamWith(defaultBackendId, target, null), wantedName, diagnostics: [] };
  const message = `${problem.text} (--default-backend-service); requests without a backend get the built-in 404 answer`;
  return {
    upstream: null,
    wantedName,
    diagnostics: [diagnose(problem.severity, problem.reason, about, '', message)],
  };
}

/** `settings` null: none, as for the default backend, which no Ingress speaks of. */
export function upstreamWith(
  id: UpstreamId,
  { endpoints, zone }: Pick<BackendTarget, 'endpoints' | 'zone'>,
  settings: ServiceSettings | null,
): Upstream {
  if (settings === null) return { ...plainUpstream(id, endpoints), zone };
  const { balancer, health, limits } = settings;
  // An annotation says more than hints do: when to use other zones.
  return { id, balancer, endpoints, health, limits, zone: settings.zone ?? zone };
}
