// The upstream connections of one worker that further requests may use: idle HTTP/1.1 ones by endpoint, newest first, and
// shared HTTP/2 ones.
//
// Limits are ingress-nginx's: `upstream-keepalive-connections` idle ones in all (the longest idle goes first),
// `-timeout` idle time, `-requests` per connection, `-time` of life. They are read at each use, so a ConfigMap change
// applies at once.

import { Http2Parts } from '../listen/http2-parts.ts';
import type { LoopTurn } from '../listen/loop-turn.ts';
import type { ReadBuffers } from '../listen/read-buffers.ts';
import type { GlobalSettings } from '../table/types.ts';
import { EndpointSlot } from './endpoint-slot.ts';
import { type IdleConnection, IdleOrder } from './idle-order.ts';
import { ResponseLimits } from './response-limits.ts';
import type { TimerWheel } from './timer-wheel.ts';
import {
  type ConnectionHome,
  type LiveEndpoint,
  UpstreamConnection,
  type UpstreamSlot,
} from './upstream-connection.ts';
import { UpstreamHttp2, type UpstreamHttp2Home } from './upstream-http2.ts';
import type { UpstreamStream, UpstreamUser } from './upstream-stream.ts';
import { type Transport, Transports } from './upstream-transport.ts';

/** What the pool needs from its worker. */
export interface PoolContext {
  readonly wheel: TimerWheel;
  readonly buffers: ReadBuffers;
  readonly turn: LoopTurn;
  readonly global: GlobalSettings;
}

export class UpstreamPool implements ConnectionHome, UpstreamHttp2Home {
  readonly responseLimits = new ResponseLimits();
  readonly transports = new Transports();
  readonly #context: PoolContext;
  /** What hangs on the endpoints. */
  readonly #slots = new Set<UpstreamSlot>();
  readonly #all = new Set<UpstreamConnection>();
  readonly #shared = new Map<UpstreamHttp2, UpstreamHttp2[]>();
  /** Made with the first HTTP/2 connection: most workers have none. */
  #parts: Http2Parts<never> | null = null;
  readonly #idle = new IdleOrder<IdleConnection>();

  constructor(context: PoolContext) {
    this.#context = context;
  }

  get buffers(): ReadBuffers {
    return this.#context.buffers;
  }

  get turn(): LoopTurn {
    return this.#context.turn;
  }

  get wheel(): TimerWheel {
    return this.#context.wheel;
  }

  get global(): GlobalSettings {
    return this.#context.global;
  }

  get parts(): Http2Parts<never> {
    this.#parts ??= new Http2Parts();
    return this.#parts;
  }

  /** Open upstream connections, busy and idle. */
  get size(): number {
    return this.#all.size + this.#shared.size;
  }

  get idleCount(): number {
    return this.#idle.size;
  }

  /** Takes the most recently used idle connection to `endpoint`, or a place on a shared one. null: `connect`. */
  take(endpoint: LiveEndpoint, transport: Transport): UpstreamStream | null {
    const { slot } = endpoint;
    if (slot === null) return null;
    if (transport.isHttp2) return takePlace(slot, transport);
    const list = transport === this.transports.plain ? slot.plain : slot.secureOf(transport.id);
    const connection = list.pop();
    if (connection === undefined) return null;
    this.#idle.remove(connection);
    this.#context.wheel.clear(connection.idleDeadline);
    return connection;
  }

  /**
   * Opens a new connection, or takes a place on one that is being opened; `user.onConnected` or `user.onUpstreamFailed`
   * follows, never within this call.
   */
  connect(endpoint: LiveEndpoint, user: UpstreamUser, transport: Transport): UpstreamStream {
    if (transport.isHttp2 && endpoint.draining) return this.#connectOnce(endpoint, user, transport);
    if (transport.isHttp2) return this.#connectShared(endpoint, user, transport);
    const connection = new UpstreamConnection(endpoint, this, user, this.#context.wheel.nowMs, transport);
    this.#all.add(connection);
    return connection;
  }

  #connectShared(endpoint: LiveEndpoint, user: UpstreamUser, transport: Transport): UpstreamStream {
    const list = this.#slotOf(endpoint).sharedOf(transport.id);
    let connection = list.find((each) => !each.isOpen && each.hasRoom);
    if (connection === undefined) {
      connection = new UpstreamHttp2(this, endpoint, transport);
      list.push(connection);
      this.#shared.set(connection, list);
    }
    return connection.reserve(user);
  }

  /** To an endpoint that has left meanwhile: nobody else will come for it, so that it ends with this request. */
  #connectOnce(endpoint: LiveEndpoint, user: UpstreamUser, transport: Transport): UpstreamStream {
    const connection = new UpstreamHttp2(this, endpoint, transport);
    this.#shared.set(connection, []);
    const stream = connection.reserve(user);
    connection.retire();
    return stream;
  }

  keep(connection: UpstreamConnection): boolean {
    const { global, wheel } = this.#context;
    const { endpoint, transport } = connection;
    if (endpoint.draining || connection.requests >= global.upstreamKeepAliveRequests) return false;
    if (wheel.nowMs - connection.openedAtMs >= global.upstreamKeepAliveTimeMs) return false;
    if (!this.#makeRoom()) return false;
    this.#idleListOf(endpoint, transport).push(connection);
    this.#idle.add(connection);
    wheel.set(connection.idleDeadline, global.upstreamKeepAliveTimeoutMs);
    return true;
  }

  /** Closes the longest idle connections over the limit, for one more. False: none may be kept. */
  #makeRoom(): boolean {
    const { upstreamKeepAliveConnections } = this.#context.global;
    if (upstreamKeepAliveConnections === 0) return false;
    // More than one when the limit was lowered.
    while (this.#idle.size >= upstreamKeepAliveConnections) this.#idle.oldest?.abandon();
    return true;
  }

  rest(connection: UpstreamHttp2): boolean {
    if (connection.isIdle) return true;
    if (!this.#makeRoom()) return false;
    this.#idle.add(connection);
    connection.isIdle = true;
    return true;
  }

  wake(connection: UpstreamHttp2): void {
    if (!connection.isIdle) return;
    connection.isIdle = false;
    this.#idle.remove(connection);
  }

  forget(connection: UpstreamConnection): void {
    this.#all.delete(connection);
    this.#context.wheel.remove(connection.idleDeadline);
    if (connection.endpoint.slot === null) return;
    const list = this.#idleListOf(connection.endpoint, connection.transport);
    const at = list.indexOf(connection);
    if (at === -1) return;
    list.splice(at, 1);
    this.#idle.remove(connection);
  }

  forgetHttp2(connection: UpstreamHttp2): void {
    this.wake(connection);
    const list = this.#shared.get(connection);
    this.#shared.delete(connection);
    const at = list?.indexOf(connection) ?? -1;
    if (at !== -1) list?.splice(at, 1);
  }

  /** Closes what is idle to an endpoint that left; requests that still run on others of its connections finish. */
  closeIdle(endpoint: LiveEndpoint): void {
    const { slot } = endpoint;
    if (slot === null) return;
    closeSlot(slot);
    this.#slots.delete(slot);
    endpoint.slot = null;
  }

  /** Closes everything that is idle, for shutdown. */
  closeAllIdle(): void {
    for (const slot of this.#slots) closeSlot(slot);
  }

  #slotOf(endpoint: LiveEndpoint): UpstreamSlot {
    if (endpoint.slot === null) {
      endpoint.slot = new EndpointSlot();
      this.#slots.add(endpoint.slot);
    }
    return endpoint.slot;
  }

  #idleListOf(endpoint: LiveEndpoint, transport: Transport): UpstreamConnection[] {
    const slot = this.#slotOf(endpoint);
    return transport === this.transports.plain ? slot.plain : slot.secureOf(transport.id);
  }
}

/** The user is told with the stream's `begin`. */
function takePlace(slot: UpstreamSlot, transport: Transport): UpstreamStream | null {
  const list = slot.shared?.get(transport.id);
  if (list === undefined) return null;
  for (const connection of list) if (connection.isOpen && connection.hasRoom) return connection.reserve(null);
  return null;
}

function closeSlot(slot: UpstreamSlot): void {
  for (const list of slot.idleLists()) for (const connection of list.slice()) connection.abandon();
  if (slot.shared === null) return;
  for (const list of slot.shared.values()) for (const connection of list.slice()) connection.retire();
}
