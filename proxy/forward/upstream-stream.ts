// The two halves of a request's way to its endpoint: what the exchange asks of it, and what it tells the exchange.
//
// One UpstreamConnection is one stream after the other (HTTP/1.1); a multiplexed protocol has many streams at a time.

import type { ResponseHead } from '../http/response-head.ts';
import type { ProxyErrorCode } from './errors.ts';

/** What a stream tells the exchange that uses it. After `onResponseEnd` or `onUpstreamFailed` it holds it no more. */
export interface UpstreamUser {
  onConnected(): void;
  /** Before `onResponseEnd`: the stream is gone. `detail` is for logs. */
  onUpstreamFailed(code: ProxyErrorCode, detail: string): void;
  onInformational(head: ResponseHead): void;
  onResponseHead(head: ResponseHead, hasBody: boolean): void;
  /** Up to SMALL_BODY_BYTES are copied by the receiver, more stay unchanged until it drains. False: wait for `resume`. */
  onResponseBody(buf: Buffer, start: number, end: number): boolean;
  onResponseEnd(trailers: string): void;
  onTunnelData(buf: Buffer, start: number, end: number, isOwned: boolean): boolean;
  onTunnelEnd(): void;
  onUpstreamDrain(): void;
  /** All bytes of one read have been delivered: time to flush. */
  onUpstreamReadDone(): void;
}

/** One request to one endpoint, from the side that sends it. */
export interface UpstreamStream {
  /**
   * Begins a request with the head `text`. `isComplete`: it has no body, or a chunked one without a byte. `maxHeadBytes`:
   * of the response's head, where the protocol has no limit of its own.
   */
  begin(
    user: UpstreamUser,
    text: string,
    isHeadRequest: boolean,
    isChunkedRequest: boolean,
    isComplete: boolean,
    maxHeadBytes: number,
  ): void;
  /** Adds a part of the request body. False: wait for `onUpstreamDrain`. */
  writeBody(buf: Buffer, start: number, end: number): boolean;
  /** The request is complete. `trailers`: lines, each with CRLF, that go where the framing of the body has room for them. */
  endBody(trailers: string): void;
  /** Adds and sends bytes of a tunnel, which are copied where they must be. False: wait for `onUpstreamDrain`. */
  writeTunnel(buf: Buffer, start: number, end: number, isOwned: boolean): boolean;
  /** Sends half of a close through a tunnel. */
  endTunnel(): void;
  /** Sends what was added. */
  flush(): void;
  /** Reads on, after `onResponseBody` or `onTunnelData` gave false. */
  resume(): void;
  /** Gives the stream up: its user is gone or wants no more of it. */
  abandon(): void;
}
