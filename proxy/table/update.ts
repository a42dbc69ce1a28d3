// What changes between two revisions, as data. The publisher computes it once, encodes it once and every worker
// applies it in one synchronous step, so that no request ever sees half of it.

import type {
  CertificateId,
  CertificateInfo,
  CertificateMaterial,
  GlobalSettings,
  PolicyId,
  RoutePolicy,
  RoutingTable,
  StreamService,
  Upstream,
  UpstreamId,
  VirtualHost,
  VirtualHostName,
} from './types.ts';

export type TableUpdate = FullUpdate | PartsUpdate;

/** The whole table: for a new worker, or when no base revision is known. */
export interface FullUpdate {
  readonly kind: 'full';
  readonly revision: number;
  readonly table: RoutingTable;
  /** Every pair the table names. */
  readonly material: readonly CertificateMaterial[];
}

/** Only what differs from `baseRevision`. A worker whose revision is not the base asks for a full update. */
export interface PartsUpdate {
  readonly kind: 'parts';
  readonly revision: number;
  readonly baseRevision: number;
  readonly global: GlobalSettings | null;
  readonly policies: Readonly<Record<PolicyId, RoutePolicy>>;
  readonly removedPolicies: readonly PolicyId[];
  readonly virtualHosts: readonly VirtualHost[];
  readonly removedVirtualHosts: readonly VirtualHostName[];
  readonly upstreams: readonly Upstream[];
  readonly removedUpstreams: readonly UpstreamId[];
  readonly certificates: readonly CertificateInfo[];
  readonly removedCertificates: readonly CertificateId[];
  /** All of them, when one is different: they are few. null: none is. */
  readonly streams: readonly StreamService[] | null;
  /** Pairs of the certificates that are new. */
  readonly material: readonly CertificateMaterial[];
}
