// What a peer that is slow, greedy or gone can cost: bounded memory, nobody else's bytes, nothing left behind.

import { describe, expect, test } from '@jest/globals';
import { eventually, NOTHING_LEFT, startDataPath } from './testing/data-path.ts';
import { startHttpOrigin, startRawOrigin, startReplyingOrigin } from './testing/origin.ts';
import { connectRaw, exchangeRaw } from './testing/raw-client.ts';
import { STREAMED, startProxy } from './testing/test-proxy.ts';

const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';
const GET = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n';

describe('shared read buffers', () => {
  test('downloads of slow clients never mix, also when one response ends while its last write waits', async () => {
    const size = 6 * 1024 * 1024;
    await using origin = await startHttpOrigin((request, response) => {
      response.end(Buffer.alloc(size, (request.url ?? '').slice(1)));
    });
    await using proxy = await startProxy([{ endpoints: [origin.port] }]);
    const letters = [...'abcdefghijkl'];
    const bodies = await Promise.all(
      letters.map(async (letter) => {
        using client = await connectRaw(proxy.port);
        client.socket.on('data', () => {
          client.socket.pause();
          setTimeout(() => client.socket.resume(), 1);
        });
        client.send(`GET /${letter} HTTP/1.1\r\nHost: a\r\n\r\n`);
        await client.until((text) => text.length > size);
        return client.received.slice(client.received.indexOf('\r\n\r\n') + 4);
      }),
    );
    bodies.forEach((body, i) => {
      expect(body.length).toBe(size);
      expect(new Set(body)).toEqual(new Set(letters[i]));
    });
  }, 60_000);
});

describe('a client that does not read', () => {
  test.each([
    ['answers of the proxy itself', '/none'],
    ['small responses of an upstream', '/small'],
  ])(
    'is served no further pipelined request while %s wait for it',
    async (_name, path) => {
      const body = 'x'.repeat(2000);
      await using origin = await startReplyingOrigin(`HTTP/1.1 200 OK\r\nContent-Length: 2000\r\n\r\n${body}`);
      await using proxy = await startDataPath([{ path: '/small', endpoints: [origin.port] }], {
        clientKeepAliveRequests: 1e9,
      });
      using client = await connectRaw(proxy.port);
      client.socket.pause();
      const request = `GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`;
      const batch = request.repeat(500);
      // More responses than kernel buffers hold: at some point the proxy has to stop taking requests.
      let isStuck = false;
      for (let sent = 0; sent < 400 && !isStuck; sent++) {
        isStuck = !client.socket.write(batch);
        if (isStuck) {
          const before = proxy.requests.length;
          await Promise.race([
            new Promise((resolve) => client.socket.once('drain', resolve)),
            (async () => {
              for (let turn = 0; turn < 2000; turn++) await new Promise(setImmediate);
            })(),
          ]);
          isStuck = client.socket.writableNeedDrain && proxy.requests.length === before;
        }
      }
      expect(isStuck).toBe(true);
      const served = proxy.requests.length;
      // It is cut when it takes nothing for a minute, and its connection with it.
      proxy.pass(61_000);
      proxy.pass(61_000);
      await eventually(() => proxy.leftovers().openConnections === 0);
      expect(proxy.requests.length).toBeLessThanOrEqual(served + 1);
      // Either between requests, where nothing else tells of it, or within one, where the log does.
      const logged = proxy.requests.filter(({ reason }) => reason === 'clientStalled').length;
      expect(proxy.stalledConnections + logged).toBe(1);
    },
    60_000,
  );

  test('is not counted as stalled when it is only idle', async () => {
    await using proxy = await startDataPath([]);
    using client = await connectRaw(proxy.port);
    client.send('GET /none HTTP/1.1\r\nHost: a\r\n\r\n');
    await client.responses(1);
    proxy.pass(80_000);
    await eventually(() => proxy.leftovers().openConnections === 0);
    expect(proxy.stalledConnections).toBe(0);
  });

  test('gets all its pipelined responses when it reads on', async () => {
    await using proxy = await startDataPath([], { clientKeepAliveRequests: 1e9 });
    using client = await connectRaw(proxy.port);
    client.socket.pause();
    const count = 40_000;
    client.send('GET /none HTTP/1.1\r\nHost: a\r\n\r\n'.repeat(count));
    await eventually(() => proxy.requests.length > 0);
    client.socket.resume();
    await client.until((text) => text.endsWith('404 Not Found\n') && text.length > count * 100);
    await eventually(
      () => proxy.requests.length === count,
      () => proxy.requests.length,
    );
  }, 60_000);
});

describe('time limits', () => {
  test('a client is not blamed for a body that the upstream does not take', async () => {
    await using origin = await startRawOrigin((socket) => socket.pause());
    await using proxy = await startDataPath(
      [{ endpoints: [origin.port], policy: { maxBodyBytes: null, sendTimeoutMs: 20_000 } }],
      { clientBodyTimeoutMs: 5_000 },
    );
    using client = await connectRaw(proxy.port);
    client.send('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000000\r\n\r\n');
    client.send('x'.repeat(20_000_000));
    await eventually(() => client.socket.writableLength > 0 && origin.connections === 1);
    for (let turn = 0; turn < 3000; turn++) await new Promise(setImmediate);
    proxy.pass(10_000);
    expect(proxy.requests).toEqual([]);
    proxy.pass(11_000);
    expect(proxy.requests).toEqual([{ status: 504, reason: 'sendTimeout', attempts: [504] }]);
  });

  test('a body that stops coming is 408 also after it went on for a while', async () => {
    await using origin = await startRawOrigin(() => {});
    await using proxy = await startDataPath([{ endpoints: [origin.port], policy: STREAMED }], {
      clientBodyTimeoutMs: 5_000,
    });
    using client = await connectRaw(proxy.port);
    client.send('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nabc');
    await eventually(() => origin.received[0]?.endsWith('abc') === true);
    proxy.pass(4_000);
    client.send('d');
    await eventually(() => origin.received[0]?.endsWith('abcd') === true);
    proxy.pass(4_000);
    expect(proxy.requests).toEqual([]);
    proxy.pass(1_200);
    expect(proxy.requests).toEqual([{ status: 408, reason: 'bodyTimeout', attempts: [0] }]);
    expect(await client.closed()).toMatch(/^HTTP\/1\.1 408 /);
  });

  test('an early response whose client neither reads nor writes is given up', async () => {
    const size = 20_000_000;
    await using origin = await startRawOrigin((socket, soFar) => {
      if (soFar.endsWith('\r\n\r\nabc'))
        socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${size}\r\n\r\n${'x'.repeat(size)}`);
    });
    await using proxy = await startDataPath([{ endpoints: [origin.port], policy: STREAMED }]);
    using client = await connectRaw(proxy.port);
    client.socket.pause();
    client.send('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\nabc');
    await eventually(() => origin.sockets[0] !== undefined && origin.sockets[0].writableLength > 0);
    for (let turn = 0; turn < 3000; turn++) await new Promise(setImmediate);
    client.send('def');
    for (let turn = 0; turn < 300; turn++) await new Promise(setImmediate);
    proxy.pass(61_000);
    proxy.pass(61_000);
    await eventually(() => proxy.leftovers().openConnections === 0);
    expect(proxy.leftovers()).toEqual(NOTHING_LEFT);
  });
});

describe('ends', () => {
  test('a closed connection leaves no deadline behind', async () => {
    await using origin = await startReplyingOrigin(OK);
    await using proxy = await startDataPath([{ endpoints: [origin.port] }], { upstreamKeepAliveConnections: 0 });
    for (let i = 0; i < 3; i++) {
      using client = await connectRaw(proxy.port);
      client.send(GET);
      await client.responses(1);
    }
    await eventually(() => proxy.leftovers().openConnections === 0);
    expect(proxy.leftovers()).toEqual(NOTHING_LEFT);
  });

  test('what is cut at the end of a drain is logged as 499 and gives its endpoint back', async () => {
    await using origin = await startRawOrigin(() => {});
    const proxy = await startDataPath([{ endpoints: [origin.port] }]);
    using client = await connectRaw(proxy.port);
    client.send(GET);
    await eventually(() => origin.received[0]?.endsWith('\r\n\r\n') === true);
    expect(proxy.leftovers().inFlight).toBe(1);
    await proxy.cutAll();
    expect(proxy.requests).toEqual([{ status: 499, reason: 'clientGone', attempts: [0] }]);
    expect(proxy.leftovers()).toEqual(NOTHING_LEFT);
  });

  test.each([
    ['a redirect', '/redirect', 308],
    ['no route', '/none', 404],
    ['an early answer of the upstream', '/early', 200],
  ])(
    '%s to a request whose body is not read to its end says that the connection closes',
    async (_name, path, status) => {
      await using origin = await startReplyingOrigin(OK);
      await using proxy = await startProxy([
        { path: '/early', endpoints: [origin.port], policy: STREAMED },
        {
          path: '/redirect',
          filters: [{ kind: 'httpsRedirect', status: 308, port: null, preserveTrailingSlash: false }],
        },
      ]);
      const text = await exchangeRaw(proxy.port, `POST ${path} HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nabc`);
      expect(text).toMatch(new RegExp(`^HTTP/1\\.1 ${status} (.*\\r\\n)*Connection: close\\r\\n`));
    },
  );

  test('a client that uploads far more than it may still gets the 413 it was sent', async () => {
    await using proxy = await startProxy([{ endpoints: [1], policy: { maxBodyBytes: 10 } }]);
    using client = await connectRaw(proxy.port);
    client.socket.pause();
    client.send('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 8000000\r\n\r\n');
    const block = Buffer.alloc(100_000, 'x');
    for (let i = 0; i < 80; i++) {
      if (!client.socket.write(block))
        await Promise.race([new Promise((resolve) => client.socket.once('drain', resolve)), client.closed()]);
    }
    client.socket.resume();
    expect(await client.closed()).toMatch(/^HTTP\/1\.1 413 /);
    expect(client.ended).toBe('end');
  });

  test('the end of a response that is still on its way is not lost when the client half-closes behind it', async () => {
    const body = 'y'.repeat(3_000_000);
    await using origin = await startRawOrigin((socket) => {
      socket.end(`HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
    });
    await using proxy = await startDataPath([{ endpoints: [origin.port] }]);
    using client = await connectRaw(proxy.port);
    client.socket.pause();
    client.send('GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n');
    await eventually(() => origin.connections === 1);
    client.socket.resume();
    await eventually(() => proxy.requests.length === 1);
    client.socket.end();
    const text = await client.closed();
    expect(text.length - text.indexOf('\r\n\r\n') - 4).toBe(body.length);
  });
});

describe('upgrades', () => {
  test('a 101 before the request body has come is a 502: what would follow it has two readings', async () => {
    await using origin = await startRawOrigin((socket, soFar) => {
      if (soFar.includes('\r\n\r\n'))
        socket.write('HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n');
    });
    await using proxy = await startProxy([{ endpoints: [origin.port], policy: STREAMED }]);
    const text = await exchangeRaw(
      proxy.port,
      'POST / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n',
    );
    expect(text).toMatch(/^HTTP\/1\.1 502 /);
  });

  test('a request with a whole body may be upgraded, and bytes sent ahead of the 101 go through', async () => {
    let answer = (): void => {};
    await using origin = await startRawOrigin((socket, soFar) => {
      if (soFar.endsWith('\r\n\r\nabc'))
        answer = () => socket.write('HTTP/1.1 101 Switching Protocols\r\nUpgrade: tcp\r\nConnection: upgrade\r\n\r\n');
      if (soFar.endsWith('ahead')) socket.write('seen');
    });
    await using proxy = await startProxy([{ endpoints: [origin.port] }]);
    using client = await connectRaw(proxy.port);
    client.send(
      'POST /exec HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: tcp\r\nContent-Length: 3\r\n\r\nabcahead',
    );
    await eventually(() => origin.received[0]?.endsWith('abc') === true);
    answer();
    expect(await client.until((text) => text.endsWith('seen'))).toMatch(/^HTTP\/1\.1 101 /);
    expect(origin.received[0]).toMatch(/\r\n\r\nabcahead$/);
  });

  test('a refused upgrade leaves an ordinary connection', async () => {
    await using origin = await startReplyingOrigin(OK);
    await using proxy = await startProxy([{ endpoints: [origin.port] }]);
    using client = await connectRaw(proxy.port);
    client.send('GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n');
    await client.responses(1);
    client.send(GET);
    expect((await client.responses(2)).map((response) => response.status)).toEqual([200, 200]);
  });

  test('an idle tunnel is ended by the read time limit', async () => {
    await using origin = await startReplyingOrigin(
      'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n',
    );
    await using proxy = await startDataPath([{ endpoints: [origin.port], policy: { readTimeoutMs: 9_000 } }]);
    using client = await connectRaw(proxy.port);
    client.send('GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n');
    await client.until((text) => text.endsWith('\r\n\r\n'));
    proxy.pass(8_000);
    expect(proxy.leftovers().inFlight).toBe(1);
    proxy.pass(1_200);
    await client.closed();
    await eventually(() => proxy.leftovers().openConnections === 0);
    expect(proxy.leftovers()).toEqual(NOTHING_LEFT);
  });
});

describe('`proxy-buffer-size`', () => {
  /** A response whose head has `bytes` in all, most of them in one cookie. */
  function responseOf(bytes: number): string {
    const rest = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\nSet-Cookie: s=\r\n\r\n';
    return `HTTP/1.1 200 OK\r\nContent-Length: 2\r\nSet-Cookie: s=${'c'.repeat(bytes - rest.length)}\r\n\r\nok`;
  }

  test.each([
    [4096, 4096, 200],
    [4096, 4097, 502],
    [131_072, 100_000, 200],
    [131_072, 131_073, 502],
    [8192, 9000, 502],
  ])('of %d: a head of %d bytes is answered %d', async (maxResponseHeadBytes, bytes, status) => {
    await using origin = await startReplyingOrigin(responseOf(bytes));
    await using proxy = await startProxy([{ endpoints: [origin.port], policy: { maxResponseHeadBytes } }]);
    using client = await connectRaw(proxy.port);
    client.send(GET);
    const [response] = await client.responses(1);
    expect(response?.status).toBe(status);
    expect(client.received.includes('Set-Cookie')).toBe(status === 200);
  });

  test('is that of the route, also where routes share a connection', async () => {
    await using origin = await startReplyingOrigin(responseOf(5000));
    await using proxy = await startProxy([
      { endpoints: [origin.port] },
      { path: '/large', endpoints: [origin.port], policy: { maxResponseHeadBytes: 8192 } },
    ]);
    using client = await connectRaw(proxy.port);
    for (const path of ['/large', '/', '/large', '/large', '/']) client.send(`GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`);
    expect((await client.responses(5)).map((response) => response.status)).toEqual([200, 502, 200, 200, 502]);
  });
});
