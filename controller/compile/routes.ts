// Pass: host plans -> virtual hosts of the table. Looks up what earlier passes decided (policy, upstream, certificate),
// adds the filters, and puts the routes in matching order.

import { plainTarget } from '#proxy/table/defaults.ts';
import type {
  CertificateId,
  Filter,
  Route,
  RouteId,
  RouteTarget,
  UpstreamId,
  VirtualHost,
  VirtualHostName,
} from '#proxy/table/types.ts';
import { compareText } from '../objects/diagnostic.ts';
import { backendKey, type HostPlan, type PlannedRoute } from './host-plan.ts';
import { wildcardOf } from './key-pair.ts';
import type { PolicyBook } from './policies.ts';
import { compareRoutes } from './precedence.ts';
import type { GlobalValues } from './settings/record.ts';
import { httpsRedirectFilter } from './settings/redirect.ts';

/** Results of the earlier passes that a route refers to. */
export interface RouteParts {
  readonly policies: Pick<PolicyBook, 'idFor'>;
  readonly idByBackend: ReadonlyMap<string, UpstreamId>;
  readonly defaultBackend: UpstreamId | null;
  readonly global: GlobalValues;
  /** `CompileOptions.httpsPort`. */
  readonly httpsPort: number;
}

/** By host name. */
type CertificateByHost = ReadonlyMap<VirtualHostName, CertificateId>;

/** Assembles all virtual hosts, sorted by name. */
export function assembleVirtualHosts(
  plans: Iterable<HostPlan>,
  certificates: CertificateByHost,
  parts: RouteParts,
): VirtualHost[] {
  const hosts = [...plans].map((plan) => assembleVirtualHost(plan, certificateOf(plan.name, certificates), parts));
  return hosts.sort((a, b) => compareText(a.name, b.name));
}

/** Assembles one virtual host. Of the certificate, routes depend only on whether there is one. */
export function assembleVirtualHost(
  { name, routes }: HostPlan,
  certificate: CertificateId | null,
  parts: RouteParts,
): VirtualHost {
  const assembled = routes.map((route) => assembleRoute(name, route, certificate !== null, parts));
  return { name, certificate, mode: 'path', routes: assembled.sort(compareRoutes) };
}

/**
 * The certificate entry of a host, exact or by wildcard (§8): it is presented in handshakes and its existence makes plain
 * HTTP redirect. The catch-all host has none, see `tlsDecider`.
 */
export function certificateOf(host: VirtualHostName, byHost: CertificateByHost): CertificateId | null {
  return byHost.get(host) ?? byHost.get(wildcardOf(host)) ?? null;
}

function assembleRoute(host: VirtualHostName, route: PlannedRoute, hasCertificate: boolean, parts: RouteParts): Route {
  const { owner, backend, match, path } = route;
  const { namespace, name } = owner?.ingress.meta ?? { namespace: '', name: '' };
  return {
    id: routeId(`${namespace}/${name}`, host, route),
    match,
    policy: parts.policies.idFor(owner),
    filters: filtersOf(route, hasCertificate, parts),
    target: targetOf(route, parts),
    mirror: null,
    labels: { namespace, ingress: name, service: backend?.service ?? '', servicePort: backend?.port ?? '', path },
  };
}

/** The path of the id is the match's, so that `/a/` and `/a`, which are one match, stay one route when rewritten. */
function routeId(ingress: string, host: VirtualHostName, { match }: PlannedRoute): RouteId {
  const path = match.kind === 'regex' ? match.pattern : match.path === '' ? '/' : match.path;
  return `${ingress}|${host}|${match.kind}|${path}`;
}

/** A denied route runs nothing else (annotation reference, execution order, step 6). */
function targetOf({ owner, backend, origin }: PlannedRoute, parts: RouteParts): RouteTarget {
  if (origin === 'healthz') return { kind: 'answer', status: 200, reason: 'healthz' };
  if (owner?.isDenied === true) return { kind: 'answer', status: 503, reason: 'denied' };
  const upstream =
    owner === null || backend === null
      ? parts.defaultBackend
      : parts.idByBackend.get(backendKey(owner.ingress.meta.namespace, backend));
  return upstream === null || upstream === undefined
    ? { kind: 'answer', status: 404, reason: 'noBackend' }
    : plainTarget(upstream);
}

function filtersOf({ owner, origin, path }: PlannedRoute, hasCertificate: boolean, parts: RouteParts): Filter[] {
  if (owner === null || owner.isDenied || origin === 'catchAll') return [];
  const redirect = httpsRedirectFilter(owner.values, parts.global, {
    hostHasCertificate: hasCertificate,
    ingressPath: path,
    httpsPort: parts.httpsPort,
  });
  return redirect === null ? [] : [redirect];
}
