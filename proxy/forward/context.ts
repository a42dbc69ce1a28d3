// What every request of a worker can reach: the table at hand and the worker's shared parts.

import type { RequestLimits } from '../filters/limits.ts';
import type { HeadLimits } from '../http/head-scanner.ts';
import type { LoopTurn } from '../listen/loop-turn.ts';
import type { ReadBuffers } from '../listen/read-buffers.ts';
import type { RouteIndex } from '../match/index.ts';
import type { Observer } from '../observe/observer.ts';
import type { GlobalSettings } from '../table/types.ts';
import type { Balancing } from './balancing.ts';
import type { Hedging } from './hedging.ts';
import type { BodyMemory } from './kept-body.ts';
import type { Mirrors } from './mirror.ts';
import type { TimerWheel } from './timer-wheel.ts';
import type { LiveEndpoints } from './upstream-connection.ts';
import type { UpstreamPool } from './upstream-pool.ts';

/** Everything that changes with a revision, swapped as one reference. A request keeps the one it started with. */
export interface CurrentTable {
  readonly revision: number;
  readonly index: RouteIndex;
  readonly global: GlobalSettings;
  /** From `global`, in the shape the parser wants. */
  readonly requestLimits: HeadLimits;
  /** Says whether a peer's forwarding headers are believed; null when `use-forwarded-headers` is off. */
  readonly isTrusted: ((address: string) => boolean) | null;
  /** Lines of every response, for plain and TLS connections: Server and Strict-Transport-Security. */
  readonly plainLines: string;
  readonly tlsLines: string;
}

export interface ProxyContext {
  current: CurrentTable;
  readonly wheel: TimerWheel;
  readonly buffers: ReadBuffers;
  readonly turn: LoopTurn;
  readonly endpoints: LiveEndpoints;
  readonly balancing: Balancing;
  readonly pool: UpstreamPool;
  readonly observer: Observer;
  readonly limits: RequestLimits;
  readonly mirrors: Mirrors;
  readonly hedging: Hedging;
  /** Request bodies that are held. */
  readonly bodies: BodyMemory;
  /** `Date: ...` line with CRLF, renewed every second. */
  dateLine: string;
  /** True while the worker finishes: connections are closed after their response. */
  isDraining: boolean;
  /** 32 hex digits, unpredictable. */
  readonly nextRequestId: () => string;
  /** Monotonic milliseconds with fractions. */
  readonly preciseNowMs: () => number;
}
