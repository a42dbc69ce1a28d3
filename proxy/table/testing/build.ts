// Small builders of valid tables, for tests of everything that reads one.

import {
  defaultHealth,
  plainEndpoint,
  plainTarget,
  plainUpstream,
  emptyGlobal as testGlobal,
  defaultPolicy as testPolicy,
} from '../defaults.ts';
import type { AffinityCookie } from '../route-settings.ts';
import type { PathMatch, Route, RoutingTable, Upstream, VirtualHost } from '../types.ts';
import type { FullUpdate, PartsUpdate } from '../update.ts';
import type { UpstreamHealth, UpstreamLimits } from '../upstream-settings.ts';

export { defaultPolicy as testPolicy, emptyGlobal as testGlobal } from '../defaults.ts';

/** Endpoints that fail stay in use. */
export const noPassiveHealth: UpstreamHealth = { ...defaultHealth, passive: 'off' };

/** Circuit breaking that limits nothing, and in which nobody waits. */
export const noLimits: UpstreamLimits = {
  maxConnections: null,
  maxRequests: null,
  maxConnectionsPerEndpoint: null,
  maxRequestsPerEndpoint: null,
  maxPending: 0,
  pendingTimeoutMs: 1000,
  // Not the default, so that tests see whose it is.
  retryAfterSeconds: 7,
  adaptive: null,
};

/** What `affinity: cookie` sets when nothing more is said. */
export const plainCookie: AffinityCookie = {
  name: 'INGRESSCOOKIE',
  path: '/',
  domain: null,
  sameSite: null,
  conditionalSameSiteNone: false,
  secure: false,
  expiresSeconds: null,
  maxAgeSeconds: null,
};

/** A route of `host` to upstream `upstream`, with policy `p`. Its id is `<host>|<kind>|<path>`. */
export function buildRoute(host: string, match: PathMatch, upstream = 'default-web-80'): Route {
  const path = match.kind === 'regex' ? match.pattern : match.path;
  return {
    id: `${host}|${match.kind}|${path}`,
    match,
    policy: 'p',
    filters: [],
    target: plainTarget(upstream),
    mirror: null,
    labels: { namespace: 'default', ingress: 'web', service: 'web', servicePort: '80', path: path === '' ? '/' : path },
  };
}

/** A virtual host of mode `path` whose routes are given as `exact` or `prefix` matches. */
export function buildHost(name: string, matches: readonly PathMatch[]): VirtualHost {
  const mode = matches.some((match) => match.kind === 'regex') ? 'regex' : 'path';
  return { name, certificate: null, passthrough: null, mode, routes: matches.map((match) => buildRoute(name, match)) };
}

/** A valid table of the given hosts and upstreams; adds `_` and `default-web-80` when they are missing. */
export function buildTable(hosts: readonly VirtualHost[], upstreams: readonly Upstream[] = []): RoutingTable {
  const virtualHosts = hosts.some((host) => host.name === '_') ? [...hosts] : [...hosts, buildHost('_', [])];
  const web = plainUpstream('default-web-80', [plainEndpoint('10.0.0.1', 8080)]);
  const all = upstreams.some((upstream) => upstream.id === web.id) ? [...upstreams] : [...upstreams, web];
  return {
    format: 1,
    global: testGlobal,
    policies: { p: testPolicy },
    virtualHosts: virtualHosts.sort((a, b) => (a.name < b.name ? -1 : 1)),
    upstreams: all.sort((a, b) => (a.id < b.id ? -1 : 1)),
    certificates: [],
    streams: [],
  };
}

/** An update from revision 1 to 2 with these parts and no others. */
export function buildParts(parts: Partial<PartsUpdate> = {}): PartsUpdate {
  return {
    kind: 'parts',
    revision: 2,
    baseRevision: 1,
    global: null,
    policies: {},
    removedPolicies: [],
    virtualHosts: [],
    removedVirtualHosts: [],
    upstreams: [],
    removedUpstreams: [],
    certificates: [],
    removedCertificates: [],
    streams: null,
    material: [],
    ...parts,
  };
}

/** A whole table at revision 1 that has these upstreams and nothing else. */
export function buildUpstreams(upstreams: readonly Upstream[]): FullUpdate {
  const nothing = { format: 1, policies: {}, virtualHosts: [], certificates: [], streams: [] } as const;
  return { kind: 'full', revision: 1, table: { ...nothing, global: testGlobal, upstreams }, material: [] };
}

/** Freezes a JSON value at every depth, so that a test fails when code writes to it. Returns the same value. */
export function deepFreeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value);
    for (const child of Object.values(value)) deepFreeze(child);
  }
  return value;
}
