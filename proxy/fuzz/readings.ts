// How different parsers read the same bytes: ours, node:http's (llhttp) and undici's (its own build of llhttp).

import http from 'node:http';
import net, { type AddressInfo } from 'node:net';
import { duplexPair } from 'node:stream';
import { Client } from 'undici';
import { ChunkedDecoder } from '../http/chunked.ts';
import { type HeadLimits, NEED_MORE } from '../http/head-scanner.ts';
import { RequestParser } from '../http/request-parser.ts';
import { CHUNKED, UNTIL_CLOSE } from '../http/response-head.ts';
import { ResponseParser } from '../http/response-parser.ts';

export const LIMITS: HeadLimits = {
  maxRequestLineBytes: 8192,
  maxHeaderLineBytes: 8192,
  maxHeadBytes: 32_768,
  maxHeaderCount: 100,
  allowUnderscoreHeaders: false,
  allowUnusualHeaders: false,
};

/** One message as a parser understood it. `body` is null when the bytes end before the body does. */
export interface Reading {
  readonly first: string;
  readonly second: string;
  readonly host: string;
  readonly body: string | null;
}

/** A reading of ours, with the bytes it took (null when the body is not complete) and the parser that made it. */
export interface OurReading extends Reading {
  readonly bytes: string | null;
  readonly parser: RequestParser;
}

/** Our reading of a connection: complete requests in order, up to the first fault or the end. */
export function ourRequests(text: string): { readings: OurReading[]; isRefused: boolean } {
  const buf = Buffer.from(text, 'latin1');
  const readings: OurReading[] = [];
  let at = 0;
  while (at < buf.length) {
    const parser = new RequestParser();
    const next = parser.parse(buf, at, buf.length, LIMITS);
    if (next === NEED_MORE) break;
    if (next < 0) return { readings, isRefused: true };
    const { head } = parser;
    const body = readBody(buf, next, head.contentLength);
    if (body === 'fault') return { readings, isRefused: true };
    readings.push({
      first: head.method,
      second: head.target,
      host: head.rawHost,
      body: body?.text ?? null,
      bytes: body === null ? null : text.slice(at, body.end),
      parser,
    });
    if (body === null || head.connection.close || (head.minorVersion === 0 && !head.connection.keepAlive)) break;
    at = body.end;
  }
  return { readings, isRefused: false };
}

/** Our reading of one response to a GET. null when it is refused or not complete. */
export function ourResponse(text: string): Reading | null {
  const buf = Buffer.from(text, 'latin1');
  let at = 0;
  for (;;) {
    const parser = new ResponseParser();
    const next = parser.parse(buf, at, buf.length, LIMITS);
    if (next < 0) return null;
    const { head } = parser;
    if (head.status >= 100 && head.status < 200) {
      at = next;
      continue;
    }
    const first = String(head.status);
    if (head.status === 204 || head.status === 304) return { first, second: '', host: '', body: '' };
    if (head.contentLength === UNTIL_CLOSE) return { first, second: '', host: '', body: buf.latin1Slice(next) };
    const body = readBody(buf, next, head.contentLength);
    return body === null || body === 'fault' ? null : { first, second: '', host: '', body: body.text };
  }
}

function readBody(buf: Buffer, start: number, contentLength: number): { text: string; end: number } | null | 'fault' {
  if (contentLength !== CHUNKED) {
    const end = start + contentLength;
    return end > buf.length ? null : { text: buf.latin1Slice(start, end), end };
  }
  const decoder = new ChunkedDecoder();
  let text = '';
  let at = start;
  for (;;) {
    const event = decoder.next(buf, at, buf.length, LIMITS);
    at = decoder.position;
    if (event === 'data') text += buf.latin1Slice(decoder.dataStart, decoder.dataEnd);
    else if (event === 'end') return { text, end: at };
    else return event === 'fault' ? 'fault' : null;
  }
}

/** node:http's reading of a connection: every request whose body came to its end before an error or the end of input. */
export async function nodeRequests(text: string): Promise<{ readings: Reading[]; isRefused: boolean }> {
  const readings: Reading[] = [];
  let isRefused = false;
  const server = http.createServer({ keepAliveTimeout: 0, requestTimeout: 0 }, (request, response) => {
    let body = '';
    request.setEncoding('latin1');
    request.on('data', (part: string) => {
      body += part;
    });
    request.on('error', () => {});
    request.on('end', () => {
      const { method = '', url = '', headers } = request;
      readings.push({ first: method, second: url, host: headers.host ?? '', body });
      response.end();
    });
  });
  server.on('clientError', (_error, socket) => {
    isRefused = true;
    socket.destroy();
  });
  server.on('upgrade', (_request, socket) => socket.destroy());
  const [client, connection] = duplexPair();
  client.resume();
  client.on('error', () => {});
  connection.on('error', () => {});
  const isClosed = new Promise((resolve) => connection.once('close', resolve));
  server.emit('connection', connection);
  client.end(Buffer.from(text, 'latin1'));
  await Promise.race([isClosed, settled()]);
  connection.destroy();
  return { readings, isRefused };
}

/** A few turns of the event loop: everything in memory has happened by then. */
async function settled(): Promise<void> {
  for (let turn = 0; turn < 6; turn++) await new Promise(setImmediate);
}

/** Reads one response with undici over a loopback connection. null when it is refused or not complete. */
export class UndiciReader {
  readonly #server: net.Server;
  #reply = '';

  private constructor(server: net.Server) {
    this.#server = server;
    server.on('connection', (socket) => {
      socket.on('error', () => {});
      socket.once('data', () => socket.end(this.#reply, 'latin1'));
    });
  }

  static async start(): Promise<UndiciReader> {
    const server = net.createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return new UndiciReader(server);
  }

  async read(text: string): Promise<Reading | null> {
    this.#reply = text;
    const { port } = this.#server.address() as AddressInfo;
    const client = new Client(`http://127.0.0.1:${port}`, { pipelining: 1, bodyTimeout: 2_000, headersTimeout: 2_000 });
    try {
      const response = await client.request({ path: '/', method: 'GET' });
      const body = Buffer.from(await response.body.arrayBuffer()).toString('latin1');
      return { first: String(response.statusCode), second: '', host: '', body };
    } catch {
      return null;
    } finally {
      await client.destroy();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await new Promise((resolve) => this.#server.close(resolve));
  }
}
