// An upgraded connection (WebSocket and others): bytes both ways, until one side is gone, nothing moves for too long, or it
// has lived long enough. Its exchange is told the end.

import type { RequestRecord } from '../observe/observer.ts';
import type { ClientStream } from './client-stream.ts';
import type { ProxyContext } from './context.ts';
import { Deadline, type Timed } from './timer-wheel.ts';
import type { UpstreamStream } from './upstream-stream.ts';

/** Why a tunnel is cut. */
export type TunnelFault = 'tunnelIdle' | 'tunnelTooOld';

export interface TunnelUser {
  onTunnelLate(fault: TunnelFault): void;
}

export class Tunnel implements Timed {
  readonly #context: ProxyContext;
  readonly #client: ClientStream;
  readonly #record: RequestRecord;
  readonly #user: TunnelUser;
  readonly #deadline = new Deadline(this);
  #stream: UpstreamStream | null = null;
  #readTimeoutMs = 0;
  #endsAtMs = Number.POSITIVE_INFINITY;
  #movedAtMs = 0;
  #isHalfClosed = false;

  constructor(context: ProxyContext, client: ClientStream, record: RequestRecord, user: TunnelUser) {
    this.#context = context;
    this.#client = client;
    this.#record = record;
    this.#user = user;
  }

  /** `readTimeoutMs`: of the route, for as long as the settings have no time of their own for idle tunnels. */
  begin(stream: UpstreamStream, readTimeoutMs: number): void {
    const { wheel, current } = this.#context;
    this.#stream = stream;
    this.#readTimeoutMs = readTimeoutMs;
    this.#endsAtMs = wheel.nowMs + (current.global.peerLimits.tunnelMaxDurationMs ?? Number.POSITIVE_INFINITY);
    this.#isHalfClosed = false;
    this.#arm();
  }

  /** The upstream has ended its side in an orderly way. */
  get isHalfClosed(): boolean {
    return this.#isHalfClosed;
  }

  /** Bytes from the client. False: the upstream takes no more for now. */
  toUpstream(buf: Buffer, start: number, end: number, isOwned: boolean): boolean {
    if (this.#stream === null) return true;
    this.#record.requestBytes += end - start;
    this.#moved();
    return this.#stream.writeTunnel(buf, start, end, isOwned);
  }

  /** Bytes from the upstream. False: the client takes no more until `onClientDrain`. */
  toClient(buf: Buffer, start: number, end: number, isOwned: boolean): boolean {
    this.#record.responseBodyBytes += end - start;
    this.#moved();
    return this.#client.sendTunnelBytes(buf, start, end, isOwned);
  }

  onClientDrain(): void {
    this.#stream?.resume();
    this.#arm();
  }

  onClientEnd(): void {
    this.#stream?.endTunnel();
  }

  onUpstreamEnd(): void {
    this.#isHalfClosed = true;
    this.#client.endTunnel();
  }

  onDeadline(): void {
    this.#user.onTunnelLate(this.#context.wheel.nowMs >= this.#endsAtMs ? 'tunnelTooOld' : 'tunnelIdle');
  }

  /** The exchange is over. */
  end(): void {
    this.#stream = null;
    this.#context.wheel.clear(this.#deadline);
  }

  /** Nothing of it stays linked anywhere. */
  close(): void {
    this.#context.wheel.remove(this.#deadline);
  }

  /** Once a tick is enough: all messages of a tick set the same deadline. */
  #moved(): void {
    if (this.#movedAtMs !== this.#context.wheel.nowMs) this.#arm();
  }

  /** By the settings of now: a tunnel can outlive many revisions. */
  #arm(): void {
    const { wheel, current } = this.#context;
    const idleMs = current.global.peerLimits.tunnelIdleTimeoutMs ?? this.#readTimeoutMs;
    this.#movedAtMs = wheel.nowMs;
    wheel.set(this.#deadline, Math.max(0, Math.min(idleMs, this.#endsAtMs - wheel.nowMs)));
  }
}
