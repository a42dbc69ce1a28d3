// Decodes the kinds that are little more than their metadata: IngressClass, ConfigMap, Namespace.
//
// In: raw JSON. Out: the object; wrong parts are reported and left out.

import { z } from 'zod';
import { decodeStringMap } from './decode-meta.ts';
import type { DecodeReport } from './decode-report.ts';
import type { ConfigMap, IngressClass, Namespace, ObjectMeta } from './types.ts';

const classShape = z.object({ controller: z.string().nullish() });

/** Decodes the body of an IngressClass (networking.k8s.io/v1). `spec.parameters` is not read, as in ingress-nginx. */
export function decodeIngressClass(
  raw: Readonly<Record<string, unknown>>,
  meta: ObjectMeta,
  effect: string,
  report: DecodeReport,
): IngressClass | null {
  const spec = report.shape(classShape, raw['spec'] ?? {}, 'spec', effect);
  if (spec === null) return null;
  const controller = spec.controller ?? '';
  if (controller === '')
    report.missing('spec.controller', 'the class belongs to no controller: its Ingresses are not served');
  return { kind: 'IngressClass', meta, controller };
}

/** Decodes the body of a v1 ConfigMap. `binaryData` is not read: no setting is binary. */
export function decodeConfigMap(
  raw: Readonly<Record<string, unknown>>,
  meta: ObjectMeta,
  _effect: string,
  report: DecodeReport,
): ConfigMap {
  return { kind: 'ConfigMap', meta, data: decodeStringMap(raw['data'], 'data', 'this key has its default', report) };
}

/** Decodes the body of a v1 Namespace. */
export function decodeNamespace(_raw: Readonly<Record<string, unknown>>, meta: ObjectMeta): Namespace {
  return { kind: 'Namespace', meta };
}
