// Input and output of compile(), besides the snapshot and the table.

import type { CertificateInfo, CertificateMaterial, RoutingTable } from '#proxy/table/types.ts';
import type { Diagnostic } from '../objects/diagnostic.ts';
import type { Ingress, ObjectKey } from '../objects/types.ts';
import type { ReservedPort } from './stream-entry.ts';

/** The process options that compile() depends on: constant for the life of the process. Names follow the flags. */
export interface CompileOptions {
  readonly ingressClass: string;
  readonly controllerClass: string;
  readonly ingressClassByName: boolean;
  readonly watchIngressWithoutClass: boolean;
  /** '' is all namespaces. */
  readonly watchNamespace: string;
  /** `--watch-namespace-selector`; '' is all. The source matches it: with one, the snapshot holds selected namespaces only. */
  readonly watchNamespaceSelector: string;
  /** `namespace/name` or ''. */
  readonly configMap: ObjectKey;
  /** `namespace/name` or ''. */
  readonly defaultSslCertificate: ObjectKey;
  /** `namespace/name` or ''. */
  readonly defaultBackendService: ObjectKey;
  /** `namespace/name` or ''. */
  readonly tcpServicesConfigMap: ObjectKey;
  /** `namespace/name` or ''. */
  readonly udpServicesConfigMap: ObjectKey;
  /** Ports that no TCP service can have. */
  readonly reservedPorts: readonly ReservedPort[];
  readonly enableSslPassthrough: boolean;
  readonly annotationsPrefix: string;
  readonly enableAnnotationValidation: boolean;
  readonly deepInspect: boolean;
  readonly disableCatchAll: boolean;
  readonly disableSvcExternalName: boolean;
  readonly enableTopologyAwareRouting: boolean;
  /** Zone of the node this runs on, '' when unknown. */
  readonly nodeZone: string;
  /** Port named in redirects with `use-port-in-redirects`. */
  readonly httpsPort: number;
  /** Generated self-signed pair, used while `defaultSslCertificate` is '' or gives no good pair. Made by `pairFromPem`. */
  readonly fallbackCertificate: CertificatePair;
}

/** A parsed, checked key pair. */
export interface CertificatePair {
  readonly info: CertificateInfo;
  readonly material: CertificateMaterial;
}

/**
 * What compile() carries from one run to the next: the last accepted version of things that keep serving when an edit
 * breaks them. A value, not state: the same snapshot and memory give the same result. Starts as `emptyMemory`.
 */
export interface CompileMemory {
  /** Last version of each Ingress that was not rejected as a whole (outcome D of the annotation reference). */
  readonly acceptedIngresses: ReadonlyMap<ObjectKey, Ingress>;
  /** Last good pair of each TLS Secret. */
  readonly goodPairs: ReadonlyMap<ObjectKey, CertificatePair>;
}

export interface CompileResult {
  readonly table: RoutingTable;
  /** Every pair named by `table.certificates`. */
  readonly material: ReadonlyMap<string, CertificateMaterial>;
  /** Sorted by `compareDiagnostics`, no duplicates, source diagnostics of the snapshot included. */
  readonly diagnostics: readonly Diagnostic[];
  readonly memory: CompileMemory;
  /** ExternalName targets somebody must resolve: the resolver feeds them back as `Snapshot.resolvedNames`. Sorted. */
  readonly wantedNames: readonly string[];
}
