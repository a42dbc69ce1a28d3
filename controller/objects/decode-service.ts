// Decodes v1 Service.
//
// In: raw JSON. Out: a Service without its bad ports. A Service is never refused for its body: paths that name it then
// answer 503 with the reason already reported.

import { z } from 'zod';
import type { DecodeReport } from './decode-report.ts';
import { quoteShort, whyNotDnsLabel, whyNotDnsName, whyNotPortName } from './host-name.ts';
import { keptList } from './kept-list.ts';
import type { ObjectMeta, Service, ServicePort } from './types.ts';

const portLost = 'paths that name this port answer 503';
const specLost = 'paths to this Service answer 503';

const specShape = z.object({
  type: z.string().nullish(),
  clusterIP: z.string().nullish(),
  externalName: z.string().nullish(),
  ports: z.unknown().optional(),
  trafficDistribution: z.string().nullish(),
});

/** Decodes the body of a Service. `type` defaults to ClusterIP, a port's `protocol` to TCP and its `targetPort` to `port`. */
export function decodeService(
  raw: Readonly<Record<string, unknown>>,
  meta: ObjectMeta,
  effect: string,
  report: DecodeReport,
): Service | null {
  const spec = report.shape(specShape, raw['spec'] ?? {}, 'spec', effect);
  if (spec === null) return null;
  const type = decodeType(spec.type ?? null, report);
  const clusterIP = spec.clusterIP ?? '';
  const ports = decodePorts(spec.ports, report);
  const needsPorts = type !== 'ExternalName' && clusterIP !== 'None';
  if (needsPorts && isEmpty(spec.ports)) report.missing('spec.ports', specLost);
  return {
    kind: 'Service',
    meta,
    type,
    clusterIP,
    externalName: type === 'ExternalName' ? decodeExternalName(spec.externalName ?? '', report) : '',
    ports,
    trafficDistribution: spec.trafficDistribution ?? '',
  };
}

const types: ReadonlySet<string> = new Set<Service['type']>(['ClusterIP', 'NodePort', 'LoadBalancer', 'ExternalName']);

function decodeType(type: string | null, report: DecodeReport): Service['type'] {
  if (type === null || type === '') return 'ClusterIP';
  if (isServiceType(type)) return type;
  const why = 'must be ClusterIP, NodePort, LoadBalancer or ExternalName';
  report.invalid('spec.type', type, why, 'the Service is treated as ClusterIP');
  return 'ClusterIP';
}

function isServiceType(type: string): type is Service['type'] {
  return types.has(type);
}

/** `spec.externalName`: a DNS name, where one trailing dot is allowed. Loopback names are judged when routes are compiled. */
function decodeExternalName(name: string, report: DecodeReport): string {
  if (name === '') {
    report.missing('spec.externalName', specLost);
    return '';
  }
  const why = whyNotDnsName(name.toLowerCase().replace(/\.$/, ''));
  if (why === null) return name;
  report.invalid('spec.externalName', name, why, specLost);
  return '';
}

const portNumber = z
  .int('must be a whole number')
  .min(1, 'must be between 1 and 65535')
  .max(65535, 'must be between 1 and 65535');
const portShape = z.object({
  name: z.string().nullish(),
  protocol: z.string().nullish(),
  port: portNumber,
  targetPort: z.union([portNumber, z.string()], 'must be a port number or a port name').nullish(),
});

function decodePorts(raw: unknown, report: DecodeReport): readonly ServicePort[] {
  const list = report.list(raw, 'spec.ports', specLost);
  const seen = new Set<string>();
  const ports: ServicePort[] = [];
  for (const [index, item] of list.entries()) {
    const field = `spec.ports[${index}]`;
    const port = decodePort(item, field, report);
    if (port === null || isTaken(port, seen, field, report)) continue;
    ports.push(port);
  }
  if (list.length > 1) warnOfUnnamed(ports, report);
  return keptList(ports);
}

function decodePort(raw: unknown, field: string, report: DecodeReport): ServicePort | null {
  const shape = report.shape(portShape, raw, field, portLost);
  if (shape === null) return null;
  const name = shape.name ?? '';
  const whyNotName = name === '' ? null : whyNotDnsLabel(name);
  const targetPort = shape.targetPort || shape.port;
  const whyNotTarget = typeof targetPort === 'string' ? whyNotPortName(targetPort) : null;
  if (whyNotName !== null) report.invalid(`${field}.name`, name, whyNotName, portLost);
  if (whyNotTarget !== null) report.invalid(`${field}.targetPort`, targetPort, whyNotTarget, portLost);
  if (whyNotName !== null || whyNotTarget !== null) return null;
  return { name, protocol: shape.protocol || 'TCP', port: shape.port, targetPort };
}

function isTaken(port: ServicePort, seen: Set<string>, field: string, report: DecodeReport): boolean {
  const byNumber = `${port.protocol} ${port.port}`;
  const effect = 'the first port of the two is used, this one is ignored';
  if (seen.has(byNumber)) {
    report.add('error', 'DuplicatePort', field, `${field} repeats ${byNumber}`, effect);
    return true;
  }
  if (port.name !== '' && seen.has(port.name)) {
    report.add('error', 'DuplicatePort', `${field}.name`, `${field}.name repeats ${quoteShort(port.name)}`, effect);
    return true;
  }
  seen.add(byNumber);
  if (port.name !== '') seen.add(port.name);
  return false;
}

function warnOfUnnamed(ports: readonly ServicePort[], report: DecodeReport): void {
  const unnamed = ports.filter((port) => port.name === '').map((port) => port.port);
  if (unnamed.length === 0) return;
  const what = `spec.ports has several ports, but ${unnamed.join(', ')} without a name`;
  report.add('warning', 'UnnamedPort', 'spec.ports', what, 'they are used, but an API server refuses the object');
}

function isEmpty(raw: unknown): boolean {
  return raw === undefined || raw === null || (Array.isArray(raw) && raw.length === 0);
}
