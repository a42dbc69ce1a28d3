// Writes the access log in ingress-nginx's default format (`upstreaminfo`, metrics-and-logs.md §3.1).
//
// In: finished requests. Out: lines, gathered and handed over in batches, so that a request never waits for a log.

import type { RequestRecord } from './observer.ts';

/** A batch is handed over when it reaches this size; the worker also does so every second. */
const BATCH_CHARS = 64 * 1024;

export class AccessLog {
  #lines = '';
  /** The time is rendered once per second. */
  #second = -1;
  #time = '';
  readonly #write: (lines: string) => void;

  constructor(write: (lines: string) => void) {
    this.#write = write;
  }

  add(record: RequestRecord, nowMs: number): void {
    const second = Math.floor(nowMs / 1000);
    if (second !== this.#second) {
      this.#second = second;
      this.#time = renderTime(nowMs);
    }
    this.#lines += renderLine(record, this.#time);
    if (this.#lines.length >= BATCH_CHARS) this.flush();
  }

  /** Adds a line that somebody else has rendered, with its line feed. */
  addLine(line: string): void {
    this.#lines += line;
    if (this.#lines.length >= BATCH_CHARS) this.flush();
  }

  flush(): void {
    if (this.#lines === '') return;
    const lines = this.#lines;
    this.#lines = '';
    this.#write(lines);
  }
}

/** Renders one line with its line feed; `time` is from `renderTime`. */
export function renderLine(record: RequestRecord, time: string): string {
  const { head } = record;
  const requestLine = head === null ? '' : escapeText(head.text.slice(0, head.requestLineEnd));
  const referer = head === null ? '-' : quoted(head.textOf(head.referer));
  const userAgent = head === null ? '-' : quoted(head.textOf(head.userAgent));
  const user = head === null ? '-' : quoted(basicUser(head.textOf(head.authorization)));
  const bodyBytes = record.responseBodyBytes + record.answerBodyBytes;
  return (
    `${record.remoteAddress} - ${user} [${time}] "${requestLine}" ${record.status} ${bodyBytes} ` +
    `"${referer}" "${userAgent}" ${record.requestBytes} ${(record.durationMs / 1000).toFixed(3)} ` +
    `[${upstreamName(record)}] [${record.canary}] ${upstreamFields(record)} ${quoted(record.requestId)}\n`
  );
}

/** nginx's `$remote_user`: whom a Basic Authorization header names, whoever checks the password; '' for nobody. */
function basicUser(authorization: string): string {
  if (authorization === '') return '';
  const credentials = /^basic +([A-Za-z0-9+/]+)/i.exec(authorization)?.[1];
  if (credentials === undefined) return '';
  const decoded = Buffer.from(credentials, 'base64').latin1Slice();
  const colon = decoded.indexOf(':');
  return colon === -1 ? '' : decoded.slice(0, colon);
}

function upstreamName(record: RequestRecord): string {
  if (record.route === null) return '';
  return record.route.upstreamId ?? 'upstream-default-backend';
}

/** `upstream_addr upstream_response_length upstream_response_time upstream_status`; attempts are separated by `, `. */
function upstreamFields(record: RequestRecord): string {
  const count = record.attemptCount;
  if (count === 0) return '- - - -';
  const addresses: string[] = [];
  const lengths: string[] = [];
  const times: string[] = [];
  const statuses: string[] = [];
  for (let i = 0; i < count; i++) {
    const attempt = record.attempts[i];
    if (attempt === undefined) break;
    const { address, port } = attempt.endpoint;
    addresses.push(address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`);
    // Only the attempt in use at the end can have had a response that reached the client, and lasted until then.
    const isLast = i === record.attemptAt;
    lengths.push(isLast ? String(record.responseBodyBytes) : '0');
    times.push(((isLast ? record.upstreamMs : attempt.durationMs) / 1000).toFixed(3));
    statuses.push(attempt.status === 0 ? '-' : String(attempt.status));
  }
  return `${addresses.join(', ')} ${lengths.join(', ')} ${times.join(', ')} ${statuses.join(', ')}`;
}

function quoted(value: string): string {
  return value === '' ? '-' : escapeText(value);
}

/** nginx's default escaping: a quote, a backslash and bytes outside printable ASCII become `\xHH`, so a line stays a line. */
function escapeText(text: string): string {
  return NEEDS_ESCAPE.test(text) ? text.replace(EACH_ESCAPE, hexEscape) : text;
}

const NEEDS_ESCAPE = /["\\]|[^\x20-\x7e]/;
const EACH_ESCAPE = /["\\]|[^\x20-\x7e]/g;

function hexEscape(char: string): string {
  return `\\x${char.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`;
}

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

/** `21/Nov/2026:08:41:05 +0000`; always UTC, as in the ingress-nginx image. */
export function renderTime(nowMs: number): string {
  const date = new Date(nowMs);
  const pad = (value: number): string => String(value).padStart(2, '0');
  const day = `${pad(date.getUTCDate())}/${MONTHS[date.getUTCMonth()]}/${date.getUTCFullYear()}`;
  return `${day}:${pad(date.getUTCHours())}:${pad(date.getUTCMinutes())}:${pad(date.getUTCSeconds())} +0000`;
}
