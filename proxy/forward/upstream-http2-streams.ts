// The streams of one HTTP/2 connection to an endpoint, and what frames mean for them: which stream a frame belongs to, and
// which errors are the connection's (RFC 9113 §5.1).

import type { ResponseHead } from '../http/response-head.ts';
import { ErrorCode, type ErrorCodeValue } from '../http2/protocol.ts';
import type { Flushable, LoopTurn } from '../listen/loop-turn.ts';
import type { ProxyErrorCode } from './errors.ts';
import type { BlockUse, StreamFrames } from './upstream-http2-receiver.ts';
import { UpstreamHttp2Stream, type UpstreamStreamHome } from './upstream-http2-stream.ts';
import type { UpstreamUser } from './upstream-stream.ts';

/** The connection as its set of streams sees it. */
export interface UpstreamStreamsOwner extends UpstreamStreamHome {
  readonly turn: LoopTurn;
  connectionError(code: ErrorCodeValue, detail: string): void;
  /** Takes payload of the connection's window. False: the connection has been ended. */
  takeWindow(bytes: number): boolean;
  /** Something came that is worth the frames around it. */
  creditWork(amount: number): void;
}

export class UpstreamHttp2Streams implements StreamFrames, Flushable {
  readonly #owner: UpstreamStreamsOwner;
  /** Streams with an id, by it. */
  readonly #byId = new Map<number, UpstreamHttp2Stream>();
  /** Streams that wait for the connection to open. */
  readonly #reserved = new Set<UpstreamHttp2Stream>();
  /** Streams that the read at hand has brought something for. */
  readonly #touched: UpstreamHttp2Stream[] = [];
  readonly #resumed: UpstreamHttp2Stream[] = [];
  /** The number of the next stream. */
  nextId = 1;

  constructor(owner: UpstreamStreamsOwner) {
    this.#owner = owner;
  }

  /** With and without an id. */
  get size(): number {
    return this.#byId.size + this.#reserved.size;
  }

  /** With an id. */
  get openCount(): number {
    return this.#byId.size;
  }

  reserve(user: UpstreamUser | null, isReused: boolean): UpstreamHttp2Stream {
    const stream = new UpstreamHttp2Stream(this.#owner, user, isReused);
    this.#reserved.add(stream);
    return stream;
  }

  /** Gives a reserved stream its id. */
  open(stream: UpstreamHttp2Stream): void {
    this.#reserved.delete(stream);
    stream.id = this.nextId;
    this.nextId += 2;
    this.#byId.set(stream.id, stream);
  }

  remove(stream: UpstreamHttp2Stream): void {
    this.#reserved.delete(stream);
    this.#byId.delete(stream.id);
  }

  /** The connection is open: those that waited for it may begin. */
  onConnected(): void {
    for (const stream of [...this.#reserved]) stream.onConnected();
  }

  /** Forgets all of them; gives those that there were. */
  takeAll(): UpstreamHttp2Stream[] {
    const all = [...this.#byId.values(), ...this.#reserved];
    this.#byId.clear();
    this.#reserved.clear();
    return all;
  }

  /** SETTINGS_INITIAL_WINDOW_SIZE moves the windows of all (RFC 9113 §6.9.2). False on overflow. */
  shiftWindows(bytes: number): boolean {
    for (const stream of this.#byId.values()) if (!stream.growWindow(bytes)) return false;
    return true;
  }

  /** Calls `deliverHeld` at the end of this loop turn. */
  deliverSoon(stream: UpstreamHttp2Stream): void {
    this.#resumed.push(stream);
    if (this.#resumed.length === 1) this.#owner.turn.add(this);
  }

  flush(): void {
    for (const stream of this.#resumed.splice(0)) stream.deliverHeld();
  }

  /** All that one read brought has been handed on: the clients that got some of it may send. */
  readDone(): void {
    for (let stream = this.#touched.pop(); stream !== undefined; stream = this.#touched.pop()) {
      stream.isTouched = false;
      stream.user?.onUpstreamReadDone();
    }
  }

  /** RFC 9113 §6.8: streams above `lastStreamId` were not processed and may go elsewhere; the others finish. */
  goAway(lastStreamId: number, code: number): void {
    for (const stream of [...this.#byId.values()]) {
      if (stream.id <= lastStreamId) continue;
      // A connection that had served so far merely ends; a new one that turns requests away is a failing endpoint.
      const failure: ProxyErrorCode = stream.isReused ? 'staleStream' : 'streamRefused';
      stream.fail(failure, `upstream is going away: ${code}`);
    }
  }

  // ---- StreamFrames

  useOfBlock(streamId: number): BlockUse {
    const stream = this.#byId.get(streamId);
    if (stream !== undefined) {
      this.#touch(stream);
      return stream.hasHead ? 'trailers' : 'response';
    }
    return this.#mustNotBeIdle(streamId, 'HEADERS') ? 'ignored' : 'error';
  }

  onResponse(streamId: number, head: ResponseHead, fault: string, isLast: boolean): void {
    this.#owner.creditWork(4);
    this.#byId.get(streamId)?.onResponse(head, fault, isLast);
  }

  onTrailers(streamId: number, lines: string | null, isLast: boolean): void {
    this.#byId.get(streamId)?.onTrailers(lines, isLast);
  }

  onData(
    streamId: number,
    buf: Buffer,
    start: number,
    end: number,
    flowBytes: number,
    isLast: boolean,
    isOwned: boolean,
  ): void {
    const owner = this.#owner;
    if (!owner.takeWindow(flowBytes)) return;
    const stream = this.#byId.get(streamId);
    if (stream === undefined) {
      this.#mustNotBeIdle(streamId, 'DATA');
      return;
    }
    if (end > start) owner.creditWork(1);
    this.#touch(stream);
    stream.onData(buf, start, end, flowBytes, isOwned, isLast);
  }

  onReset(streamId: number, code: number): void {
    const stream = this.#byId.get(streamId);
    if (stream === undefined) this.#mustNotBeIdle(streamId, 'RST_STREAM');
    // RFC 9113 §8.7: it was not processed.
    else if (code === ErrorCode.refusedStream && !stream.hasHead) {
      stream.fail('streamRefused', 'upstream refused the stream');
    } else stream.fail(stream.hasHead ? 'upstreamTruncated' : 'upstreamClosed', `upstream reset the stream: ${code}`);
  }

  onStreamWindow(streamId: number, increment: number): void {
    const stream = this.#byId.get(streamId);
    if (stream === undefined) this.#mustNotBeIdle(streamId, 'WINDOW_UPDATE');
    else if (increment === 0) stream.refuse('window update of 0');
    else if (!stream.growWindow(increment)) stream.refuse('window overflow', ErrorCode.flowControlError);
  }

  #touch(stream: UpstreamHttp2Stream): void {
    if (stream.isTouched) return;
    stream.isTouched = true;
    this.#touched.push(stream);
  }

  /** RFC 9113 §5.1: never used so far. Streams with even ids never are: nobody may push. False: an error. */
  #mustNotBeIdle(streamId: number, frame: string): boolean {
    if (streamId < this.nextId && streamId % 2 === 1) return true;
    this.#owner.connectionError(ErrorCode.protocolError, `${frame} on an idle stream`);
    return false;
  }
}
