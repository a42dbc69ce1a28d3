// Endpoints that leave the table: what runs on them ends in its own time, what is idle is closed, nothing new comes.

import { once } from 'node:events';
import https from 'node:https';
import type { AddressInfo } from 'node:net';
import { describe, expect, test } from '@jest/globals';
import { generate } from 'selfsigned';
import { defaultPolicy, plainEndpoint, plainUpstream } from '../table/defaults.ts';
import { type DataPath, eventually, NOTHING_LEFT, startDataPath } from './testing/data-path.ts';
import { startHttp2Origin } from './testing/http2-origin.ts';
import { startRawOrigin, startReplyingOrigin } from './testing/origin.ts';
import { connectRaw, type RawClient } from './testing/raw-client.ts';
import type { UpstreamUser } from './upstream-stream.ts';

const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n';
const GET = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n';

test('a running request ends on the endpoint that left, the next one goes elsewhere, idle connections close', async () => {
  await using leaving = await startRawOrigin((socket) => socket.write(OK));
  await using staying = await startReplyingOrigin(`${OK}new`);
  await using proxy = await startDataPath([{ endpoints: [leaving.port] }]);
  using client = await connectRaw(proxy.port);
  using idle = await connectRaw(proxy.port);
  client.send(GET);
  idle.send(GET);
  await eventually(() => leaving.received.filter((text) => text.endsWith('\r\n\r\n')).length === 2);
  leaving.sockets[1]?.write('old');
  await eventually(() => proxy.leftovers().idleUpstreamConnections === 1);
  proxy.context.endpoints.applyUpstreams([plainUpstream('u0', [plainEndpoint('127.0.0.1', staying.port)])], []);
  // The idle connection is closed at once, the one in use is not.
  await eventually(() => leaving.sockets[1]?.readableEnded === true || leaving.sockets[1]?.destroyed === true);
  expect(proxy.leftovers().upstreamConnections).toBe(1);
  expect([client.ended, idle.ended]).toEqual(['', '']);
  using other = await connectRaw(proxy.port);
  other.send(GET);
  expect((await other.responses(1))[0]?.body).toBe('new');
  expect(leaving.connections).toBe(2);
  leaving.sockets[0]?.write('old');
  await eventually(() => proxy.requests.length === 3);
  expect(proxy.requests.map(({ status }) => status)).toEqual([200, 200, 200]);
  // Having answered, the last connection to the endpoint that left is not kept.
  await eventually(() => proxy.leftovers().upstreamConnections === 1);
  expect(proxy.leftovers().inFlight).toBe(0);
});

test('a WebSocket stays with the endpoint that left', async () => {
  await using leaving = await startRawOrigin((socket, soFar) => {
    if (soFar.endsWith('\r\n\r\n')) socket.write('HTTP/1.1 101 S\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n');
    else if (soFar.endsWith('ping')) socket.write('pong');
  });
  await using proxy = await startDataPath([{ endpoints: [leaving.port] }]);
  using client = await connectRaw(proxy.port);
  client.send('GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n');
  await client.until((text) => text.includes('\r\n\r\n'));
  proxy.context.endpoints.applyUpstreams([], ['u0']);
  client.send('ping');
  await client.until((text) => text.endsWith('pong'));
  using other = await connectRaw(proxy.port);
  other.send(GET);
  expect((await other.responses(1))[0]?.status).toBe(503);
});

test('a terminating endpoint serves only while no other can', async () => {
  await using old = await startReplyingOrigin(`${OK}old`);
  await using fresh = await startReplyingOrigin(`${OK}new`);
  const terminating = { ...plainEndpoint('127.0.0.1', old.port), state: 'terminating' as const };
  await using proxy = await startDataPath([{ endpoints: [] }]);
  const answer = async () => {
    using client = await connectRaw(proxy.port);
    client.send(GET);
    return (await client.responses(1))[0]?.body;
  };
  proxy.context.endpoints.applyUpstreams([plainUpstream('u0', [terminating])], []);
  expect(await answer()).toBe('old');
  proxy.context.endpoints.applyUpstreams(
    [plainUpstream('u0', [plainEndpoint('127.0.0.1', fresh.port), terminating])],
    [],
  );
  expect([await answer(), await answer(), await answer()]).toEqual(['new', 'new', 'new']);
});

test('a pooled connection that an endpoint closes as it leaves: the request goes to another endpoint', async () => {
  await using leaving = await startRawOrigin((socket, soFar) => {
    if (soFar.endsWith('GET /first HTTP/1.1\r\nHost: a\r\n\r\n') || !soFar.includes('/second'))
      socket.write(`${OK}old`);
  });
  await using staying = await startReplyingOrigin(`${OK}new`);
  await using proxy = await startDataPath([{ endpoints: [leaving.port] }]);
  using client = await connectRaw(proxy.port);
  client.send('GET /first HTTP/1.1\r\nHost: a\r\n\r\n');
  await client.responses(1);
  client.send('GET /second HTTP/1.1\r\nHost: a\r\n\r\n');
  await eventually(() => leaving.received[0]?.includes('/second') === true);
  proxy.context.endpoints.applyUpstreams([plainUpstream('u0', [plainEndpoint('127.0.0.1', staying.port)])], []);
  leaving.sockets[0]?.end();
  const [, second] = await client.responses(2);
  expect([second?.status, second?.body, leaving.connections]).toEqual([200, 'new', 1]);
});

test('HTTPS: an idle connection to an endpoint that left is closed', async () => {
  const pair = await generate([{ name: 'commonName', value: 'origin.test' }], { keyType: 'ec' });
  const origin = https.createServer({ key: pair.private, cert: pair.cert }, (_request, response) => response.end('ok'));
  origin.listen(0, '127.0.0.1');
  await once(origin, 'listening');
  const { port } = origin.address() as AddressInfo;
  await using proxy = await startDataPath([{ endpoints: [port], policy: { protocol: 'https' } }]);
  using client = await connectRaw(proxy.port);
  client.send(GET);
  expect((await client.responses(1))[0]?.body).toBe('ok');
  expect(proxy.leftovers().idleUpstreamConnections).toBe(1);
  proxy.context.endpoints.applyUpstreams([plainUpstream('u0', [])], []);
  expect(proxy.leftovers()).toMatchObject({ idleUpstreamConnections: 0, upstreamConnections: 0 });
  await once(origin.close(), 'close');
});

describe('HTTP/2 to an endpoint that left', () => {
  const HTTP2 = { policy: { protocol: 'http2' } } as const;
  const leave = (proxy: DataPath) => proxy.context.endpoints.applyUpstreams([plainUpstream('u0', [])], []);

  async function ask(proxy: DataPath): Promise<RawClient> {
    const client = await connectRaw(proxy.port);
    client.send(GET);
    return client;
  }

  test('an idle connection is closed at once', async () => {
    await using origin = await startHttp2Origin((server, id) => server.respond(id, 'ok'));
    await using proxy = await startDataPath([{ ...HTTP2, endpoints: [origin.port] }]);
    using client = await ask(proxy);
    await client.responses(1);
    expect(proxy.leftovers().idleUpstreamConnections).toBe(1);
    leave(proxy);
    expect(proxy.leftovers()).toMatchObject({ idleUpstreamConnections: 0, upstreamConnections: 0 });
    await origin.connections[0]?.closed();
  });

  test('requests and streams on one that is in use go on; it is closed after the last of them, and takes no new ones', async () => {
    await using origin = await startHttp2Origin(() => {});
    await using staying = await startHttp2Origin((server, id) => server.respond(id, 'new'));
    await using proxy = await startDataPath([{ ...HTTP2, endpoints: [origin.port] }]);
    using first = await ask(proxy);
    await eventually(() => origin.connections[0]?.requests.length === 1);
    using second = await ask(proxy);
    await eventually(() => origin.connections[0]?.requests.length === 2);
    const [server] = origin.connections;
    const [one = 0, two = 0] = server?.requests ?? [];
    // The second one streams: its head and a part are out.
    server?.request(two, [[':status', '200']], false);
    server?.data(two, 'before ', false);
    await second.until((text) => text.includes('before'));
    proxy.context.endpoints.applyUpstreams([plainUpstream('u0', [plainEndpoint('127.0.0.1', staying.port)])], []);
    using third = await ask(proxy);
    expect((await third.responses(1))[0]?.body).toBe('new');
    server?.respond(one, 'old');
    expect((await first.responses(1))[0]?.body).toBe('old');
    expect(proxy.leftovers().upstreamConnections).toBe(2);
    server?.data(two, 'after', true);
    expect((await second.responses(1))[0]?.body).toBe('before after');
    await server?.closed();
    expect(server?.requests).toEqual([one, two]);
    expect(proxy.leftovers()).toMatchObject({ upstreamConnections: 1, inFlight: 0 });
  });

  /** Notes how a stream fared that nobody's exchange owns. */
  function notingUser(onConnected: () => void): { readonly log: string[]; readonly user: UpstreamUser } {
    const log: string[] = [];
    const user: UpstreamUser = {
      onConnected,
      onInformational: () => undefined,
      onResponseHead: (head) => void log.push(`head ${head.status}`),
      onResponseBody: () => true,
      onResponseEnd: () => void log.push('end'),
      onTunnelData: () => true,
      onTunnelEnd: () => undefined,
      onUpstreamDrain: () => undefined,
      onUpstreamReadDone: () => undefined,
      onUpstreamFailed: (code) => void log.push(code),
    };
    return { log, user };
  }

  test('a connection that is opened to it all the same serves one request and is not kept', async () => {
    await using origin = await startHttp2Origin((server, id) => server.respond(id, 'ok'));
    await using proxy = await startDataPath([{ ...HTTP2, endpoints: [origin.port] }]);
    const endpoint = proxy.context.endpoints.get('u0')?.pick(null);
    if (!endpoint) throw new Error('expected an endpoint');
    leave(proxy);
    const { pool } = proxy.context;
    const policy = { ...defaultPolicy, ...HTTP2.policy };
    const { log, user } = notingUser(() => {
      stream.begin(user, 'GET / HTTP/1.1\r\nHost: a\r\n\r\n', false, false, true, 8192);
      stream.flush();
    });
    const stream = pool.connect(endpoint, user, pool.transports.of(policy, false));
    await eventually(() => log.includes('end'));
    expect(log).toEqual(['head 200', 'end']);
    await eventually(() => proxy.leftovers().upstreamConnections === 0);
    expect([endpoint.slot, proxy.leftovers()]).toEqual([null, NOTHING_LEFT]);
  });

  test('one that was being opened and is refused has sent nothing: any request may go elsewhere', async () => {
    const gone = await startHttp2Origin(() => {});
    const { port } = gone;
    await gone[Symbol.asyncDispose]();
    await using staying = await startHttp2Origin((server, id) => server.respond(id, 'new'));
    await using proxy = await startDataPath([{ ...HTTP2, endpoints: [port] }]);
    const { pool, endpoints } = proxy.context;
    const connect = pool.connect.bind(pool);
    // It leaves between the begin of the connection and its refusal.
    pool.connect = (...args) => {
      const stream = connect(...args);
      endpoints.applyUpstreams([plainUpstream('u0', [plainEndpoint('127.0.0.1', staying.port)])], []);
      return stream;
    };
    using client = await connectRaw(proxy.port);
    client.send('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello');
    expect((await client.responses(1))[0]).toMatchObject({ status: 200, body: 'new' });
  });
});
