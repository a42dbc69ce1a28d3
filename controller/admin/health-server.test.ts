import { once } from 'node:events';
import { createConnection } from 'node:net';
import { gunzipSync } from 'node:zlib';
import { describe, expect, test } from '@jest/globals';
import { request } from 'undici';
import { HealthServer, type HealthServerOptions } from './health-server.ts';
import { listeningServer } from './testing/listening-server.ts';

const page = `# HELP x\n${'x 1\n'.repeat(500)}`;

async function start(more: Partial<HealthServerOptions> = {}) {
  const state = { fault: null as string | null };
  const errors: string[] = [];
  const server = await HealthServer.start({
    host: '127.0.0.1',
    port: 0,
    healthPath: '/healthz',
    findFault: () => state.fault,
    metrics: { contentType: 'text/plain; version=0.0.4; charset=utf-8', render: async () => page },
    requestTimeoutMs: 10_000,
    onError: (message) => errors.push(message),
    ...more,
  });
  const ask = async (path: string, options: Parameters<typeof request>[1] = {}) => {
    const { statusCode, headers, body } = await request(`http://127.0.0.1:${server.port}${path}`, options);
    return { status: statusCode, headers, body: Buffer.from(await body.arrayBuffer()) };
  };
  return { server, state, errors, ask };
}

describe('health', () => {
  test.each([
    ['/healthz', 'ok'],
    ['/healthz/', 'ok'],
    ['/healthz/ping', 'ok'],
    ['/healthz/nginx-ingress-controller', 'ok'],
    ['/healthz?verbose', '[+]ping ok\n[+]nginx-ingress-controller ok\nhealthz check passed\n'],
    ['/healthz?verbose&exclude=ping', '[+]nginx-ingress-controller ok\nhealthz check passed\n'],
  ])('ready: %s', async (path, want) => {
    const { server, ask } = await start();
    await using _ = server;
    const answer = await ask(path);
    expect([answer.status, answer.body.toString()]).toEqual([200, want]);
    expect(answer.headers['content-type']).toBe('text/plain; charset=utf-8');
  });

  test.each([
    ['/healthz', 500, '[+]ping ok\n[-]nginx-ingress-controller failed: reason withheld\nhealthz check failed\n'],
    [
      '/healthz?verbose',
      500,
      '[+]ping ok\n[-]nginx-ingress-controller failed: reason withheld\nhealthz check failed\n',
    ],
    ['/healthz/nginx-ingress-controller', 500, 'internal server error: reason withheld\n'],
    ['/healthz/ping', 200, 'ok'],
    ['/healthz?exclude=nginx-ingress-controller', 200, 'ok'],
  ])('not ready: %s', async (path, status, want) => {
    const { server, state, ask } = await start();
    await using _ = server;
    state.fault = 'secret reason';
    const answer = await ask(path);
    expect([answer.status, answer.body.toString()]).toEqual([status, want]);
  });

  test('the answer follows the state at each probe', async () => {
    const { server, state, ask } = await start();
    await using _ = server;
    expect((await ask('/healthz')).status).toBe(200);
    state.fault = 'shutting down';
    expect((await ask('/healthz')).status).toBe(500);
  });

  test('the path is configurable', async () => {
    const { server, ask } = await start({ healthPath: '/live' });
    await using _ = server;
    expect((await ask('/live')).status).toBe(200);
    expect((await ask('/healthz')).status).toBe(404);
  });
});

describe('metrics', () => {
  test('plain', async () => {
    const { server, ask } = await start();
    await using _ = server;
    const { status, headers, body } = await ask('/metrics');
    expect([status, body.toString()]).toEqual([200, page]);
    expect(headers['content-type']).toBe('text/plain; version=0.0.4; charset=utf-8');
    expect(headers['content-encoding']).toBeUndefined();
  });

  test.each([
    ['gzip', true],
    ['deflate, GZIP;q=0.5', true],
    ['*', true],
    ['br', false],
    ['gzip;q=0', false],
    ['gzip; q=0.000, br', false],
  ])('Accept-Encoding: %s', async (accept, isCompressed) => {
    const { server, ask } = await start();
    await using _ = server;
    const { headers, body } = await ask('/metrics', { headers: { 'accept-encoding': accept } });
    expect(headers['content-encoding'] === 'gzip').toBe(isCompressed);
    expect((isCompressed ? gunzipSync(body) : body).toString()).toBe(page);
    expect(Number(headers['content-length'])).toBe(body.length);
  });

  test('switched off', async () => {
    const { server, ask } = await start({ metrics: null });
    await using _ = server;
    expect((await ask('/metrics')).status).toBe(404);
  });

  test('a page that cannot be rendered is 500 without the reason, and is told to the log', async () => {
    const render = async () => {
      throw new Error('private detail');
    };
    const { server, errors, ask } = await start({ metrics: { contentType: 'text/plain', render } });
    await using _ = server;
    const { status, body } = await ask('/metrics');
    expect([status, body.toString()]).toEqual([500, 'internal error, see the log\n']);
    expect(errors).toEqual(['health server could not answer GET /metrics']);
    expect((await ask('/healthz')).status).toBe(200);
  });
});

describe('requests', () => {
  test.each(['/', '/healthz/other', '/healthzz', '/metrics/', '//', '/%'])('%s is 404', async (path) => {
    const { server, ask } = await start();
    await using _ = server;
    expect((await ask(path)).status).toBe(404);
  });

  test.each(['POST', 'DELETE', 'OPTIONS'] as const)('%s is 405', async (method) => {
    const { server, ask } = await start();
    await using _ = server;
    const { status, headers } = await ask('/healthz', { method });
    expect([status, headers['allow']]).toEqual([405, 'GET, HEAD']);
  });

  test('HEAD has the headers of GET and no body', async () => {
    const { server, ask } = await start();
    await using _ = server;
    const { status, headers, body } = await ask('/metrics', { method: 'HEAD' });
    expect([status, body.length]).toEqual([200, 0]);
    expect(headers['content-length']).toBe(String(page.length));
  });

  test('a client that does not finish its request is cut off', async () => {
    const { server } = await start({ requestTimeoutMs: 50 });
    await using _ = server;
    const socket = createConnection({ port: server.port, host: '127.0.0.1' });
    socket.write('GET /healthz HTTP/1.1\r\nHost: x\r\n');
    let answer = '';
    for await (const chunk of socket) answer += String(chunk);
    expect(answer).toMatch(/^HTTP\/1\.1 408 /);
  });

  test('a taken port is an error of the start', async () => {
    const { server } = await start();
    await using _ = server;
    await expect(start({ port: server.port })).rejects.toMatchObject({ code: 'EADDRINUSE' });
  });

  test('a connection that the system could not accept is told, and costs no other', async () => {
    let started = null as Awaited<ReturnType<typeof start>> | null;
    const inner = await listeningServer(async () => {
      started = await start();
    });
    await using _ = started?.server;
    inner.emit('error', Object.assign(new Error('accept EMFILE'), { code: 'EMFILE' }));
    expect(started?.errors).toEqual(['health server could not take a connection']);
    expect((await started?.ask('/healthz'))?.status).toBe(200);
  });

  test('closing cuts idle connections, and may be done twice', async () => {
    const { server } = await start();
    const socket = createConnection({ port: server.port, host: '127.0.0.1' });
    socket.on('error', () => undefined);
    await once(socket, 'connect');
    const closed = once(socket, 'close');
    socket.resume();
    await server.close();
    await closed;
    await server.close();
  });
});
