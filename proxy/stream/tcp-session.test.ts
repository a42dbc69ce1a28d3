// What a TCP session counts at its endpoints: once in and once out, however it ends.

import { once } from 'node:events';
import net from 'node:net';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { type DataPath, eventually, startDataPath } from '../forward/testing/data-path.ts';
import { SilentListener } from '../forward/testing/silent-listener.ts';
import { connectSocket } from '../listen/sockets.ts';
import type { StreamSettings } from '../table/stream-settings.ts';
import type { StreamEndpoint } from './stream-upstream.ts';
import { TcpSession } from './tcp-session.ts';
import { closedPort, TcpOrigin } from './testing/stream-origin.ts';

/** An endpoint that writes down who comes and goes. */
class CountingEndpoint implements StreamEndpoint {
  readonly address = '127.0.0.1';
  readonly port: number;
  begins = 0;
  readonly ends: number[] = [];

  constructor(port: number) {
    this.port = port;
  }

  begin(): number {
    return ++this.begins;
  }

  end(probe: number): void {
    this.ends.push(probe);
  }

  get isEven(): boolean {
    return this.begins > 0 && this.ends.length === this.begins && this.ends.every((probe, at) => probe === at + 1);
  }
}

let proxy: DataPath;
let stack: AsyncDisposableStack;

beforeEach(async () => {
  stack = new AsyncDisposableStack();
  proxy = stack.use(await startDataPath([]));
});
afterEach(() => stack.disposeAsync());

/** Starts a session of a client that the test holds, to these endpoints one after the other. */
async function start(endpoints: readonly CountingEndpoint[], told: string[] = []) {
  const listener = net.createServer({ allowHalfOpen: true }).listen(0, '127.0.0.1');
  await once(listener, 'listening');
  stack.defer(() => void listener.close());
  let isClosed = false;
  const observer = { onStreamOpened: () => undefined, onStreamClosed: () => undefined };
  const home = { context: proxy.context, observer, sessionClosed: () => (isClosed = true) };
  const upstream = {
    pick: (tried: readonly StreamEndpoint[] | null) => endpoints.find((each) => tried?.includes(each) !== true) ?? null,
    onAnswered: (endpoint: StreamEndpoint, ms: number) => void told.push(`answered ${endpoint.port} ${ms}`),
    onFailed: (endpoint: StreamEndpoint, ms: number) => void told.push(`failed ${endpoint.port} ${ms}`),
  };
  const origin = { protocol: 'tcp', port: 1, namespace: '', service: '', servicePort: '', serverName: '' } as const;
  const facts = { address: '127.0.0.1', port: 1, localAddress: '127.0.0.1', localPort: 1 };
  const session = new TcpSession(home, facts, { origin, upstream, header: '', first: null });
  const accepted = once(listener, 'connection') as Promise<[net.Socket]>;
  const socket = connectSocket('127.0.0.1', (listener.address() as net.AddressInfo).port, session.client);
  await once(socket, 'connect');
  socket.pause();
  session.client.attach(socket);
  session.start(socket);
  const [client] = await accepted;
  client.on('error', () => undefined);
  return { session, client, closed: () => eventually(() => isClosed) };
}

test('an endpoint that refuses is counted out, the next one in', async () => {
  const refusing = new CountingEndpoint(await closedPort());
  await using echo = await TcpOrigin.echo();
  const good = new CountingEndpoint(echo.port);
  const { client, closed } = await start([refusing, good]);
  client.end('hello');
  const [answer] = (await once(client, 'data')) as [Buffer];
  expect([String(answer), refusing.isEven, good.begins]).toEqual(['hello', true, 1]);
  await closed();
  expect([refusing.begins, refusing.isEven, good.isEven]).toEqual([1, true, true]);
});

test('health hears of who refused and of who took the connection, and after how long', async () => {
  await using silent = await SilentListener.start();
  await using echo = await TcpOrigin.echo();
  const told: string[] = [];
  const endpoints = [silent.port, echo.port].map((port) => new CountingEndpoint(port));
  const { client, closed } = await start(endpoints, told);
  const waitedMs = proxy.context.current.global.stream.connectTimeoutMs + 100;
  proxy.pass(waitedMs);
  client.end('hello');
  await once(client, 'data');
  await closed();
  expect(told).toEqual([`failed ${silent.port} ${waitedMs}`, `answered ${echo.port} 0`]);
});

test.each<[string, Partial<StreamSettings>, readonly number[]]>([
  ['no limit', { maxAttempts: null, retryTimeoutMs: null }, [1, 1, 1]],
  ['two attempts', { maxAttempts: 2, retryTimeoutMs: null }, [1, 1, 0]],
  ['time for further attempts', { maxAttempts: null, retryTimeoutMs: 3_000 }, [1, 1, 0]],
  ['just no time left', { maxAttempts: null, retryTimeoutMs: 2_000 }, [1, 0, 0]],
])('%s: which of three endpoints that say nothing are asked', async (_name, settings, want) => {
  const { current } = proxy.context;
  const stream = { ...current.global.stream, connectTimeoutMs: 2_000, ...settings };
  proxy.context.current = { ...current, global: { ...current.global, stream } };
  const silent = await Promise.all([1, 2, 3].map(() => SilentListener.start()));
  for (const each of silent) stack.use(each);
  const endpoints = silent.map(({ port }) => new CountingEndpoint(port));
  const { closed } = await start(endpoints);
  for (let at = 0; at < 3; at++) proxy.pass(2_000);
  await closed();
  expect(endpoints.map(({ begins }) => begins)).toEqual(want);
  expect(endpoints.filter(({ begins }) => begins > 0).every(({ isEven }) => isEven)).toBe(true);
});

test.each([
  ['resets', (client: net.Socket) => void client.resetAndDestroy()],
  ['ends and is closed', (client: net.Socket) => void client.destroy()],
])('a client that %s amid the session', async (_, leave) => {
  await using echo = await TcpOrigin.echo();
  const endpoint = new CountingEndpoint(echo.port);
  const { client, closed } = await start([endpoint]);
  client.write('hello');
  await once(client, 'data');
  leave(client);
  await closed();
  expect(endpoint.isEven).toBe(true);
});

test('an endpoint that resets the session', async () => {
  await using origin = await TcpOrigin.start((socket) => socket.once('data', () => socket.resetAndDestroy()));
  const endpoint = new CountingEndpoint(origin.port);
  const { client, closed } = await start([endpoint]);
  client.write('hello');
  await closed();
  expect(endpoint.isEven).toBe(true);
});

test.each(['gone', 'late', 'cut'] as const)('while it connects: %s', async (how) => {
  await using silent = await SilentListener.start();
  const endpoint = new CountingEndpoint(silent.port);
  const { session, client, closed } = await start([endpoint]);
  await eventually(() => endpoint.begins === 1);
  if (how === 'gone') client.resetAndDestroy();
  else if (how === 'cut') session.cut();
  else proxy.pass(proxy.context.current.global.stream.connectTimeoutMs + 200);
  // A client that says nothing is not read before there is an endpoint: its end is seen at the latest with the time limit.
  if (how === 'gone') proxy.pass(proxy.context.current.global.stream.connectTimeoutMs + 200);
  await closed();
  expect(endpoint.isEven).toBe(true);
});
