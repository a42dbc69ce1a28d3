// Decodes discovery.k8s.io/v1 EndpointSlice.
//
// In: raw JSON. Out: a slice without its bad endpoints and ports. Addresses are checked as the API server checks them,
// with one exception: loopback is accepted, because a manifest folder feeds origins of the same machine. A cluster's
// slices never hold loopback, since the API server refuses it.

import { z } from 'zod';
import type { DecodeReport } from './decode-report.ts';
import { quoteShort, whyNotDnsLabel } from './host-name.ts';
import { isLinkLocal, isMulticast, isUnspecified, parseIpAddress } from './ip-address.ts';
import { keptList, keptPresent } from './kept-list.ts';
import type { EndpointSlice, ObjectMeta, SliceConditions, SliceEndpoint, SlicePort } from './types.ts';

const endpointLost = 'this endpoint gets no traffic';
const portLost = 'this port gets no traffic';

/** Label that names the Service of a slice. */
const serviceNameLabel = 'kubernetes.io/service-name';
/** Sluice's own hint on a slice: how much more its endpoints can take than those of others. */
const weightAnnotation = 'sluice.ingress.kubernetes.io/weight';
/** Balancers are exact far beyond, but hash rings get coarse: they hold a million points at most. */
const maxWeight = 1000;
/** The API server's limit for one slice. */
const maxEndpoints = 1000;

/**
 * Decodes the body of an EndpointSlice. Null, with a diagnostic, when `addressType` is FQDN (deprecated in Kubernetes,
 * not routed by ingress-nginx either) or unknown.
 * @param effect What happens to traffic when the whole object is refused.
 */
export function decodeEndpointSlice(
  raw: Readonly<Record<string, unknown>>,
  meta: ObjectMeta,
  effect: string,
  report: DecodeReport,
): EndpointSlice | null {
  const addressType = decodeAddressType(raw['addressType'], effect, report);
  if (addressType === null) return null;
  const serviceName = meta.labels[serviceNameLabel] ?? '';
  if (serviceName === '') {
    const what = `label ${serviceNameLabel} is missing, so the slice belongs to no Service`;
    report.add(
      'warning',
      'SliceWithoutService',
      `metadata.labels[${serviceNameLabel}]`,
      what,
      'its endpoints get no traffic',
    );
  }
  const endpoints = report.list(raw['endpoints'], 'endpoints', effect);
  if (endpoints.length > maxEndpoints) {
    const what = `endpoints has ${endpoints.length} items, an API server takes at most ${maxEndpoints}`;
    report.add('warning', 'TooManyEndpoints', 'endpoints', what, 'all of them are used');
  }
  return {
    kind: 'EndpointSlice',
    meta,
    serviceName,
    addressType,
    weight: decodeWeight(meta.annotations[weightAnnotation], report),
    endpoints: keptPresent(
      endpoints.map((endpoint, index) => decodeEndpoint(endpoint, addressType, `endpoints[${index}]`, report)),
    ),
    ports: decodePorts(raw['ports'], report),
  };
}

function decodeAddressType(raw: unknown, effect: string, report: DecodeReport): 'IPv4' | 'IPv6' | null {
  if (raw === 'IPv4' || raw === 'IPv6') return raw;
  if (raw === 'FQDN') {
    const what = 'addressType FQDN is deprecated and not supported';
    report.add(
      'warning',
      'UnsupportedAddressType',
      'addressType',
      what,
      'the slice is skipped: its endpoints get no traffic',
    );
  } else if (raw === undefined || raw === null) {
    report.missing('addressType', effect, ': it must be IPv4 or IPv6');
  } else {
    report.invalid('addressType', raw, 'must be IPv4 or IPv6', effect);
  }
  return null;
}

/** 1 without the annotation, or when it is no weight. */
function decodeWeight(text: string | undefined, report: DecodeReport): number {
  if (text === undefined) return 1;
  const weight = /^\d{1,4}$/.test(text) ? Number(text) : 0;
  if (weight >= 1 && weight <= maxWeight) return weight;
  const field = `metadata.annotations[${weightAnnotation}]`;
  report.invalid(
    field,
    text,
    `must be a whole number from 1 to ${maxWeight}`,
    'the endpoints of the slice have weight 1',
  );
  return 1;
}

const conditionsShape = z.object({
  ready: z.boolean().nullish(),
  serving: z.boolean().nullish(),
  terminating: z.boolean().nullish(),
});
const endpointShape = z.object({
  addresses: z.array(z.string()).min(1, 'must hold an address'),
  conditions: conditionsShape.nullish(),
  zone: z.string().nullish(),
  nodeName: z.string().nullish(),
  hints: z.object({ forZones: z.array(z.object({ name: z.string() })).nullish() }).nullish(),
});

function decodeEndpoint(
  raw: unknown,
  addressType: 'IPv4' | 'IPv6',
  field: string,
  report: DecodeReport,
): SliceEndpoint | null {
  const shape = report.shape(endpointShape, raw, field, endpointLost);
  if (shape === null) return null;
  const addresses = shape.addresses.filter((address, index) => {
    const why = whyNotAddress(address, addressType);
    if (why !== null) report.invalid(`${field}.addresses[${index}]`, address, why, 'this address gets no traffic');
    return why === null;
  });
  if (addresses.length === 0) return null;
  return {
    addresses: keptList(addresses),
    conditions: decodeConditions(shape.conditions ?? {}),
    zone: shape.zone ?? '',
    hintZones: keptList((shape.hints?.forZones ?? []).map((zone) => zone.name)),
    nodeName: shape.nodeName ?? '',
  };
}

/** `EndpointConditions`: nil `ready` means ready, nil `serving` follows `ready`, nil `terminating` means it is not. */
function decodeConditions(raw: z.infer<typeof conditionsShape>): SliceConditions {
  const ready = raw.ready ?? true;
  const serving = raw.serving ?? ready;
  return conditions[ready ? 1 : 0][serving ? 1 : 0][raw.terminating === true ? 1 : 0];
}

/** Every value that conditions can have: endpoints share them. By `ready`, `serving`, `terminating`. */
const conditions = [
  [statesOf(false, false), statesOf(false, true)],
  [statesOf(true, false), statesOf(true, true)],
] as const;

function statesOf(ready: boolean, serving: boolean): readonly [SliceConditions, SliceConditions] {
  return [
    { ready, serving, terminating: false },
    { ready, serving, terminating: true },
  ];
}

function whyNotAddress(text: string, addressType: 'IPv4' | 'IPv6'): string | null {
  const address = parseIpAddress(text);
  if (address === null) return `must be an ${addressType} address`;
  if (address.family !== (addressType === 'IPv4' ? 4 : 6))
    return `must be an ${addressType} address, as addressType says`;
  if (isUnspecified(address)) return 'must not be the unspecified address';
  if (isLinkLocal(address)) return 'must not be in the link-local range';
  if (isMulticast(address)) return 'must not be a multicast address';
  return null;
}

const portShape = z.object({
  name: z.string().nullish(),
  protocol: z.string().nullish(),
  port: z
    .int('must be a whole number')
    .min(1, 'must be between 1 and 65535')
    .max(65535, 'must be between 1 and 65535')
    .nullish(),
});

function decodePorts(raw: unknown, report: DecodeReport): readonly SlicePort[] {
  const ports: SlicePort[] = [];
  const names = new Set<string>();
  for (const [index, item] of report.list(raw, 'ports', 'the port numbers of the Service are used').entries()) {
    const port = decodePort(item, `ports[${index}]`, names, report);
    if (port !== null) ports.push(port);
  }
  return keptList(ports);
}

function decodePort(raw: unknown, field: string, names: Set<string>, report: DecodeReport): SlicePort | null {
  const shape = report.shape(portShape, raw, field, portLost);
  if (shape === null) return null;
  const name = shape.name ?? '';
  const why = name === '' ? null : whyNotDnsLabel(name);
  if (why !== null) {
    report.invalid(`${field}.name`, name, why, portLost);
    return null;
  }
  if (names.has(name)) {
    report.add('error', 'DuplicatePort', `${field}.name`, `${field}.name repeats ${quoteShort(name)}`, portLost);
    return null;
  }
  names.add(name);
  return { name, protocol: shape.protocol || 'TCP', port: shape.port ?? null };
}
