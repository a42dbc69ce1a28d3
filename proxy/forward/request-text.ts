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
 * Renders like `renderRequest`, and remembers the text around the request id: with the same head and the same parts only
 * the id is new.
 */
export class RequestRenderer {
  #head: RequestHead | null = null;
  #repeatKey = 0;
  #parts: RequestTextParts | null = null;
  /** '' until the head has come a second time. */
  #before = '';
  #behind = '';

  render(head: RequestHead, parts: RequestTextParts): string {
    if (!this.#isRepeated(head, parts)) {
      this.#head = head;
      this.#repeatKey = head.repeatKey;
      this.#parts = parts;
      this.#before = '';
      return renderRequest(head, parts);
    }
    if (this.#before === '') {
      this.#before = flat(textBeforeId(head, parts));
      this.#behind = flat(textBehindId(head, parts));
    }
    return this.#before + requestIdLine(parts) + this.#behind;
  }

  /** All that the text is made of, but for the id. */
  #isRepeated(head: RequestHead, parts: RequestTextParts): boolean {
    const last = this.#parts;
    return (
      head.repeatKey !== 0 &&
      head.repeatKey === this.#repeatKey &&
      head === this.#head &&
      last !== null &&
      last.host === parts.host &&
      last.forwardedLines === parts.forwardedLines &&
      last.upgrade === parts.upgrade &&
      last.isTrustedPeer === parts.isTrustedPeer
    );
  }
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
