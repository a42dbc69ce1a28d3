// The load generator is what every figure rests on: it must notice each kind of wrong response. Needs gcc and the
// OpenSSL headers, as the benchmark does; without them the tests are skipped.

import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { type LoadResult, runLoad } from './load.ts';
import { bodyHash, makeBody } from './origin/body.ts';

const canCompile =
  spawnSync('gcc', ['--version']).status === 0 &&
  spawnSync('taskset', ['--version']).status === 0 &&
  existsSync('/usr/include/openssl/ssl.h');
const directory = mkdtempSync(join(tmpdir(), 'sluice-bench-test-'));
const program = join(directory, 'load');
const ORIGIN = 4242;
const BODY = makeBody(1024);

beforeAll(() => {
  if (canCompile)
    execFileSync('gcc', ['-O1', '-o', program, join(import.meta.dirname, 'load/load.c'), '-lssl', '-lcrypto']);
});

afterAll(() => {
  rmSync(directory, { recursive: true, force: true });
});

/** Loads a server that answers like this for a moment, from two connections. */
async function load(
  answer: (response: ServerResponse, request: IncomingMessage) => void,
  ...flags: string[]
): Promise<LoadResult> {
  await using server = createServer((request, response) => answer(response, request));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const result = await runLoad({
    program,
    port,
    isTls: false,
    originPort: ORIGIN,
    pids: [process.pid],
    warmupSeconds: 0,
    seconds: 0.5,
    flags: ['--connections', '2', ...flags],
  });
  server.closeAllConnections();
  return result;
}

/** Loads a server that accepts WebSockets and sends `answer` of each message, which comes unmasked. */
async function loadWebSocket(
  answer: (message: Buffer) => Buffer,
  size: number,
  statusLine = 'HTTP/1.1 101 Switching Protocols',
  accept = 's3pPLMBiTxaQ9kYGzzhZRbK+xOo=',
): Promise<LoadResult> {
  await using server = createServer();
  const sockets = new Set<Duplex>();
  server.on('upgrade', (_request, socket: Duplex) => {
    sockets.add(socket);
    socket.on('error', () => socket.destroy());
    socket.write(
      `${statusLine}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`,
    );
    socket.on('data', (frame: Buffer) => socket.write(answer(unmasked(frame))));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const result = await runLoad({
    program,
    port,
    isTls: false,
    originPort: ORIGIN,
    pids: [process.pid],
    warmupSeconds: 0,
    seconds: 0.5,
    flags: ['--connections', '2', '--mode', 'websocket', '--path', '/echo', '--size', String(size)],
  });
  for (const socket of sockets) socket.destroy();
  return result;
}

/** The payload of one masked frame (RFC 6455 §5.2), which is all that a read brings. */
function unmasked(frame: Buffer): Buffer {
  expect([frame[0], (frame[1] ?? 0) & 0x80]).toEqual([0x82, 0x80]);
  const at = ((frame[1] ?? 0) & 0x7f) === 126 ? 4 : 2;
  const payload = Buffer.from(frame.subarray(at + 4));
  expect(payload).toHaveLength(at === 4 ? frame.readUInt16BE(2) : (frame[1] ?? 0) & 0x7f);
  return payload.map((byte, i) => byte ^ (frame[at + (i & 3)] ?? 0)) as Buffer;
}

function echoOf(message: Buffer): Buffer {
  const { length } = message;
  return Buffer.from([0x82, ...(length < 126 ? [length] : [126, length >>> 8, length & 0xff]), ...message]);
}

function twice(message: Buffer): Buffer {
  return Buffer.concat([echoOf(message), echoOf(message)]);
}

function send(
  response: ServerResponse,
  body: Buffer,
  headers: Record<string, string | number> = {},
  status = 200,
): void {
  response.writeHead(status, { 'Content-Length': body.length, 'X-Origin': ORIGIN, ...headers });
  response.end(body);
}

(canCompile ? describe : describe.skip)('the load generator', () => {
  test('finds no fault with right responses, and measures them', async () => {
    const result = await load((response) => send(response, BODY));
    expect(result).toMatchObject({ errors: 0, firstError: '' });
    expect(result.requests).toBeGreaterThan(10);
    expect(result.cpuNs).toBeGreaterThan(0);
    expect(result.p999Us).toBeGreaterThanOrEqual(result.p50Us);
  });

  test.each([
    { name: 'status', want: 'status 502', answer: (r: ServerResponse) => send(r, BODY, {}, 502) },
    { name: 'origin', want: 'origin 7', answer: (r: ServerResponse) => send(r, BODY, { 'X-Origin': 7 }) },
    {
      name: 'no origin',
      want: 'origin -1',
      answer: (r: ServerResponse) => r.writeHead(200, { 'Content-Length': 1024 }).end(BODY),
    },
    { name: 'length', want: 'Content-Length 1023', answer: (r: ServerResponse) => send(r, BODY.subarray(1)) },
    { name: 'one flipped bit', want: 'wrong content', answer: (r: ServerResponse) => send(r, withFlippedBit(BODY)) },
    { name: 'body cut short', want: 'connection lost', answer: cutShort },
  ])('counts a wrong response: $name', async ({ want, answer }) => {
    const result = await load(answer);
    expect(result.errors).toBeGreaterThan(0);
    expect(result.firstError).toContain(want);
    expect(result.requests).toBe(0);
  });

  test.each([1, 7, 8, 1024, 1_000_003])('uploads %d bytes and wants their length and hash back', async (size) => {
    const answer = (response: ServerResponse, request: IncomingMessage): void => {
      const parts: Buffer[] = [];
      request.on('data', (part: Buffer) => parts.push(part));
      request.on('end', () => {
        const body = Buffer.concat(parts);
        send(response, Buffer.from(`${body.length} ${bodyHash(body)}\n`));
      });
    };
    const result = await load(answer, '--post', '--size', String(size));
    expect(result).toMatchObject({ errors: 0, firstError: '' });
  });

  test.each([
    { name: 'of 125 bytes', size: 125 },
    { name: 'with a length of two bytes', size: 400 },
  ])('sends messages $name and takes the same ones back', async ({ size }) => {
    const result = await loadWebSocket((message) => echoOf(message), size);
    expect(result).toMatchObject({ errors: 0, firstError: '' });
    expect(result.requests).toBeGreaterThan(10);
  });

  test.each([
    {
      name: 'a flipped bit',
      want: 'wrong content',
      answer: (message: Buffer) => {
        const echo = echoOf(message);
        echo[20] = (echo[20] ?? 0) ^ 1;
        return echo;
      },
    },
    { name: 'two messages for one', want: 'after the end', answer: twice },
  ])('counts a wrong echo: $name', async ({ want, answer }) => {
    const result = await loadWebSocket(answer, 125);
    expect(result.errors).toBeGreaterThan(0);
    expect(result.firstError).toContain(want);
  });

  test('counts an upgrade that is refused, or accepted for another key', async () => {
    expect((await loadWebSocket(echoOf, 125, 'HTTP/1.1 200 OK')).firstError).toBe('status 200');
    const result = await loadWebSocket(echoOf, 125, 'HTTP/1.1 101 Switching Protocols', 'AAAA');
    expect(result.firstError).toContain('Sec-WebSocket-Accept');
  });

  test('wants each host from its own origin', async () => {
    const origins = new Set<number>();
    const result = await load(
      (response, request) => {
        const origin = ORIGIN + (Number(/^h(\d{5})\.bench\.test$/.exec(request.headers.host ?? '')?.[1]) % 2);
        origins.add(origin);
        send(response, BODY, { 'X-Origin': origin });
      },
      '--hosts',
      '100',
    );
    expect(result.errors).toBe(0);
    expect([...origins].sort()).toEqual([ORIGIN, ORIGIN + 1]);
  });
});

function withFlippedBit(body: Buffer): Buffer {
  const flipped = Buffer.from(body);
  flipped[1000] = (flipped[1000] ?? 0) ^ 1;
  return flipped;
}

function cutShort(response: ServerResponse): void {
  response.writeHead(200, { 'Content-Length': BODY.length, 'X-Origin': ORIGIN });
  response.write(BODY.subarray(0, 500), () => response.socket?.end());
}
