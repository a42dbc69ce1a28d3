// Raw Ingresses and reviews as the API server sends them, and a compiler that knows some objects, for the tests here.

import type { CompilerView } from '../../compile/incremental/view.ts';
import { IncrementalCompiler } from '../../compile/incremental.ts';
import { defaultOptions } from '../../compile/testing/golden.ts';
import type { CompileOptions } from '../../compile/types.ts';
import { decodeObject } from '../../objects/decode.ts';
import { ObjectStore } from '../../watch/store.ts';
import type { AdmissionRequest } from '../review.ts';

export type Raw = Readonly<Record<string, unknown>>;

export const uid = 'c3a1b2d4-0000-4000-8000-00000000abcd';
export const prefix = 'nginx.ingress.kubernetes.io';

/** What differs from `shop/web`: Prefix `/` of a.test to Service web. */
export interface IngressSpec {
  readonly name?: string;
  readonly namespace?: string;
  readonly meta?: Raw;
  /** By name, without prefix. */
  readonly annotations?: Readonly<Record<string, unknown>>;
  /** Full keys, beside `annotations`. */
  readonly otherAnnotations?: Readonly<Record<string, unknown>>;
  readonly host?: string;
  /** `Prefix` unless an entry says `[path, type]`. */
  readonly paths?: readonly (string | readonly [path: string, pathType: string | null])[];
  readonly spec?: Raw;
}

/** Makes a raw Ingress of class nginx with the uid that the API server gives. */
export function rawIngress(changes: IngressSpec = {}): Raw {
  const { name = 'web', namespace = 'shop', host = 'a.test', paths = ['/'] } = changes;
  const own = Object.entries(changes.annotations ?? {}).map(([key, text]) => [`${prefix}/${key}`, text]);
  const annotations = { ...Object.fromEntries(own), ...changes.otherAnnotations };
  return {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'Ingress',
    metadata: { name, namespace, uid, annotations, ...changes.meta },
    spec: { ingressClassName: 'nginx', rules: [{ host, http: { paths: paths.map(rawPath) } }], ...changes.spec },
  };
}

function rawPath(entry: string | readonly [string, string | null]): Raw {
  const [path, pathType] = typeof entry === 'string' ? [entry, 'Prefix'] : entry;
  const backend = { service: { name: 'web', port: { number: 80 } } };
  return { path, backend, ...(pathType === null ? {} : { pathType }) };
}

export const nginxClass: Raw = {
  apiVersion: 'networking.k8s.io/v1',
  kind: 'IngressClass',
  metadata: { name: 'nginx' },
  spec: { controller: 'k8s.io/ingress-nginx' },
};
const otherClass: Raw = {
  ...nginxClass,
  metadata: { name: 'other' },
  spec: { controller: 'example.com/other' },
};

/** What the compiler knows besides the two classes. */
export interface KnownCluster {
  readonly objects?: readonly Raw[];
  readonly options?: Partial<CompileOptions>;
  /** Data of the settings ConfigMap. */
  readonly settings?: Readonly<Record<string, string>>;
}

/** The view of a compiler that has compiled these objects. */
export function viewWith({ objects = [], options = {}, settings = {} }: KnownCluster = {}): CompilerView {
  const store = new ObjectStore();
  const configMap = {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { namespace: 'sluice', name: 'settings' },
    data: settings,
  };
  for (const raw of [nginxClass, otherClass, configMap, ...objects]) {
    const { object } = decodeObject(raw, null);
    if (object === null) throw new Error(`not decoded: ${JSON.stringify(raw)}`);
    store.apply([{ kind: 'upsert', object, source: null }]);
  }
  const compiler = new IncrementalCompiler({ ...defaultOptions, configMap: 'sluice/settings', ...options });
  compiler.compile(store.snapshot(), Date.parse('2030-01-01T00:00:00Z'));
  const view = compiler.view();
  if (view === null) throw new Error('a compiler that has compiled has a view');
  return view;
}

/** Asks about this object. */
export function requestFor(object: unknown, changes: Partial<AdmissionRequest> = {}): AdmissionRequest {
  return { uid: 'review-1', operation: 'CREATE', subResource: '', object, ...changes };
}

/** A whole AdmissionReview v1 about this object. `changes` go into the request. */
export function reviewOf(object: unknown, changes: Raw = {}): Raw {
  const kind = { group: 'networking.k8s.io', version: 'v1', kind: 'Ingress' };
  const request = { uid: 'review-1', kind, operation: 'CREATE', namespace: 'shop', name: 'web', object, dryRun: false };
  return { apiVersion: 'admission.k8s.io/v1', kind: 'AdmissionReview', request: { ...request, ...changes } };
}
