// Which TLS sessions are offered again, on the wire and in the cache of a worker.

import { once } from 'node:events';
import https from 'node:https';
import type { AddressInfo } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { generate } from 'selfsigned';
import { request } from 'undici';
import type { RoutePolicy } from '../table/types.ts';
import type { UpstreamTls } from '../table/upstream-protocol.ts';
import { startProxy } from './testing/test-proxy.ts';
import { TlsSessions } from './tls-sessions.ts';

const endpoint = (port: number) => ({ address: '10.0.0.1', port });
const session = (text: string) => Buffer.from(text);

describe('the cache', () => {
  test('gives the newest session of an endpoint, and none of others', () => {
    const sessions = new TlsSessions();
    sessions.put(endpoint(1), session('a'));
    sessions.put(endpoint(1), session('b'));
    expect(sessions.take(endpoint(1))?.toString()).toBe('b');
    expect(sessions.take(endpoint(2))).toBeUndefined();
    expect(sessions.size).toBe(1);
  });

  test('is bounded, and forgets what was used longest ago', () => {
    const sessions = new TlsSessions(2);
    sessions.put(endpoint(1), session('a'));
    sessions.put(endpoint(2), session('b'));
    sessions.take(endpoint(1));
    sessions.put(endpoint(3), session('c'));
    expect([1, 2, 3].map((port) => sessions.take(endpoint(port))?.toString())).toEqual(['a', undefined, 'c']);
  });

  test('does not offer again what has failed', () => {
    const sessions = new TlsSessions();
    sessions.put(endpoint(1), session('a'));
    sessions.drop(endpoint(1));
    expect(sessions.take(endpoint(1))).toBeUndefined();
  });
});

describe('with an endpoint', () => {
  let stack: AsyncDisposableStack;
  let pair: Awaited<ReturnType<typeof generate>>;
  /** For each connection, whether it resumed a session. */
  let resumed: boolean[];

  beforeEach(async () => {
    stack = new AsyncDisposableStack();
    resumed = [];
    pair = await generate([{ name: 'commonName', value: 'origin.test' }], {
      keyType: 'ec',
      extensions: [
        { name: 'basicConstraints', cA: true, critical: true },
        { name: 'subjectAltName', altNames: [{ type: 2, value: 'origin.test' }] },
      ],
    });
  });
  afterEach(() => stack.disposeAsync());

  /** Ends each connection with its response, so that every request needs a new one. */
  async function startOrigin(options: https.ServerOptions = {}, port = 0): Promise<https.Server> {
    const server = https.createServer({ key: pair.private, cert: pair.cert, ...options }, (_request, response) => {
      response.shouldKeepAlive = false;
      response.end('ok');
    });
    server.on('secureConnection', (socket: TLSSocket) => resumed.push(socket.isSessionReused()));
    server.listen(port, '127.0.0.1');
    await once(server, 'listening');
    stack.defer(() => void server.close());
    return server;
  }

  const portOf = (server: https.Server) => (server.address() as AddressInfo).port;

  async function start(port: number, policy: Partial<RoutePolicy> = {}): Promise<() => Promise<number>> {
    const routes = [{ endpoints: [port], policy: { protocol: 'https' as const, ...policy } }];
    const proxy = stack.use(await startProxy(routes));
    return async () => {
      const response = await request(`http://127.0.0.1:${proxy.port}/`, { headers: { host: 'a.test' } });
      await response.body.dump();
      return response.statusCode;
    };
  }

  test.each(['TLSv1.2', 'TLSv1.3'] as const)('%s: further connections resume', async (version) => {
    const server = await startOrigin({ minVersion: version, maxVersion: version });
    const ask = await start(portOf(server));
    for (let i = 0; i < 4; i++) expect(await ask()).toBe(200);
    expect(resumed).toEqual([false, true, true, true]);
  });

  test('an endpoint that has forgotten the session is asked all the same', async () => {
    const first = await startOrigin();
    const port = portOf(first);
    const ask = await start(port);
    expect(await ask()).toBe(200);
    first.close();
    await once(first, 'close');
    await startOrigin({}, port);
    expect([await ask(), await ask()]).toEqual([200, 200]);
    expect(resumed).toEqual([false, false, true]);
  });

  test('an endpoint whose name is wrong leaves no session that would pass the check', async () => {
    const server = await startOrigin();
    const upstreamTls: UpstreamTls = {
      serverName: 'other.test',
      verify: { caPem: pair.cert, name: 'other.test' },
      minVersion: 'TLSv1.2',
      maxVersion: 'TLSv1.3',
      ciphers: null,
    };
    const ask = await start(portOf(server), { upstreamTls });
    for (let i = 0; i < 3; i++) expect(await ask()).toBe(502);
    expect(resumed).not.toContain(true);
  });

  test('a verified endpoint is verified before the first session, and resumes', async () => {
    const server = await startOrigin();
    const upstreamTls: UpstreamTls = {
      serverName: 'origin.test',
      verify: { caPem: pair.cert, name: 'origin.test' },
      minVersion: 'TLSv1.2',
      maxVersion: 'TLSv1.3',
      ciphers: null,
    };
    const ask = await start(portOf(server), { upstreamTls });
    for (let i = 0; i < 3; i++) expect(await ask()).toBe(200);
    expect(resumed).toEqual([false, true, true]);
  });
});
