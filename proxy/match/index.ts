// Builds from a routing table what requests are matched with, and carries it from one revision to the next.
//
//   table --indexRoutes--> RouteIndex --updateIndex(parts)--> RouteIndex --matchHost, matchRoute--> IndexedRoute
//
// Everything a request would otherwise look up later (policy, upstream id, compiled regular expression) is resolved
// here. Values are never changed: a running request keeps the index it started with.

import { applyPolicies } from '../table/apply.ts';
import { equalJson } from '../table/equal.ts';
import type {
  CertificateId,
  Filter,
  PolicyId,
  Route,
  RoutePolicy,
  RouteTarget,
  RoutingTable,
  UpstreamId,
  UpstreamTarget,
  VirtualHost,
  VirtualHostName,
} from '../table/types.ts';
import type { PartsUpdate, TableUpdate } from '../table/update.ts';
import { PersistentTable } from './persistent-table.ts';
import { hashSpan, SpanTable } from './span-table.ts';

/**
 * A route with its references resolved: one lookup yields everything the data path needs. What every request asks of the
 * route is repeated here, so that with thousands of hosts it need not be fetched from one object after another.
 */
export interface IndexedRoute {
  readonly route: Route;
  readonly policy: RoutePolicy;
  /** Of the route. All empty lists are one. */
  readonly filters: readonly Filter[];
  /** Of the route. Plain targets of one upstream are one. */
  readonly target: RouteTarget;
  /** null when the route answers itself. */
  readonly upstreamId: UpstreamId | null;
  /** What the data path hangs on the route while this index serves: its counters. null until it does. */
  slot: unknown;
}

export interface RouteIndex {
  /** Hosts by full name. */
  readonly exact: PersistentTable<HostIndex>;
  /** Wildcard hosts by what follows `*.`. */
  readonly wildcard: PersistentTable<HostIndex>;
  /** `_`. */
  readonly catchAll: HostIndex;
  /** How many hosts have a passthrough: while it is 0, no ClientHello is read. */
  readonly passthroughHosts: number;
  readonly policies: Readonly<Record<PolicyId, RoutePolicy>>;
}

/** One virtual host, ready for `matchRoute`. */
export interface HostIndex {
  readonly name: VirtualHostName;
  /** null: HTTPS requests for this host get the default certificate. */
  readonly certificate: CertificateId | null;
  /** Where TLS connections for this host go as they are; null: they end here. */
  readonly passthrough: UpstreamId | null;
  /** The routes this was built from; equal ones need no second build. */
  readonly source: Pick<VirtualHost, 'mode' | 'routes'>;
  readonly routes: HostRoutes;
  /** The route of every path, as most hosts have it; null: `routes` tell. */
  readonly only: IndexedRoute | null;
}

export type HostRoutes = PathRoutes | RegexRoutes;

/** Routes of a host of mode `path`: at most one probe per slash of the request path, however many routes there are. */
export interface PathRoutes {
  readonly kind: 'path';
  /** Exact paths, and prefixes other than ''. */
  readonly byPath: SpanTable<PathEntry>;
  /** The prefix '' that covers everything; null when the host has none. */
  readonly root: IndexedRoute | null;
  /** Length of the longest key of `byPath`: nothing behind it need be looked at. */
  readonly longestPath: number;
}

/** What one path text stands for: an exact route, a prefix route, or both. */
export interface PathEntry {
  readonly exact: IndexedRoute | null;
  readonly prefix: IndexedRoute | null;
}

/** Routes of a host in ingress-nginx's regex mode: the first that matches, in table order. */
export interface RegexRoutes {
  readonly kind: 'regex';
  readonly ordered: readonly RegexRoute[];
}

export interface RegexRoute {
  readonly pattern: RegExp;
  readonly indexed: IndexedRoute;
}

/** Hosts of an update that are built already. By the host itself, so that none is taken for that of another update. */
export type PreparedHosts = ReadonlyMap<VirtualHost, HostIndex>;

const nothingPrepared: PreparedHosts = new Map();
/** Hosts between two turns of `prepareHosts`, which take about a millisecond. */
const hostsPerTurn = 100;

/**
 * Builds the hosts of an update ahead of `updateIndex` or `indexRoutes`, which then only put them in their places. Yields
 * when others should have a turn: ten thousand hosts at once would hold up requests for 0.1 s. `index` must still be in
 * force when the result is used.
 */
export function* prepareHosts(index: RouteIndex, update: TableUpdate): Generator<void, PreparedHosts> {
  const { virtualHosts } = update.kind === 'full' ? update.table : update;
  const policies = update.kind === 'full' ? update.table.policies : applyPolicies(index.policies, update);
  const resolver = new RouteResolver(policies);
  const prepared = new Map<VirtualHost, HostIndex>();
  for (const host of virtualHosts) {
    if (prepared.size > 0 && prepared.size % hostsPerTurn === 0) yield;
    const isNew = update.kind === 'full';
    prepared.set(host, isNew ? indexHost(host, resolver) : reindexHost(findHost(index, host.name), host, resolver));
  }
  return prepared;
}

/**
 * Builds the index of a whole table. Linear in its routes, or in its hosts as far as they are prepared. The table must
 * keep the promises of `validateTable`.
 */
export function indexRoutes(table: RoutingTable, prepared: PreparedHosts = nothingPrepared): RouteIndex {
  const exact = new Map<string, HostIndex>();
  const wildcard = new Map<string, HostIndex>();
  let catchAll = emptyCatchAll;
  const resolver = new RouteResolver(table.policies);
  for (const host of table.virtualHosts) {
    const indexed = prepared.get(host) ?? indexHost(host, resolver);
    if (host.name === '_') catchAll = indexed;
    else if (isWildcard(host.name)) wildcard.set(keyOfWildcard(host.name), indexed);
    else exact.set(host.name, indexed);
  }
  return {
    exact: PersistentTable.of(exact),
    wildcard: PersistentTable.of(wildcard),
    catchAll,
    passthroughHosts: table.virtualHosts.filter(hasPassthrough).length,
    policies: table.policies,
  };
}

/**
 * Gives the index of the table after `parts`. Costs what changed: other hosts are shared, and parts without hosts and
 * policies (endpoints, certificates, global settings) give back the same index. A host whose routes are equal to
 * before (a new certificate, usually) keeps its built routes.
 */
export function updateIndex(
  index: RouteIndex,
  parts: PartsUpdate,
  prepared: PreparedHosts = nothingPrepared,
): RouteIndex {
  const policies = applyPolicies(index.policies, parts);
  if (parts.virtualHosts.length === 0 && parts.removedVirtualHosts.length === 0) {
    return policies === index.policies ? index : { ...index, policies };
  }
  const exact = new Map<string, HostIndex | null>();
  const wildcard = new Map<string, HostIndex | null>();
  let { catchAll } = index;
  const place = (name: VirtualHostName, indexed: HostIndex | null) => {
    if (name === '_') catchAll = indexed ?? emptyCatchAll;
    else if (isWildcard(name)) wildcard.set(keyOfWildcard(name), indexed);
    else exact.set(name, indexed);
  };
  let { passthroughHosts } = index;
  const resolver = new RouteResolver(policies);
  for (const name of parts.removedVirtualHosts) {
    passthroughHosts -= hasPassthrough(findHost(index, name)) ? 1 : 0;
    place(name, null);
  }
  for (const host of parts.virtualHosts) {
    const before = findHost(index, host.name);
    passthroughHosts += (hasPassthrough(host) ? 1 : 0) - (hasPassthrough(before) ? 1 : 0);
    place(host.name, prepared.get(host) ?? reindexHost(before, host, resolver));
  }
  return {
    exact: index.exact.with(exact),
    wildcard: index.wildcard.with(wildcard),
    catchAll,
    passthroughHosts,
    policies,
  };
}

/** Finds a virtual host by its name in the table, `*.rest` and `_` included; `undefined` when there is none. */
export function findHost(index: RouteIndex, name: VirtualHostName): HostIndex | undefined {
  if (name === '_') return index.catchAll;
  const table = isWildcard(name) ? index.wildcard : index.exact;
  const key = isWildcard(name) ? keyOfWildcard(name) : name;
  return table.find(hashSpan(key, 0, key.length), key, 0, key.length);
}

function reindexHost(before: HostIndex | undefined, host: VirtualHost, resolver: RouteResolver): HostIndex {
  if (before === undefined || before.source.mode !== host.mode || !equalJson(before.source.routes, host.routes)) {
    return indexHost(host, resolver);
  }
  return { ...before, certificate: host.certificate, passthrough: host.passthrough };
}

function hasPassthrough(host: Pick<VirtualHost, 'passthrough'> | undefined): boolean {
  return host !== undefined && host.passthrough !== null;
}

function indexHost(host: VirtualHost, resolver: RouteResolver): HostIndex {
  const resolved = host.routes.map((route) => resolver.resolve(route));
  const routes = host.mode === 'path' ? indexPaths(resolved) : indexPatterns(resolved);
  return {
    name: host.name,
    certificate: host.certificate,
    passthrough: host.passthrough,
    source: { mode: host.mode, routes: host.routes },
    routes,
    only: routes.kind === 'path' && routes.byPath.size === 0 ? routes.root : null,
  };
}

const NO_FILTERS: readonly Filter[] = [];

/** Resolves the routes of one table or update. */
class RouteResolver {
  readonly #policies: Readonly<Record<PolicyId, RoutePolicy>>;
  readonly #plainTargets = new Map<UpstreamId, UpstreamTarget>();

  constructor(policies: Readonly<Record<PolicyId, RoutePolicy>>) {
    this.#policies = policies;
  }

  resolve(route: Route): IndexedRoute {
    const policy = this.#policies[route.policy];
    if (policy === undefined) throw new Error(`route ${route.id} names policy ${route.policy}, which the table lacks`);
    const target = this.#shared(route.target);
    return {
      route,
      policy,
      filters: route.filters.length === 0 ? NO_FILTERS : route.filters,
      target,
      upstreamId: target.kind === 'upstream' ? target.upstream : null,
      slot: null,
    };
  }

  #shared(target: RouteTarget): RouteTarget {
    if (target.kind !== 'upstream' || target.canaries.length > 0 || target.affinity !== null) return target;
    const known = this.#plainTargets.get(target.upstream);
    if (known !== undefined) return known;
    this.#plainTargets.set(target.upstream, target);
    return target;
  }
}

function indexPaths(routes: readonly IndexedRoute[]): PathRoutes {
  const byPath = new Map<string, PathEntry>();
  let root: IndexedRoute | null = null;
  for (const indexed of routes) {
    const { match } = indexed.route;
    if (match.kind === 'regex') throw new Error(`route ${indexed.route.id} is a regex in a host of mode path`);
    if (match.kind === 'prefix' && match.path === '') {
      root ??= indexed;
      continue;
    }
    const entry = byPath.get(match.path) ?? { exact: null, prefix: null };
    // Of two equal matches the earlier route counts: the table is in matching order.
    byPath.set(match.path, { ...entry, [match.kind]: entry[match.kind] ?? indexed });
  }
  let longestPath = 0;
  for (const path of byPath.keys()) longestPath = Math.max(longestPath, path.length);
  return { kind: 'path', byPath: new SpanTable(byPath), root, longestPath };
}

function indexPatterns(routes: readonly IndexedRoute[]): RegexRoutes {
  return { kind: 'regex', ordered: routes.map((indexed) => ({ pattern: compilePattern(indexed.route), indexed })) };
}

/**
 * Compiles the location regex of a route as ingress-nginx writes it: `~* "^<path>"`, so only the start is anchored and
 * case does not matter. An exact or prefix match in a regex host is its literal text (routing semantics, mode B).
 */
function compilePattern(route: Route): RegExp {
  const source = route.match.kind === 'regex' ? route.match.pattern : RegExp.escape(route.match.path);
  return new RegExp(`^${source}`, 'i');
}

function isWildcard(name: VirtualHostName): boolean {
  return name.startsWith('*.');
}

function keyOfWildcard(name: VirtualHostName): string {
  return name.slice(2);
}

/** Only for a table that breaks its promise to hold `_`: such requests find no route. */
const emptyCatchAll: HostIndex = {
  name: '_',
  certificate: null,
  passthrough: null,
  source: { mode: 'path', routes: [] },
  routes: { kind: 'path', byPath: new SpanTable(new Map()), root: null, longestPath: 0 },
  only: null,
};
