// What must hold between our parser and others, whatever the bytes. A violation is a request-smuggling or
// response-smuggling candidate: two programs on one connection that disagree about where a message ends.

import http from 'node:http';
import fc from 'fast-check';
import { renderRequest } from '../forward/request-text.ts';
import type { RequestParser } from '../http/request-parser.ts';
import { nodeRequests, type OurReading, ourRequests, ourResponse, type UndiciReader } from './readings.ts';

/**
 * 1. Whatever we take as a complete request, node:http takes those bytes as one request too, with the same method, target
 *    and body: we are never laxer than llhttp, and we never end a message elsewhere.
 * 2. What we send upstream for a request is read by node:http as exactly that one request.
 */
export async function checkRequest(text: string): Promise<void> {
  for (const reading of ourRequests(text).readings) {
    if (isLaxerOnPurpose(reading)) continue;
    if (reading.bytes !== null) await checkOwnBytes(reading, reading.bytes);
    await checkForwarded(reading.parser);
  }
}

const KNOWN_METHODS = new Set(http.METHODS);

/**
 * Where we accept more than llhttp, as nginx does: methods that are not registered, raw bytes above ASCII in a target,
 * and chunk extensions that are more than `;name=value` (RFC 9112 §7.1.1 has white space and quotes; we drop them all).
 * llhttp refuses these, so it cannot misread them.
 */
function isLaxerOnPurpose({ first, second, bytes, parser }: OurReading): boolean {
  // node:http hands an upgrade over instead of reading it.
  if (parser.head.connection.upgrade) return true;
  return !KNOWN_METHODS.has(first) || /[^\x21-\x7e]/.test(second) || ODD_EXTENSION.test(bytes ?? '');
}

const ODD_EXTENSION = /\r\n[0-9a-f]+;(?![\w-]+(=[\w-]+)?(;[\w-]+(=[\w-]+)?)*\r\n)/i;

async function checkOwnBytes(mine: OurReading, bytes: string): Promise<void> {
  const { readings } = await nodeRequests(bytes);
  const [other] = readings;
  const isSame =
    readings.length === 1 &&
    other !== undefined &&
    mine.first === other.first &&
    mine.body === other.body &&
    sameTarget(mine.second, other.second);
  if (!isSame) throw new Error(`read differently: ${JSON.stringify({ bytes, readings })}`);
}

/** node:http gives an absolute-form target as it stands; we send origin-form on. */
function sameTarget(ours: string, theirs: string): boolean {
  const origin = /^https?:\/\/[^/?]+(.*)$/i.exec(theirs);
  const path = origin === null ? theirs : (origin[1] as string);
  return ours === path || ours === `/${path}`;
}

async function checkForwarded(parser: RequestParser): Promise<void> {
  const { head } = parser;
  const forwarded = renderRequest(head, {
    host: head.rawHost === '' ? '_' : head.rawHost,
    forwardedLines: 'X-Real-IP: 127.0.0.1\r\n',
    requestId: '0',
    upgrade: '',
    isTrustedPeer: false,
  });
  const body = head.contentLength > 0 ? 'x'.repeat(head.contentLength) : head.isChunked ? '1\r\nx\r\n0\r\n\r\n' : '';
  if (head.contentLength > 10_000) return;
  const { readings } = await nodeRequests(`${forwarded}${body}`);
  const [reading] = readings;
  const isSame = readings.length === 1 && reading?.first === head.method && reading.second === head.target;
  if (!isSame) throw new Error(`forwarded differently: ${JSON.stringify({ forwarded, readings })}`);
}

/** A response that both undici and we accept has the same status and body. */
export async function checkResponse(text: string, undici: UndiciReader): Promise<void> {
  const ours = ourResponse(text);
  if (ours === null) return;
  const theirs = await undici.read(text);
  if (theirs === null) return;
  if (ours.first !== theirs.first || ours.body !== theirs.body) {
    throw new Error(`read differently: ${JSON.stringify({ ours, theirs })}`);
  }
}

/** How long a fuzz run goes on. */
export type FuzzExtent = { readonly seconds: number; readonly mostInputs?: number } | { readonly inputs: number };

/** Runs a property; gives how many inputs were tried, rejects with the smallest failing one. */
export async function runFuzz<T>(
  extent: FuzzExtent,
  seed: number,
  input: fc.Arbitrary<T>,
  check: (input: T) => Promise<void>,
): Promise<number> {
  let tried = 0;
  const property = fc.asyncProperty(input, async (value) => {
    tried++;
    await check(value);
  });
  const limits =
    'inputs' in extent
      ? { numRuns: extent.inputs }
      : {
          numRuns: extent.mostInputs ?? Number.MAX_SAFE_INTEGER,
          interruptAfterTimeLimit: extent.seconds * 1000,
          markInterruptAsFailure: false,
        };
  await fc.assert(property, { seed, ...limits });
  return tried;
}
