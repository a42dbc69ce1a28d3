// Raw objects, as an API server or a manifest gives them, for tests of the decoder and of what stands behind it.

import { decodeObject } from '../decode.ts';
import type { Diagnostic } from '../diagnostic.ts';
import type { KubernetesObject, ObjectKind } from '../types.ts';

const apiVersions: Readonly<Record<ObjectKind, string>> = {
  Ingress: 'networking.k8s.io/v1',
  IngressClass: 'networking.k8s.io/v1',
  Service: 'v1',
  EndpointSlice: 'discovery.k8s.io/v1',
  Secret: 'v1',
  ConfigMap: 'v1',
  Namespace: 'v1',
};

/** Makes a raw object named `shop/web` (or `web`), with `body` beside and over the usual fields. */
export function rawObject(kind: ObjectKind, body: Readonly<Record<string, unknown>> = {}): Record<string, unknown> {
  return { apiVersion: apiVersions[kind], kind, metadata: { name: 'web', namespace: 'shop' }, ...body };
}

/** Makes a raw Ingress with one rule for a.test and these paths. */
export function rawIngress(...paths: readonly unknown[]): Record<string, unknown> {
  return rawObject('Ingress', { spec: { rules: [{ host: 'a.test', http: { paths } }] } });
}

/** Makes a raw path to port 80 of the Service `web`, with `fields` over it. */
export function rawPath(path: string, fields: Readonly<Record<string, unknown>> = {}): Record<string, unknown> {
  return { path, pathType: 'Prefix', backend: { service: { name: 'web', port: { number: 80 } } }, ...fields };
}

/** Decodes a raw object that must be of the kind and must not be refused. */
export function decodeAs<K extends ObjectKind>(
  kind: K,
  raw: unknown,
): { object: Extract<KubernetesObject, { kind: K }>; diagnostics: readonly Diagnostic[] } {
  const { object, diagnostics } = decodeObject(raw, null);
  if (!isKind(object, kind)) throw new Error(`not decoded as ${kind}: ${JSON.stringify(diagnostics)}`);
  return { object, diagnostics };
}

function isKind<K extends ObjectKind>(
  object: KubernetesObject | null,
  kind: K,
): object is Extract<KubernetesObject, { kind: K }> {
  return object?.kind === kind;
}

/** Lists diagnostics as `severity reason field`: enough to say which part was judged how. */
export function summary(diagnostics: readonly Diagnostic[]): string[] {
  return diagnostics.map(({ severity, reason, field }) => `${severity} ${reason} ${field}`);
}
