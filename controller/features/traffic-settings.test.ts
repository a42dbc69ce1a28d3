// Settings about time, connections and answers, from the ConfigMap key or the annotation to what happens on the wire, and
// what a change of them does to connections that are open. The clock is moved by hand.

import { once } from 'node:events';
import tls from 'node:tls';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { eventually } from '#proxy/forward/testing/data-path.ts';
import { startRawOrigin, startReplyingOrigin } from '#proxy/forward/testing/origin.ts';
import { connectRaw, RawClient } from '#proxy/forward/testing/raw-client.ts';
import { SilentListener } from '#proxy/forward/testing/silent-listener.ts';
import type { TestProxy } from '#proxy/forward/testing/test-proxy.ts';
import {
  compiled,
  publishCompiled,
  type Settings,
  SettingsScene,
  startCompiledProxy,
} from './testing/settings-scene.ts';

const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';
const GET = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n';
const BIG = 'x'.repeat(8 * 1024 * 1024);

let stack: AsyncDisposableStack;
beforeEach(() => {
  stack = new AsyncDisposableStack();
});
afterEach(() => stack.disposeAsync());

async function sceneAt(port: number, settings: Settings): Promise<{ scene: SettingsScene; client: RawClient }> {
  const scene = stack.use(await SettingsScene.start([port], settings));
  return { scene, client: stack.use(await connectRaw(scene.path.port)) };
}

/** One way a request waits for its endpoint, and the setting that ends the wait. */
interface Wait {
  readonly key: 'proxy-connect-timeout' | 'proxy-send-timeout' | 'proxy-read-timeout';
  readonly reason: string;
  startEndpoint(): Promise<{ readonly port: number } & AsyncDisposable>;
  readonly request: string;
  /** The wait has begun, for the request with this number. */
  isWaiting(scene: SettingsScene, request: number): boolean;
}

/** What the endpoint has got. */
let received: readonly string[] = [];

const waits: readonly Wait[] = [
  {
    key: 'proxy-connect-timeout',
    reason: 'connectTimeout',
    startEndpoint: () => SilentListener.start(),
    request: GET,
    isWaiting: ({ path }) => path.leftovers().upstreamConnections === 1,
  },
  {
    key: 'proxy-send-timeout',
    reason: 'sendTimeout',
    startEndpoint: async () => {
      const origin = await startRawOrigin((socket) => socket.pause());
      received = origin.received;
      return origin;
    },
    request: `POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ${BIG.length}\r\n\r\n${BIG}`,
    isWaiting: ({ path }) => path.context.buffers.waitingBytes > 0,
  },
  {
    key: 'proxy-read-timeout',
    reason: 'upstreamTimeout',
    startEndpoint: async () => {
      const origin = await startRawOrigin(() => {});
      received = origin.received;
      return origin;
    },
    request: GET,
    isWaiting: (_scene, request) => received[request]?.endsWith('\r\n\r\n') === true,
  },
];

describe.each(waits)('$key', ({ key, reason, startEndpoint, request, isWaiting }) => {
  /** How long a request on a new connection waits before its 504, in steps of a quarter second. */
  async function waitOf(scene: SettingsScene): Promise<number> {
    const { path } = scene;
    const done = path.requests.length;
    using client = await connectRaw(path.port);
    client.send(request);
    await eventually(() => isWaiting(scene, done));
    let waitedMs = 0;
    while (path.requests.length === done && waitedMs < 90_000) {
      path.pass(250);
      waitedMs += 250;
    }
    expect(path.requests.at(-1)).toEqual({ status: 504, reason, attempts: [504] });
    await client.until((text) => text.startsWith('HTTP/1.1 504 '));
    await eventually(() => path.leftovers().upstreamConnections === 0 && path.context.buffers.waitingBytes === 0);
    return waitedMs;
  }

  test.each<[string, Settings, number]>([
    ['by default', {}, key === 'proxy-connect-timeout' ? 5 : 60],
    ['by the ConfigMap', { data: { [key]: '7' } }, 7],
    ['by the annotation', { annotations: { [key]: '9' } }, 9],
    ['by the annotation before the ConfigMap', { data: { [key]: '7' }, annotations: { [key]: '3' } }, 3],
  ])('%s', async (_name, settings, seconds) => {
    const endpoint = stack.use(await startEndpoint());
    const scene = stack.use(await SettingsScene.start([endpoint.port], settings));
    const waitedMs = await waitOf(scene);
    expect(waitedMs).toBeGreaterThanOrEqual(seconds * 1000);
    expect(waitedMs).toBeLessThanOrEqual(seconds * 1000 + 500);
  });

  test('a change holds for the next request', async () => {
    const endpoint = stack.use(await startEndpoint());
    const scene = stack.use(await SettingsScene.start([endpoint.port], { data: { [key]: '20' } }));
    expect(await waitOf(scene)).toBeGreaterThanOrEqual(20_000);
    scene.change({ data: { [key]: '2' } });
    expect(await waitOf(scene)).toBeLessThanOrEqual(2_500);
  });
});

describe('upstream-keepalive-*', () => {
  async function ask(client: RawClient, count: number, times = 1): Promise<void> {
    for (let i = 0; i < times; i++) {
      client.send(GET);
      await client.responses(count + i + 1);
    }
  }

  test('-connections: 0 keeps none; a change holds for the next response', async () => {
    const origin = stack.use(await startReplyingOrigin(OK));
    const { scene, client } = await sceneAt(origin.port, { data: { 'upstream-keepalive-connections': '0' } });
    await ask(client, 0, 3);
    expect(origin.connections).toBe(3);
    scene.change({});
    await ask(client, 3, 3);
    expect(origin.connections).toBe(4);
    expect(scene.path.leftovers().idleUpstreamConnections).toBe(1);
  });

  test('-connections is of the worker, all endpoints together; the longest idle makes room, also when it is lowered', async () => {
    const held: Array<() => void> = [];
    const origin = stack.use(await startRawOrigin((socket) => held.push(() => socket.write(OK))));
    const { scene } = await sceneAt(origin.port, { data: { 'upstream-keepalive-connections': '3' } });
    const { path } = scene;
    const clients = await Promise.all([1, 2, 3, 4, 5].map(() => connectRaw(path.port)));
    for (const client of clients) stack.use(client).send(GET);
    await eventually(() => held.length === 5);
    for (const answer of held.splice(0)) answer();
    for (const client of clients) await client.responses(1);
    expect(path.leftovers()).toMatchObject({ idleUpstreamConnections: 3, upstreamConnections: 3 });
    scene.change({ data: { 'upstream-keepalive-connections': '1' } });
    clients[0]?.send(GET);
    await eventually(() => held.length === 1);
    held[0]?.();
    await clients[0]?.responses(2);
    expect(path.leftovers()).toMatchObject({ idleUpstreamConnections: 1, upstreamConnections: 1 });
  });

  test('-requests: a connection is closed after so many; a change holds for open ones', async () => {
    const origin = stack.use(await startReplyingOrigin(OK));
    const { scene, client } = await sceneAt(origin.port, { data: { 'upstream-keepalive-requests': '2' } });
    await ask(client, 0, 5);
    expect(origin.received.map((text) => text.match(/GET/g)?.length)).toEqual([2, 2, 1]);
    scene.change({ data: { 'upstream-keepalive-requests': '4' } });
    await ask(client, 5, 4);
    expect(origin.received.map((text) => text.match(/GET/g)?.length)).toEqual([2, 2, 4, 1]);
  });

  test('-timeout: an idle connection is closed after it; a change holds from its next use', async () => {
    const origin = stack.use(await startReplyingOrigin(OK));
    const { scene, client } = await sceneAt(origin.port, { data: { 'upstream-keepalive-timeout': '10' } });
    const { path } = scene;
    await ask(client, 0);
    path.pass(9_500);
    expect(path.leftovers().idleUpstreamConnections).toBe(1);
    path.pass(1_000);
    expect(path.leftovers().upstreamConnections).toBe(0);
    scene.change({ data: { 'upstream-keepalive-timeout': '2' } });
    await ask(client, 1);
    path.pass(2_500);
    expect(path.leftovers().upstreamConnections).toBe(0);
    expect(origin.connections).toBe(2);
  });

  test('-time: a connection this old is closed after its response', async () => {
    const origin = stack.use(await startReplyingOrigin(OK));
    const { scene, client } = await sceneAt(origin.port, { data: { 'upstream-keepalive-time': '20s' } });
    await ask(client, 0);
    scene.path.pass(15_000);
    await ask(client, 1);
    scene.path.pass(6_000);
    await ask(client, 2, 2);
    expect(origin.received.map((text) => text.match(/GET/g)?.length)).toEqual([3, 1]);
  });
});

describe('ssl-redirect', () => {
  const redirected = (status: number) => [status, 'https://a/x?y'];
  const served = [200, undefined];

  test.each<[string, Settings, readonly unknown[]]>([
    ['a host with TLS is redirected', { hasTls: true }, redirected(308)],
    ['one without is not', {}, served],
    ['ConfigMap ssl-redirect: false', { hasTls: true, data: { 'ssl-redirect': 'false' } }, served],
    ['annotation ssl-redirect: false', { hasTls: true, annotations: { 'ssl-redirect': 'false' } }, served],
    [
      'the annotation stands before the ConfigMap',
      { hasTls: true, data: { 'ssl-redirect': 'false' }, annotations: { 'ssl-redirect': 'true' } },
      redirected(308),
    ],
    ['ConfigMap force-ssl-redirect', { data: { 'force-ssl-redirect': 'true' } }, redirected(308)],
    ['annotation force-ssl-redirect', { annotations: { 'force-ssl-redirect': 'true' } }, redirected(308)],
    ['http-redirect-code', { hasTls: true, data: { 'http-redirect-code': '301' } }, redirected(301)],
  ])('%s', async (_name, settings, expected) => {
    const origin = stack.use(await startReplyingOrigin(OK));
    const { scene, client } = await sceneAt(origin.port, settings);
    client.send('GET /x?y HTTP/1.1\r\nHost: a\r\n\r\n');
    const [response] = await client.responses(1);
    expect([response?.status, response?.headers['location']]).toEqual(expected);
    expect(origin.connections).toBe(expected === served ? 1 : 0);
    expect(scene.path.requests).toHaveLength(1);
  });

  test('a change holds for the next request of an open connection', async () => {
    const origin = stack.use(await startReplyingOrigin(OK));
    const { scene, client } = await sceneAt(origin.port, { hasTls: true });
    const values = ['true', 'false', 'true', 'false'];
    for (const [i, value] of values.entries()) {
      scene.change({ hasTls: true, data: { 'ssl-redirect': value } });
      client.send(GET);
      await client.responses(i + 1);
    }
    const responses = await client.responses(values.length);
    expect(responses.map(({ status }) => status)).toEqual([308, 200, 308, 200]);
  });
});

/** A client over TLS for host `a`. */
async function connectTls(proxy: TestProxy): Promise<RawClient> {
  const socket = tls.connect({ port: proxy.tlsPort, host: '127.0.0.1', servername: 'a', rejectUnauthorized: false });
  await once(socket, 'secureConnect');
  return stack.use(new RawClient(socket));
}

describe('hsts, hsts-max-age, hsts-include-subdomains, hsts-preload', () => {
  const UPSTREAM = 'max-age=1';
  const REPLY = OK.replace('\r\n', `\r\nStrict-Transport-Security: ${UPSTREAM}\r\n`);

  test.each<[string, Readonly<Record<string, string>>, string]>([
    ['by default', {}, 'max-age=31536000; includeSubDomains'],
    ['hsts-max-age', { 'hsts-max-age': '60' }, 'max-age=60; includeSubDomains'],
    ['hsts-include-subdomains', { 'hsts-include-subdomains': 'false' }, 'max-age=31536000'],
    ['hsts-preload', { 'hsts-preload': 'true' }, 'max-age=31536000; includeSubDomains; preload'],
    ['hsts: false leaves it to the upstream', { hsts: 'false', 'hsts-preload': 'true' }, UPSTREAM],
  ])('%s: one header, over TLS alone, changed while the connection is open', async (_name, data, expected) => {
    const origin = stack.use(await startReplyingOrigin(REPLY));
    const settings = { annotations: { 'ssl-redirect': 'false' }, hasTls: true };
    const proxy = stack.use(await startCompiledProxy([origin.port], { ...settings, data: { 'hsts-max-age': '5' } }));
    const client = await connectTls(proxy);
    const plain = stack.use(await connectRaw(proxy.port));
    client.send(GET);
    expect((await client.responses(1))[0]?.head).toContain(
      'Strict-Transport-Security: max-age=5; includeSubDomains\r\n',
    );
    publishCompiled(proxy, compiled([origin.port], { ...settings, data }));
    client.send(GET);
    const [, response] = await client.responses(2);
    expect(response?.head.match(/strict-transport-security: .*/gi)).toEqual([`Strict-Transport-Security: ${expected}`]);
    plain.send(GET);
    const [overPlain] = await plain.responses(1);
    // RFC 6797 §7.2: none of ours over plain HTTP; what the upstream says is its own.
    expect(overPlain?.headers['strict-transport-security']).toBe(UPSTREAM);
  });
});

describe('disable-access-log, disable-http-access-log, enable-access-log', () => {
  test.each<[string, Settings, number]>([
    ['by default', {}, 1],
    ['disable-access-log', { data: { 'disable-access-log': 'true' } }, 0],
    ['disable-http-access-log', { data: { 'disable-http-access-log': 'true' } }, 0],
    ['disable-stream-access-log is of TCP and UDP', { data: { 'disable-stream-access-log': 'true' } }, 1],
    ['annotation enable-access-log: false', { annotations: { 'enable-access-log': 'false' } }, 0],
    [
      'the annotation does not turn on what the ConfigMap turned off',
      { data: { 'disable-access-log': 'true' }, annotations: { 'enable-access-log': 'true' } },
      0,
    ],
  ])('%s, and changed on an open connection', async (_name, settings, lines) => {
    const origin = stack.use(await startReplyingOrigin(OK));
    const proxy = await startCompiledProxy([origin.port], settings);
    stack.defer(() => proxy.stop().then(() => {}));
    const client = stack.use(await connectRaw(proxy.port));
    const opposite: Settings = lines === 0 ? {} : { data: { 'disable-access-log': 'true' } };
    let count = 0;
    for (const [path, each] of [
      ['/first', settings],
      ['/second', opposite],
      ['/third', settings],
    ] as const) {
      publishCompiled(proxy, compiled([origin.port], each));
      client.send(`GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`);
      await client.responses(++count);
    }
    const log = await proxy.stop();
    const logged = log.map((line) => /"GET (\/\w+) /.exec(line)?.[1]);
    expect(logged).toEqual(lines === 0 ? ['/second'] : ['/first', '/third']);
  });
});
