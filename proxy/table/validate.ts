// Checks the promises of the routing table that its types cannot express: every id resolves, lists are sorted and free of
// duplicates, path matches have their normal form.
//
// For tests of the compiler and for debugging. A table that fails is a bug in the compiler, never a user's fault.

import type { Template } from './template.ts';
import type { Filter, PathMatch, Route, RoutingTable, StreamService, Upstream, VirtualHost } from './types.ts';

/** Lists what is wrong with `table`, one sentence each; empty when it keeps all promises. Never throws. */
export function validateTable(table: RoutingTable): string[] {
  const known: KnownIds = {
    policies: new Set(Object.keys(table.policies)),
    upstreams: new Set(table.upstreams.map((upstream) => upstream.id)),
    certificates: new Set(table.certificates.map((info) => info.id)),
  };
  const problems = [
    ...checkOrder(
      'virtualHosts',
      table.virtualHosts.map((host) => host.name),
    ),
    ...checkOrder(
      'upstreams',
      table.upstreams.map((upstream) => upstream.id),
    ),
    ...checkOrder(
      'certificates',
      table.certificates.map((info) => info.id),
    ),
    ...table.virtualHosts.flatMap((host) => checkVirtualHost(host, known)),
    ...table.upstreams.flatMap((upstream) => [...checkEndpoints(upstream), ...checkBalancer(upstream)]),
    ...checkRouteIds(table.virtualHosts),
    ...checkOrder(
      'streams',
      table.streams.map((stream) => stream.id),
    ),
    ...table.streams.flatMap(checkStream),
  ];
  if (!table.virtualHosts.some((host) => host.name === '_')) problems.push('virtual host _ is missing');
  const fallback = table.global.defaultCertificate;
  if (fallback !== null && !known.certificates.has(fallback)) {
    problems.push(`global.defaultCertificate names unknown certificate ${fallback}`);
  }
  return problems;
}

function checkStream(stream: StreamService): string[] {
  const { id, protocol, port, upstream } = stream;
  const problems = [...checkEndpoints(upstream), ...checkBalancer(upstream)];
  if (id !== `${protocol}:${port}`) problems.push(`stream ${id} is for ${protocol} port ${port}`);
  if (upstream.id !== id) problems.push(`stream ${id} has upstream ${upstream.id}`);
  const hasHeader = stream.expectsProxyHeader || stream.sendsProxyHeader;
  if (protocol === 'udp' && hasHeader) problems.push(`stream ${id} has a PROXY header, but no connections`);
  return problems;
}

interface KnownIds {
  readonly policies: ReadonlySet<string>;
  readonly upstreams: ReadonlySet<string>;
  readonly certificates: ReadonlySet<string>;
}

function checkOrder(list: string, keys: readonly string[]): string[] {
  const problems: string[] = [];
  for (let i = 1; i < keys.length; i++) {
    const [before, after] = [keys[i - 1] as string, keys[i] as string];
    if (before === after) problems.push(`${list}: ${after} occurs twice`);
    else if (before > after) problems.push(`${list}: ${after} stands after ${before}`);
  }
  return problems;
}

function checkVirtualHost(host: VirtualHost, known: KnownIds): string[] {
  const where = `virtual host ${host.name}`;
  const problems = host.routes.flatMap((route) => checkRoute(where, host, route, known));
  if (host.certificate !== null && !known.certificates.has(host.certificate)) {
    problems.push(`${where} names unknown certificate ${host.certificate}`);
  }
  if (host.passthrough !== null && !known.upstreams.has(host.passthrough)) {
    problems.push(`${where} passes TLS on to unknown upstream ${host.passthrough}`);
  }
  const seen = new Set<string>();
  for (const route of host.routes) {
    const match = describeMatch(route.match);
    if (seen.has(match)) problems.push(`${where}: route ${route.id} can never match, ${match} is already taken`);
    seen.add(match);
  }
  return problems;
}

function checkRoute(where: string, host: VirtualHost, route: Route, known: KnownIds): string[] {
  const problems: string[] = [];
  if (!known.policies.has(route.policy))
    problems.push(`${where}: route ${route.id} names unknown policy ${route.policy}`);
  for (const id of upstreamsOf(route)) {
    if (!known.upstreams.has(id)) problems.push(`${where}: route ${route.id} names unknown upstream ${id}`);
  }
  const flaws = [findMatchFlaw(route.match, host.mode), ...findSettingFlaws(route)];
  for (const flaw of flaws) if (flaw !== null) problems.push(`${where}: route ${route.id} ${flaw}`);
  return problems;
}

function upstreamsOf({ target }: Route): readonly string[] {
  return target.kind === 'upstream' ? [target.upstream, ...target.canaries.map(({ upstream }) => upstream)] : [];
}

function findSettingFlaws({ filters, target, mirror }: Route): (string | null)[] {
  const canaries = target.kind === 'upstream' ? target.canaries : [];
  return [
    ...filters.map(findFilterFlaw),
    ...canaries.map(({ match: { weight, weightTotal } }) =>
      weight >= 0 && weightTotal >= 100 ? null : `has a canary of weight ${weight} out of ${weightTotal}`,
    ),
    mirror === null ? null : findTemplateFlaw('mirror', mirror.target),
  ];
}

function findFilterFlaw(filter: Filter): string | null {
  switch (filter.kind) {
    case 'httpsRedirect':
      return null;
    case 'rateLimit':
      if (filter.requests < 1 || filter.burst < 0) return `has a limit of ${filter.requests} and burst ${filter.burst}`;
      return findTemplateFlaw('limit', filter.key);
    case 'connectionLimit':
      return filter.max < 1 ? `has a limit of ${filter.max}` : findTemplateFlaw('limit', filter.key);
    default:
      return filter satisfies never;
  }
}

function findTemplateFlaw(what: string, template: Template): string | null {
  if (template.length === 0) return `has a ${what} with an empty template`;
  const isSplit = template.some((part, i) => part.kind === 'text' && template[i - 1]?.kind === 'text');
  return isSplit ? `has a ${what} whose template has two texts side by side` : null;
}

function findMatchFlaw(match: PathMatch, mode: VirtualHost['mode']): string | null {
  switch (match.kind) {
    case 'exact':
      return match.path.startsWith('/') ? null : `has exact path ${match.path} without leading slash`;
    case 'prefix':
      if (match.path !== '' && !match.path.startsWith('/')) return `has prefix ${match.path} without leading slash`;
      return match.path.endsWith('/') ? `has prefix ${match.path} with trailing slash` : null;
    case 'regex':
      if (mode !== 'regex') return 'is a regex in a host of mode path';
      return isRegExp(match.pattern) ? null : `has pattern ${match.pattern}, which is no regular expression`;
    default:
      return match satisfies never;
  }
}

function isRegExp(pattern: string): boolean {
  try {
    new RegExp(`^${pattern}`, 'i');
    return true;
  } catch {
    return false;
  }
}

function describeMatch(match: PathMatch): string {
  return match.kind === 'regex' ? `regex ${match.pattern}` : `${match.kind} ${match.path}`;
}

function checkEndpoints(upstream: Upstream): string[] {
  const problems: string[] = [];
  for (let i = 1; i < upstream.endpoints.length; i++) {
    const [a, b] = [upstream.endpoints[i - 1], upstream.endpoints[i]];
    if (a === undefined || b === undefined) continue;
    if (a.address > b.address || (a.address === b.address && a.port >= b.port)) {
      problems.push(`upstream ${upstream.id}: endpoint ${b.address} ${b.port} stands after ${a.address} ${a.port}`);
    }
  }
  return problems;
}

function checkBalancer({ id, balancer, endpoints }: Upstream): string[] {
  const problems = endpoints
    .filter(({ weight }) => !Number.isInteger(weight) || weight < 1)
    .map(({ address, weight }) => `upstream ${id}: endpoint ${address} has weight ${weight}`);
  const flaw = balancer.kind === 'consistentHash' ? findTemplateFlaw('key', balancer.key) : null;
  if (flaw !== null) problems.push(`upstream ${id} ${flaw}`);
  return problems;
}

function checkRouteIds(hosts: readonly VirtualHost[]): string[] {
  const seen = new Set<string>();
  const problems: string[] = [];
  for (const route of hosts.flatMap((host) => host.routes)) {
    if (seen.has(route.id)) problems.push(`route id ${route.id} occurs twice`);
    seen.add(route.id);
  }
  return problems;
}
