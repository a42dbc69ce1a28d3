// core/v1 Service, with cluster IPs and node ports as a function of the name: no allocator to keep, and the same from run
// to run. Two Services may get the same address, which nothing here routes to.

import { createHash } from 'node:crypto';
import { type FieldError, fieldError } from '../api-error.ts';
import { type KubeObject, listAt, textAt, valueAt } from '../objects.ts';
import {
  any,
  atomicList,
  conditions,
  integer,
  intOrString,
  listByKey,
  mapOf,
  objectSchema,
  string,
  struct,
} from '../schema.ts';
import { checkIp, checkPortName, checkPortNumber, checkServiceName, checkSubdomain } from './field-checks.ts';
import type { Kind } from './kind.ts';

const port = struct({
  name: string,
  protocol: string,
  port: integer,
  targetPort: intOrString,
  nodePort: integer,
  appProtocol: string,
});

const schema = objectSchema({
  spec: struct(
    {
      type: string,
      selector: mapOf(string, { atomic: true }),
      ports: listByKey(port, ['port', 'protocol'], 'port'),
      clusterIP: string,
      clusterIPs: atomicList(string),
      externalIPs: atomicList(string),
      externalName: string,
      ipFamilies: atomicList(string),
      loadBalancerSourceRanges: atomicList(string),
    },
    { open: true },
  ),
  status: struct({
    loadBalancer: struct({ ingress: atomicList(struct({ ip: string, hostname: string, ipMode: string, ports: any })) }),
    conditions,
  }),
});

const TYPES = ['ClusterIP', 'ExternalName', 'LoadBalancer', 'NodePort'];

/** A number below `range` that depends only on the text. */
function spread(text: string, range: number): number {
  return createHash('sha1').update(text).digest().readUInt32BE(0) % range;
}

function keyOf({ metadata }: KubeObject): string {
  return `${metadata.namespace}/${metadata.name}`;
}

function clusterIpOf(object: KubeObject): string {
  const number = spread(keyOf(object), 65_000) + 10;
  return `10.96.${number >> 8}.${number & 255}`;
}

function withPortDefaults(object: KubeObject, type: string): readonly object[] {
  return listAt(object, 'spec', 'ports').map((one) => {
    const number = valueAt(one, 'port') as number;
    const hasNodePort = type === 'NodePort' || type === 'LoadBalancer';
    return {
      protocol: 'TCP',
      targetPort: number,
      ...(hasNodePort && { nodePort: 30_000 + spread(`${keyOf(object)}:${number}`, 2_768) }),
      ...(one as object),
    };
  });
}

function applyDefaults(object: KubeObject): KubeObject {
  const type = textAt(object, 'spec', 'type') || 'ClusterIP';
  const ports = withPortDefaults(object, type);
  const clusterIP = textAt(object, 'spec', 'clusterIP') || clusterIpOf(object);
  const addressing =
    type === 'ExternalName'
      ? {}
      : { clusterIP, clusterIPs: [clusterIP], ipFamilies: ['IPv4'], ipFamilyPolicy: 'SingleStack' };
  const external = type === 'NodePort' || type === 'LoadBalancer' ? { externalTrafficPolicy: 'Cluster' } : {};
  return {
    ...object,
    spec: {
      ...(type !== 'ExternalName' && { internalTrafficPolicy: 'Cluster' }),
      ...external,
      ...addressing,
      sessionAffinity: 'None',
      ...(object['spec'] as object | undefined),
      ...(ports.length > 0 && { ports }),
      type,
    },
    status: { loadBalancer: {}, ...(object['status'] as object | undefined) },
  };
}

/** A cluster IP and node ports, once given, stay when an update leaves them out. */
function carryOver(next: KubeObject, previous: KubeObject): KubeObject {
  const clusterIP = textAt(previous, 'spec', 'clusterIP');
  if (clusterIP === '' || textAt(next, 'spec', 'clusterIP') !== '' || textAt(next, 'spec', 'type') === 'ExternalName') {
    return next;
  }
  return { ...next, spec: { clusterIPs: [clusterIP], ...(next['spec'] as object), clusterIP } };
}

function checkPort(value: unknown, field: string, isOnly: boolean): FieldError[] {
  const name = textAt(value, 'name');
  const number = valueAt(value, 'port');
  const wrongNumber = checkPortNumber(number);
  const wrongName = name === '' ? null : checkPortName(name);
  return [
    ...(name === '' && !isOnly ? [fieldError.required(`${field}.name`)] : []),
    ...(wrongName === null ? [] : [fieldError.invalid(`${field}.name`, name, wrongName)]),
    ...(wrongNumber === null ? [] : [fieldError.invalid(`${field}.port`, number, wrongNumber)]),
  ];
}

function checkDuplicatePorts(ports: readonly unknown[]): FieldError[] {
  const names = new Set<string>();
  return ports.flatMap((one, index) => {
    const name = textAt(one, 'name');
    const isDuplicate = name !== '' && names.has(name);
    names.add(name);
    return isDuplicate ? [fieldError.duplicate(`spec.ports[${index}].name`, name)] : [];
  });
}

function checkExternalName(object: KubeObject): FieldError[] {
  const name = textAt(object, 'spec', 'externalName').replace(/\.$/, '');
  if (name === '') return [fieldError.required('spec.externalName')];
  const wrong = checkSubdomain(name);
  return wrong === null ? [] : [fieldError.invalid('spec.externalName', name, wrong)];
}

function validate(object: KubeObject): FieldError[] {
  const type = textAt(object, 'spec', 'type');
  const ports = listAt(object, 'spec', 'ports');
  const clusterIP = textAt(object, 'spec', 'clusterIP');
  if (!TYPES.includes(type)) return [fieldError.notSupported('spec.type', type, TYPES)];
  const isHeadless = clusterIP === 'None';
  const wrongIp = clusterIP === '' || isHeadless ? null : checkIp(clusterIP);
  return [
    ...(type === 'ExternalName' ? checkExternalName(object) : []),
    ...(ports.length === 0 && type !== 'ExternalName' && !isHeadless ? [fieldError.required('spec.ports')] : []),
    ...ports.flatMap((one, index) => checkPort(one, `spec.ports[${index}]`, ports.length === 1)),
    ...checkDuplicatePorts(ports),
    ...(wrongIp === null ? [] : [fieldError.invalid('spec.clusterIPs[0]', clusterIP, wrongIp)]),
  ];
}

function validateUpdate(next: KubeObject, previous: KubeObject): FieldError[] {
  const before = textAt(previous, 'spec', 'clusterIP');
  const after = textAt(next, 'spec', 'clusterIP');
  const mayChange =
    textAt(previous, 'spec', 'type') === 'ExternalName' || textAt(next, 'spec', 'type') === 'ExternalName';
  if (before === after || mayChange) return [];
  return [fieldError.invalid('spec.clusterIPs[0]', after, 'may not change once set')];
}

function portsText(object: KubeObject): string {
  const ports = listAt(object, 'spec', 'ports').map((one) => {
    const nodePort = valueAt(one, 'nodePort');
    return `${valueAt(one, 'port')}${nodePort === undefined ? '' : `:${nodePort}`}/${textAt(one, 'protocol')}`;
  });
  return ports.join(',') || '<none>';
}

function externalAddress(object: KubeObject): string {
  if (textAt(object, 'spec', 'type') === 'ExternalName') return textAt(object, 'spec', 'externalName');
  const given = listAt(object, 'status', 'loadBalancer', 'ingress').map(
    (one) => textAt(one, 'ip') || textAt(one, 'hostname'),
  );
  if (given.length > 0) return given.join(',');
  return textAt(object, 'spec', 'type') === 'LoadBalancer' ? '<pending>' : '<none>';
}

function selectorText(object: KubeObject): string {
  const selector = Object.entries((valueAt(object, 'spec', 'selector') ?? {}) as Record<string, string>);
  return selector.map(([key, value]) => `${key}=${value}`).join(',') || '<none>';
}

export const service: Kind = {
  group: '',
  version: 'v1',
  kind: 'Service',
  plural: 'services',
  shortNames: ['svc'],
  categories: ['all'],
  namespaced: true,
  schema,
  hasStatus: true,
  deleteReturnsObject: true,
  applyDefaults,
  carryOver,
  checkName: checkServiceName,
  validate,
  validateUpdate,
  selectableFields: (object) => ({
    'spec.clusterIP': textAt(object, 'spec', 'clusterIP'),
    'spec.type': textAt(object, 'spec', 'type'),
  }),
  columns: [
    { name: 'Type', cell: (object) => textAt(object, 'spec', 'type') },
    { name: 'Cluster-IP', cell: (object) => textAt(object, 'spec', 'clusterIP') || '<none>' },
    { name: 'External-IP', cell: externalAddress },
    { name: 'Port(s)', cell: portsText },
    { name: 'Selector', priority: 1, cell: selectorText },
  ],
};
