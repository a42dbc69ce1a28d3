// What clients get when upstreams, clients or the proxy's limits fail a request: statuses, retries, what is never sent twice.

import { describe, expect, test } from '@jest/globals';
import { type RawOrigin, startHttpOrigin, startRawOrigin, startReplyingOrigin } from './testing/origin.ts';
import { connectRaw, exchangeRaw } from './testing/raw-client.ts';
import { startProxy } from './testing/test-proxy.ts';

const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';
const GET = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n';

/** A port on which nothing listens. */
async function closedPort(): Promise<number> {
  const origin = await startRawOrigin(() => {});
  const { port } = origin;
  await origin[Symbol.asyncDispose]();
  return port;
}

/** Accepts, reads a request, and closes without a byte. */
function startDyingOrigin(): Promise<RawOrigin> {
  return startRawOrigin((socket, soFar) => {
    if (soFar.includes('\r\n\r\n')) socket.destroy();
  });
}

describe('status', () => {
  test('no route is 404, no endpoint is 503, refused is 502', async () => {
    const refused = await closedPort();
    await using proxy = await startProxy([
      { path: '/empty', endpoints: [] },
      { path: '/refused', endpoints: [refused] },
      { path: '/denied', target: { kind: 'answer', status: 503, reason: 'denied' } },
    ]);
    using client = await connectRaw(proxy.port);
    client.send(
      ['/none', '/empty', '/refused', '/denied'].map((path) => `GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`).join(''),
    );
    const responses = await client.responses(4);
    expect(responses.map((response) => response.status)).toEqual([404, 503, 502, 503]);
    expect(responses[0]?.body).toBe('404 Not Found\n');
    expect(responses[0]?.headers['content-type']).toBe('text/plain; charset=utf-8');
  });

  test.each([
    ['garbage', 'nonsense\r\n\r\n'],
    ['two lengths', 'HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nok'],
    ['length and chunked', 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n'],
    ['a bare line feed', 'HTTP/1.1 200 OK\nContent-Length: 0\n\n'],
    ['a closed connection', ''],
  ])('an upstream that answers with %s is a 502', async (_name, reply) => {
    await using origin = await startRawOrigin((socket) => socket.end(reply, 'latin1'));
    await using proxy = await startProxy([{ endpoints: [origin.port] }]);
    using client = await connectRaw(proxy.port);
    client.send(GET);
    const [response] = await client.responses(1);
    expect(response?.status).toBe(502);
  });

  test('a response timeout is 504 and a connect timeout too', async () => {
    await using origin = await startRawOrigin(() => {});
    await using proxy = await startProxy([
      { endpoints: [origin.port], policy: { readTimeoutMs: 200, maxAttempts: 1 } },
    ]);
    using client = await connectRaw(proxy.port);
    client.send(GET);
    const [response] = await client.responses(1);
    expect(response?.status).toBe(504);
  });

  test('a body over the limit is 413: at once when declared, when it gets there otherwise', async () => {
    await using origin = await startReplyingOrigin('');
    await using proxy = await startProxy([{ endpoints: [origin.port], policy: { maxBodyBytes: 10 } }]);
    const declared = await exchangeRaw(proxy.port, 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 11\r\n\r\n');
    expect(declared).toMatch(/^HTTP\/1\.1 413 .*\r\n(.*\r\n)*Connection: close\r\n/);
    expect(origin.connections).toBe(0);
    const chunked =
      'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n6\r\nabcdef\r\n6\r\nabcdef\r\n0\r\n\r\n';
    expect(await exchangeRaw(proxy.port, chunked)).toMatch(/^HTTP\/1\.1 413 /);
  });

  test.each([
    ['a request line beyond the limit', `GET /${'a'.repeat(9000)} HTTP/1.1\r\nHost: a\r\n\r\n`, 414],
    ['a header beyond the limit', `GET / HTTP/1.1\r\nHost: a\r\nX: ${'a'.repeat(9000)}\r\n\r\n`, 431],
    ['too many headers', `GET / HTTP/1.1\r\nHost: a\r\n${'X: 1\r\n'.repeat(101)}\r\n`, 431],
    ['no Host', 'GET / HTTP/1.1\r\n\r\n', 400],
    ['a TLS ClientHello', '\x16\x03\x01\x02\x00\x01', 400],
    ['an HTTP/2 preface', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 505],
    ['CONNECT', 'CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n', 405],
  ])('%s is refused and the connection closed', async (_name, bytes, status) => {
    await using proxy = await startProxy([]);
    expect(await exchangeRaw(proxy.port, bytes)).toMatch(
      new RegExp(`^HTTP/1\\.1 ${status} (.*\\r\\n)*Connection: close\\r\\n`),
    );
  });

  test('a head that does not come to an end is 408, a body that stops coming too', async () => {
    await using origin = await startReplyingOrigin('');
    await using proxy = await startProxy([{ endpoints: [origin.port] }], {
      clientHeaderTimeoutMs: 150,
      clientBodyTimeoutMs: 150,
    });
    expect(await exchangeRaw(proxy.port, 'GET / HTTP/1.1\r\nHo')).toMatch(/^HTTP\/1\.1 408 /);
    expect(await exchangeRaw(proxy.port, 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nabc')).toMatch(
      /^HTTP\/1\.1 408 /,
    );
  });

  test('an idle connection is closed without a word', async () => {
    await using proxy = await startProxy([], { clientKeepAliveMs: 150 });
    using client = await connectRaw(proxy.port);
    client.send(GET);
    await client.responses(1);
    const before = client.received.length;
    expect((await client.closed()).length).toBe(before);
  });

  test('a chunked body with bad framing is 400 and nothing behind it is read as a request', async () => {
    await using origin = await startReplyingOrigin(OK);
    await using proxy = await startProxy([{ endpoints: [origin.port] }]);
    const text = await exchangeRaw(
      proxy.port,
      'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\naXX\r\nGET /evil HTTP/1.1\r\nHost: a\r\n\r\n',
    );
    expect(text.match(/HTTP\/1\.1 /g)).toHaveLength(1);
    expect(origin.received.join('')).not.toMatch(/evil/);
  });

  test('a response cut short reaches the client as a broken one, never as a complete one', async () => {
    await using origin = await startRawOrigin((socket) => {
      socket.end('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n');
    });
    await using proxy = await startProxy([{ endpoints: [origin.port] }]);
    using client = await connectRaw(proxy.port);
    client.send(GET);
    const text = await client.closed();
    expect(text).not.toMatch(/\r\n0\r\n\r\n/);
    expect(client.ended).toBe('ECONNRESET');
  });
});

describe('retries', () => {
  test('a refused connection goes to another endpoint, for a POST too, and its body with it', async () => {
    const refused = await closedPort();
    await using origin = await startHttpOrigin((request, response) => {
      let body = '';
      request.on('data', (data) => {
        body += data;
      });
      request.on('end', () => response.end(`got ${body}`));
    });
    await using proxy = await startProxy([{ endpoints: [refused, origin.port] }]);
    using client = await connectRaw(proxy.port);
    for (let i = 1; i <= 4; i++) {
      client.send('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc');
      const responses = await client.responses(i);
      expect(responses.at(-1)?.body).toBe('got abc');
    }
  });

  test('a GET whose endpoint dies before a byte goes to another endpoint', async () => {
    await using dying = await startDyingOrigin();
    await using origin = await startReplyingOrigin(OK);
    await using proxy = await startProxy([{ endpoints: [dying.port, origin.port] }]);
    using client = await connectRaw(proxy.port);
    for (let i = 1; i <= 4; i++) {
      client.send(GET);
      const responses = await client.responses(i);
      expect(responses.at(-1)?.status).toBe(200);
    }
    expect(dying.connections).toBeGreaterThan(0);
  });

  test('a POST whose endpoint dies is a 502 and is delivered once', async () => {
    await using dying = await startDyingOrigin();
    await using other = await startDyingOrigin();
    await using proxy = await startProxy([{ endpoints: [dying.port, other.port] }]);
    using client = await connectRaw(proxy.port);
    client.send('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n');
    const [response] = await client.responses(1);
    expect(response?.status).toBe(502);
    expect(dying.connections + other.connections).toBe(1);
  });

  test('a pooled connection that turns out closed is replaced, without using up an attempt', async () => {
    const sockets: Array<{ destroy(): void }> = [];
    await using origin = await startRawOrigin((socket, soFar, connection) => {
      // The first connection serves one request and dies at the second, like a server at its keep-alive limit.
      if (connection === 0 && soFar.split('\r\n\r\n').length > 2) socket.destroy();
      else socket.write(OK);
      sockets.push(socket);
    });
    await using proxy = await startProxy([{ endpoints: [origin.port], policy: { maxAttempts: 1 } }]);
    using client = await connectRaw(proxy.port);
    client.send(GET);
    await client.responses(1);
    client.send(GET);
    const responses = await client.responses(2);
    expect(responses[1]?.status).toBe(200);
    expect(origin.connections).toBe(2);
  });

  test('an empty chunked body is ended on the second attempt too', async () => {
    await using dying = await startDyingOrigin();
    await using origin = await startHttpOrigin((request, response) => {
      request.resume().on('end', () => response.end('got it'));
    });
    await using proxy = await startProxy([{ endpoints: [dying.port, origin.port] }]);
    using client = await connectRaw(proxy.port);
    for (let i = 1; i <= 2; i++) {
      client.send('PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n');
      const responses = await client.responses(i);
      expect(responses.at(-1)?.body).toBe('got it');
    }
    expect(dying.connections).toBeGreaterThan(0);
  });

  test('attempts are limited', async () => {
    await using first = await startDyingOrigin();
    await using second = await startDyingOrigin();
    await using third = await startReplyingOrigin(OK);
    await using proxy = await startProxy([
      { endpoints: [first.port, second.port, third.port].sort(), policy: { maxAttempts: 1 } },
    ]);
    using client = await connectRaw(proxy.port);
    client.send(GET + GET + GET);
    const statuses = (await client.responses(3)).map((response) => response.status).sort();
    expect(statuses).toEqual([200, 502, 502]);
  });
});

describe('ends', () => {
  test('a client that goes away is logged as 499 and its upstream request is given up', async () => {
    await using origin = await startRawOrigin(() => {});
    const proxy = await startProxy([{ host: 'a', endpoints: [origin.port] }]);
    using client = await connectRaw(proxy.port);
    client.send(GET);
    while (origin.connections === 0 || origin.received[0] === '') await new Promise(setImmediate);
    client.socket.destroy();
    const upstream = origin.sockets[0];
    while (upstream?.destroyed === false && !upstream.readableEnded) await new Promise(setImmediate);
    expect((await proxy.stop()).join('\n')).toMatch(/ 499 /);
  });

  test('draining closes idle connections at once and busy ones after their response', async () => {
    let answer = (): void => {};
    await using origin = await startRawOrigin((socket) => {
      answer = () => socket.write(OK);
    });
    const proxy = await startProxy([{ endpoints: [origin.port] }]);
    using idle = await connectRaw(proxy.port);
    using busy = await connectRaw(proxy.port);
    busy.send(GET);
    while (origin.received[0] === undefined || origin.received[0] === '') await new Promise(setImmediate);
    const drained = proxy.worker.drain(5_000);
    await idle.closed();
    answer();
    const [response] = await busy.responses(1);
    expect(response?.headers['connection']).toBe('close');
    busy.socket.end();
    expect(await drained).toBe(0);
    proxy.worker.close();
  });

  test('connections beyond the limit are refused while open ones are served', async () => {
    await using origin = await startReplyingOrigin(OK);
    const { TestProxy, tableOf } = await import('./testing/test-proxy.ts');
    await using proxy = new TestProxy({ maxConnections: 1 });
    proxy.publish(tableOf([{ endpoints: [origin.port] }]));
    await proxy.listen();
    using first = await connectRaw(proxy.port);
    first.send(GET);
    await first.responses(1);
    using second = await connectRaw(proxy.port);
    await second.closed();
    first.send(GET);
    await first.responses(2);
    expect(second.received).toBe('');
  });
});
