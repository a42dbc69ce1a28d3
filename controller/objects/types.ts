// Our own trimmed, read-only view of the Kubernetes objects that Sluice routes by.
//
// In: nothing. Out: types only. `decode.ts` is the one place that makes these values from API JSON; it writes every
// Kubernetes default in, so that code behind it never meets `undefined`. Absent is `null`, an absent list is empty.

/** The kinds Sluice reads. A kind that is not listed here is reported and skipped by the decoder. */
export type ObjectKind =
  | 'Ingress'
  | 'IngressClass'
  | 'Service'
  | 'EndpointSlice'
  | 'Secret'
  | 'ConfigMap'
  | 'Namespace';

/** `namespace/name`, or just `name` for cluster-scoped kinds. Unique within one kind. */
export type ObjectKey = string;

/** Names one object in a diagnostic, a log line or an Event. `namespace` is '' for cluster-scoped kinds. */
export interface ObjectRef {
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
}

/** The part of `metadata` that Sluice uses. */
export interface ObjectMeta {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  /** Whole seconds in a real cluster; 0 when absent (a manifest folder), so that all such objects tie. */
  readonly creationTimestampMs: number;
  readonly annotations: Readonly<Record<string, string>>;
  readonly labels: Readonly<Record<string, string>>;
}

/** networking.k8s.io/v1 `IngressBackend`. A `resource` backend is kept as a fact: Sluice cannot route to it. */
export type IngressBackend =
  | { readonly kind: 'service'; readonly service: string; readonly port: ServicePortRef }
  | { readonly kind: 'resource'; readonly resource: string };

/** `ServiceBackendPort`: by name or by number. `none` is what a manifest without either says. */
export type ServicePortRef =
  | { readonly kind: 'number'; readonly number: number }
  | { readonly kind: 'name'; readonly name: string }
  | { readonly kind: 'none' };

export type PathType = 'Exact' | 'Prefix' | 'ImplementationSpecific';

/** `HTTPIngressPath`. `path` is '' when the manifest has none. `index` is its place in the object, for diagnostics. */
export interface IngressPath {
  readonly index: number;
  readonly path: string;
  readonly pathType: PathType;
  readonly backend: IngressBackend;
}

/** `IngressRule`. `host` is '' when absent (catch-all); `paths` is null when the rule has no `http`. */
export interface IngressRule {
  readonly index: number;
  readonly host: string;
  readonly paths: readonly IngressPath[] | null;
}

/** `IngressTLS`. `secretName` is '' when absent. */
export interface IngressTls {
  readonly index: number;
  readonly hosts: readonly string[];
  readonly secretName: string;
}

export interface Ingress {
  readonly kind: 'Ingress';
  readonly meta: ObjectMeta;
  readonly ingressClassName: string | null;
  readonly defaultBackend: IngressBackend | null;
  readonly rules: readonly IngressRule[];
  readonly tls: readonly IngressTls[];
}

export interface IngressClass {
  readonly kind: 'IngressClass';
  readonly meta: ObjectMeta;
  readonly controller: string;
}

/** `ServicePort`. `name` is '' when unnamed; `targetPort` is the API's int-or-string, defaulted to `port`. */
export interface ServicePort {
  readonly name: string;
  readonly protocol: string;
  readonly port: number;
  readonly targetPort: number | string;
}

export interface Service {
  readonly kind: 'Service';
  readonly meta: ObjectMeta;
  readonly type: 'ClusterIP' | 'NodePort' | 'LoadBalancer' | 'ExternalName';
  /** '' when unset, 'None' when headless. */
  readonly clusterIP: string;
  /** '' unless `type` is ExternalName. */
  readonly externalName: string;
  readonly ports: readonly ServicePort[];
  /** `spec.trafficDistribution`, '' when unset. */
  readonly trafficDistribution: string;
}

/** `EndpointConditions` with the API's defaults resolved: nil ready is true, nil serving is ready, nil terminating is false. */
export interface SliceConditions {
  readonly ready: boolean;
  readonly serving: boolean;
  readonly terminating: boolean;
}

export interface SliceEndpoint {
  readonly addresses: readonly string[];
  readonly conditions: SliceConditions;
  readonly zone: string;
  readonly hintZones: readonly string[];
  readonly nodeName: string;
}

/** EndpointSlice port. `name` is '' when unnamed, `port` is null when the API gives no number. */
export interface SlicePort {
  readonly name: string;
  readonly protocol: string;
  readonly port: number | null;
}

export interface EndpointSlice {
  readonly kind: 'EndpointSlice';
  readonly meta: ObjectMeta;
  /** From the label `kubernetes.io/service-name`; '' for a slice that belongs to no Service. */
  readonly serviceName: string;
  readonly addressType: 'IPv4' | 'IPv6' | 'FQDN';
  /** Share of the requests that each of its endpoints gets beside those of other slices, from 1 on. */
  readonly weight: number;
  readonly endpoints: readonly SliceEndpoint[];
  readonly ports: readonly SlicePort[];
}

/** Secret. `data` values are decoded bytes as UTF-8 text wrapped so that they never print. */
export interface Secret {
  readonly kind: 'Secret';
  readonly meta: ObjectMeta;
  readonly type: string;
  readonly data: Readonly<Record<string, Redacted>>;
}

export interface ConfigMap {
  readonly kind: 'ConfigMap';
  readonly meta: ObjectMeta;
  readonly data: Readonly<Record<string, string>>;
}

export interface Namespace {
  readonly kind: 'Namespace';
  readonly meta: ObjectMeta;
}

export type KubernetesObject = Ingress | IngressClass | Service | EndpointSlice | Secret | ConfigMap | Namespace;

/**
 * Text that must never reach a log, a dump, a diagnostic or an error. It prints itself as `[redacted]` through
 * `String()`, `JSON.stringify` and `util.inspect`; only `reveal()` gives the text.
 */
export class Redacted {
  readonly #text: string;

  constructor(text: string) {
    this.#text = text;
  }

  /** Gives the secret text. Call it only where the secret is used. */
  reveal(): string {
    return this.#text;
  }

  toString(): string {
    return '[redacted]';
  }

  toJSON(): string {
    return '[redacted]';
  }

  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return '[redacted]';
  }
}

/** The key of an object within its kind: `namespace/name`, or `name` for cluster-scoped kinds. */
export function keyOf(meta: { readonly namespace: string; readonly name: string }): ObjectKey {
  return meta.namespace === '' ? meta.name : `${meta.namespace}/${meta.name}`;
}
