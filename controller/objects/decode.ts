// Decodes one object from API JSON: the only way from the outside into the types of this folder.
//
// In: any JSON value and where it stood. Out: the object with all Kubernetes defaults written in, or null, and every
// problem found. Never throws on input. Flow: kind -> apiVersion -> metadata -> body (one file per kind).

import { decodeEndpointSlice } from './decode-endpoint-slice.ts';
import { decodeIngress } from './decode-ingress.ts';
import { decodeMeta, type NameRules } from './decode-meta.ts';
import { decodeConfigMap, decodeIngressClass, decodeNamespace } from './decode-plain.ts';
import { DecodeReport, isRecord, showValue } from './decode-report.ts';
import { decodeSecret } from './decode-secret.ts';
import { decodeService } from './decode-service.ts';
import type { Diagnostic, SourceLocation } from './diagnostic.ts';
import { quoteShort, whyNotDnsLabel, whyNotDnsName } from './host-name.ts';
import { isSkippedKind } from './skipped-kinds.ts';
import type { KubernetesObject, ObjectKind, ObjectMeta } from './types.ts';

/**
 * `object` is null when nothing of it can be used: with an `error` diagnostic when it was meant for Sluice, with a
 * `warning` or `info` when it was not.
 */
export interface DecodeResult {
  readonly object: KubernetesObject | null;
  readonly diagnostics: readonly Diagnostic[];
}

interface KindDecoder extends NameRules {
  readonly apiVersion: string;
  /** What happens to traffic when the whole object is refused. */
  readonly loss: string;
  readonly decodeBody: (
    raw: Readonly<Record<string, unknown>>,
    meta: ObjectMeta,
    effect: string,
    report: DecodeReport,
  ) => KubernetesObject | null;
}

const namespaced = { isNamespaced: true, whyNotName: whyNotDnsName, whyNotNamespace: whyNotDnsLabel } as const;
const clusterScoped = { ...namespaced, isNamespaced: false } as const;

const decoders: Readonly<Record<ObjectKind, KindDecoder>> = {
  Ingress: {
    ...namespaced,
    apiVersion: 'networking.k8s.io/v1',
    loss: 'the object is not used: none of its hosts and paths are served',
    decodeBody: decodeIngress,
  },
  IngressClass: {
    ...clusterScoped,
    apiVersion: 'networking.k8s.io/v1',
    loss: 'the object is not used: Ingresses that name this class are not served',
    decodeBody: decodeIngressClass,
  },
  Service: {
    ...namespaced,
    whyNotName: whyNotDnsLabel,
    apiVersion: 'v1',
    loss: 'the object is not used: paths to this Service answer 503',
    decodeBody: decodeService,
  },
  EndpointSlice: {
    ...namespaced,
    apiVersion: 'discovery.k8s.io/v1',
    loss: 'the object is not used: its endpoints get no traffic',
    decodeBody: decodeEndpointSlice,
  },
  Secret: {
    ...namespaced,
    apiVersion: 'v1',
    loss: 'the object is not used: hosts that name this Secret get the default certificate',
    decodeBody: decodeSecret,
  },
  ConfigMap: {
    ...namespaced,
    apiVersion: 'v1',
    loss: 'the object is not used: settings in it have their defaults',
    decodeBody: decodeConfigMap,
  },
  Namespace: {
    ...clusterScoped,
    whyNotName: whyNotDnsLabel,
    apiVersion: 'v1',
    loss: 'the object is not used',
    decodeBody: decodeNamespace,
  },
};

/**
 * Decodes one Kubernetes object, as JSON from an API server or as a parsed manifest. Bad parts cost only themselves; each
 * problem is one diagnostic that names field, value and what happens to traffic.
 * @param source Where the object stands in a folder; null for an API server.
 * @param refusalEffect What to say happens to traffic when the whole object is refused, if the caller knows better than the
 *   default: a folder that goes on with the last good version of the object.
 */
export function decodeObject(raw: unknown, source: SourceLocation | null, refusalEffect?: string): DecodeResult {
  const report = new DecodeReport(refOf(raw), source);
  return { object: decodeAny(raw, refusalEffect ?? null, report), diagnostics: report.diagnostics };
}

function decodeAny(raw: unknown, refusalEffect: string | null, report: DecodeReport): KubernetesObject | null {
  const ignored = refusalEffect ?? 'it is ignored';
  if (!isRecord(raw)) {
    report.add('error', 'NotAnObject', '', `${showValue(raw)} is not a Kubernetes object`, ignored);
    return null;
  }
  const { kind } = raw;
  if (typeof kind !== 'string' || kind === '') {
    if (kind === undefined || kind === null) report.missing('kind', ignored);
    else report.invalid('kind', kind, 'must be a string', ignored);
    return null;
  }
  if (!isObjectKind(kind)) {
    reportOtherKind(kind, report);
    return null;
  }
  const decoder = decoders[kind];
  const effect = refusalEffect ?? decoder.loss;
  if (!checkApiVersion(raw['apiVersion'], kind, decoder.apiVersion, effect, report)) return null;
  const meta = decodeMeta(raw['metadata'], decoder, effect, report);
  return meta && decoder.decodeBody(raw, meta, effect, report);
}

function isObjectKind(kind: string): kind is ObjectKind {
  return Object.hasOwn(decoders, kind);
}

function reportOtherKind(kind: string, report: DecodeReport): void {
  if (isSkippedKind(kind)) {
    report.add('info', 'SkippedKind', 'kind', `Sluice does not route by kind ${kind}`, 'traffic is not affected');
    return;
  }
  const known = Object.keys(decoders).join(', ');
  const what = `kind ${quoteShort(kind)} is unknown (Sluice reads ${known})`;
  report.add('warning', 'UnknownKind', 'kind', what, 'it is ignored and traffic is not affected');
}

/** Accepts one version of each kind: the one that every supported Kubernetes release serves. */
function checkApiVersion(
  apiVersion: unknown,
  kind: ObjectKind,
  wanted: string,
  effect: string,
  report: DecodeReport,
): boolean {
  if (apiVersion === wanted) return true;
  if (apiVersion === undefined || apiVersion === null) {
    report.missing('apiVersion', effect, `: ${kind} needs ${wanted}`);
  } else if (typeof apiVersion === 'string' && isForeignGroup(apiVersion)) {
    const what = `kind ${kind} of ${quoteShort(apiVersion)} is not the Kubernetes ${kind} (${wanted})`;
    report.add('warning', 'UnknownKind', 'apiVersion', what, 'it is ignored and traffic is not affected');
  } else {
    const what = `apiVersion ${showValue(apiVersion)} of ${kind} is not supported, use ${wanted}`;
    report.add('error', 'UnsupportedApiVersion', 'apiVersion', what, effect);
  }
  return false;
}

/** Groups of Kubernetes itself have no dot (`extensions`, `apps`) or end in `.k8s.io`; `serving.knative.dev` is foreign. */
function isForeignGroup(apiVersion: string): boolean {
  const [group = '', version] = apiVersion.split('/');
  return version !== undefined && group.includes('.') && !group.endsWith('.k8s.io');
}

/** Names an object for its diagnostics as well as its raw form allows: it may be refused for these very fields. */
function refOf(raw: unknown): { kind: string; namespace: string; name: string } {
  const object = isRecord(raw) ? raw : {};
  const meta = isRecord(object['metadata']) ? object['metadata'] : {};
  const kind = textOf(object['kind']);
  const isClusterScoped = isObjectKind(kind) && !decoders[kind].isNamespaced;
  const namespace = isObjectKind(kind) ? textOf(meta['namespace']) || 'default' : textOf(meta['namespace']);
  return { kind, namespace: isClusterScoped ? '' : namespace, name: textOf(meta['name']) };
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value.slice(0, 253) : '';
}
