// Renders the response head that goes to the client: kept runs of the upstream's head, plus framing and own headers.

import { CHUNKED, type ResponseHead, UNTIL_CLOSE } from '../http/response-head.ts';

/** How the body goes to the client. `chunked` and `untilClose` re-frame; `length` and `none` keep the upstream's. */
export type BodyFraming = 'none' | 'length' | 'chunked' | 'untilClose';

export interface ResponseTextParts {
  readonly framing: BodyFraming;
  /** `Date: ...` with CRLF, added when the upstream sent none (RFC 9110 §6.6.1). */
  readonly dateLine: string;
  /** Lines of every response: Server, Strict-Transport-Security; '' for none. */
  readonly commonLines: string;
  /** Forward the upstream's own Server header (`allow-backend-server-header`). */
  readonly passServer: boolean;
  /** Forward the upstream's own Strict-Transport-Security: not when we set ours. */
  readonly passHsts: boolean;
  /** Value of Connection, '' for none. */
  readonly connection: string;
}

/** Picks the framing for a client: chunked needs HTTP/1.1; otherwise the end of the connection is the end of the body. */
export function framingOf(head: ResponseHead, hasBody: boolean, clientMinorVersion: number): BodyFraming {
  if (!hasBody) return 'none';
  if (head.contentLength >= 0) return 'length';
  return clientMinorVersion === 1 ? 'chunked' : 'untilClose';
}

/** Renders the head with its empty line. */
export function renderResponse(head: ResponseHead, parts: ResponseTextParts): string {
  return `${renderLines(head, parts)}\r\n`;
}

/** Renders the head without its empty line, so that lines can be added. */
export function renderLines(head: ResponseHead, parts: ResponseTextParts): string {
  let text = `HTTP/1.1${head.text.slice(head.statusLineStart, head.statusLineEnd)}\r\n`;
  text += head.keptText();
  if (parts.passServer && head.serverLineStart !== -1)
    text += head.text.slice(head.serverLineStart, head.serverLineEnd);
  if (parts.passHsts && head.hstsLineStart !== -1) text += head.text.slice(head.hstsLineStart, head.hstsLineEnd);
  if (!head.hasDate) text += parts.dateLine;
  text += parts.commonLines;
  text += framingLines(head, parts.framing);
  return parts.connection === '' ? text : `${text}Connection: ${parts.connection}\r\n`;
}

/**
 * Renders like `renderResponse`, with further lines at the end. The same head with the same parts gives the
 * text of last time; lines of one response, as an affinity cookie, leave what all responses share as it is.
 */
export function renderResponseAgain(head: ResponseHead, parts: ResponseTextParts, addedLines = ''): string {
  const slot = head.slot;
  let last = slot instanceof LastText && slot.isFor(head, parts) ? slot : null;
  if (last === null) {
    last = new LastText(head.repeatKey, parts, renderLines(head, parts));
    head.slot = last;
  }
  return addedLines === '' ? last.text : `${last.lines}${addedLines}\r\n`;
}

class LastText {
  readonly #repeatKey: number;
  readonly #parts: ResponseTextParts;
  /** Without the empty line. */
  readonly lines: string;
  readonly text: string;

  constructor(repeatKey: number, parts: ResponseTextParts, lines: string) {
    this.#repeatKey = repeatKey;
    this.#parts = parts;
    this.text = `${lines}\r\n`;
    // A part of one flat text, where `lines` is a tree of its pieces that each write would walk.
    this.lines = this.text.slice(0, -2);
  }

  isFor(head: ResponseHead, parts: ResponseTextParts): boolean {
    const last = this.#parts;
    return (
      head.repeatKey !== 0 &&
      head.repeatKey === this.#repeatKey &&
      last.connection === parts.connection &&
      last.framing === parts.framing &&
      last.dateLine === parts.dateLine &&
      last.commonLines === parts.commonLines &&
      last.passServer === parts.passServer &&
      last.passHsts === parts.passHsts
    );
  }
}

/** Renders a 1xx head, which has neither framing nor headers of ours. */
export function renderInformational(head: ResponseHead): string {
  return `HTTP/1.1${head.text.slice(head.statusLineStart, head.statusLineEnd)}\r\n${head.keptText()}\r\n`;
}

/**
 * A HEAD or 304 answer keeps the length of the body it does not have (RFC 9110 §8.6). 1xx and 204 never carry one.
 */
function framingLines(head: ResponseHead, framing: BodyFraming): string {
  if (framing === 'chunked') return 'Transfer-Encoding: chunked\r\n';
  const hasLength = head.contentLength !== CHUNKED && head.contentLength !== UNTIL_CLOSE;
  if (!hasLength || head.status < 200 || head.status === 204) return '';
  return `Content-Length: ${head.contentLength}\r\n`;
}
