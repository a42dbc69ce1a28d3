// The typed protocol between the main thread and a worker. Everything here is structured-cloneable; a table update is
// encoded once into shared memory and only referenced.

import type { EjectionReason } from '../endpoints/outlier-detector.ts';
import type { SharedLoadsMemory } from '../endpoints/shared-loads.ts';
import type { RateStoreSettings } from '../filters/rate-store.ts';
import type { RequestMetricsSettings } from '../observe/request-metrics.ts';
import type { CertificateId, StreamId } from '../table/types.ts';

export interface ListenerSettings {
  readonly name: string;
  readonly protocol: 'http' | 'https';
  /** '' is every address (dual stack). */
  readonly host: string;
  /** 0 lets the first worker choose; the pool gives its choice to the others. */
  readonly port: number;
}

/** Bytes of the session ticket key, as Node has it: key name, HMAC key and AES key (RFC 5077 §4), 16 bytes each. */
export const TICKET_KEY_BYTES = 48;

/** `workerData` of a worker. */
export interface WorkerStart {
  readonly id: number;
  /** `TICKET_KEY_BYTES` random bytes shared by all workers, so that a TLS session resumes on any of them. */
  readonly ticketKeys: Uint8Array;
  readonly listeners: readonly ListenerSettings[];
  /** Worker-wide limits that are process options. */
  readonly maxConnections: number;
  /** Use the static read buffer (see docs/design/0002-raw-sockets.md); false falls back to `data` events. */
  readonly staticReadBuffer: boolean;
  readonly requestMetrics: RequestMetricsSettings;
  /** Counters of rate and connection limits, one column per worker: see createLimitMemory. */
  readonly limitMemory: SharedArrayBuffer;
  /** Where replicas count rates together; null: each process counts alone. */
  readonly limitStore: RateStoreSettings | null;
  /** Requests under way to endpoints over all workers; null: each worker counts alone. */
  readonly loads: SharedLoadsMemory | null;
}

export type ToWorker =
  /** `bytes` is an encoded TableUpdate in a SharedArrayBuffer. */
  | { readonly type: 'update'; readonly revision: number; readonly bytes: SharedArrayBuffer }
  /** Open the listeners; sent once the first table is acknowledged. */
  | { readonly type: 'listen'; readonly listeners: readonly ListenerSettings[] }
  | { readonly type: 'sample'; readonly id: number }
  | EndpointNews
  /** Stop accepting, finish what runs, close idle connections; cut what is left after `deadlineMs`. */
  | { readonly type: 'drain'; readonly deadlineMs: number };

/** What other threads have found out about an endpoint (`address:port`) of an upstream. */
export type EndpointNews =
  /** Another worker leaves it out until then, by the clock that all workers share (`machineMs`). */
  | { readonly type: 'ejected'; readonly upstream: string; readonly endpoint: string; readonly untilMs: number }
  /** It fails its active check from now on, or no longer. */
  | { readonly type: 'probed'; readonly upstream: string; readonly endpoint: string; readonly isFailing: boolean };

export type FromWorker =
  | { readonly type: 'started' }
  | {
      readonly type: 'ack';
      readonly revision: number;
      readonly tookMs: number;
      readonly problems: readonly WorkerProblem[];
    }
  /** The worker is not at `baseRevision`: send it a full update. */
  | { readonly type: 'needFull'; readonly revision: number }
  | { readonly type: 'listening'; readonly listeners: readonly ListenerSettings[] }
  | {
      readonly type: 'listenFailed';
      readonly listener: ListenerSettings;
      readonly code: string;
      readonly message: string;
    }
  | { readonly type: 'sample'; readonly id: number; readonly sample: WorkerSample }
  | {
      readonly type: 'ejected';
      readonly upstream: string;
      readonly endpoint: string;
      readonly untilMs: number;
      readonly reason: EjectionReason;
    }
  /** As `StreamServicesOptions.onPortFault`. */
  | { readonly type: 'portFault'; readonly id: StreamId; readonly fault: string | null }
  | {
      readonly type: 'log';
      readonly level: 'debug' | 'info' | 'warn' | 'error';
      readonly message: string;
      readonly fields: Readonly<Record<string, unknown>>;
    }
  | { readonly type: 'accessLog'; readonly lines: string }
  | { readonly type: 'drained'; readonly cutConnections: number };

export type WorkerLogEntry = Pick<Extract<FromWorker, { type: 'log' }>, 'level' | 'message' | 'fields'>;

/** Something in the table that one worker could not use, e.g. a certificate OpenSSL refuses. The old one stays. */
export interface WorkerProblem {
  readonly certificate: CertificateId;
  readonly message: string;
}

/** One worker's metrics at one moment; the main thread adds them up over workers. */
export interface WorkerSample {
  readonly counters: readonly SampleValue[];
  readonly gauges: readonly SampleValue[];
  readonly histograms: readonly SampleHistogram[];
}

export interface SampleValue {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

export interface SampleHistogram {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  /** Upper bounds, ascending, without +Inf. */
  readonly bounds: readonly number[];
  /** One count per bound plus one for +Inf; not cumulative. */
  readonly counts: readonly number[];
  readonly sum: number;
}
