// What the passes between rules and routes hand to each other: virtual hosts and their routes, still naming Services
// rather than upstreams and Ingresses rather than policies.

import type { PathMatch, VirtualHostName } from '#proxy/table/types.ts';
import type { IngressBackend, IngressPath, IngressRule, ServicePortRef } from '../objects/types.ts';
import type { AcceptedIngress } from './select.ts';

/** Name of the virtual host for requests that no other host matches. */
export const catchAllHost: VirtualHostName = '_';

/** A Service port as an Ingress names it. The namespace is the Ingress's. */
export interface BackendUse {
  readonly service: string;
  /** Number in decimal, or name; '' when the Ingress gives neither. */
  readonly port: string;
  readonly portKind: ServicePortRef['kind'];
}

/**
 * Where a planned route comes from. `path`: a path of a rule. `implicit`: the `/` that every host has. `catchAll`: an
 * Ingress without rules whose default backend answers unknown hosts; redirects do not apply to it (§5). `healthz`: the
 * 200 that the catch-all host answers to load balancers (§5). Paths of rules take the place of `implicit` and `healthz`.
 */
export type RouteOrigin = 'path' | 'implicit' | 'catchAll' | 'healthz';

export interface PlannedRoute {
  readonly origin: RouteOrigin;
  readonly match: PathMatch;
  /** Ingress whose settings hold; null for the controller's own `/` of the catch-all host. */
  readonly owner: AcceptedIngress | null;
  /** null: the global default backend. */
  readonly backend: BackendUse | null;
  /** Path as written, `/` when the manifest has none. */
  readonly path: string;
  /** Where it stands in its Ingress. */
  readonly place: RoutePlace;
  /** In conflict order; only `path` and `catchAll` routes have some. */
  readonly canaries: readonly PlannedCanary[];
}

/** A canary that joins a route. */
export interface PlannedCanary {
  readonly owner: AcceptedIngress;
  readonly backend: BackendUse;
  /** As in `PlannedRoute`, of the canary's own Ingress. */
  readonly path: string;
  readonly place: RoutePlace;
}

/** What one Ingress asks of one host. No rules: it is the default backend of the catch-all host. */
export interface HostClaim {
  readonly accepted: AcceptedIngress;
  readonly rules: readonly IngressRule[];
}

/** The routes of a host while they are claimed, keyed by `claimKey`, so that equal matches meet. */
export type ClaimedRoutes = Map<string, PlannedRoute>;

export function claimKey(match: PathMatch): string {
  return match.kind === 'regex' ? `regex ${match.pattern}` : `${match.kind} ${match.path}`;
}

export const rootMatch: PathMatch = { kind: 'prefix', path: '' };

/** ImplementationSpecific is Prefix (§4). Prefix is element-wise, so `/a` and `/a/` are one match. */
export function matchOf(pathType: IngressPath['pathType'], path: string): PathMatch {
  if (pathType === 'Exact') return { kind: 'exact', path };
  return { kind: 'prefix', path: path.endsWith('/') ? path.slice(0, -1) : path };
}

/**
 * Indices of the rule and of the path in it; -1 for the default backend, which comes first. Numbers rather than the text
 * that diagnostics say: nearly no route ever has one.
 */
export interface RoutePlace {
  readonly rule: number;
  readonly path: number;
}

export const defaultBackendPlace: RoutePlace = { rule: -1, path: -1 };

/** Field of the path, or of the default backend. */
export function fieldOfPlace({ rule, path }: RoutePlace): string {
  return rule === -1 ? 'spec.defaultBackend' : `spec.rules[${rule}].http.paths[${path}]`;
}

/** Field that names its Service. */
export function serviceFieldOf(place: RoutePlace): string {
  return place.rule === -1 ? 'spec.defaultBackend.service' : `${fieldOfPlace(place)}.backend.service`;
}

export interface HostPlan {
  readonly name: VirtualHostName;
  /** Ingresses with a rule for this host, oldest first. The first one created the host. */
  readonly ingresses: readonly AcceptedIngress[];
  /** In no matching order yet: see precedence.ts. */
  readonly routes: readonly PlannedRoute[];
}

/** The backend when it names a Service, null for none and for a `resource` backend. */
export function serviceBackend(backend: IngressBackend | null): BackendUse | null {
  if (backend?.kind !== 'service') return null;
  const { service, port } = backend;
  if (port.kind === 'number') return { service, port: String(port.number), portKind: 'number' };
  if (port.kind === 'none' || port.name === '') return { service, port: '', portKind: 'none' };
  // The decoder lets no name of digits through (RFC 6335 §5.1). Should one come by another way, it is the number: the
  // text of a port must tell its kind, because backends of one text share an upstream.
  return { service, port: port.name, portKind: decimal.test(port.name) ? 'number' : 'name' };
}

const decimal = /^[1-9][0-9]*$/;

/** Identifies a Service port as named by Ingresses of one namespace. Equal keys are equal backends. */
export function backendKey(namespace: string, use: BackendUse): string {
  return `${namespace}/${use.service}/${use.port}`;
}
