// discovery.k8s.io/v1 EndpointSlice, with what a real server lets through: no ports, no endpoints, no conditions,
// unnamed or numberless ports, the same address twice.

import { type FieldError, fieldError } from '../api-error.ts';
import { type KubeObject, listAt, textAt, valueAt } from '../objects.ts';
import { any, atomicList, boolean, integer, mapOf, objectSchema, string, struct } from '../schema.ts';
import { checkEndpointIp, checkPortNumber, checkSubdomain } from './field-checks.ts';
import type { Kind } from './kind.ts';

const MAX_ENDPOINTS = 1000;
const MAX_PORTS = 100;
const MAX_ADDRESSES = 100;

const endpoint = struct({
  addresses: atomicList(string),
  conditions: struct({ ready: boolean, serving: boolean, terminating: boolean }),
  hostname: string,
  nodeName: string,
  zone: string,
  targetRef: struct(
    {
      kind: string,
      namespace: string,
      name: string,
      uid: string,
      apiVersion: string,
      resourceVersion: string,
      fieldPath: string,
    },
    { atomic: true },
  ),
  deprecatedTopology: mapOf(string),
  hints: any,
});

const schema = objectSchema({
  addressType: string,
  endpoints: atomicList(endpoint),
  ports: atomicList(struct({ name: string, protocol: string, port: integer, appProtocol: string })),
});

function applyDefaults(object: KubeObject): KubeObject {
  const ports = listAt(object, 'ports').map((port) => ({ name: '', protocol: 'TCP', ...(port as object) }));
  const endpoints = listAt(object, 'endpoints').map((one) => ({
    ...(one as object),
    conditions: valueAt(one, 'conditions') ?? {},
  }));
  // Both lists have no omitempty in Go: an absent one is written as null.
  return { ...object, endpoints: endpoints.length > 0 ? endpoints : null, ports: ports.length > 0 ? ports : null };
}

function checkAddress(address: string, addressType: string, field: string): FieldError[] {
  if (addressType === 'FQDN') {
    const wrong = checkSubdomain(address);
    return wrong === null ? [] : [fieldError.invalid(field, address, wrong)];
  }
  const wrong = checkEndpointIp(address);
  if (wrong !== null) return [fieldError.invalid(field, address, wrong)];
  const isIpv6 = address.includes(':');
  if (isIpv6 === (addressType === 'IPv6')) return [];
  return [fieldError.invalid(field, address, `must be an ${addressType} address`)];
}

function checkEndpoint(value: unknown, addressType: string, field: string): FieldError[] {
  const addresses = listAt(value, 'addresses');
  if (addresses.length === 0) return [fieldError.required(`${field}.addresses`, 'must contain at least 1 address')];
  if (addresses.length > MAX_ADDRESSES)
    return [fieldError.tooMany(`${field}.addresses`, addresses.length, MAX_ADDRESSES)];
  return addresses.flatMap((address, index) =>
    checkAddress(String(address), addressType, `${field}.addresses[${index}]`),
  );
}

const PROTOCOLS = ['SCTP', 'TCP', 'UDP'];

function checkPorts(ports: readonly unknown[]): FieldError[] {
  const names = new Set<string>();
  return ports.flatMap((port, index) => {
    const field = `ports[${index}]`;
    const name = textAt(port, 'name');
    const number = valueAt(port, 'port');
    const protocol = textAt(port, 'protocol');
    const isDuplicate = names.has(name);
    names.add(name);
    const wrongNumber = number === undefined ? null : checkPortNumber(number);
    return [
      ...(isDuplicate ? [fieldError.duplicate(`${field}.name`, name)] : []),
      ...(wrongNumber === null ? [] : [fieldError.invalid(`${field}.port`, number, wrongNumber)]),
      ...(PROTOCOLS.includes(protocol) ? [] : [fieldError.notSupported(`${field}.protocol`, protocol, PROTOCOLS)]),
    ];
  });
}

const ADDRESS_TYPES = ['FQDN', 'IPv4', 'IPv6'];

function validate(object: KubeObject): FieldError[] {
  const addressType = textAt(object, 'addressType');
  const endpoints = listAt(object, 'endpoints');
  const ports = listAt(object, 'ports');
  if (addressType === '') return [fieldError.required('addressType')];
  if (!ADDRESS_TYPES.includes(addressType)) return [fieldError.notSupported('addressType', addressType, ADDRESS_TYPES)];
  if (endpoints.length > MAX_ENDPOINTS) return [fieldError.tooMany('endpoints', endpoints.length, MAX_ENDPOINTS)];
  if (ports.length > MAX_PORTS) return [fieldError.tooMany('ports', ports.length, MAX_PORTS)];
  return [
    ...endpoints.flatMap((value, index) => checkEndpoint(value, addressType, `endpoints[${index}]`)),
    ...checkPorts(ports),
  ];
}

function validateUpdate(next: KubeObject, previous: KubeObject): FieldError[] {
  if (next['addressType'] === previous['addressType']) return [];
  return [fieldError.invalid('addressType', next['addressType'], 'field is immutable')];
}

function shortList(texts: readonly string[]): string {
  if (texts.length === 0) return '<unset>';
  return texts.slice(0, 3).join(',') + (texts.length > 3 ? ` + ${texts.length - 3} more...` : '');
}

export const endpointSlice: Kind = {
  group: 'discovery.k8s.io',
  version: 'v1',
  kind: 'EndpointSlice',
  plural: 'endpointslices',
  namespaced: true,
  schema,
  hasGeneration: true,
  applyDefaults,
  validate,
  validateUpdate,
  warnings: (object) => (object['addressType'] === 'FQDN' ? ['spec.addressType: FQDN endpoints are deprecated'] : []),
  columns: [
    { name: 'AddressType', cell: (object) => textAt(object, 'addressType') },
    {
      name: 'Ports',
      cell: (object) => shortList(listAt(object, 'ports').map((port) => String(valueAt(port, 'port') ?? '*'))),
    },
    {
      name: 'Endpoints',
      cell: (object) => shortList(listAt(object, 'endpoints').flatMap((one) => listAt(one, 'addresses').map(String))),
    },
  ],
};
