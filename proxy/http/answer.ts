// Responses the proxy makes itself. One shape, one place that renders them.

import { reasonPhrase } from './status.ts';

export interface Answer {
  readonly status: number;
  /** Stable word for logs and metrics: why the proxy answered. */
  readonly reason: string;
  /** More header lines, each with CRLF; '' for none. Values come from us, never raw from a client. */
  readonly headerLines: string;
  /** No body and no type of one: `headerLines` say everything. */
  readonly isBare?: true;
}

/** A 405 must say what is allowed (RFC 9110 §15.5.6): everything but CONNECT and TRACE, of which these are the usual ones. */
const ALLOW_LINE = 'Allow: GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS\r\n';

/** Makes an answer without further headers than its status demands. */
export function answerOf(status: number, reason: string): Answer {
  return { status, reason, headerLines: status === 405 ? ALLOW_LINE : '' };
}

/**
 * Renders the whole response. The body is small and plain, `404 Not Found`, as text so that no browser ever runs it.
 * `commonLines` are the header lines of every response (Date, Server, Strict-Transport-Security, Connection).
 */
export function renderAnswer(answer: Answer, commonLines: string, isHead: boolean): string {
  const reason = reasonPhrase(answer.status);
  if (answer.isBare === true) {
    return `HTTP/1.1 ${answer.status} ${reason}\r\n${commonLines}Content-Length: 0\r\n${answer.headerLines}\r\n`;
  }
  const body = answerBody(answer);
  const hasBody = answer.status !== 204 && answer.status !== 304;
  const content = hasBody ? `Content-Type: text/plain; charset=utf-8\r\nContent-Length: ${body.length}\r\n` : '';
  const head = `HTTP/1.1 ${answer.status} ${reason}\r\n${commonLines}${content}${answer.headerLines}\r\n`;
  return hasBody && !isHead ? head + body : head;
}

/** The body of an answer to anything but HEAD. A success needs no explanation: /healthz is 200 with nothing in it. */
export function answerBody({ status, isBare }: Answer): string {
  return isBare === true || status < 300 || status === 304 ? '' : `${status} ${reasonPhrase(status)}\n`;
}
