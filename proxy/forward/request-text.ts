// Renders the request head that goes upstream: kept runs of the client's head, plus what the proxy sets itself.
//
// Everything the proxy vouches for (Host, X-Forwarded-*, X-Real-IP, X-Request-ID, framing, Connection) is rendered here
// and nowhere else, so that no client-sent twin of it can get through.

import type { RequestHead, TextRange } from '../http/request-head.ts';

/** The parts that do not come from the head itself. */
export interface RequestTextParts {
  /** Value of the Host header; the client's own, or the first X-Forwarded-Host of a trusted peer. */
  readonly host: string;
  /** From `renderForwardedLines`. */
  readonly forwardedLines: string;
  /** Value of X-Request-ID, '' for none. */
  readonly requestId: string;
  /** Token of an Upgrade that is passed on, '' for none. */
  readonly upgrade: string;
  readonly isTrustedPeer: boolean;
}

/** Renders the head with its empty line. The upstream is spoken to in HTTP/1.1 whatever the client speaks. */
export function renderRequest(head: RequestHead, parts: RequestTextParts): string {
  return textBeforeId(head, parts) + requestIdLine(parts) + textBehindId(head, parts);
}

/**
 * Renders like `renderRequest`, and remembers the text of the header lines: while they and the parts stay the same, only
 * target, host and id are new, and while those two stay the same as well, only the id.
 */
export class RequestRenderer {
  #head: RequestHead | null = null;
  #linesKey = 0;
  #parts: RequestTextParts | null = null;
  /** The kept lines, and what follows the second Host and the id; '' until the lines have come a second time. */
  #lines = '';
  #forwarded = '';
  #behind = '';
  /** The head whose text before the id is `#before`; 0: none. */
  #repeatKey = 0;
  #host = '';
  #before = '';

  render(head: RequestHead, parts: RequestTextParts): string {
    if (!this.#hasSameLines(head, parts)) {
      this.#head = head;
      this.#linesKey = head.linesKey;
      this.#parts = parts;
      this.#behind = '';
      this.#repeatKey = head.repeatKey;
      this.#host = parts.host;
      this.#before = '';
      return renderRequest(head, parts);
    }
    if (this.#behind === '') {
      this.#lines = flat(`${head.keptText()}X-Forwarded-Host: `);
      this.#forwarded = flat(`\r\n${parts.forwardedLines}`);
      this.#behind = flat(textBehindId(head, parts));
    }
    return this.#beforeId(head, parts) + requestIdLine(parts) + this.#behind;
  }

  /** In one piece once the same head has come again. */
  #beforeId(head: RequestHead, { host }: RequestTextParts): string {
    const isRepeated = head.repeatKey === this.#repeatKey && host === this.#host;
    if (isRepeated && this.#before !== '') return this.#before;
    const text = `${head.method} ${head.target} HTTP/1.1\r\nHost: ${host}\r\n${this.#lines}${host}${this.#forwarded}`;
    this.#repeatKey = head.repeatKey;
    this.#host = host;
    this.#before = isRepeated ? flat(text) : '';
    return isRepeated ? this.#before : text;
  }

  /** All that the text is made of, but for target, host and id. */
  #hasSameLines(head: RequestHead, parts: RequestTextParts): boolean {
    const last = this.#parts;
    return (
      head.linesKey !== 0 &&
      head.linesKey === this.#linesKey &&
      head === this.#head &&
      last !== null &&
      last.forwardedLines === parts.forwardedLines &&
      last.upgrade === parts.upgrade &&
      last.isTrustedPeer === parts.isTrustedPeer
    );
  }
}

const CHUNKED_LINE = 'Transfer-Encoding: chunked\r\n';

/** A rendered head of a chunked request, changed for a body whose length is known by now. */
export function withContentLength(text: string, length: number): string {
  // Lines of the client stand before those about framing: the last one is ours.
  const at = text.lastIndexOf(CHUNKED_LINE);
  return `${text.slice(0, at)}Content-Length: ${length}\r\n${text.slice(at + CHUNKED_LINE.length)}`;
}

function textBeforeId(head: RequestHead, { host, forwardedLines }: RequestTextParts): string {
  const start = `${head.method} ${head.target} HTTP/1.1\r\nHost: ${host}\r\n`;
  return `${start}${head.keptText()}X-Forwarded-Host: ${host}\r\n${forwardedLines}`;
}

function requestIdLine({ requestId }: RequestTextParts): string {
  return requestId === '' ? '' : `X-Request-ID: ${requestId}\r\n`;
}

function textBehindId(head: RequestHead, parts: RequestTextParts): string {
  let text = '';
  if (head.xForwardedFor.start !== -1) text += originalForwardedFor(head);
  if (hasValue(head.xForwardedHost)) text += `X-Original-Forwarded-Host: ${head.textOf(head.xForwardedHost)}\r\n`;
  if (parts.isTrustedPeer && head.trustedRuns.length !== 0) text += trustedLines(head);
  if (head.contentLength > 0) text += `Content-Length: ${head.contentLength}\r\n`;
  else if (head.contentLength === -1) text += 'Transfer-Encoding: chunked\r\n';
  else if (needsZeroLength(head.method)) text += 'Content-Length: 0\r\n';
  if (parts.upgrade !== '') text += `Upgrade: ${parts.upgrade}\r\nConnection: upgrade\r\n`;
  return `${text}\r\n`;
}

function originalForwardedFor(head: RequestHead): string {
  const list = head.forwardedFor;
  return list === '' ? '' : `X-Original-Forwarded-For: ${list}\r\n`;
}

/** A rope is walked each time it becomes part of a text; what is used again is worth a copy in one piece. */
function flat(text: string): string {
  return Buffer.from(text, 'latin1').latin1Slice();
}

/** nginx leaves a header out whose value is empty. */
function hasValue(range: TextRange): boolean {
  return range.start !== -1 && range.end > range.start;
}

/** Methods whose empty body servers want to see declared (RFC 9110 §8.6). */
function needsZeroLength(method: string): boolean {
  return method === 'POST' || method === 'PUT' || method === 'PATCH';
}

function trustedLines(head: RequestHead): string {
  let text = '';
  for (let i = 0; i < head.trustedRuns.length; i += 2) {
    text += head.text.slice(head.trustedRuns[i] as number, head.trustedRuns[i + 1] as number);
  }
  return text;
}
