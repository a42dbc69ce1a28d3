// Pass: host plans -> virtual hosts of the table. Looks up what earlier passes decided (policy, upstream, certificate),
// adds the filters, and puts the routes in matching order.

import { plainTarget } from '#proxy/table/defaults.ts';
import type { MirrorSettings } from '#proxy/table/route-settings.ts';
import type {
  Canary,
  CertificateId,
  Filter,
  Route,
  RouteId,
  RouteLabels,
  RouteTarget,
  UpstreamId,
  VirtualHost,
  VirtualHostName,
} from '#proxy/table/types.ts';
import { compareText } from '../objects/diagnostic.ts';
import { keyOf } from '../objects/types.ts';
import { backendKey, type HostPlan, type PlannedCanary, type PlannedRoute } from './host-plan.ts';
import { wildcardOf } from './key-pair.ts';
import { passthroughRoute } from './passthrough.ts';
import type { PolicyBook } from './policies.ts';
import { compareRoutes } from './precedence.ts';
import type { AcceptedIngress } from './select.ts';
import type { ServiceSettings } from './service-settings.ts';
import { affinityCanaryBehavior } from './settings/affinity.ts';
import { routeAffinity, wantsAffinity } from './settings/affinity-values.ts';
import { canaryMatch } from './settings/canary-match.ts';
import { limitFilters } from './settings/limit-filters.ts';
import { mirrorSettings } from './settings/mirror-values.ts';
import type { GlobalValues } from './settings/record.ts';
import { httpsRedirectFilter } from './settings/redirect.ts';
import { requiredValue } from './settings/values.ts';

/** Results of the earlier passes that a route refers to. */
export interface RouteParts {
  readonly policies: Pick<PolicyBook, 'idFor'>;
  readonly idByBackend: ReadonlyMap<string, UpstreamId>;
  /** By the same keys. */
  readonly settingsByBackend: { get(key: string): Pick<ServiceSettings, 'affinity'> | undefined };
  readonly defaultBackend: UpstreamId | null;
  readonly global: GlobalValues;
  /** `CompileOptions.httpsPort`. */
  readonly httpsPort: number;
  /** `CompileOptions.enableSslPassthrough`. */
  readonly enableSslPassthrough: boolean;
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
export function assembleVirtualHost(plan: HostPlan, certificate: CertificateId | null, parts: RouteParts): VirtualHost {
  const { name, routes } = plan;
  const assembled = routes.map((route) => assembleRoute(name, route, certificate !== null, parts));
  return {
    name,
    certificate,
    passthrough: passthroughOf(plan, parts),
    mode: 'path',
    routes: assembled.sort(compareRoutes),
  };
}

function passthroughOf(plan: HostPlan, { enableSslPassthrough, idByBackend }: RouteParts): UpstreamId | null {
  const route = enableSslPassthrough ? passthroughRoute(plan) : null;
  if (route === null || route.owner === null || route.backend === null) return null;
  return idByBackend.get(backendKey(route.owner.ingress.meta.namespace, route.backend)) ?? null;
}

/**
 * The certificate entry of a host, exact or by wildcard (§8): it is presented in handshakes and its existence makes plain
 * HTTP redirect. The catch-all host has none, see `tlsDecider`.
 */
export function certificateOf(host: VirtualHostName, byHost: CertificateByHost): CertificateId | null {
  return byHost.get(host) ?? byHost.get(wildcardOf(host)) ?? null;
}

function assembleRoute(host: VirtualHostName, route: PlannedRoute, hasCertificate: boolean, parts: RouteParts): Route {
  const { owner, match } = route;
  const { namespace, name } = owner?.ingress.meta ?? { namespace: '', name: '' };
  return {
    id: routeId(`${namespace}/${name}`, host, route),
    match,
    policy: parts.policies.idFor(owner),
    filters: filtersOf(route, hasCertificate, parts),
    target: targetOf(route, parts),
    mirror: mirrorOf(route),
    labels: labelsOf(route),
  };
}

function labelsOf({ owner, backend, path }: Pick<PlannedRoute, 'owner' | 'backend' | 'path'>): RouteLabels {
  const { namespace, name } = owner?.ingress.meta ?? { namespace: '', name: '' };
  return { namespace, ingress: name, service: backend?.service ?? '', servicePort: backend?.port ?? '', path };
}

/** The path of the id is the match's, so that `/a/` and `/a`, which are one match, stay one route when rewritten. */
function routeId(ingress: string, host: VirtualHostName, { match }: PlannedRoute): RouteId {
  const path = match.kind === 'regex' ? match.pattern : match.path === '' ? '/' : match.path;
  return `${ingress}|${host}|${match.kind}|${path}`;
}

/** A denied route runs nothing else (annotation reference, execution order, step 6). */
function targetOf({ owner, backend, origin, path, canaries }: PlannedRoute, parts: RouteParts): RouteTarget {
  if (origin === 'healthz') return { kind: 'answer', status: 200, reason: 'healthz' };
  if (owner?.isDenied === true) return { kind: 'answer', status: 503, reason: 'denied' };
  const key = owner === null || backend === null ? null : backendKey(owner.ingress.meta.namespace, backend);
  const upstream = key === null ? parts.defaultBackend : (parts.idByBackend.get(key) ?? null);
  if (upstream === null) return { kind: 'answer', status: 404, reason: 'noBackend' };
  const affinity = key === null ? null : (parts.settingsByBackend.get(key)?.affinity ?? null);
  if (owner === null || (canaries.length === 0 && affinity === null)) return plainTarget(upstream);
  return {
    kind: 'upstream',
    upstream,
    canaries: canaries.flatMap((canary) => canaryOf(canary, parts)),
    affinity: affinity === null ? null : routeAffinity(affinity, path, wantsAffinity(owner.values)),
  };
}

function canaryOf(canary: PlannedCanary, { idByBackend }: RouteParts): Canary[] {
  const { owner, backend } = canary;
  const upstream = idByBackend.get(backendKey(owner.ingress.meta.namespace, backend));
  if (upstream === undefined) return [];
  const affinityBehavior = requiredValue(affinityCanaryBehavior, owner.values);
  return [{ match: canaryMatch(owner.values), upstream, affinityBehavior, labels: labelsOf(canary) }];
}

function mirrorOf({ owner, origin }: PlannedRoute): MirrorSettings | null {
  return owner === null || owner.isDenied || origin === 'healthz' ? null : mirrorSettings(owner.values);
}

function filtersOf({ owner, origin, path }: PlannedRoute, hasCertificate: boolean, parts: RouteParts): Filter[] {
  if (owner === null || owner.isDenied) return [];
  // Execution order of the annotation reference: the redirect (step 7) before the limits (step 9), which it must not use up.
  return [
    ...(origin === 'catchAll' ? [] : redirectsOf(owner, path, hasCertificate, parts)),
    ...limitFilters(owner.values, parts.global, keyOf(owner.ingress.meta)),
  ];
}

function redirectsOf(owner: AcceptedIngress, path: string, hasCertificate: boolean, parts: RouteParts): Filter[] {
  const redirect = httpsRedirectFilter(owner.values, parts.global, {
    hostHasCertificate: hasCertificate,
    ingressPath: path,
    httpsPort: parts.httpsPort,
  });
  return redirect === null ? [] : [redirect];
}
