// Probes over real sockets: each kind against a server that answers well, badly, and not at all.

import { createServer as createHttpServer, type RequestListener } from 'node:http';
import {
  createServer as createHttp2Server,
  createSecureServer,
  type Http2SecureServer,
  type Http2Server,
  type IncomingHttpHeaders,
  type ServerHttp2Stream,
} from 'node:http2';
import { createServer as createHttpsServer } from 'node:https';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { afterEach, describe, expect, test } from '@jest/globals';
import { generate } from 'selfsigned';
import { defaultHealth, plainEndpoint, plainUpstream } from '../table/defaults.ts';
import type { ActiveCheck, ProbeSettings } from '../table/upstream-settings.ts';
import { HealthChecker } from './health-checker.ts';

const open: { close(done: () => void): unknown; closeAllConnections?(): void }[] = [];
afterEach(async () => {
  for (const server of open.splice(0)) {
    server.closeAllConnections?.();
    await new Promise<void>((resolve) => server.close(resolve));
  }
});

async function listen(server: Server | Http2Server | Http2SecureServer): Promise<number> {
  open.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
}

const answering =
  (seen: string[], status: number): RequestListener =>
  (request, response) => {
    seen.push(`${request.method} ${request.url} ${request.headers.host}`);
    response.writeHead(status).end();
  };
const http = (seen: string[], status: number) => createHttpServer(answering(seen, status));

/** A health service that answers with this state (1 is SERVING) and status, and writes down what was asked. */
const grpc = (seen: string[], state: number, grpcStatus: string) =>
  createHttp2Server().on('stream', serving(seen, state, grpcStatus));

function serving(seen: string[], state: number, grpcStatus: string) {
  return (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => {
    // A gRPC server refuses who does not say that it reads trailers.
    if (headers['te'] !== 'trailers') return stream.close();
    stream.on('data', (part: Buffer) => seen.push(`${headers[':path']} ${part.toString('hex')}`));
    stream.on('end', () => {
      stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
      stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': grpcStatus }));
      stream.end(Buffer.from([0, 0, 0, 0, 2, 0x08, state]));
    });
  };
}

/** A server that takes connections and says nothing. It ends what it holds when it closes. */
function silent(): Server {
  const server = createServer((socket) => {
    socket.on('error', () => undefined);
    socket.resume();
  });
  return server;
}

/** Runs one probe of an endpoint whose threshold is 1; gives whether it failed. */
async function isFailing(port: number, probe: ProbeSettings, change: Partial<ActiveCheck> = {}): Promise<boolean> {
  const active: ActiveCheck = {
    probe,
    port: null,
    intervalMs: 1000,
    timeoutMs: 5000,
    healthyThreshold: 1,
    unhealthyThreshold: 1,
    ...change,
  };
  const told: boolean[] = [];
  await using checker = new HealthChecker({
    random: () => 0,
    nowMs: () => 0,
    maxRunning: 64,
    onChange: (_id, _endpoint, failing) => told.push(failing),
  });
  checker.apply([{ ...plainUpstream('u', [plainEndpoint('127.0.0.1', port)]), health: { ...defaultHealth, active } }]);
  checker.tick();
  await checker.settled();
  return told.includes(true);
}

const httpProbe = {
  kind: 'http',
  overTls: false,
  path: '/ready?x=1',
  host: null,
  minStatus: 200,
  maxStatus: 399,
} as const;
const grpcProbe = { kind: 'grpc', overTls: false, service: '' } as const;

describe('probes', () => {
  test.each([
    [200, false],
    [399, false],
    [400, true],
    [503, true],
  ])('HTTP status %d: failing is %s', async (status, want) => {
    const seen: string[] = [];
    const port = await listen(http(seen, status));
    expect(await isFailing(port, httpProbe)).toBe(want);
    expect(seen).toEqual([`GET /ready?x=1 127.0.0.1:${port}`]);
  });

  test('an HTTP status below the range fails', async () => {
    expect(await isFailing(await listen(http([], 200)), { ...httpProbe, minStatus: 201 })).toBe(true);
  });

  test('an HTTP answer is good with its head, and the connection does not wait for its body', async () => {
    const closed = Promise.withResolvers<void>();
    const endless = createHttpServer((request, response) => {
      request.socket.on('close', () => closed.resolve());
      response.writeHead(200).write('and so on');
    });
    expect(await isFailing(await listen(endless), httpProbe)).toBe(false);
    await closed.promise;
  });

  test('HTTP with a host of its own, on a port of its own', async () => {
    const seen: string[] = [];
    const port = await listen(http(seen, 200));
    expect(await isFailing(1, { ...httpProbe, host: 'web.example' }, { port })).toBe(false);
    expect(seen).toEqual(['GET /ready?x=1 web.example']);
  });

  test.each([
    ['SERVING', 1, '0', false],
    ['NOT_SERVING', 2, '0', true],
    ['an error', 1, '14', true],
  ])('gRPC %s', async (_, state, grpcStatus, want) => {
    const seen: string[] = [];
    const port = await listen(grpc(seen, state, grpcStatus));
    expect(await isFailing(port, { ...grpcProbe, service: 'web' })).toBe(want);
    expect(seen).toEqual(['/grpc.health.v1.Health/Check 00000000050a03776562']);
  });

  test.each([
    ['the server as a whole', '', '0000000000'],
    ['a name of 127 bytes', 'x'.repeat(127), `0000000081${'0a7f'}${'78'.repeat(127)}`],
    ['a name of 300 bytes', 'x'.repeat(300), `000000012f${'0aac02'}${'78'.repeat(300)}`],
  ])('gRPC asks for %s in full', async (_name, service, want) => {
    const seen: string[] = [];
    const port = await listen(grpc(seen, 1, '0'));
    expect(await isFailing(port, { ...grpcProbe, service })).toBe(false);
    expect(seen).toEqual([`/grpc.health.v1.Health/Check ${want}`]);
  });

  // Behind the flag and the length: field 1 (08), a varint. Also what an attacker or a mix-up might send.
  test.each([
    ['SERVING', '00 00000002 0801', false],
    ['SERVING, and a field that nobody knows', '00 00000004 08011001', false],
    ['no message', '', true],
    ['an empty message: UNKNOWN', '00 00000000', true],
    ['compressed, which was not offered', '01 00000002 0801', true],
    ['a length that says nothing is there', '00 00000000 0801', true],
    ['another field', '00 00000002 1001', true],
    ['SERVICE_UNKNOWN', '00 00000002 0803', true],
    ['cut in the state', '00 00000002 08', true],
  ])('gRPC answer: %s', async (_name, hex, want) => {
    const answer = Buffer.from(hex.replaceAll(' ', ''), 'hex');
    const server = createHttp2Server().on('stream', (stream: ServerHttp2Stream) => {
      stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
      stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
      stream.end(answer);
    });
    expect(await isFailing(await listen(server), grpcProbe)).toBe(want);
  });

  test('a gRPC server without a health service answers with trailers alone: that is no health', async () => {
    const server = createHttp2Server().on('stream', (stream: ServerHttp2Stream) =>
      stream.respond({ ':status': 200, 'content-type': 'application/grpc', 'grpc-status': '12' }, { endStream: true }),
    );
    expect(await isFailing(await listen(server), grpcProbe)).toBe(true);
  });

  test('over TLS, with a certificate that nobody knows', async () => {
    const { cert, private: key } = await generate([{ name: 'commonName', value: 'the pod' }], { keyType: 'ec' });
    const seen: string[] = [];
    const https = await listen(createHttpsServer({ cert, key }, answering(seen, 200)));
    const grpcs = await listen(createSecureServer({ cert, key }).on('stream', serving(seen, 1, '0')));
    expect(await isFailing(https, { ...httpProbe, overTls: true })).toBe(false);
    expect(await isFailing(grpcs, { ...grpcProbe, overTls: true })).toBe(false);
    expect(seen).toHaveLength(2);
    expect(await isFailing(https, httpProbe)).toBe(true);
    expect(await isFailing(grpcs, grpcProbe)).toBe(true);
  });

  const kinds: readonly ProbeSettings[] = [{ kind: 'tcp' }, httpProbe, grpcProbe];

  test('TCP: a connection is enough', async () => {
    expect(await isFailing(await listen(silent()), { kind: 'tcp' })).toBe(false);
  });

  test.each(kinds)('$kind: nobody listens', async (settings) => {
    const server = silent();
    const port = await listen(server);
    open.splice(open.indexOf(server), 1);
    await new Promise<void>((resolve) => server.close(() => resolve()));
    expect(await isFailing(port, settings)).toBe(true);
  });

  test.each(kinds.slice(1))('$kind: a server that says nothing fails when the time is up', async (settings) => {
    const port = await listen(silent());
    expect(await isFailing(port, settings, { timeoutMs: 50 })).toBe(true);
  });

  test.each(kinds.slice(1))('$kind: an answer that is no such protocol', async (settings) => {
    const port = await listen(
      createServer((socket) =>
        socket
          .on('error', () => undefined)
          .resume()
          .end('hello\r\n\r\n'),
      ),
    );
    expect(await isFailing(port, settings)).toBe(true);
  });
});

describe('probes that nobody waits for', () => {
  const active: ActiveCheck = {
    probe: httpProbe,
    port: null,
    intervalMs: 1000,
    timeoutMs: 60_000,
    healthyThreshold: 1,
    unhealthyThreshold: 1,
  };
  const checked = (port: number, change: Partial<ActiveCheck> = {}) => ({
    ...plainUpstream('u', [plainEndpoint('127.0.0.1', port)]),
    health: { ...defaultHealth, active: { ...active, ...change } },
  });

  /** A checker whose first probe is at a server that says nothing. */
  async function startWaiting() {
    const server = silent();
    const ended = Promise.withResolvers<void>();
    const come = new Promise<void>((resolve) =>
      server.once('connection', (socket) => {
        socket.once('close', () => ended.resolve());
        resolve();
      }),
    );
    const port = await listen(server);
    const told: string[] = [];
    const checker = new HealthChecker({
      random: () => 0,
      nowMs: () => 0,
      maxRunning: 1,
      onChange: (id) => told.push(id),
    });
    checker.apply([checked(port)]);
    checker.tick();
    await come;
    return { checker, port, told, ended: ended.promise };
  }

  test.each<[string, (checker: HealthChecker, port: number) => unknown]>([
    ['at the end', (checker) => checker.close()],
    ['with their endpoint', (checker) => checker.apply([plainUpstream('u', [])])],
    ['with their check', (checker, port) => checker.apply([plainUpstream('u', [plainEndpoint('127.0.0.1', port)])])],
    ['when another question is asked', (checker, port) => checker.apply([checked(port, { timeoutMs: 50_000 })])],
  ])('end %s: their connection closes, and nothing is told or counted', async (_name, act) => {
    const { checker, port, told, ended } = await startWaiting();
    await act(checker, port);
    await ended;
    await checker.settled();
    expect([told, checker.sample().good + checker.sample().bad]).toEqual([[], 0]);
    await checker.close();
  });

  test('leave no timer behind', async () => {
    const timers = () => process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length;
    const port = await listen(http([], 200));
    let nowMs = 0;
    await using checker = new HealthChecker({ random: () => 0, nowMs: () => nowMs, maxRunning: 1, onChange: () => {} });
    checker.apply([checked(port)]);
    const before = timers();
    for (let i = 0; i < 20; i++) {
      checker.tick();
      await checker.settled();
      nowMs += 2000;
    }
    expect(checker.sample().good).toBe(20);
    // The server's own, of connections that are closing.
    expect(timers() - before).toBeLessThan(5);
  });
});
