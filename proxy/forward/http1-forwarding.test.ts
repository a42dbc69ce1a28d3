// The HTTP/1.1 data path over real loopback sockets: framing in both directions, reuse, pipelining, special methods.

import { describe, expect, test } from '@jest/globals';
import type { GlobalSettings } from '../table/types.ts';
import { startHttpOrigin, startRawOrigin, startReplyingOrigin } from './testing/origin.ts';
import { connectRaw, exchangeRaw, parseResponses } from './testing/raw-client.ts';
import { startProxy as startProxyWith, type TestProxy, type TestRoute } from './testing/test-proxy.ts';

const GET = 'GET /a?b=1 HTTP/1.1\r\nHost: one.test\r\n\r\n';

describe.each([
  ['static read buffers', true],
  ['data events', false],
])('with %s', (_name, staticReadBuffer) => {
  const startProxy = (routes: readonly TestRoute[], global: Partial<GlobalSettings> = {}): Promise<TestProxy> =>
    startProxyWith(routes, global, staticReadBuffer);

  describe('requests', () => {
    test('forwards the request line, Host and unknown headers as they are and adds the forwarding headers', async () => {
      await using origin = await startReplyingOrigin('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
      await using proxy = await startProxy([{ endpoints: [origin.port] }]);
      using client = await connectRaw(proxy.port);
      client.send('GET /a//b?x=%20 HTTP/1.1\r\nhost: One.test:81\r\nX-One:  1 \r\nAccept: */*\r\n\r\n');
      const [response] = await client.responses(1);
      expect(response?.body).toBe('ok');
      const lines = origin.received[0]?.split('\r\n') ?? [];
      expect(lines.slice(0, 4)).toEqual(['GET /a//b?x=%20 HTTP/1.1', 'Host: One.test:81', 'X-One:  1 ', 'Accept: */*']);
      expect(lines).toEqual(
        expect.arrayContaining([
          'X-Forwarded-For: 127.0.0.1',
          'X-Real-IP: 127.0.0.1',
          'X-Forwarded-Host: One.test:81',
          'X-Forwarded-Proto: http',
          'X-Forwarded-Scheme: http',
          'X-Scheme: http',
          `X-Forwarded-Port: ${proxy.port}`,
        ]),
      );
      expect(origin.received[0]).toMatch(/\r\nX-Request-ID: [0-9a-f]{32}\r\n/);
      expect(origin.received[0]).not.toMatch(/\r\nConnection:/i);
    });

    test('serves keep-alive requests over one upstream connection', async () => {
      await using origin = await startReplyingOrigin('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
      await using proxy = await startProxy([{ endpoints: [origin.port] }]);
      using client = await connectRaw(proxy.port);
      for (let i = 1; i <= 3; i++) {
        client.send(GET);
        await client.responses(i);
      }
      expect(origin.connections).toBe(1);
    });

    test('answers pipelined requests in order', async () => {
      await using origin = await startHttpOrigin((request, response) => {
        const delay = request.url === '/1' ? 50 : 0;
        setTimeout(() => response.end(request.url), delay);
      });
      await using proxy = await startProxy([{ endpoints: [origin.port] }]);
      using client = await connectRaw(proxy.port);
      client.send(['/1', '/2', '/3'].map((path) => `GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`).join(''));
      expect((await client.responses(3)).map((response) => response.body)).toEqual(['/1', '/2', '/3']);
    });

    test('reads a request byte by byte', async () => {
      await using origin = await startHttpOrigin((request, response) => {
        request.setEncoding('utf8');
        let body = '';
        request.on('data', (text) => {
          body += text;
        });
        request.on('end', () => response.end(`${request.method} ${body}`));
      });
      await using proxy = await startProxy([{ endpoints: [origin.port] }]);
      using client = await connectRaw(proxy.port);
      client.socket.setNoDelay(true);
      for (const char of 'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n') {
        client.send(char);
        await new Promise(setImmediate);
      }
      expect((await client.responses(2)).map((response) => response.body)).toEqual(['POST abc', 'GET ']);
    });

    test.each([
      ['with a length', (body: string) => `Content-Length: ${body.length}\r\n\r\n${body}`],
      ['chunked', (body: string) => `Transfer-Encoding: chunked\r\n\r\n${chunk(body)}0\r\n\r\n`],
      [
        'chunked with extensions and trailers',
        (body: string) => `Transfer-Encoding: chunked\r\n\r\n${chunk(body, ';a=b')}0\r\nX-T: 1\r\n\r\n`,
      ],
    ])('passes a large request body %s', async (_name, render) => {
      const body = 'x'.repeat(700_000);
      await using origin = await startHttpOrigin((request, response) => {
        let size = 0;
        request.on('data', (data: Buffer) => {
          size += data.length;
        });
        request.on('end', () => response.end(String(size)));
      });
      await using proxy = await startProxy([{ endpoints: [origin.port] }]);
      using client = await connectRaw(proxy.port);
      client.send(`POST / HTTP/1.1\r\nHost: a\r\n${render(body)}`);
      client.send(GET);
      expect((await client.responses(2)).map((response) => response.body)).toEqual(['700000', '0']);
    });

    test('answers Expect: 100-continue itself, once the upstream is connected, and does not forward it', async () => {
      await using origin = await startReplyingOrigin('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
      await using proxy = await startProxy([{ endpoints: [origin.port] }]);
      using client = await connectRaw(proxy.port);
      client.send('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n');
      await client.until((text) => text.startsWith('HTTP/1.1 100 Continue\r\n\r\n'));
      client.send('abc');
      await client.until((text) => text.endsWith('ok'));
      expect(origin.received[0]).not.toMatch(/expect/i);
    });

    test('serves an HTTP/1.0 client: closes, and sends Host _ when it gave none', async () => {
      await using origin = await startReplyingOrigin(
        'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n',
      );
      await using proxy = await startProxy([{ endpoints: [origin.port] }]);
      const text = await exchangeRaw(proxy.port, 'GET / HTTP/1.0\r\n\r\n');
      expect(text).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
      expect(text).toMatch(/\r\nConnection: close\r\n/);
      expect(text).not.toMatch(/Transfer-Encoding/i);
      expect(text).toMatch(/\r\n\r\nok$/);
      expect(origin.received[0]).toMatch(/^GET \/ HTTP\/1\.1\r\nHost: _\r\n/);
    });

    test('keeps an HTTP/1.0 connection alive when asked', async () => {
      await using origin = await startReplyingOrigin('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
      await using proxy = await startProxy([{ endpoints: [origin.port] }]);
      using client = await connectRaw(proxy.port);
      client.send('GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n');
      const [response] = await client.responses(1);
      expect(response?.headers['connection']).toBe('keep-alive');
      client.send('GET / HTTP/1.0\r\n\r\n');
      await client.closed();
    });
  });

  describe('responses', () => {
    const cases: Array<[string, string, string]> = [
      ['with a length', 'Content-Length: 5\r\n\r\nhello', 'hello'],
      ['chunked', 'Transfer-Encoding: chunked\r\n\r\n2;x=1\r\nhe\r\n3\r\nllo\r\n0\r\nX-T: 1\r\n\r\n', 'hello'],
      ['empty', 'Content-Length: 0\r\n\r\n', ''],
    ];
    test.each(cases)('forwards a body %s and keeps the connection', async (_name, rest, body) => {
      await using origin = await startReplyingOrigin(`HTTP/1.1 200 Fine\r\nX-A: b\r\n${rest}`);
      await using proxy = await startProxy([{ endpoints: [origin.port] }]);
      using client = await connectRaw(proxy.port);
      client.send(GET);
      await client.responses(1);
      client.send(GET);
      const responses = await client.responses(2);
      expect(responses.map((response) => [response.status, response.body, response.headers['x-a']])).toEqual([
        [200, body, 'b'],
        [200, body, 'b'],
      ]);
      expect(responses[0]?.head).toMatch(/^HTTP\/1\.1 200 Fine\r\n/);
      expect(origin.connections).toBe(1);
    });

    test('a body that ends with the connection goes out chunked', async () => {
      await using origin = await startRawOrigin((socket) => socket.end('HTTP/1.1 200 OK\r\n\r\nuntil the end'));
      await using proxy = await startProxy([{ endpoints: [origin.port] }]);
      using client = await connectRaw(proxy.port);
      client.send(GET);
      const [response] = await client.responses(1);
      expect(response?.headers['transfer-encoding']).toBe('chunked');
      expect(response?.body).toBe('until the end');
    });

    test.each([
      ['HEAD', 'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n', 'Content-Length: 100'],
      ['GET', 'HTTP/1.1 204 No Content\r\n\r\n', 'HTTP/1.1 204 No Content'],
      ['GET', 'HTTP/1.1 304 Not Modified\r\nContent-Length: 100\r\n\r\n', 'Content-Length: 100'],
    ])('%s answered by %j has no body and reuses both connections', async (method, reply, expected) => {
      await using origin = await startReplyingOrigin(reply);
      await using proxy = await startProxy([{ endpoints: [origin.port] }]);
      using client = await connectRaw(proxy.port);
      const request = `${method} / HTTP/1.1\r\nHost: a\r\n\r\n`;
      client.send(request);
      await client.until((text) => text.includes(expected) && text.endsWith('\r\n\r\n'));
      client.send(request);
      await client.until((text) => text.split('HTTP/1.1 ').length === 3 && text.endsWith('\r\n\r\n'));
      expect(origin.connections).toBe(1);
    });

    test('1xx: 103 goes through, 100 does not, and the final response follows', async () => {
      const reply =
        'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';
      await using origin = await startReplyingOrigin(reply);
      await using proxy = await startProxy([{ endpoints: [origin.port] }]);
      using client = await connectRaw(proxy.port);
      client.send(GET);
      const text = await client.until((received) => received.endsWith('ok'));
      expect(text).toMatch(/^HTTP\/1\.1 103 Early Hints\r\nLink: <\/a>\r\n\r\nHTTP\/1\.1 200 OK\r\n/);
    });

    test('trailers go only to a client that takes them, without forbidden fields', async () => {
      const reply =
        'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX-Sum: 1\r\nContent-Type: 4\r\nSet-Cookie: a\r\n\r\n';
      await using origin = await startReplyingOrigin(reply);
      await using proxy = await startProxy([{ endpoints: [origin.port] }]);
      using client = await connectRaw(proxy.port);
      client.send('GET / HTTP/1.1\r\nHost: a\r\nTE: trailers\r\nConnection: TE\r\n\r\n');
      expect(await client.until((text) => text.includes('0\r\n'))).toMatch(/\r\n\r\n0\r\nX-Sum: 1\r\n\r\n$/);
      using other = await connectRaw(proxy.port);
      other.send(GET);
      expect(await other.until((text) => text.includes('0\r\n\r\n'))).not.toMatch(/X-Sum/);
    });

    test('adds a Date where the upstream sent none, removes Server, and adds nothing for TLS on a plain connection', async () => {
      await using origin = await startReplyingOrigin(
        'HTTP/1.1 200 OK\r\nServer: secret/1\r\nContent-Length: 0\r\n\r\n',
      );
      await using proxy = await startProxy([{ endpoints: [origin.port] }]);
      using client = await connectRaw(proxy.port);
      client.send(GET);
      const [response] = await client.responses(1);
      expect(response?.headers['date']).toMatch(/ GMT$/);
      expect(response?.headers['server']).toBeUndefined();
      expect(response?.headers['strict-transport-security']).toBeUndefined();
    });

    test('a 10 MB body arrives whole at a slow client, and memory stays bounded', async () => {
      const size = 10 * 1024 * 1024;
      const block = Buffer.alloc(64 * 1024, 'y');
      await using origin = await startHttpOrigin((_request, response) => {
        response.setHeader('content-length', size);
        let left = size / block.length;
        const write = (): void => {
          while (left > 0) {
            left--;
            if (!response.write(block)) {
              response.once('drain', write);
              return;
            }
          }
          response.end();
        };
        write();
      });
      await using proxy = await startProxy([{ endpoints: [origin.port] }]);
      using client = await connectRaw(proxy.port);
      client.socket.pause();
      client.send(GET);
      // Read one piece, rest, read the next: the proxy must stop and go on each time.
      client.socket.on('data', () => {
        client.socket.pause();
        setTimeout(() => client.socket.resume(), 1);
      });
      client.socket.resume();
      // Its length alone: to look into 10 MB after each piece takes longer than to move them.
      await client.until((text) => text.length > size);
      const [response] = parseResponses(client.received);
      expect(response?.body.length).toBe(size);
      expect(/[^y]/.test(response?.body ?? '')).toBe(false);
    }, 30_000);
  });

  describe('upgrades', () => {
    test('tunnels both ways after 101, including bytes sent at once, and ends orderly', async () => {
      await using origin = await startRawOrigin((socket, soFar) => {
        if (soFar.endsWith('\r\n\r\n'))
          socket.write('HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\nhello');
        else if (soFar.endsWith('ping')) socket.write('pong');
      });
      await using proxy = await startProxy([{ endpoints: [origin.port] }]);
      using client = await connectRaw(proxy.port);
      client.send(
        'GET /ws HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: x\r\n\r\n',
      );
      await client.until((text) => text.endsWith('hello'));
      expect(client.received).toMatch(/^HTTP\/1\.1 101 Switching Protocols\r\n/);
      expect(client.received).toMatch(/\r\nConnection: upgrade\r\n/i);
      expect(client.received).toMatch(/\r\nUpgrade: websocket\r\n/i);
      expect(origin.received[0]).toMatch(/\r\nUpgrade: websocket\r\nConnection: upgrade\r\n/);
      client.send('ping');
      await client.until((text) => text.endsWith('pong'));
      client.socket.end();
      await client.closed();
      expect(client.ended).toBe('end');
    });

    test('moves a large tunnel message whole', async () => {
      const message = 'z'.repeat(300_000);
      await using origin = await startRawOrigin((socket, soFar) => {
        if (soFar.endsWith('\r\n\r\n'))
          socket.write('HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n');
        else if (soFar.endsWith('.')) socket.write(`${message}!`);
      });
      await using proxy = await startProxy([{ endpoints: [origin.port] }]);
      using client = await connectRaw(proxy.port);
      client.send('GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n');
      await client.until((text) => text.endsWith('\r\n\r\n'));
      client.send(`${message}.`);
      const text = await client.until((received) => received.endsWith('!'));
      expect(text.slice(text.indexOf('\r\n\r\n') + 4)).toBe(`${message}!`);
      expect(origin.received[0]?.slice((origin.received[0] ?? '').indexOf('\r\n\r\n') + 4)).toBe(`${message}.`);
    });

    test('h2c is not passed on, and a 101 nobody asked for is a 502', async () => {
      await using origin = await startReplyingOrigin(
        'HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: upgrade\r\n\r\n',
      );
      await using proxy = await startProxy([{ endpoints: [origin.port] }]);
      using client = await connectRaw(proxy.port);
      client.send(
        'GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AA\r\n\r\n',
      );
      const [response] = await client.responses(1);
      expect(response?.status).toBe(502);
      expect(origin.received[0]).not.toMatch(/upgrade|http2-settings/i);
    });
  });
});

function chunk(body: string, extension = ''): string {
  let out = '';
  for (let i = 0; i < body.length; i += 50_000) {
    const part = body.slice(i, i + 50_000);
    out += `${part.length.toString(16)}${extension}\r\n${part}\r\n`;
  }
  return out;
}
