// One TCP connection that is passed on as it comes: to an endpoint of a TCP service, or, by passthrough, to one of a host.
//
//   connecting --connected--> open --both ended, or one failed--> closed
//       +--refused, timed out--> connecting (another endpoint), or closed
// Until there is an endpoint the client is not read. Each side may end its direction on its own (half-close); the session is
// over when both sockets are. Without a byte in either direction it ends after `proxy-stream-timeout`.

import type { Socket } from 'node:net';
import type { ProxyContext } from '../forward/context.ts';
import { Deadline, type Timed } from '../forward/timer-wheel.ts';
import { connectSocket } from '../listen/sockets.ts';
import type { StreamClient, StreamObserver, StreamOrigin, StreamStatus } from './stream-record.ts';
import type { StreamEndpoint, StreamUpstream } from './stream-upstream.ts';
import { type SideHome, TcpSide } from './tcp-side.ts';

export interface SessionHome {
  readonly context: ProxyContext;
  readonly observer: StreamObserver;
  /** Called once, when both sockets are given up. */
  sessionClosed(session: TcpSession): void;
}

/** Where a session goes. */
export interface SessionTarget {
  readonly origin: StreamOrigin;
  /** `undefined`: the upstream is gone. */
  readonly upstream: StreamUpstream | undefined;
  /** Sent to the endpoint first: a PROXY header; ''. */
  readonly header: string;
  /** Bytes that the client has sent already, the session's to keep. */
  readonly first: Buffer | null;
}

type State = 'connecting' | 'open' | 'closed';

export class TcpSession implements SideHome, Timed {
  readonly client: TcpSide;
  readonly #home: SessionHome;
  readonly #facts: StreamClient;
  readonly #target: SessionTarget;
  readonly #deadline = new Deadline(this);
  readonly #openedAtMs: number;
  #state: State = 'connecting';
  #upstream: TcpSide | null = null;
  #endpoint: StreamEndpoint | null = null;
  /** What `begin` of the endpoint gave. */
  #probe = 0;
  #tried: StreamEndpoint[] | null = null;
  #attempts = 0;
  #attemptAtMs = 0;
  #status: StreamStatus = 502;
  #detail = '';
  /** When a session of a service that is gone ends in any case. */
  #cutAtMs = Number.POSITIVE_INFINITY;

  constructor(home: SessionHome, facts: StreamClient, target: SessionTarget) {
    this.#home = home;
    this.#facts = facts;
    this.#target = target;
    this.#openedAtMs = home.context.preciseNowMs();
    this.client = new TcpSide(this, home.context);
  }

  /** Takes the client's socket, paused and with its events at `client`, and looks for an endpoint. */
  start(socket: Socket): void {
    this.client.attach(socket);
    this.#home.observer.onStreamOpened(this.#target.origin);
    this.#connect();
  }

  /** It may go on for so long at most: its service is gone. */
  limit(remainingMs: number): void {
    const { wheel } = this.#home.context;
    this.#cutAtMs = wheel.nowMs + remainingMs;
    if (this.#state === 'open') this.#armIdle();
  }

  /** Shutdown: there is no good moment to end it, it goes on until its end or the limit. */
  drain(): void {}

  /** Ends it now. */
  cut(): void {
    this.#status = 500;
    this.#close('cut by Sluice');
  }

  // ---- connecting

  #connect(): void {
    const { context } = this.#home;
    const { stream } = context.current.global;
    const endpoint = this.#target.upstream?.pick(this.#tried) ?? null;
    if (endpoint === null) return this.#close(this.#attempts === 0 ? 'no endpoint' : this.#detail);
    this.#attempts++;
    this.#attemptAtMs = context.preciseNowMs();
    this.#endpoint = endpoint;
    this.#probe = endpoint.begin();
    const side = new TcpSide(this, context);
    this.#upstream = side;
    const socket = connectSocket(endpoint.address, endpoint.port, side);
    socket.pause();
    side.attach(socket);
    socket.once('connect', () => this.#connected(side));
    context.wheel.set(this.#deadline, stream.connectTimeoutMs);
  }

  #connected(side: TcpSide): void {
    if (this.#state !== 'connecting' || this.#upstream !== side || this.#endpoint === null) return;
    this.#state = 'open';
    this.#status = 200;
    this.#detail = '';
    this.#tried = null;
    const { header, first, upstream } = this.#target;
    upstream?.onAnswered(this.#endpoint, this.#home.context.preciseNowMs() - this.#attemptAtMs);
    this.#armIdle();
    side.writer.addText(header);
    if (first !== null) {
      this.client.bytesRead += first.length;
      side.writer.addBytes(first, 0, first.length);
    }
    side.writer.flush();
    side.readInto(this.client);
    this.client.readInto(side);
    // Node may tell of the end of a socket that is not read.
    if (this.client.hasEnded) side.end();
  }

  /** One endpoint could not be reached: the next one, if the settings allow it. */
  #attemptFailed(detail: string): void {
    const { stream } = this.#home.context.current.global;
    const nowMs = this.#home.context.preciseNowMs();
    this.#detail = detail;
    this.#leaveEndpoint(nowMs);
    const isOut = stream.maxAttempts !== null && this.#attempts >= stream.maxAttempts;
    const isLate = stream.retryTimeoutMs !== null && nowMs - this.#openedAtMs >= stream.retryTimeoutMs;
    if (isOut || isLate) this.#close(detail);
    else this.#connect();
  }

  #leaveEndpoint(nowMs: number): void {
    const endpoint = this.#endpoint;
    const side = this.#upstream;
    this.#upstream = null;
    if (endpoint === null) return;
    this.#tried ??= [];
    this.#tried.push(endpoint);
    this.#target.upstream?.onFailed(endpoint, nowMs - this.#attemptAtMs);
    endpoint.end(this.#probe);
    side?.destroy(false);
  }

  // ---- passing on

  onDeadline(): void {
    if (this.#state === 'connecting') return this.#attemptFailed('connect timeout');
    const isCut = this.#home.context.wheel.nowMs >= this.#cutAtMs;
    if (isCut) this.cut();
    else this.#close('idle');
  }

  sideRead(): void {
    this.#armIdle();
  }

  sideEnded(side: TcpSide): void {
    if (this.#state !== 'open') return;
    this.#otherOf(side)?.end();
  }

  sideClosed(side: TcpSide, error: string): void {
    const isOurs = side === this.client || side === this.#upstream;
    if (this.#state === 'closed' || !isOurs) return;
    if (this.#state === 'connecting') {
      if (side === this.#upstream) this.#attemptFailed(error === '' ? 'connection closed' : error);
      else if (side === this.client) this.#close('client went away');
      return;
    }
    // A socket that both ends have ended is closed before the other one: that one still has something to send.
    const other = this.#otherOf(side);
    if (error !== '' || !side.hasEnded || other?.socket?.destroyed === true) this.#close(error, error !== '');
  }

  #otherOf(side: TcpSide): TcpSide | null {
    return side === this.client ? this.#upstream : this.client;
  }

  #armIdle(): void {
    const { wheel, current } = this.#home.context;
    wheel.set(this.#deadline, Math.min(current.global.stream.idleTimeoutMs, this.#cutAtMs - wheel.nowMs));
  }

  #close(detail: string, isAborted = false): void {
    if (this.#state === 'closed') return;
    const wasOpen = this.#state === 'open';
    this.#state = 'closed';
    this.#home.context.wheel.remove(this.#deadline);
    if (wasOpen || this.#upstream !== null) this.#endpoint?.end(this.#probe);
    this.client.destroy(isAborted);
    this.#upstream?.destroy(isAborted);
    this.#report(detail);
    this.#home.sessionClosed(this);
  }

  #report(detail: string): void {
    this.#home.observer.onStreamClosed({
      origin: this.#target.origin,
      client: this.#facts,
      status: this.#status,
      bytesSent: this.client.writer.bytesOut,
      bytesReceived: this.client.bytesRead,
      durationMs: this.#home.context.preciseNowMs() - this.#openedAtMs,
      endpoint: this.#endpoint,
      detail,
    });
  }
}
