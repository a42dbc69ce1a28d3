// networking.k8s.io/v1 Ingress (kubernetes pkg/apis/networking/validation/validation.go).

import { isIP } from 'node:net';
import { type FieldError, fieldError } from '../api-error.ts';
import { type KubeObject, listAt, textAt, valueAt } from '../objects.ts';
import { any, atomicList, integer, objectSchema, string, struct } from '../schema.ts';
import { checkPortName, checkPortNumber, checkServiceName, checkSubdomain, checkWildcard } from './field-checks.ts';
import type { Kind } from './kind.ts';

export const CLASS_ANNOTATION = 'kubernetes.io/ingress.class';

const backend = struct({
  service: struct({ name: string, port: struct({ name: string, number: integer }) }),
  resource: struct({ apiGroup: string, kind: string, name: string }, { atomic: true }),
});

const path = struct({ path: string, pathType: string, backend });

const schema = objectSchema({
  spec: struct({
    ingressClassName: string,
    defaultBackend: backend,
    tls: atomicList(struct({ hosts: atomicList(string), secretName: string })),
    rules: atomicList(struct({ host: string, http: struct({ paths: atomicList(path) }) })),
  }),
  status: struct({
    loadBalancer: struct({ ingress: atomicList(struct({ ip: string, hostname: string, ports: any })) }),
  }),
});

const PATH_TYPES = ['Exact', 'ImplementationSpecific', 'Prefix'];
const FORBIDDEN_PARTS = ['//', '/./', '/../', '%2f', '%2F'];
const FORBIDDEN_ENDS = ['/..', '/.'];

function checkHost(host: string, field: string): FieldError[] {
  if (isIP(host) !== 0) return [fieldError.invalid(field, host, 'must be a DNS name, not an IP address')];
  const wrong = host.includes('*') ? checkWildcard(host) : checkSubdomain(host);
  return wrong === null ? [] : [fieldError.invalid(field, host, wrong)];
}

function checkPath(value: unknown, field: string): FieldError[] {
  const type = textAt(value, 'pathType');
  if (type === '') return [fieldError.required(`${field}.pathType`, 'pathType must be specified')];
  if (!PATH_TYPES.includes(type)) return [fieldError.notSupported(`${field}.pathType`, type, PATH_TYPES)];
  const text = textAt(value, 'path');
  if (type === 'ImplementationSpecific') {
    return text === '' || text.startsWith('/')
      ? []
      : [fieldError.invalid(`${field}.path`, text, 'must be an absolute path')];
  }
  if (!text.startsWith('/')) return [fieldError.invalid(`${field}.path`, text, 'must be an absolute path')];
  return [
    ...FORBIDDEN_PARTS.filter((part) => text.includes(part)).map((part) =>
      fieldError.invalid(`${field}.path`, text, `must not contain '${part}'`),
    ),
    ...FORBIDDEN_ENDS.filter((end) => text.endsWith(end)).map((end) =>
      fieldError.invalid(`${field}.path`, text, `cannot end with '${end}'`),
    ),
  ];
}

function checkBackend(value: unknown, field: string): FieldError[] {
  const service = valueAt(value, 'service');
  const resource = valueAt(value, 'resource');
  if (resource !== undefined) {
    if (service === undefined) return [];
    return [fieldError.invalid(field, '', 'cannot set both resource and service backends')];
  }
  if (service === undefined) return [fieldError.required(field, 'serviceName must be specified')];
  const name = textAt(service, 'name');
  const wrongName = name === '' ? null : checkServiceName(name);
  return [
    ...(name === '' ? [fieldError.required(`${field}.service.name`)] : []),
    ...(wrongName === null ? [] : [fieldError.invalid(`${field}.service.name`, name, wrongName)]),
    ...checkBackendPort(service, field),
  ];
}

function checkBackendPort(service: unknown, field: string): FieldError[] {
  const name = textAt(service, 'port', 'name');
  const number = valueAt(service, 'port', 'number');
  if (name !== '' && number !== undefined && number !== 0) {
    return [fieldError.invalid(field, '', 'cannot set both port name & port number')];
  }
  if (name !== '') {
    const wrong = checkPortName(name);
    return wrong === null ? [] : [fieldError.invalid(`${field}.service.port.name`, name, wrong)];
  }
  if (number === undefined || number === 0) return [fieldError.required(field, 'port name or number is required')];
  const wrong = checkPortNumber(number);
  return wrong === null ? [] : [fieldError.invalid(`${field}.service.port.number`, number, wrong)];
}

function checkRule(rule: unknown, field: string): FieldError[] {
  const host = textAt(rule, 'host');
  const http = valueAt(rule, 'http');
  const paths = listAt(rule, 'http', 'paths');
  return [
    ...(host === '' ? [] : checkHost(host, `${field}.host`)),
    ...(http !== undefined && paths.length === 0 ? [fieldError.required(`${field}.http.paths`)] : []),
    ...paths.flatMap((value, index) => [
      ...checkPath(value, `${field}.http.paths[${index}]`),
      ...checkBackend(valueAt(value, 'backend'), `${field}.http.paths[${index}].backend`),
    ]),
  ];
}

function checkTls(tls: unknown, field: string): FieldError[] {
  return listAt(tls, 'hosts').flatMap((host, index) => {
    const text = String(host);
    const wrong = text.includes('*') ? checkWildcard(text) : checkSubdomain(text);
    return wrong === null ? [] : [fieldError.invalid(`${field}.hosts[${index}]`, text, wrong)];
  });
}

function validate(object: KubeObject): FieldError[] {
  const rules = listAt(object, 'spec', 'rules');
  const defaultBackend = valueAt(object, 'spec', 'defaultBackend');
  const className = textAt(object, 'spec', 'ingressClassName');
  const wrongClass = className === '' ? null : checkSubdomain(className);
  const neither = 'either `defaultBackend` or `rules` must be specified';
  return [
    ...(rules.length === 0 && defaultBackend === undefined ? [fieldError.invalid('spec', null, neither)] : []),
    ...(defaultBackend === undefined ? [] : checkBackend(defaultBackend, 'spec.defaultBackend')),
    ...rules.flatMap((rule, index) => checkRule(rule, `spec.rules[${index}]`)),
    ...listAt(object, 'spec', 'tls').flatMap((tls, index) => checkTls(tls, `spec.tls[${index}]`)),
    ...(wrongClass === null ? [] : [fieldError.invalid('spec.ingressClassName', className, wrongClass)]),
  ];
}

/** Only on create: an old annotation may meet a class name set later (validateIngressCreate). */
export function checkClassAnnotation(object: KubeObject): FieldError[] {
  const annotation = object.metadata.annotations?.[CLASS_ANNOTATION];
  const className = textAt(object, 'spec', 'ingressClassName');
  if (annotation === undefined || className === '' || annotation === className) return [];
  const detail = 'must match `ingressClassName` when both are specified';
  return [fieldError.invalid(`annotations.${CLASS_ANNOTATION}`, annotation, detail)];
}

function addresses(object: KubeObject): string {
  return listAt(object, 'status', 'loadBalancer', 'ingress')
    .map((entry) => textAt(entry, 'ip') || textAt(entry, 'hostname'))
    .join(',');
}

function hosts(object: KubeObject): string {
  const names = listAt(object, 'spec', 'rules').flatMap((rule) => textAt(rule, 'host') || []);
  if (names.length === 0) return '*';
  const more = names.length > 3 ? ` + ${names.length - 3} more...` : '';
  return names.slice(0, 3).join(',') + more;
}

export const ingress: Kind = {
  group: 'networking.k8s.io',
  version: 'v1',
  kind: 'Ingress',
  plural: 'ingresses',
  shortNames: ['ing'],
  namespaced: true,
  schema,
  hasGeneration: true,
  hasStatus: true,
  applyDefaults: (object) => ({
    ...object,
    spec: object['spec'] ?? {},
    status: { loadBalancer: {}, ...(object['status'] as object | undefined) },
  }),
  validate,
  columns: [
    {
      name: 'Class',
      cell: (object) =>
        textAt(object, 'spec', 'ingressClassName') || object.metadata.annotations?.[CLASS_ANNOTATION] || '<none>',
    },
    { name: 'Hosts', cell: hosts },
    { name: 'Address', cell: addresses },
    { name: 'Ports', cell: (object) => (listAt(object, 'spec', 'tls').length > 0 ? '80, 443' : '80') },
  ],
};
