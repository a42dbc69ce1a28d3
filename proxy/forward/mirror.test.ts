// `mirror-target`, `mirror-host` and `mirror-request-body` on the wire: what a copy says, and that nothing a copy meets
// delays or fails its request.

import { once } from 'node:events';
import https from 'node:https';
import type { AddressInfo } from 'node:net';
import { describe, expect, test } from '@jest/globals';
import { generate } from 'selfsigned';
import type { TemplateSource } from '../filters/template.ts';
import { defaultMirrorLimits, type MirrorLimits } from '../table/mirror-limits.ts';
import type { MirrorSettings } from '../table/route-settings.ts';
import type { TemplatePart } from '../table/template.ts';
import { CopiedFields } from './copied-fields.ts';
import { type MirrorOutcome, Mirrors } from './mirror.ts';
import type { CopyClient } from './mirror-client.ts';
import { type DataPath, eventually, NOTHING_LEFT, startDataPath } from './testing/data-path.ts';
import { type RawOrigin, startRawOrigin, startReplyingOrigin } from './testing/origin.ts';
import { connectRaw } from './testing/raw-client.ts';
import { startProxy, tableOf } from './testing/test-proxy.ts';
import { TimerWheel } from './timer-wheel.ts';

const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';
const GET = 'GET /a?b=1 HTTP/1.1\r\nHost: a.test\r\nX-Own: 1\r\n\r\n';
const POST = 'POST /a HTTP/1.1\r\nHost: a.test\r\nContent-Length: 5\r\n\r\nhello';
const requestUri: TemplatePart = { kind: 'variable', name: 'requestUri' };

function to(port: number, more: Partial<MirrorSettings> = {}): MirrorSettings {
  const target = [{ kind: 'text', text: `http://127.0.0.1:${port}` } as const, requestUri];
  return { target, host: 'copy.test', sendBody: true, ...more };
}

async function serve(origin: RawOrigin, mirror: MirrorSettings, limits: Partial<MirrorLimits> = {}): Promise<DataPath> {
  return startDataPath([{ endpoints: [origin.port], mirror }], {
    mirrorLimits: { ...defaultMirrorLimits, ...limits },
  });
}

async function send(proxy: DataPath, text: string): Promise<number> {
  using client = await connectRaw(proxy.port);
  client.send(text);
  const [response] = await client.responses(1);
  return response?.status ?? 0;
}

function outcome(proxy: DataPath, name: MirrorOutcome): number {
  return proxy.context.mirrors.outcomes.get(name) ?? 0;
}

/** No copy is under way, no memory is held. */
async function settled(proxy: DataPath): Promise<void> {
  const { mirrors } = proxy.context;
  await eventually(() => mirrors.underWay === 0);
  expect(mirrors.memoryBytes).toBe(0);
  mirrors.close();
}

describe('a copy', () => {
  test('has the fields that the upstream gets, the host of the mirror, and exactly the target', async () => {
    await using origin = await startReplyingOrigin(OK);
    await using mirror = await startReplyingOrigin(OK);
    await using proxy = await serve(origin, to(mirror.port));
    expect(await send(proxy, GET)).toBe(200);
    await eventually(() => outcome(proxy, 'sent') === 1);
    const [head = ''] = mirror.received;
    expect(head).toMatch(/^GET \/a\?b=1 HTTP\/1\.1\r\n/);
    expect(head).toMatch(/\r\nhost: copy\.test\r\n/i);
    expect(head).toContain('\r\nX-Own: 1\r\n');
    expect(head).toMatch(/\r\nX-Forwarded-For: 127\.0\.0\.1\r\n/);
    const id = /\r\nX-Request-ID: (\w+)/.exec(origin.received[0] ?? '')?.[1];
    expect(head).toContain(`\r\nX-Request-ID: ${id}\r\n`);
    await settled(proxy);
  });

  test('has the body, also one that just fits', async () => {
    await using origin = await startReplyingOrigin(OK);
    await using mirror = await startReplyingOrigin(OK);
    await using proxy = await serve(origin, to(mirror.port), { maxBodyBytes: 5, maxMemoryBytes: 5 });
    expect(await send(proxy, POST)).toBe(200);
    await eventually(() => outcome(proxy, 'sent') === 1);
    expect(mirror.received[0]).toMatch(/^POST \/a HTTP.*\r\ncontent-length: 5\r\n\r\nhello$/is);
    await settled(proxy);
  });

  test('has the body of a chunked request, without its framing', async () => {
    await using origin = await startReplyingOrigin(OK);
    await using mirror = await startReplyingOrigin(OK);
    await using proxy = await serve(origin, to(mirror.port));
    const chunked = 'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n';
    expect(await send(proxy, chunked)).toBe(200);
    await eventually(() => outcome(proxy, 'sent') === 1);
    expect(mirror.received[0]).toMatch(/\r\ncontent-length: 5\r\n\r\nhello$/i);
    expect(mirror.received[0]).not.toMatch(/transfer-encoding/i);
    await settled(proxy);
  });

  test('has none with mirror-request-body off', async () => {
    await using origin = await startReplyingOrigin(OK);
    await using mirror = await startReplyingOrigin(OK);
    await using proxy = await serve(origin, to(mirror.port, { sendBody: false }));
    expect(await send(proxy, POST)).toBe(200);
    await eventually(() => outcome(proxy, 'sent') === 1);
    expect(mirror.received[0]).toMatch(/^POST \/a HTTP.*\r\n\r\n$/s);
    await settled(proxy);
  });

  test('goes to the fixed URL when the target has no variables', async () => {
    await using origin = await startReplyingOrigin(OK);
    await using mirror = await startReplyingOrigin(OK);
    const target = [{ kind: 'text', text: `http://127.0.0.1:${mirror.port}` }] as const;
    await using proxy = await serve(origin, to(mirror.port, { target }));
    expect(await send(proxy, GET)).toBe(200);
    await eventually(() => outcome(proxy, 'sent') === 1);
    expect(mirror.received[0]).toMatch(/^GET \/ HTTP/);
    await settled(proxy);
  });
});

test('an https target may have a certificate of its own', async () => {
  const pair = await generate([{ name: 'commonName', value: 'shadow' }], { keyType: 'ec' });
  const server = https.createServer({ key: pair.private, cert: pair.cert }, (_request, response) => response.end());
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  await using origin = await startReplyingOrigin(OK);
  await using proxy = await serve(origin, to(1, { target: [{ kind: 'text', text: `https://127.0.0.1:${port}/` }] }));
  expect(await send(proxy, GET)).toBe(200);
  await eventually(
    () => outcome(proxy, 'sent') === 1,
    () => [...proxy.context.mirrors.outcomes],
  );
  await settled(proxy);
  server.close();
  await once(server, 'close');
});

describe('its request is served', () => {
  test.each<[string, Partial<MirrorSettings>, Partial<MirrorLimits>, MirrorOutcome]>([
    ['nobody listens at the target', { target: [{ kind: 'text', text: 'http://127.0.0.1:1/' }] }, {}, 'failed'],
    ['the target is no URL', { target: [requestUri] }, {}, 'badTarget'],
    ['a user is named in it', { target: [{ kind: 'text', text: 'http://u@127.0.0.1:1/' }] }, {}, 'badTarget'],
    ['copies are switched off', {}, { maxRequests: 0 }, 'tooMany'],
    ['the body is over the limit', {}, { maxBodyBytes: 4 }, 'bodyTooLarge'],
    ['the memory for copies is used up', {}, { maxMemoryBytes: 4 }, 'memoryFull'],
  ])('when %s', async (_name, more, limits, expected) => {
    await using origin = await startReplyingOrigin(OK);
    await using mirror = await startReplyingOrigin(OK);
    await using proxy = await serve(origin, to(mirror.port, more), limits);
    expect(await send(proxy, POST)).toBe(200);
    await eventually(
      () => outcome(proxy, expected) === 1,
      () => [...proxy.context.mirrors.outcomes],
    );
    expect(mirror.connections).toBe(0);
    await settled(proxy);
  });

  test('when the target never answers: the copy is cut at its time limit', async () => {
    await using origin = await startReplyingOrigin(OK);
    await using mirror = await startRawOrigin(() => {});
    await using proxy = await serve(origin, to(mirror.port), { timeoutMs: 500 });
    expect(await send(proxy, GET)).toBe(200);
    await eventually(() => mirror.received.length === 1);
    proxy.pass(499);
    expect(outcome(proxy, 'timedOut')).toBe(0);
    // Never early, and as late as two ticks.
    proxy.pass(201);
    expect(outcome(proxy, 'timedOut')).toBe(1);
    await settled(proxy);
  });

  test('when a target swallows its copies: other targets get theirs', async () => {
    await using origin = await startReplyingOrigin(OK);
    await using silent = await startRawOrigin(() => {});
    await using mirror = await startReplyingOrigin(OK);
    const routes = [
      { endpoints: [origin.port], path: '/dead', mirror: to(silent.port) },
      { endpoints: [origin.port], mirror: to(mirror.port) },
    ];
    const limits = { ...defaultMirrorLimits, maxRequests: 3, maxRequestsPerTarget: 2 };
    await using proxy = await startDataPath(routes, { mirrorLimits: limits });
    for (let i = 0; i < 4; i++) expect(await send(proxy, GET.replace('/a', '/dead'))).toBe(200);
    expect(outcome(proxy, 'targetFull')).toBe(2);
    // No body is gathered for it.
    using slow = await connectRaw(proxy.port);
    slow.send(POST.slice(0, -2).replace('/a', '/dead'));
    await eventually(() => outcome(proxy, 'targetFull') === 3);
    for (let i = 1; i <= 3; i++) {
      expect(await send(proxy, GET)).toBe(200);
      await eventually(() => outcome(proxy, 'sent') === i);
    }
    expect(proxy.context.mirrors.underWay).toBe(2);
    proxy.context.mirrors.close();
    await settled(proxy);
  });

  test.each<[Partial<MirrorLimits>, MirrorOutcome]>([
    [{ maxRequests: 1 }, 'tooMany'],
    [{ maxRequestsPerTarget: 1 }, 'targetFull'],
  ])('when %j was not reached before the bodies were complete', async (limits, expected) => {
    await using origin = await startReplyingOrigin(OK);
    await using silent = await startRawOrigin(() => {});
    await using proxy = await serve(origin, to(silent.port), limits);
    const { mirrors } = proxy.context;
    using first = await connectRaw(proxy.port);
    using second = await connectRaw(proxy.port);
    for (const client of [first, second]) client.send(POST.slice(0, -2));
    await eventually(() => mirrors.memoryBytes === 2048);
    for (const client of [first, second]) client.send(POST.slice(-2));
    for (const client of [first, second]) expect((await client.responses(1))[0]?.status).toBe(200);
    expect([outcome(proxy, expected), mirrors.underWay, mirrors.memoryBytes]).toEqual([1, 1, 1024]);
    mirrors.close();
    await settled(proxy);
  });

  test('when a target had all its copies: it gets as many again', async () => {
    const held: Array<() => void> = [];
    await using origin = await startReplyingOrigin(OK);
    await using mirror = await startRawOrigin((socket) => held.push(() => socket.write(OK)));
    await using proxy = await serve(origin, to(mirror.port), { maxRequestsPerTarget: 2 });
    for (let round = 1; round <= 3; round++) {
      for (let i = 0; i < 3; i++) expect(await send(proxy, GET)).toBe(200);
      await eventually(() => held.length === 2);
      for (const answer of held.splice(0)) answer();
      await eventually(() => outcome(proxy, 'sent') === 2 * round);
      expect(outcome(proxy, 'targetFull')).toBe(round);
    }
    await settled(proxy);
  });

  test('when copies pile up at a slow target: no more than the limit are under way', async () => {
    await using origin = await startReplyingOrigin(OK);
    await using mirror = await startRawOrigin(() => {});
    await using proxy = await serve(origin, to(mirror.port), { maxRequests: 2 });
    for (let i = 0; i < 5; i++) expect(await send(proxy, GET)).toBe(200);
    expect(proxy.context.mirrors.underWay).toBe(2);
    expect(outcome(proxy, 'tooMany')).toBe(3);
    proxy.context.mirrors.close();
    await settled(proxy);
  });
});

describe('there is one copy, or none', () => {
  test.each<[string, number[]]>([
    ['no endpoint', []],
    ['an upstream that is gone', [1]],
  ])('of a request that found %s', async (_name, endpoints) => {
    await using mirror = await startReplyingOrigin(OK);
    await using proxy = await startDataPath([{ endpoints, mirror: to(mirror.port) }]);
    expect(await send(proxy, GET)).toBe(endpoints.length === 0 ? 503 : 502);
    const expected = endpoints.length === 0 ? 'requestFailed' : 'sent';
    await eventually(
      () => outcome(proxy, expected) === 1,
      () => [...proxy.context.mirrors.outcomes, proxy.requests],
    );
    expect(mirror.received).toHaveLength(endpoints.length);
    await settled(proxy);
  });

  test('of a request whose body was complete before no endpoint was found', async () => {
    await using mirror = await startReplyingOrigin(OK);
    await using proxy = await startDataPath([{ endpoints: [], mirror: to(mirror.port) }]);
    using client = await connectRaw(proxy.port);
    client.send(POST.slice(0, -2));
    await eventually(() => proxy.context.mirrors.memoryBytes > 0);
    client.send(POST.slice(-2));
    expect((await client.responses(1))[0]?.status).toBe(503);
    expect([...proxy.context.mirrors.outcomes]).toEqual([['requestFailed', 1]]);
    await settled(proxy);
  });

  test('of a request that is sent to several endpoints', async () => {
    await using origin = await startReplyingOrigin(OK);
    await using broken = await startRawOrigin((socket) => socket.resetAndDestroy());
    await using mirror = await startReplyingOrigin(OK);
    await using proxy = await startDataPath([{ endpoints: [broken.port, origin.port], mirror: to(mirror.port) }]);
    for (let i = 0; i < 2; i++) expect(await send(proxy, GET)).toBe(200);
    expect(proxy.requests.map(({ attempts }) => attempts.length)).toContain(2);
    await eventually(() => outcome(proxy, 'sent') === 2);
    expect(mirror.received.join('').match(/GET/g)).toHaveLength(2);
    await settled(proxy);
  });
});

describe('memory for bodies', () => {
  test('is what has come and as much again, however small the parts are', async () => {
    await using origin = await startReplyingOrigin(OK);
    await using mirror = await startReplyingOrigin(OK);
    await using proxy = await serve(origin, to(mirror.port), { maxBodyBytes: 5000 });
    const { mirrors } = proxy.context;
    using client = await connectRaw(proxy.port);
    client.send('POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n');
    const held: number[] = [];
    let sent = 0;
    for (const bytes of [1, 1023, 1, 2000, 1974]) {
      client.send('1\r\nx\r\n'.repeat(bytes));
      sent += bytes;
      const least = sent;
      await eventually(() => mirrors.memoryBytes >= least);
      held.push(mirrors.memoryBytes);
    }
    expect(held).toEqual([1024, 1024, 2048, 4096, 5000]);
    client.send('1\r\nx\r\n0\r\n\r\n');
    await eventually(() => outcome(proxy, 'sent') === 1);
    expect(mirror.received.join('')).toMatch(/\r\n\r\nx{5000}$/);
    await settled(proxy);
  });

  test('goes from bodies that come no further to those that do, after the time limit', async () => {
    await using origin = await startReplyingOrigin(OK);
    await using mirror = await startReplyingOrigin(OK);
    await using proxy = await serve(origin, to(mirror.port), { maxMemoryBytes: 2048, timeoutMs: 10_000 });
    const { mirrors, wheel } = proxy.context;
    const post = (body: string) => `POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2000\r\n\r\n${body}`;
    using slow = await connectRaw(proxy.port);
    slow.send(post('s'.repeat(1100)));
    await eventually(() => mirrors.memoryBytes === 1100);
    wheel.advance(wheel.nowMs + 9_999);
    // Who came first is nearest to its end.
    expect(await send(proxy, post('f'.repeat(2000)))).toBe(200);
    expect(outcome(proxy, 'memoryFull')).toBe(1);
    expect(mirrors.memoryBytes).toBe(1100);
    wheel.advance(wheel.nowMs + 1);
    expect(await send(proxy, post('f'.repeat(2000)))).toBe(200);
    expect(outcome(proxy, 'timedOut')).toBe(1);
    await eventually(() => outcome(proxy, 'sent') === 1);
    expect(mirror.received.join('')).toMatch(/f{2000}$/);
    // Its request goes on.
    slow.send('s'.repeat(900));
    expect((await slow.responses(1))[0]?.status).toBe(200);
    await settled(proxy);
  });
});

describe('the client', () => {
  test('is asked when the writes of the turn have left, and for a few copies in each turn', async () => {
    const sent: string[] = [];
    const client: CopyClient = {
      isLoaded: true,
      load: () => {},
      send: (_origin, copy) => {
        sent.push(copy.path);
        copy.onSent('sent');
      },
      close: () => {},
    };
    const mirrors = new Mirrors(() => defaultMirrorLimits, new TimerWheel(0), client);
    const source = { target: '/a', method: 'GET', requestId: '' } as TemplateSource;
    for (let i = 0; i < 80; i++) mirrors.begin(to(1), source, GET, new CopiedFields(), false)?.release();
    expect(mirrors.underWay).toBe(50);
    const sentByTurn: number[] = [];
    for (let turn = 0; turn < 5; turn++) {
      sentByTurn.push(sent.length);
      await new Promise(setImmediate);
    }
    expect(sentByTurn).toEqual([0, 0, 32, 50, 50]);
    expect([mirrors.underWay, mirrors.outcomes.get('sent'), mirrors.outcomes.get('targetFull')]).toEqual([0, 50, 30]);
  });

  test('is loaded with the first table that has a mirror, not with the first request', async () => {
    await using proxy = await startProxy([{ endpoints: [1] }]);
    const { mirrors } = proxy.worker;
    expect(mirrors.isPrepared).toBe(false);
    proxy.publish(tableOf([{ endpoints: [1] }, { path: '/a', endpoints: [1], mirror: to(1) }]));
    expect(mirrors.isPrepared).toBe(true);
  });

  test('lets copies end that were under way when its settings changed', async () => {
    const held: Array<() => void> = [];
    await using origin = await startReplyingOrigin(OK);
    await using mirror = await startRawOrigin((socket) => held.push(() => socket.write(OK)));
    await using proxy = await serve(origin, to(mirror.port), { maxRequestsPerTarget: 1 });
    const { context } = proxy;
    expect(await send(proxy, GET)).toBe(200);
    await eventually(() => held.length === 1);
    const mirrorLimits = { ...defaultMirrorLimits, maxRequestsPerTarget: 3 };
    context.current = { ...context.current, global: { ...context.current.global, mirrorLimits } };
    for (let i = 0; i < 2; i++) expect(await send(proxy, GET)).toBe(200);
    await eventually(() => held.length === 3);
    for (const answer of held) answer();
    await eventually(() => outcome(proxy, 'sent') === 3);
    await settled(proxy);
  });
});

test('a request that is given up before its body is complete is not copied', async () => {
  await using origin = await startRawOrigin(() => {});
  await using mirror = await startReplyingOrigin(OK);
  await using proxy = await serve(origin, to(mirror.port));
  using client = await connectRaw(proxy.port);
  client.send(POST.slice(0, -2));
  await eventually(() => proxy.context.mirrors.memoryBytes === 1024);
  client.socket.destroy();
  await eventually(() => outcome(proxy, 'requestFailed') === 1);
  await settled(proxy);
  expect(mirror.connections).toBe(0);
  await proxy.cutAll();
  expect(proxy.leftovers()).toEqual(NOTHING_LEFT);
});
