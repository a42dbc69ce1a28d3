// One parsed request head, as positions into its own text.
//
// PURE, and reused: a connection has one RequestHead for its whole life. Headers that nobody asks about are never
// turned into strings one by one: they stay in `text` and are forwarded as runs, contiguous ranges of whole lines.

import type { HostName } from './authority.ts';
import { ConnectionOptions } from './connection-options.ts';
import type { RequestPath } from './request-path.ts';
import { KeptLines } from './runs.ts';

/** A value of a header as a range of `text`; start -1 when the header is absent. */
export class TextRange {
  start = -1;
  end = -1;

  set(start: number, end: number): void {
    this.start = start;
    this.end = end;
  }

  /** Keeps the first of several. */
  setFirst(start: number, end: number): void {
    if (this.start === -1) this.set(start, end);
  }

  /** See RequestHead. */
  move(hostEnd: number, target: number, host: number): void {
    if (this.start === -1) return;
    const by = this.start < hostEnd ? target : target + host;
    this.start += by;
    this.end += by;
  }
}

function movePositions(positions: number[], count: number, hostEnd: number, target: number, host: number): void {
  for (let i = 0; i < count; i++) {
    const at = positions[i] as number;
    positions[i] = at + (at < hostEnd ? target : target + host);
  }
}

export class RequestHead extends KeptLines {
  method = '';
  /** The target as it is sent upstream: origin-form. For an absolute-form request without its scheme and authority. */
  target = '';
  /** Normalised path for matching. */
  path = '/' as RequestPath;
  /** The Host header (or authority) as the client wrote it; '' when there is none (HTTP/1.0). */
  rawHost = '';
  host = '' as HostName;
  /** 0 or 1: HTTP/1.x. */
  minorVersion = 1;
  /** Declared body length; 0 when the request has no body, -1 for a chunked body. */
  contentLength = 0;
  readonly connection = new ConnectionOptions();
  expectContinue = false;
  /** `te: trailers`: the client takes trailers (RFC 9110 §10.1.4). */
  acceptsTrailers = false;
  readonly upgrade = new TextRange();
  readonly xForwardedFor = new TextRange();
  /** Ranges (start, end) of further X-Forwarded-For lines, which stand before `xForwardedFor`. Rare. */
  readonly earlierForwardedFor: number[] = [];
  /** Of several lines the first: together they are one list (RFC 9110 §5.3), and its first entry is what counts. */
  readonly xForwardedHost = new TextRange();
  readonly xForwardedProto = new TextRange();
  readonly xForwardedPort = new TextRange();
  readonly xRequestId = new TextRange();
  readonly referer = new TextRange();
  readonly userAgent = new TextRange();
  readonly authorization = new TextRange();
  /** Ranges of whole lines forwarded only from trusted peers (`forwarded`, `x-forwarded-prefix`). Rare. */
  readonly trustedRuns: number[] = [];
  readonly #ranges: readonly TextRange[] = [
    this.upgrade,
    this.xForwardedFor,
    this.xForwardedHost,
    this.xForwardedProto,
    this.xForwardedPort,
    this.xRequestId,
    this.referer,
    this.userAgent,
    this.authorization,
  ];
  /** Request line bytes, for the access log. */
  requestLineEnd = 0;
  /** Not 0: while it stays the same, so does everything else here, over several requests. See RepeatedRequest. */
  repeatKey = 0;
  /** Not 0: while it stays the same, so do the method and every header line but Host, over several requests. */
  linesKey = 0;

  get hasBody(): boolean {
    return this.contentLength !== 0;
  }

  get isChunked(): boolean {
    return this.contentLength === -1;
  }

  /** The text of a range, '' when absent. */
  textOf(range: TextRange): string {
    return range.start === -1 ? '' : this.text.slice(range.start, range.end);
  }

  /** A further X-Forwarded-For line is about to take the place of `xForwardedFor`. */
  keepEarlierForwardedFor(): void {
    const { start, end } = this.xForwardedFor;
    if (start !== -1) this.earlierForwardedFor.push(start, end);
  }

  /** All X-Forwarded-For lines as the one list they are (RFC 9110 §5.3), '' when there are none. */
  get forwardedFor(): string {
    let list = '';
    for (let i = 0; i < this.earlierForwardedFor.length; i += 2) {
      const line = this.text.slice(this.earlierForwardedFor[i] as number, this.earlierForwardedFor[i + 1] as number);
      if (line !== '') list += `${line}, `;
    }
    const last = this.textOf(this.xForwardedFor);
    return last === '' ? list.slice(0, -2) : list + last;
  }

  /** The text is another one, longer by `target` bytes in its target and by `host` bytes in what ended at `hostEnd`. */
  move(hostEnd: number, target: number, host: number): void {
    for (const range of this.#ranges) range.move(hostEnd, target, host);
    movePositions(this.runs, this.runCount * 2, hostEnd, target, host);
    movePositions(this.earlierForwardedFor, this.earlierForwardedFor.length, hostEnd, target, host);
    movePositions(this.trustedRuns, this.trustedRuns.length, hostEnd, target, host);
    this.requestLineEnd += target;
  }

  reset(): void {
    this.repeatKey = 0;
    this.linesKey = 0;
    this.method = '';
    this.contentLength = 0;
    this.connection.reset();
    this.expectContinue = false;
    this.acceptsTrailers = false;
    this.rawHost = '';
    this.upgrade.start = -1;
    this.xForwardedFor.start = -1;
    this.xForwardedHost.start = -1;
    this.xForwardedProto.start = -1;
    this.xForwardedPort.start = -1;
    this.xRequestId.start = -1;
    this.referer.start = -1;
    this.userAgent.start = -1;
    this.authorization.start = -1;
    this.runCount = 0;
    if (this.earlierForwardedFor.length !== 0) this.earlierForwardedFor.length = 0;
    if (this.trustedRuns.length !== 0) this.trustedRuns.length = 0;
  }
}

/** Whether sending the request twice is the same as once (RFC 9110 §9.2.2). POST, LOCK, PATCH and unknown methods are not. */
export function isIdempotent(method: string): boolean {
  switch (method) {
    case 'GET':
    case 'HEAD':
    case 'PUT':
    case 'DELETE':
    case 'OPTIONS':
      return true;
    default:
      return false;
  }
}
