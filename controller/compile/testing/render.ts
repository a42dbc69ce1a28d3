// Renders a CompileResult for want.yaml: what a reviewer must see, without what is the same in every case (default
// settings and policies, hashes, the unused catch-all host) and without anything secret.

import { parseAuthority } from '#proxy/http/authority.ts';
import { normalizePath } from '#proxy/http/request-path.ts';
import type { RouteIndex } from '#proxy/match/index.ts';
import { matchHost, matchRoute } from '#proxy/match/match-route.ts';
import { matchSni } from '#proxy/match/sni.ts';
import type { CertificateId, PathMatch, Route, RoutingTable, VirtualHost } from '#proxy/table/types.ts';
import { defaultPolicy } from '../policies.ts';
import { globalSettings } from '../settings/global-settings.ts';
import { parseConfigMap } from '../settings/parse-configmap.ts';
import type { CompileOptions, CompileResult } from '../types.ts';
import { difference, dropEmpty, renderFilter, renderStream, renderTraffic, renderUpstream } from './render-settings.ts';

/** Plain values in a fixed order, ready to be printed as YAML. */
export function renderResult(result: CompileResult, options: CompileOptions): Record<string, unknown> {
  const { table, diagnostics, wantedNames } = result;
  const { values } = parseConfigMap(null);
  const { defaultCertificate, ...global } = table.global;
  const rendered = {
    global: difference(global, globalSettings(values)),
    hosts: Object.fromEntries(
      table.virtualHosts.filter(isWorthShowing).map((host) => [host.name, renderHost(host, table, options)]),
    ),
    upstreams: Object.fromEntries(table.upstreams.map((upstream) => [upstream.id, renderUpstream(upstream)])),
    streams: Object.fromEntries(table.streams.map((stream) => [stream.id, renderStream(stream)])),
    defaultCertificate: nameOfCertificate(defaultCertificate, table),
    certificates: Object.fromEntries(
      table.certificates.map(({ id, secret, dnsNames, commonName }) => [
        secret || 'generated',
        // Part of the id: tells a renewed pair from the one before.
        { id: id.slice(0, 8), names: dnsNames.length > 0 ? dnsNames : [commonName] },
      ]),
    ),
    wantedNames,
    diagnostics: diagnostics.map(({ severity, reason, object, field, message }) => ({
      [`${severity} ${reason}`]: `${object.kind} ${object.namespace}/${object.name} ${field}`.trim(),
      message,
    })),
  };
  const isDefault = rendered.defaultCertificate === 'generated';
  return dropEmpty({
    ...rendered,
    defaultCertificate: isDefault ? null : rendered.defaultCertificate,
    certificates: isDefault ? without(rendered.certificates, 'generated') : rendered.certificates,
  });
}

/**
 * Says who answers: `redirect <status>`, an upstream id, `503 <upstream id>` for one without endpoints, `<status>
 * <reason>` when the proxy answers itself, `400` for a request that never reaches routing.
 */
export function answerRequest(request: string, table: RoutingTable, index: RouteIndex): string {
  const { scheme, authority, target } = splitRequest(request);
  const host = parseAuthority(authority);
  const path = normalizePath(target.replace(/\?.*$/, ''));
  if (host === null || path === null) return '400';
  const found = matchRoute(matchHost(index, host), path);
  if (found === null) return 'no route';
  const redirect = found.route.filters.find(({ kind }) => kind === 'httpsRedirect');
  if (redirect !== undefined && scheme === 'http') return `redirect ${redirect.status}`;
  const { target: goal } = found.route;
  if (goal.kind === 'answer') return `${goal.status} ${goal.reason}`;
  const upstream = table.upstreams.find(({ id }) => id === goal.upstream);
  return upstream?.endpoints.length === 0 ? `503 ${goal.upstream}` : goal.upstream;
}

/** Secret of the certificate that a handshake for the host of the request gets; `generated` for the fallback pair. */
export function presentedCertificate(request: string, table: RoutingTable, index: RouteIndex): string | null {
  const { authority } = splitRequest(request);
  const id = matchSni(index, authority.replace(/:\d+$/, '')) ?? table.global.defaultCertificate;
  return nameOfCertificate(id, table);
}

function splitRequest(request: string): { scheme: string; authority: string; target: string } {
  const parts = /^(https?):\/\/([^/]*)(\/.*)$/.exec(request);
  if (parts === null) throw new Error(`requests.yaml: ${request} is not scheme://host/path`);
  const [, scheme = '', authority = '', target = ''] = parts;
  return { scheme, authority, target };
}

function nameOfCertificate(id: CertificateId | null, table: RoutingTable): string | null {
  if (id === null) return null;
  return table.certificates.find((info) => info.id === id)?.secret || 'generated';
}

/** The catch-all host is left out while it holds only the controller's own routes. */
function isWorthShowing({ name, routes }: VirtualHost): boolean {
  return name !== '_' || routes.some(({ labels }) => labels.ingress !== '');
}

function renderHost(host: VirtualHost, table: RoutingTable, options: CompileOptions): unknown {
  const certificate = nameOfCertificate(host.certificate, table);
  const { passthrough } = host;
  return dropEmpty({
    certificate,
    passthrough,
    routes: host.routes.map((route) => renderRoute(route, table, options)),
  });
}

function renderRoute(route: Route, table: RoutingTable, options: CompileOptions): unknown {
  const { labels, match, target, policy } = route;
  const policyDefaults = defaultPolicy(options, parseConfigMap(null).values);
  return dropEmpty({
    match: renderMatch(match),
    ingress: labels.ingress === '' ? null : `${labels.namespace}/${labels.ingress}`,
    path: labels.path === (renderMatch(match).split(' ')[1] ?? '') ? null : labels.path,
    to: target.kind === 'upstream' ? target.upstream : `${target.status} ${target.reason}`,
    ...renderTraffic(route),
    filters: route.filters.map(renderFilter),
    policy: difference(table.policies[policy] ?? {}, policyDefaults),
  });
}

function renderMatch(match: PathMatch): string {
  if (match.kind === 'regex') return `regex ${match.pattern}`;
  return `${match.kind} ${match.path === '' ? '/' : match.path}`;
}

function without(record: Record<string, unknown>, key: string): Record<string, unknown> {
  return Object.fromEntries(Object.entries(record).filter(([name]) => name !== key));
}
