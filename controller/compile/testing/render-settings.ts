// Renders the settings of routes and upstreams for want.yaml: only what is not as in a table without annotations.

import { isDeepStrictEqual } from 'node:util';
import { defaultHealth } from '#proxy/table/defaults.ts';
import type { CanaryMatch, ConnectionLimitFilter, RateLimitFilter } from '#proxy/table/route-settings.ts';
import type { Template } from '#proxy/table/template.ts';
import type { Canary, Endpoint, Filter, Route, StreamService, Upstream } from '#proxy/table/types.ts';
import type { BalancerSettings } from '#proxy/table/upstream-settings.ts';

/** Endpoints as a list; with settings of its own, an upstream is a record. */
export function renderUpstream({ endpoints, balancer, health, limits, zone }: Upstream): unknown {
  const settings = dropEmpty({
    balancer: renderBalancer(balancer),
    health: difference(health, defaultHealth),
    limits: limits === null ? null : dropEmpty({ ...limits }),
    zone,
  });
  const list = endpoints.map(renderEndpoint);
  return Object.keys(settings).length === 0 ? list : { ...settings, endpoints: list };
}

/** Where a port leads, and its PROXY headers. */
export function renderStream({ upstream, labels, expectsProxyHeader, sendsProxyHeader }: StreamService): unknown {
  const words = [expectsProxyHeader ? 'expects PROXY' : '', sendsProxyHeader ? 'sends PROXY' : ''];
  return dropEmpty({
    service: `${labels.namespace}/${labels.service}:${labels.servicePort}`,
    headers: words.filter((word) => word !== ''),
    zone: upstream.zone,
    endpoints: upstream.endpoints.map(renderEndpoint),
  });
}

function renderEndpoint({ address, port, weight, zones, state }: Endpoint): string {
  const details = [
    weight === 1 ? '' : ` weight ${weight}`,
    zones.length === 0 ? '' : ` for ${zones.join(' ')}`,
    state === 'ready' ? '' : ` ${state}`,
  ];
  return `${address} ${port}${details.join('')}`;
}

function renderBalancer(balancer: BalancerSettings): string | null {
  if (balancer.kind === 'roundRobin') return null;
  if (balancer.kind !== 'consistentHash') return balancer.kind;
  const { kind, key, subsetSize, boundedLoadFactor } = balancer;
  const subset = subsetSize === null ? '' : ` subset ${subsetSize}`;
  return `${kind} ${renderTemplate(key)}${subset}${boundedLoadFactor === null ? '' : ` bound ${boundedLoadFactor}`}`;
}

/** Canaries, affinity and mirror of a route. */
export function renderTraffic({ target, mirror }: Route): Record<string, unknown> {
  const copies = mirror === null ? null : { ...mirror, target: renderTemplate(mirror.target) };
  if (target.kind !== 'upstream') return { mirror: copies };
  const { canaries, affinity } = target;
  return {
    canaries: canaries.map(renderCanary),
    affinity: affinity === null ? null : { ...affinity, cookie: dropEmpty({ ...affinity.cookie }) },
    mirror: copies,
  };
}

function renderCanary({ match, upstream, affinityBehavior, labels }: Canary): string {
  const behavior = affinityBehavior === 'sticky' ? '' : ` ${affinityBehavior}`;
  return `${upstream} of ${labels.namespace}/${labels.ingress} ${renderMatch(match)}${behavior}`;
}

function renderMatch({ header, cookie, weight, weightTotal }: CanaryMatch): string {
  const parts = [`weight ${weight}/${weightTotal}`];
  if (cookie !== null) parts.unshift(`cookie ${cookie}`);
  if (header !== null) {
    const { name, rule } = header;
    const wanted = rule.kind === 'value' ? `=${rule.value}` : rule.kind === 'pattern' ? `~${rule.pattern}` : '';
    parts.unshift(`header ${name}${wanted}`);
  }
  return parts.join(', ');
}

export function renderFilter(filter: Filter): string {
  switch (filter.kind) {
    case 'httpsRedirect': {
      const { kind, status, port, preserveTrailingSlash } = filter;
      const details = [port === null ? '' : ` port ${port}`, preserveTrailingSlash ? ' preserveTrailingSlash' : ''];
      return `${kind} ${status}${details.join('')}`;
    }
    case 'rateLimit': {
      const { kind, zone, requests, per, burst, status } = filter;
      return `${kind} ${requests} per ${per} burst ${burst} zone ${zone} ${renderLimited(filter)} ${status}`;
    }
    case 'connectionLimit':
      return `${filter.kind} ${filter.max} zone ${filter.zone} ${renderLimited(filter)} ${filter.status}`;
    default:
      return filter satisfies never;
  }
}

function renderLimited({ key, allowCidrs }: RateLimitFilter | ConnectionLimitFilter): string {
  const allowed = allowCidrs.length === 0 ? '' : ` except ${allowCidrs.join(' ')}`;
  return `by ${renderTemplate(key)}${allowed}`;
}

function renderTemplate(template: Template): string {
  return template
    .map((part) =>
      part.kind === 'text' ? part.text : part.kind === 'variable' ? `<${part.name}>` : `<${part.kind} ${part.name}>`,
    )
    .join('');
}

/** The properties of `value` that differ from `usual`. */
export function difference(value: object, usual: object): Record<string, unknown> {
  const expected = new Map<string, unknown>(Object.entries(usual));
  return Object.fromEntries(Object.entries(value).filter(([key, item]) => !isDeepStrictEqual(item, expected.get(key))));
}

/** Without null, empty lists and empty records. */
export function dropEmpty(record: Record<string, unknown>): Record<string, unknown> {
  const isEmpty = (value: unknown) => value === null || (typeof value === 'object' && Object.keys(value).length === 0);
  return Object.fromEntries(Object.entries(record).filter(([, value]) => !isEmpty(value)));
}
