// The idle upstream connections of one worker, by endpoint, newest first.
//
// Limits are ingress-nginx's: `upstream-keepalive-connections` idle ones in all (the longest idle goes first),
// `-timeout` idle time, `-requests` per connection, `-time` of life. They are read at each use, so a ConfigMap change
// applies at once.

import type { HeadLimits } from '../http/head-scanner.ts';
import type { ReadBuffers } from '../listen/read-buffers.ts';
import type { GlobalSettings } from '../table/types.ts';
import type { TimerWheel } from './timer-wheel.ts';
import { type ConnectionHome, type LiveEndpoint, UpstreamConnection } from './upstream-connection.ts';
import type { UpstreamUser } from './upstream-stream.ts';

/** What the pool needs from its worker. */
export interface PoolContext {
  readonly wheel: TimerWheel;
  readonly buffers: ReadBuffers;
  readonly global: GlobalSettings;
}

/** Limits of a response head: nginx's `proxy_buffer_size` has no such parts, and users send large cookies. */
const RESPONSE_LIMITS: HeadLimits = {
  maxRequestLineBytes: 0,
  maxHeaderLineBytes: 16 * 1024,
  maxHeadBytes: 64 * 1024,
  maxHeaderCount: 256,
  allowUnderscoreHeaders: true,
};

export class UpstreamPool implements ConnectionHome {
  readonly limits = RESPONSE_LIMITS;
  readonly #context: PoolContext;
  /** The idle lists that hang on the endpoints. */
  readonly #lists = new Set<UpstreamConnection[]>();
  readonly #all = new Set<UpstreamConnection>();
  #idleCount = 0;

  constructor(context: PoolContext) {
    this.#context = context;
  }

  get buffers(): ReadBuffers {
    return this.#context.buffers;
  }

  /** Open upstream connections, busy and idle. */
  get size(): number {
    return this.#all.size;
  }

  get idleCount(): number {
    return this.#idleCount;
  }

  /** Takes the most recently used idle connection to `endpoint`, or null. */
  take(endpoint: LiveEndpoint): UpstreamConnection | null {
    const connection = endpoint.slot?.pop();
    if (connection === undefined) return null;
    this.#idleCount--;
    this.#context.wheel.clear(connection.idleDeadline);
    return connection;
  }

  /** Opens a new connection; `user.onConnected` or `user.onUpstreamFailed` follows, never within this call. */
  connect(endpoint: LiveEndpoint, user: UpstreamUser): UpstreamConnection {
    const connection = new UpstreamConnection(endpoint, this, user, this.#context.wheel.nowMs);
    this.#all.add(connection);
    return connection;
  }

  keep(connection: UpstreamConnection): boolean {
    const { global, wheel } = this.#context;
    const { endpoint } = connection;
    if (endpoint.draining || connection.requests >= global.upstreamKeepAliveRequests) return false;
    if (wheel.nowMs - connection.openedAtMs >= global.upstreamKeepAliveTimeMs) return false;
    if (global.upstreamKeepAliveConnections === 0) return false;
    // More than one when the limit was lowered.
    while (this.#idleCount >= global.upstreamKeepAliveConnections) this.#closeLongestIdle();
    this.#listOf(endpoint).push(connection);
    this.#idleCount++;
    connection.idleSinceMs = wheel.nowMs;
    wheel.set(connection.idleDeadline, global.upstreamKeepAliveTimeoutMs);
    return true;
  }

  forget(connection: UpstreamConnection): void {
    this.#all.delete(connection);
    this.#context.wheel.remove(connection.idleDeadline);
    const list = connection.endpoint.slot;
    const at = list === null ? -1 : list.indexOf(connection);
    if (list === null || at === -1) return;
    list.splice(at, 1);
    this.#idleCount--;
  }

  /** Closes what is idle to an endpoint that left; requests that still run on others of its connections finish. */
  closeIdle(endpoint: LiveEndpoint): void {
    const list = endpoint.slot;
    if (list === null) return;
    for (const connection of list.slice()) connection.abandon();
    this.#lists.delete(list);
    endpoint.slot = null;
  }

  /** Closes everything that is idle, for shutdown. */
  closeAllIdle(): void {
    for (const list of this.#lists) for (const connection of list.slice()) connection.abandon();
  }

  #listOf(endpoint: LiveEndpoint): UpstreamConnection[] {
    if (endpoint.slot === null) {
      endpoint.slot = [];
      this.#lists.add(endpoint.slot);
    }
    return endpoint.slot;
  }

  /** The oldest of each endpoint stands first in its list, so this looks at endpoints, not at connections. */
  #closeLongestIdle(): void {
    let oldest: UpstreamConnection | null = null;
    for (const list of this.#lists) {
      const first = list[0];
      if (first !== undefined && (oldest === null || first.idleSinceMs < oldest.idleSinceMs)) oldest = first;
    }
    oldest?.abandon();
  }
}
