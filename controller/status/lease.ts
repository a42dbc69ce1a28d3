// What to do about the Lease of the leader election (coordination.k8s.io/v1). Pure.
//
// The holder's times are never compared with our clock: a Lease has run out when it has not changed for its duration as
// measured here. So clocks that differ, or jump, elect nobody.

import { isRecord } from '../objects/decode-report.ts';

export interface LeaseState {
  /** '' when it was released. */
  readonly holder: string;
  readonly durationMs: number;
  readonly transitions: number;
  readonly acquireTime: string;
  /** Changes with each write: tells whether the holder lives. */
  readonly resourceVersion: string;
  /** The whole object: what others wrote into it is written back. */
  readonly json: Readonly<Record<string, unknown>>;
}

/** A Lease as it was seen, and when on the monotonic clock it last looked different. */
export interface LeaseSighting {
  readonly lease: LeaseState;
  readonly changedAtMs: number;
}

export type LeaseDecision = 'create' | 'acquire' | 'renew' | 'wait';

/** @param sighting null when there is no such Lease. */
export function decideLease(sighting: LeaseSighting | null, identity: string, nowMs: number): LeaseDecision {
  if (sighting === null) return 'create';
  const { lease, changedAtMs } = sighting;
  if (lease.holder === identity) return 'renew';
  if (lease.holder === '') return 'acquire';
  return nowMs - changedAtMs >= lease.durationMs ? 'acquire' : 'wait';
}

/** Notes a Lease that was read: the time stays while the object stays. */
export function sightLease(before: LeaseSighting | null, lease: LeaseState, nowMs: number): LeaseSighting {
  return before?.lease.resourceVersion === lease.resourceVersion ? before : { lease, changedAtMs: nowMs };
}

export interface LeaseWrite {
  readonly namespace: string;
  readonly name: string;
  /** '' releases. */
  readonly holder: string;
  readonly durationMs: number;
  /** Unix time. */
  readonly wallMs: number;
  /** What is replaced; null creates. */
  readonly before: LeaseState | null;
}

/** The object to send. Its resourceVersion makes the server refuse it when somebody else was faster. */
export function renderLease(write: LeaseWrite): Readonly<Record<string, unknown>> {
  const { namespace, name, holder, before } = write;
  const now = microTime(write.wallMs);
  const isSameHolder = before !== null && before.holder === holder;
  const isNewHolder = before !== null && holder !== '' && !isSameHolder;
  const earlier = before !== null && isRecord(before.json['spec']) ? before.json['spec'] : {};
  return {
    ...(before?.json ?? { metadata: { namespace, name } }),
    apiVersion: 'coordination.k8s.io/v1',
    kind: 'Lease',
    spec: {
      ...earlier,
      holderIdentity: holder,
      // Must be greater than 0 (recorded); a released Lease may be taken at once.
      leaseDurationSeconds: holder === '' ? 1 : Math.max(1, Math.ceil(write.durationMs / 1000)),
      acquireTime: isSameHolder && before.acquireTime !== '' ? before.acquireTime : now,
      renewTime: now,
      leaseTransitions: (before?.transitions ?? 0) + (isNewHolder ? 1 : 0),
    },
  };
}

/** Reads a Lease; fields that are missing or wrong count as those of a Lease that nobody holds. */
export function readLease(json: Readonly<Record<string, unknown>>): LeaseState {
  const spec = isRecord(json['spec']) ? json['spec'] : {};
  const metadata = isRecord(json['metadata']) ? json['metadata'] : {};
  const { holderIdentity, leaseDurationSeconds, leaseTransitions, acquireTime } = spec;
  const { resourceVersion } = metadata;
  return {
    holder: typeof holderIdentity === 'string' ? holderIdentity : '',
    durationMs: typeof leaseDurationSeconds === 'number' ? leaseDurationSeconds * 1000 : 0,
    transitions: typeof leaseTransitions === 'number' ? leaseTransitions : 0,
    acquireTime: typeof acquireTime === 'string' ? acquireTime : '',
    resourceVersion: typeof resourceVersion === 'string' ? resourceVersion : '',
    json,
  };
}

/** Kubernetes' MicroTime: exactly six digits (recorded: the three of `toISOString` are refused). */
export function microTime(wallMs: number): string {
  return new Date(wallMs).toISOString().replace('Z', '000Z');
}
