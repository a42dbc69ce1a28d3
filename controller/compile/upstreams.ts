// Pass: backends of the planned routes -> upstreams with endpoints (routing-semantics §7).
//
// In: the host plans and the Ingresses, oldest first. Out: one upstream per Service port that a route uses, shared by all
// Ingresses and hosts, and the names somebody must resolve. A backend that cannot be found stays as an upstream without
// endpoints: its route keeps its place and answers 503, rather than falling to a wider route of somebody else.

import type { Endpoint, Upstream, UpstreamId } from '#proxy/table/types.ts';
import { compareText, type Diagnostic } from '../objects/diagnostic.ts';
import { quoteShort } from '../objects/host-name.ts';
import { parseIpAddress } from '../objects/ip-address.ts';
import type { Snapshot } from '../objects/snapshot.ts';
import type { Service } from '../objects/types.ts';
import { sliceEndpoints, zoneHints } from './endpoints.ts';
import { externalTarget } from './external-name.ts';
import { type BackendUse, backendKey, type HostPlan, type PlannedRoute, serviceBackend } from './host-plan.ts';
import { absentObject, diagnose } from './report.ts';
import type { AcceptedIngress } from './select.ts';
import { clusterIpPort, externalPort, findServicePort } from './service-ports.ts';
import { serviceUpstream } from './settings/routing.ts';
import type { CompileOptions } from './types.ts';
import { defaultBackendId, upstreamIds } from './upstream-ids.ts';

export interface UpstreamsPass {
  /** Sorted by id. */
  readonly upstreams: readonly Upstream[];
  /** By `backendKey`: every backend of a route that is not denied. */
  readonly idByBackend: ReadonlyMap<string, UpstreamId>;
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
  const used = collectUsedBackends(plans);
  const viaClusterIp = backendsViaClusterIp(ordered);
  const ids = upstreamIds(used.values());
  const upstreams: Upstream[] = [];
  const wantedNames = new Set<string>();
  const diagnostics: Diagnostic[] = [];
  for (const [key, backend] of used) {
    const target = resolveBackend(backend, viaClusterIp.has(key), snapshot, options);
    upstreams.push(roundRobin(ids.get(key) ?? key, target.endpoints));
    if (target.wantedName !== null) wantedNames.add(target.wantedName);
    // A backend without port came through the decoder, which has reported it.
    if (target.problem !== null && backend.use.portKind !== 'none') {
      diagnostics.push(...reportProblem(target.problem, backend));
    }
  }
  const fallback = resolveDefaultBackend(snapshot, options);
  upstreams.push(...fallback.upstreams);
  if (fallback.wantedName !== null) wantedNames.add(fallback.wantedName);
  return {
    upstreams: upstreams.sort((a, b) => compareText(a.id, b.id)),
    idByBackend: ids,
    defaultBackend: fallback.upstreams.length > 0 ? defaultBackendId : null,
    wantedNames: [...wantedNames].sort(compareText),
    diagnostics: [...diagnostics, ...fallback.diagnostics],
  };
}

/** A backend and, for diagnostics, the first route of each Ingress that uses it. */
interface UsedBackend {
  readonly namespace: string;
  readonly use: BackendUse;
  readonly users: Map<AcceptedIngress, PlannedRoute>;
}

function collectUsedBackends(plans: Iterable<HostPlan>): Map<string, UsedBackend> {
  const used = new Map<string, UsedBackend>();
  for (const plan of plans) {
    for (const route of plan.routes) {
      const { owner, backend } = route;
      if (owner === null || owner.isDenied || backend === null) continue;
      const { namespace } = owner.ingress.meta;
      const key = backendKey(namespace, backend);
      const entry = used.get(key) ?? { namespace, use: backend, users: new Map() };
      used.set(key, entry);
      if (!entry.users.has(owner)) entry.users.set(owner, route);
    }
  }
  return used;
}

/** `service-upstream` is a setting of the upstream: the oldest Ingress that names the backend decides for all. */
function backendsViaClusterIp(ordered: readonly AcceptedIngress[]): Set<string> {
  const seen = new Set<string>();
  const chosen = new Set<string>();
  for (const accepted of ordered) {
    const { meta, defaultBackend, rules } = accepted.ingress;
    const isViaClusterIp = accepted.values.get(serviceUpstream) === true;
    for (const backend of [
      defaultBackend,
      ...rules.flatMap((rule) => (rule.paths ?? []).map((path) => path.backend)),
    ]) {
      const use = serviceBackend(backend);
      if (use === null) continue;
      const key = backendKey(meta.namespace, use);
      if (isViaClusterIp && !seen.has(key)) chosen.add(key);
      seen.add(key);
    }
  }
  return chosen;
}

/** What is wrong with a backend. `text` is the first half of a message. */
interface BackendProblem {
  readonly severity: 'error' | 'warning';
  readonly reason: string;
  readonly field: '' | '.name' | '.port';
  readonly text: string;
}

interface BackendTarget {
  readonly endpoints: readonly Endpoint[];
  readonly wantedName: string | null;
  readonly problem: BackendProblem | null;
}

function resolveBackend(
  { namespace, use }: UsedBackend,
  isViaClusterIp: boolean,
  snapshot: Snapshot,
  options: CompileOptions,
): BackendTarget {
  const serviceKey = `${namespace}/${use.service}`;
  const service = snapshot.services.get(serviceKey);
  if (service === undefined) {
    return failed('error', 'ServiceNotFound', '.name', `Service ${serviceKey} does not exist`);
  }
  if (isViaClusterIp) {
    const endpoint = clusterIpEndpoint(service, use);
    if (endpoint !== null) return { endpoints: [endpoint], wantedName: null, problem: null };
  }
  if (service.type === 'ExternalName') return resolveExternalName(service, serviceKey, use, snapshot, options);
  const port = findServicePort(service, use);
  if (port === null) {
    return failed('error', 'ServicePortNotFound', '.port', `Service ${serviceKey} has no port ${portText(use)}`);
  }
  const slices = snapshot.slicesByService.get(serviceKey) ?? [];
  const endpoints = sliceEndpoints(slices, port, zoneHints(service, options));
  if (endpoints.length > 0) return { endpoints, wantedName: null, problem: null };
  return failed('warning', 'NoEndpoints', '', `Service ${serviceKey} has no ready endpoint for port ${portText(use)}`);
}

/** Null when there is no ClusterIP or no such port: pod endpoints are used then, as in ingress-nginx. */
function clusterIpEndpoint(service: Service, use: BackendUse): Endpoint | null {
  const port = clusterIpPort(service, use);
  const isAddress = parseIpAddress(service.clusterIP) !== null;
  return port !== null && isAddress ? { address: service.clusterIP, port } : null;
}

function resolveExternalName(
  service: Service,
  serviceKey: string,
  use: BackendUse,
  snapshot: Snapshot,
  options: CompileOptions,
): BackendTarget {
  if (options.disableSvcExternalName) {
    const text = `Service ${serviceKey} is of type ExternalName, which --disable-svc-external-name forbids`;
    return failed('error', 'ExternalNameDisabled', '.name', text);
  }
  const port = externalPort(service, use);
  if (port === null) {
    return failed('error', 'ServicePortNotFound', '.port', `Service ${serviceKey} has no port ${portText(use)}`);
  }
  const { endpoints, wantedName, problem } = externalTarget(service.externalName, port, snapshot.resolvedNames);
  if (problem === null) return { endpoints, wantedName, problem: null };
  // A name that is still being resolved is nobody's mistake; a refused one is.
  const [severity, reason] =
    wantedName === null
      ? (['error', 'ExternalNameRefused'] as const)
      : (['warning', 'ExternalNameUnresolved'] as const);
  return { ...failed(severity, reason, '.name', `Service ${serviceKey} ${problem}`), wantedName };
}

function failed(
  severity: BackendProblem['severity'],
  reason: string,
  field: BackendProblem['field'],
  text: string,
): BackendTarget {
  return { endpoints: [], wantedName: null, problem: { severity, reason, field, text } };
}

function portText(use: BackendUse): string {
  return use.portKind === 'name' ? quoteShort(use.port) : use.port;
}

/** One diagnostic per Ingress, at its first use: a backend of 10,000 paths is one problem. */
function reportProblem(problem: BackendProblem, { users }: UsedBackend): Diagnostic[] {
  return [...users].map(([{ ingress }, route]) => {
    const service = route.origin === 'path' ? 'backend.service' : 'service';
    const field = `${route.field}.${service}${problem.field}`;
    const message = `${problem.text}; requests for this backend are answered 503`;
    return diagnose(problem.severity, problem.reason, ingress, field, message);
  });
}

interface DefaultBackend {
  readonly upstreams: readonly Upstream[];
  readonly wantedName: string | null;
  readonly diagnostics: readonly Diagnostic[];
}

/** `--default-backend-service`, first port (§5). Missing or without endpoints: the built-in 404 answers. */
function resolveDefaultBackend(snapshot: Snapshot, options: CompileOptions): DefaultBackend {
  const key = options.defaultBackendService;
  if (key === '') return { upstreams: [], wantedName: null, diagnostics: [] };
  const about = absentObject('Service', key);
  const { namespace, name } = about.meta;
  const port = snapshot.services.get(key)?.ports[0];
  const use: BackendUse =
    port === undefined
      ? { service: name, port: '', portKind: 'none' }
      : { service: name, port: String(port.port), portKind: 'number' };
  const target = resolveBackend({ namespace, use, users: new Map() }, false, snapshot, options);
  if (target.problem === null) {
    return {
      upstreams: [roundRobin(defaultBackendId, target.endpoints)],
      wantedName: target.wantedName,
      diagnostics: [],
    };
  }
  const { severity, reason, text } = target.problem;
  const message = `${text} (--default-backend-service); requests without a backend get the built-in 404 answer`;
  return {
    upstreams: [],
    wantedName: target.wantedName,
    diagnostics: [diagnose(severity, reason, about, '', message)],
  };
}

function roundRobin(id: UpstreamId, endpoints: readonly Endpoint[]): Upstream {
  return { id, balancer: { kind: 'roundRobin' }, endpoints };
}
