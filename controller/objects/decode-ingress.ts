// Decodes networking.k8s.io/v1 Ingress, with the checks the API server makes when one is written.
//
// In: raw JSON. Out: an Ingress without its bad parts: a bad path costs that path, a bad host that rule. One thing is
// kept although it is wrong: a path whose backend port is unusable stays and answers 503, because without it its
// requests would fall to a shorter path and reach a Service they were never meant for.

import { z } from 'zod';
import { type DecodeReport, isRecord } from './decode-report.ts';
import { parseIngressHost, whyNotDnsLabel, whyNotDnsName, whyNotPortName } from './host-name.ts';
import { decodePath, isPathType, whyNotPath } from './ingress-path.ts';
import { keptPresent } from './kept-list.ts';
import type {
  Ingress,
  IngressBackend,
  IngressPath,
  IngressRule,
  IngressTls,
  ObjectMeta,
  ServicePortRef,
} from './types.ts';

const ruleLost = 'this rule is not served';
const pathLost = 'this path is not served';
const tlsLost = 'this TLS entry is ignored: its hosts are not served with its certificate';
const defaultBackendLost = 'requests that no path matches get the global default backend';

const specShape = z.object({
  ingressClassName: z.string().nullish(),
  defaultBackend: z.unknown().optional(),
  rules: z.unknown().optional(),
  tls: z.unknown().optional(),
});

/**
 * Decodes the body of an Ingress. Null, with a diagnostic, when it has neither rules nor a default backend.
 * @param effect What happens to traffic when the whole object is refused.
 */
export function decodeIngress(
  raw: Readonly<Record<string, unknown>>,
  meta: ObjectMeta,
  effect: string,
  report: DecodeReport,
): Ingress | null {
  const spec = report.shape(specShape, raw['spec'] ?? {}, 'spec', effect);
  if (spec === null) return null;
  const rules = report.list(spec.rules, 'spec.rules', 'no rule of this Ingress is served');
  if (rules.length === 0 && !isGiven(spec.defaultBackend)) {
    report.add('error', 'MissingField', 'spec', 'spec has neither rules nor defaultBackend', effect);
    return null;
  }
  warnOfTwoClasses(meta, spec.ingressClassName ?? null, report);
  const usableRules = keptPresent(rules.map((rule, index) => decodeRule(rule, index, report)));
  const hasLostAllRules = usableRules.length === 0 && namesRules(spec.rules);
  return {
    kind: 'Ingress',
    meta,
    ingressClassName: spec.ingressClassName || null,
    defaultBackend: decodeDefaultBackend(spec.defaultBackend, hasLostAllRules, report),
    rules: usableRules,
    tls: keptPresent(
      report
        .list(spec.tls, 'spec.tls', 'its hosts are served without the certificates named there')
        .map((entry, index) => decodeTls(entry, index, report)),
    ),
  };
}

/** Whether the manifest means to have rules: a list with entries, or something that should have been one. */
function namesRules(raw: unknown): boolean {
  return isGiven(raw) && !(Array.isArray(raw) && raw.length === 0);
}

/**
 * Decodes `spec.defaultBackend`. It is dropped with the last rule: an Ingress without rules answers every unknown host,
 * which somebody with a typo in a host name did not ask for.
 */
function decodeDefaultBackend(raw: unknown, hasLostAllRules: boolean, report: DecodeReport): IngressBackend | null {
  if (!isGiven(raw)) return null;
  if (hasLostAllRules) {
    const what = 'spec.defaultBackend stands beside rules, and none of the rules is usable';
    const effect = `it is ignored rather than made the answer for every unknown host; ${defaultBackendLost}`;
    report.add('error', 'DefaultBackendIgnored', 'spec.defaultBackend', what, effect);
    return null;
  }
  return decodeBackend(raw, 'spec.defaultBackend', defaultBackendLost, report);
}

const classAnnotation = 'kubernetes.io/ingress.class';

function warnOfTwoClasses(meta: ObjectMeta, className: string | null, report: DecodeReport): void {
  const annotation = meta.annotations[classAnnotation];
  if (annotation === undefined || className === null || annotation === className) return;
  const what = `annotation ${classAnnotation} ${JSON.stringify(annotation)} differs from spec.ingressClassName ${JSON.stringify(className)}`;
  report.add(
    'warning',
    'ClassConflict',
    `metadata.annotations[${classAnnotation}]`,
    what,
    'the annotation is ignored, the class of the spec counts',
  );
}

const ruleShape = z.object({ host: z.string().nullish(), http: z.unknown().optional() });
const httpShape = z.object({ paths: z.unknown().optional() });

function decodeRule(raw: unknown, index: number, report: DecodeReport): IngressRule | null {
  const field = `spec.rules[${index}]`;
  const rule = report.shape(ruleShape, raw, field, ruleLost);
  if (rule === null) return null;
  const host = parseIngressHost(rule.host ?? '');
  if (!host.ok) {
    report.invalid(`${field}.host`, rule.host, host.why, ruleLost);
    return null;
  }
  if (!isGiven(rule.http)) return { index, host: host.host, paths: null };
  const http = report.shape(httpShape, rule.http, `${field}.http`, ruleLost);
  if (http === null) return null;
  return { index, host: host.host, paths: decodePaths(http.paths, `${field}.http.paths`, report) };
}

function decodePaths(raw: unknown, field: string, report: DecodeReport): readonly IngressPath[] {
  const noPaths = 'no path of this rule is served';
  const paths = report.list(raw, field, noPaths);
  if (!isGiven(raw) || (Array.isArray(raw) && paths.length === 0)) report.missing(field, noPaths);
  return keptPresent(
    paths.map(
      (path, index) => decodePlainPath(path, index) ?? decodeHttpPath(path, index, `${field}[${index}]`, report),
    ),
  );
}

/**
 * The usual path, to a numbered port of a Service, without the detour over four schemas: an Ingress may have thousands, and
 * a cluster ten thousand Ingresses. null for any other form, a wrong one included.
 */
function decodePlainPath(raw: unknown, index: number): IngressPath | null {
  if (!isRecord(raw) || !isRecord(raw['backend'])) return null;
  const { path, pathType } = raw;
  if (typeof path !== 'string' || !isPathType(pathType) || whyNotPath(path, pathType) !== null) return null;
  const { service, resource } = raw['backend'];
  if (!isRecord(service) || !isRecord(service['port']) || isGiven(resource)) return null;
  const { name } = service;
  if (typeof name !== 'string' || whyNotDnsLabel(name) !== null) return null;
  const { number, name: portName } = service['port'];
  if (typeof number !== 'number' || !Number.isInteger(number) || number < 1 || number > 65535) return null;
  if (isGiven(portName)) return null;
  return { index, path, pathType, backend: { kind: 'service', service: name, port: { kind: 'number', number } } };
}

const pathShape = z.object({
  path: z.string().nullish(),
  pathType: z.unknown().optional(),
  backend: z.unknown().optional(),
});

function decodeHttpPath(raw: unknown, index: number, field: string, report: DecodeReport): IngressPath | null {
  const shape = report.shape(pathShape, raw, field, pathLost);
  if (shape === null) return null;
  const path = decodePath(shape.path ?? '', shape.pathType, field, pathLost, report);
  const backend = decodeBackend(shape.backend, `${field}.backend`, pathLost, report);
  return path === null || backend === null ? null : { index, ...path, backend };
}

const backendShape = z.object({ service: z.unknown().optional(), resource: z.unknown().optional() });
const resourceShape = z.object({ kind: z.string().nullish(), name: z.string().nullish() });
const serviceShape = z.object({ name: z.string(), port: z.unknown().optional() });

/** Decodes an `IngressBackend`. Null, with a diagnostic that ends in `effect`, when it names no usable backend. */
function decodeBackend(raw: unknown, field: string, effect: string, report: DecodeReport): IngressBackend | null {
  const backend = report.shape(backendShape, raw, field, effect);
  if (backend === null) return null;
  if (isGiven(backend.service) && isGiven(backend.resource)) {
    report.add('error', 'InvalidField', field, `${field} has both service and resource`, effect);
    return null;
  }
  if (isGiven(backend.resource)) return decodeResourceBackend(backend.resource, `${field}.resource`, effect, report);
  if (!isGiven(backend.service)) {
    const isOldForm = isRecord(raw) && ('serviceName' in raw || 'servicePort' in raw);
    const hint = isOldForm ? ' (serviceName and servicePort are the removed v1beta1 form)' : '';
    report.missing(`${field}.service`, effect, hint);
    return null;
  }
  return decodeServiceBackend(backend.service, `${field}.service`, effect, report);
}

function decodeResourceBackend(
  raw: unknown,
  field: string,
  effect: string,
  report: DecodeReport,
): IngressBackend | null {
  const resource = report.shape(resourceShape, raw, field, effect);
  return resource && { kind: 'resource', resource: `${resource.kind ?? ''}/${resource.name ?? ''}` };
}

function decodeServiceBackend(
  raw: unknown,
  field: string,
  effect: string,
  report: DecodeReport,
): IngressBackend | null {
  const service = report.shape(serviceShape, raw, field, effect);
  if (service === null) return null;
  const why = whyNotDnsLabel(service.name);
  if (why !== null) {
    report.invalid(`${field}.name`, service.name, why, effect);
    return null;
  }
  return { kind: 'service', service: service.name, port: decodePortRef(service.port, `${field}.port`, report) };
}

const portShape = z.object({
  name: z.string().nullish(),
  number: z.int('must be a whole number').min(1, portRange()).max(65535, portRange()).nullish(),
});

function portRange(): string {
  return 'must be between 1 and 65535';
}

/** Decodes a `ServiceBackendPort`. A bad one is `none`: the path stays in its place and answers 503. */
function decodePortRef(raw: unknown, field: string, report: DecodeReport): ServicePortRef {
  const effect = 'requests for this backend are answered 503';
  const none: ServicePortRef = { kind: 'none' };
  if (!isGiven(raw)) {
    report.missing(field, effect);
    return none;
  }
  const port = report.shape(portShape, raw, field, effect);
  if (port === null) return none;
  // The API counts 0 and '' as not set, but a number of 0 was refused by the shape already.
  const name = port.name ?? '';
  const number = port.number ?? null;
  if (name !== '' && number !== null) {
    report.add(
      'error',
      'InvalidField',
      field,
      `${field} has both name ${JSON.stringify(name)} and number ${number}`,
      effect,
    );
    return none;
  }
  if (number !== null) return { kind: 'number', number };
  if (name === '') {
    report.missing(field, effect, ': it needs a name or a number');
    return none;
  }
  const why = whyNotPortName(name);
  if (why === null) return { kind: 'name', name };
  report.invalid(`${field}.name`, name, why, effect);
  return none;
}

const tlsShape = z.object({ hosts: z.unknown().optional(), secretName: z.string().nullish() });

function decodeTls(raw: unknown, index: number, report: DecodeReport): IngressTls | null {
  const field = `spec.tls[${index}]`;
  const tls = report.shape(tlsShape, raw, field, tlsLost);
  if (tls === null) return null;
  const hosts = report.list(tls.hosts, `${field}.hosts`, tlsLost);
  return {
    index,
    hosts: keptPresent(hosts.map((host, i) => decodeTlsHost(host, `${field}.hosts[${i}]`, report))),
    secretName: decodeSecretName(tls.secretName ?? '', `${field}.secretName`, report),
  };
}

function decodeTlsHost(raw: unknown, field: string, report: DecodeReport): string | null {
  const effect = 'this host is not served with the certificate of the entry';
  const host = report.shape(z.string(), raw, field, effect);
  if (host === null) return null;
  const parsed = parseIngressHost(host);
  if (parsed.ok && parsed.kind !== 'any') return parsed.host;
  report.invalid(field, host, parsed.ok ? 'must not be empty' : parsed.why, effect);
  return null;
}

function decodeSecretName(name: string, field: string, report: DecodeReport): string {
  const why = name === '' ? null : whyNotDnsName(name);
  if (why === null) return name;
  // The entry stays: without it the hosts would fall back to plain HTTP.
  report.invalid(field, name, why, 'the hosts of this entry are served with the default certificate');
  return '';
}

function isGiven(value: unknown): boolean {
  return value !== undefined && value !== null;
}
