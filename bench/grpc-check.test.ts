// The check before the gRPC row must pass calls that come back whole, and notice each kind of wrong answer; so must the
// origin notice a wrong message. Needs gcc and OpenSSL, as the benchmark does; without them the tests are skipped.

import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { connect as connectHttp2, createSecureServer, type ServerHttp2Stream } from 'node:http2';
import { type AddressInfo, connect, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createServer } from 'node:tls';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { checkGrpc, GRPC_HEADERS, GRPC_METHOD, grpcMessage } from './grpc-check.ts';

const canRun = ['gcc', 'openssl'].every((program) => spawnSync(program, ['--version']).error === undefined);
const directory = mkdtempSync(join(tmpdir(), 'sluice-bench-test-'));
const program = join(directory, 'grpc-origin');
const keyFile = join(directory, 'key.pem');
const certFile = join(directory, 'cert.pem');

beforeAll(() => {
  if (!canRun) return;
  execFileSync('gcc', ['-O1', '-o', program, join(import.meta.dirname, 'origin/grpc.c')]);
  const request = 'req -x509 -nodes -days 2 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -subj /CN=bench.test';
  execFileSync('openssl', [...request.split(' '), '-keyout', keyFile, '-out', certFile], { stdio: 'pipe' });
});

afterAll(() => {
  rmSync(directory, { recursive: true, force: true });
});

function pair(): { readonly key: string; readonly cert: string } {
  return { key: readFileSync(keyFile, 'utf8'), cert: readFileSync(certFile, 'utf8') };
}

/** Starts it on a port that is free now. */
async function startOrigin(): Promise<{ readonly child: ChildProcess; readonly port: number }> {
  for (;;) {
    const port = 20_000 + Math.floor(Math.random() * 10_000);
    const child = spawn(program, [String(port)], { stdio: 'ignore' });
    if (await isServed(child, port)) return { child, port };
  }
}

/** False when the program ends before it listens: somebody else has the port. */
async function isServed(child: ChildProcess, port: number): Promise<boolean> {
  while (child.exitCode === null) {
    const isOpen = await new Promise<boolean>((resolve) => {
      const socket = connect(port, '127.0.0.1', () => resolve(true));
      socket.once('error', () => resolve(false));
      socket.once('connect', () => socket.destroy());
    });
    if (isOpen) return true;
    await new Promise((resolve) => setImmediate(resolve));
  }
  return false;
}

async function listen(server: Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
}

(canRun ? describe : describe.skip)('the check of gRPC', () => {
  test('passes the origin behind TLS, which itself notices a wrong message', async () => {
    const { child, port } = await startOrigin();
    await using front = createServer({ ...pair(), ALPNProtocols: ['h2'] }, (socket) => {
      const upstream = connect(port, '127.0.0.1');
      for (const each of [socket, upstream]) each.on('error', () => {});
      socket.pipe(upstream).pipe(socket);
    });
    try {
      // Small ones: this origin does not wait for windows, and that of this client is small.
      await checkGrpc(await listen(front), 100);
      const session = connectHttp2(`http://127.0.0.1:${port}`);
      const call = session.request({ ...GRPC_HEADERS, ':method': 'POST', ':path': GRPC_METHOD });
      const wrong = grpcMessage(100);
      wrong[50] = (wrong[50] ?? 0) ^ 1;
      const status = new Promise((resolve) => call.once('response', (headers) => resolve(headers[':status'])));
      call.end(wrong);
      expect(await status).toBe(500);
      session.destroy();
    } finally {
      child.kill('SIGKILL');
    }
  });

  test.each([
    { name: 'status', answer: (stream: ServerHttp2Stream) => answer(stream, 502, '0') },
    { name: 'grpc-status', answer: (stream: ServerHttp2Stream) => answer(stream, 200, '13') },
    { name: 'message', answer: (stream: ServerHttp2Stream) => answer(stream, 200, '0', 1) },
    { name: 'no trailers', answer: (stream: ServerHttp2Stream) => answer(stream, 200, null) },
  ])('notices a wrong answer: $name', async ({ answer: answerWrongly }) => {
    await using server = createSecureServer(pair());
    server.on('stream', answerWrongly);
    await expect(checkGrpc(await listen(server), 100)).rejects.toThrow('a gRPC call with 100 bytes');
  });
});

/** Sends the message back, but for `cutBytes` at its end. */
function answer(stream: ServerHttp2Stream, status: number, grpcStatus: string | null, cutBytes = 0): void {
  const parts: Buffer[] = [];
  stream.on('error', () => {});
  stream.on('data', (part: Buffer) => parts.push(part));
  stream.on('end', () => {
    stream.respond({ ':status': status }, { waitForTrailers: grpcStatus !== null });
    stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': grpcStatus ?? '' }));
    const message = Buffer.concat(parts);
    stream.end(message.subarray(0, message.length - cutBytes));
  });
}
