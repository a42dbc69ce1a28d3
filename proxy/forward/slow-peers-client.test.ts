// Slow and greedy clients, on the wire: each limit by its setting, changed while connections are open, counted by reason.

import { describe, expect, test } from '@jest/globals';
import { READ_BUFFER_BYTES } from '../listen/read-buffers.ts';
import { defaultPeerLimits, type PeerLimits } from '../table/peer-limits.ts';
import type { GlobalSettings } from '../table/types.ts';
import { type DataPath, eventually, startDataPath } from './testing/data-path.ts';
import { type RawOrigin, startRawOrigin, startReplyingOrigin } from './testing/origin.ts';
import { connectRaw, exchangeRaw } from './testing/raw-client.ts';
import { STREAMED, startProxy, type TestProxy, tableOf } from './testing/test-proxy.ts';

const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';
const GET = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n';
const UPGRADE = 'GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n';
const SWITCHING = 'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n';

function withLimits(limits: Partial<PeerLimits>): Partial<GlobalSettings> {
  return { peerLimits: { ...defaultPeerLimits, ...limits } };
}

/** Puts other settings in force while connections are open, as a change of the ConfigMap does. */
function change(path: DataPath, global: Partial<GlobalSettings>): void {
  const { current } = path.context;
  path.context.current = { ...current, global: { ...current.global, ...global } };
}

function counted(proxy: TestProxy, name: string): Record<string, number> {
  const values = proxy.worker.sample().counters.filter((each) => each.name === name);
  return Object.fromEntries(values.map(({ labels, value }) => [labels['reason'] ?? labels['state'], value]));
}

async function bodyArrived(origin: RawOrigin, text: string): Promise<void> {
  await eventually(() => origin.received[0]?.endsWith(text) === true);
}

describe('client-header-timeout: Slowloris in the head', () => {
  test('is for the whole head: bytes that keep coming do not extend it', async () => {
    await using path = await startDataPath([], { clientHeaderTimeoutMs: 5_000 });
    using client = await connectRaw(path.port);
    client.send('GET / HTTP/1.1\r\n');
    await eventually(() => path.leftovers().openConnections === 1);
    for (let i = 0; i < 4; i++) {
      const before = client.socket.bytesWritten;
      client.send(`X-${i}: 1\r\n`);
      await eventually(() => client.socket.bytesWritten > before && client.socket.writableLength === 0);
      for (let turn = 0; turn < 20; turn++) await new Promise(setImmediate);
      path.pass(1_200);
    }
    path.pass(600);
    expect(await client.closed()).toMatch(/^HTTP\/1\.1 408 (.*\r\n)*Connection: close\r\n/);
    expect(path.requests).toEqual([{ status: 408, reason: 'headTimeout', attempts: [] }]);
  });

  test('a connection that never sends a byte is closed without an answer', async () => {
    await using path = await startDataPath([], { clientHeaderTimeoutMs: 5_000 });
    using client = await connectRaw(path.port);
    await eventually(() => path.leftovers().openConnections === 1);
    path.pass(5_200);
    expect(await client.closed()).toBe('');
  });

  test('a change holds for the next request of an open connection', async () => {
    await using path = await startDataPath([]);
    using client = await connectRaw(path.port);
    client.send(GET);
    await client.responses(1);
    change(path, { clientHeaderTimeoutMs: 1_000 });
    client.send('GET ');
    for (let turn = 0; turn < 100; turn++) await new Promise(setImmediate);
    path.pass(1_200);
    expect(await client.closed()).toMatch(/HTTP\/1\.1 408 /);
  });
});

/** A client that has sent the head of a body of `bodyBytes`, of which 100 bytes a second are asked for. */
async function startUpload(origin: RawOrigin, bodyBytes: number) {
  const routes = [{ endpoints: [origin.port], policy: STREAMED }];
  const path = await startDataPath(routes, withLimits({ minBodyRate: 100 }));
  const client = await connectRaw(path.port);
  client.send(`POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ${bodyBytes}\r\n\r\n`);
  await bodyArrived(origin, '\r\n\r\n');
  return {
    path,
    client,
    async [Symbol.asyncDispose]() {
      client[Symbol.dispose]();
      await path[Symbol.asyncDispose]();
    },
  };
}

describe('client-body-timeout and sluice-client-body-min-rate: Slowloris in the body', () => {
  test('a body that trickles within client-body-timeout is cut by the rate, and counted', async () => {
    await using origin = await startRawOrigin(() => {});
    await using upload = await startUpload(origin, 1000);
    const { path, client } = upload;
    for (const letter of 'abc') {
      client.send(letter);
      await bodyArrived(origin, letter);
      path.pass(19_000);
    }
    expect(path.requests).toEqual([]);
    path.pass(5_000);
    expect(path.requests).toEqual([{ status: 408, reason: 'bodyTooSlow', attempts: [0] }]);
    expect(await client.closed()).toMatch(/^HTTP\/1\.1 408 (.*\r\n)*Connection: close\r\n/);
  });

  test('a body that comes at the rate is not, however long it takes', async () => {
    await using origin = await startReplyingOrigin('');
    await using upload = await startUpload(origin, 100_000);
    const { path, client } = upload;
    for (let i = 0; i < 20; i++) {
      client.send(`${'x'.repeat(2_999)}${i % 10}`);
      await bodyArrived(origin, `x${i % 10}`);
      path.pass(30_000);
      expect(path.requests).toEqual([]);
    }
  });

  test('the rate holds until the upstream answers: then the body is half of a conversation', async () => {
    await using origin = await startRawOrigin(() => {});
    await using upload = await startUpload(origin, 1000);
    const { path, client } = upload;
    path.pass(55_000);
    origin.sockets[0]?.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n');
    await eventually(() => client.received.includes('\r\n\r\n'));
    for (const letter of 'abcd') {
      path.pass(30_000);
      expect(path.requests).toEqual([]);
      client.send(letter);
      await bodyArrived(origin, letter);
      origin.sockets[0]?.write(`1\r\n${letter}\r\n`);
      await eventually(() => client.received.endsWith(`${letter}\r\n`));
    }
  });

  test('a rate of 0 leaves the time between two reads alone', async () => {
    await using origin = await startRawOrigin(() => {});
    await using path = await startDataPath(
      [{ endpoints: [origin.port], policy: STREAMED }],
      withLimits({ minBodyRate: 0 }),
    );
    using client = await connectRaw(path.port);
    client.send('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n');
    await bodyArrived(origin, '\r\n\r\n');
    for (let i = 0; i < 9; i++) {
      client.send(`${i}`);
      await bodyArrived(origin, `${i}`);
      path.pass(50_000);
    }
    expect(path.requests).toEqual([]);
    path.pass(11_000);
    expect(path.requests).toEqual([{ status: 408, reason: 'bodyTimeout', attempts: [0] }]);
  });

  test('a change of client-body-timeout holds from the next piece of an open body', async () => {
    await using origin = await startRawOrigin(() => {});
    await using path = await startDataPath([{ endpoints: [origin.port], policy: STREAMED }]);
    using client = await connectRaw(path.port);
    client.send('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\na');
    await bodyArrived(origin, 'a');
    change(path, { clientBodyTimeoutMs: 2_000 });
    client.send('b');
    await bodyArrived(origin, 'ab');
    path.pass(2_200);
    expect(path.requests).toEqual([{ status: 408, reason: 'bodyTimeout', attempts: [0] }]);
  });
});

describe('keep-alive and keep-alive-requests', () => {
  test('the last allowed request is answered with Connection: close, and what is pipelined behind it is not served', async () => {
    await using origin = await startReplyingOrigin(OK);
    await using path = await startDataPath([{ endpoints: [origin.port] }], { clientKeepAliveRequests: 3 });
    using client = await connectRaw(path.port);
    client.send(GET.repeat(5));
    await client.closed();
    const responses = await client.responses(3);
    expect(responses.map(({ headers }) => headers['connection'])).toEqual([undefined, undefined, 'close']);
    expect(path.requests).toHaveLength(3);
    expect(client.ended).toBe('end');
  });

  test('keep-alive: 0 closes after one request', async () => {
    await using path = await startDataPath([], { clientKeepAliveMs: 0 });
    expect(await exchangeRaw(path.port, GET)).toMatch(/Connection: close\r\n/);
  });

  test('changes hold for the next request of an open connection', async () => {
    await using path = await startDataPath([]);
    using idle = await connectRaw(path.port);
    using capped = await connectRaw(path.port);
    for (const client of [idle, capped]) {
      client.send(GET);
      await client.responses(1);
    }
    change(path, { clientKeepAliveRequests: 2, clientKeepAliveMs: 1_000 });
    capped.send(GET);
    expect((await capped.responses(2))[1]?.headers['connection']).toBe('close');
    await capped.closed();
    // The idle one was given its time when it became idle.
    path.pass(1_200);
    expect(idle.ended).toBe('');
    path.pass(75_000);
    await idle.closed();
  });
});

describe('client-header-buffer-size, large-client-header-buffers, sluice-max-header-count', () => {
  test.each([
    ['a request line of the limit', `GET /${'a'.repeat(86)} HTTP/1.1\r\nHost: a\r\n\r\n`, 404],
    ['a request line one byte above it', `GET /${'a'.repeat(87)} HTTP/1.1\r\nHost: a\r\n\r\n`, 414],
    ['a header line of the limit', `GET / HTTP/1.1\r\nHost: a\r\nX: ${'a'.repeat(97)}\r\n\r\n`, 404],
    ['a header line one byte above it', `GET / HTTP/1.1\r\nHost: a\r\nX: ${'a'.repeat(98)}\r\n\r\n`, 431],
    ['a head above all buffers', `GET / HTTP/1.1\r\nHost: a\r\n${`X: ${'a'.repeat(90)}\r\n`.repeat(4)}\r\n`, 431],
    ['header lines of the limit', `GET / HTTP/1.1\r\nHost: a\r\n${'X: 1\r\n'.repeat(4)}\r\n`, 404],
    ['one header line more', `GET / HTTP/1.1\r\nHost: a\r\n${'X: 1\r\n'.repeat(5)}\r\n`, 431],
  ])('%s: %s', async (_name, bytes, status) => {
    const limits = { maxRequestLineBytes: 100, maxHeaderLineBytes: 100, maxHeadBytes: 300, maxHeaderCount: 5 };
    await using proxy = await startProxy([], limits);
    using client = await connectRaw(proxy.port);
    client.send(bytes);
    const [response] = await client.responses(1);
    expect(response?.status).toBe(status);
    // The same bytes are fine under the defaults, which hold for open connections as soon as they are published.
    proxy.publish(tableOf([]));
    using second = await connectRaw(proxy.port);
    second.send(bytes);
    expect((await second.responses(1))[0]?.status).toBe(404);
  });
});

describe('proxy-body-size', () => {
  test('is hot, per route, and counted', async () => {
    await using origin = await startReplyingOrigin(OK);
    await using proxy = await startProxy([{ endpoints: [origin.port], policy: { maxBodyBytes: 3 } }]);
    using client = await connectRaw(proxy.port);
    const post = (body: string) => `POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
    client.send(post('abc'));
    expect((await client.responses(1))[0]?.status).toBe(200);
    proxy.publish(tableOf([{ endpoints: [origin.port], policy: { maxBodyBytes: 2 } }]));
    client.send(post('abc'));
    const [, refused] = await client.responses(2);
    expect([refused?.status, refused?.headers['connection']]).toEqual([413, 'close']);
    expect(counted(proxy, 'sluice_self_answered_requests_total')).toEqual({ bodyTooLarge: 1 });
  });
});

describe('sluice-client-send-timeout: a client that does not read', () => {
  test('holds a bounded part of its response, and is cut', async () => {
    const size = 64 * 1024 * 1024;
    const block = Buffer.alloc(1024 * 1024, 'x');
    let sent = 0;
    await using origin = await startRawOrigin((socket) => {
      socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${size}\r\n\r\n`);
      const more = (): void => {
        while (sent < size) {
          sent += block.length;
          if (!socket.write(block)) return;
        }
      };
      socket.on('drain', more);
      more();
    });
    await using path = await startDataPath([{ endpoints: [origin.port] }], withLimits({ clientSendTimeoutMs: 5_000 }));
    using client = await connectRaw(path.port);
    client.socket.pause();
    client.send(GET);
    // Until kernel buffers are full nothing can be said; then the origin has to stop.
    let before = -1;
    for (let quiet = 0; quiet < 300; quiet = sent === before ? quiet + 1 : 0) {
      before = sent;
      await new Promise(setImmediate);
    }
    expect(sent).toBeLessThan(size / 2);
    // In our own memory no more than the read that the system did not take.
    const { buffers } = path.context;
    expect(buffers.waitingBytes).toBeGreaterThan(0);
    expect(buffers.waitingBytes).toBeLessThanOrEqual(READ_BUFFER_BYTES);
    expect(path.requests).toEqual([]);
    path.pass(5_200);
    await eventually(() => path.leftovers().openConnections === 0);
    expect(path.requests).toEqual([{ status: 200, reason: 'clientStalled', attempts: [200] }]);
    await eventually(() => buffers.waitingBytes === 0);
  });
});

describe('tunnels have limits of their own', () => {
  test('sluice-tunnel-idle-timeout stands before proxy-read-timeout, and changes while a tunnel is open', async () => {
    await using origin = await startReplyingOrigin(SWITCHING);
    await using path = await startDataPath(
      [{ endpoints: [origin.port], policy: { readTimeoutMs: 1_000 } }],
      withLimits({ tunnelIdleTimeoutMs: 9_000 }),
    );
    using client = await connectRaw(path.port);
    client.send(UPGRADE);
    await client.until((text) => text.endsWith('\r\n\r\n'));
    path.pass(8_000);
    expect(path.requests).toEqual([]);
    change(path, withLimits({ tunnelIdleTimeoutMs: 2_000 }));
    client.send('ping');
    await bodyArrived(origin, 'ping');
    path.pass(2_200);
    expect(path.requests).toEqual([{ status: 101, reason: 'tunnelIdle', attempts: [101] }]);
    await client.closed();
  });

  test('a client that sends and never reads is cut after sluice-client-send-timeout', async () => {
    const block = Buffer.alloc(64 * 1024, 'x');
    let sent = 0;
    await using origin = await startRawOrigin((socket, soFar) => {
      if (!soFar.endsWith('\r\n\r\n')) return;
      socket.write(SWITCHING);
      const more = (): void => {
        do sent += block.length;
        while (socket.write(block));
      };
      socket.on('drain', more);
      more();
    });
    await using path = await startDataPath(
      [{ endpoints: [origin.port] }],
      withLimits({ clientSendTimeoutMs: 5_000, tunnelIdleTimeoutMs: 60_000 }),
    );
    using client = await connectRaw(path.port);
    client.socket.pause();
    client.send(UPGRADE);
    let before = -1;
    for (let quiet = 0; quiet < 300 || sent === 0; quiet = sent === before ? quiet + 1 : 0) {
      before = sent;
      await new Promise(setImmediate);
    }
    const { buffers } = path.context;
    expect(buffers.waitingBytes).toBeGreaterThan(0);
    expect(buffers.waitingBytes).toBeLessThanOrEqual(READ_BUFFER_BYTES);
    for (let i = 0; i < 4; i++) {
      const { length } = origin.received.join('');
      client.send('still here');
      await eventually(() => origin.received.join('').length > length);
      path.pass(1_000);
    }
    expect(path.requests).toEqual([]);
    path.pass(1_300);
    await eventually(() => path.leftovers().openConnections === 0 && buffers.waitingBytes === 0);
    expect(path.requests).toEqual([{ status: 101, reason: 'clientStalled', attempts: [101] }]);
  });

  test('sluice-tunnel-max-duration ends a busy tunnel', async () => {
    await using origin = await startReplyingOrigin(SWITCHING);
    await using path = await startDataPath(
      [{ endpoints: [origin.port] }],
      withLimits({ tunnelMaxDurationMs: 10_000, tunnelIdleTimeoutMs: 5_000 }),
    );
    using client = await connectRaw(path.port);
    client.send(UPGRADE);
    await client.until((text) => text.endsWith('\r\n\r\n'));
    for (let i = 0; i < 3; i++) {
      client.send(`ping${i}`);
      await bodyArrived(origin, `ping${i}`);
      path.pass(3_000);
    }
    expect(path.requests).toEqual([]);
    path.pass(1_200);
    expect(path.requests).toEqual([{ status: 101, reason: 'tunnelTooOld', attempts: [101] }]);
    await client.closed();
  });
});

describe('max-worker-connections', () => {
  test('sheds new connections, keeps serving open ones, and takes new ones again when some are gone or the limit rises', async () => {
    await using origin = await startReplyingOrigin(OK);
    const routes = [{ endpoints: [origin.port] }];
    await using proxy = await startProxy(routes, withLimits({ maxConnections: 2 }));
    using first = await connectRaw(proxy.port);
    using second = await connectRaw(proxy.port);
    for (const client of [first, second]) {
      client.send(GET);
      await client.responses(1);
    }
    using third = await connectRaw(proxy.port);
    await third.closed();
    expect(third.received).toBe('');
    first.send(GET);
    await first.responses(2);
    expect(counted(proxy, 'sluice_connections_total')).toMatchObject({ accepted: 2, refused: 1 });
    proxy.publish(tableOf(routes, withLimits({ maxConnections: 3 })));
    using fourth = await connectRaw(proxy.port);
    fourth.send(GET);
    expect((await fourth.responses(1))[0]?.status).toBe(200);
  });
});
