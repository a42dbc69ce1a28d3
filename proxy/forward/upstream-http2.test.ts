// HTTP/2 to upstreams, against Node's own HTTP/2 server: what arrives there, and what comes back.

import { once } from 'node:events';
import { createServer, type Http2Server, type IncomingHttpHeaders, type ServerHttp2Stream } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { expect, test } from '@jest/globals';
import { request } from 'undici';
import { WebSocket } from 'ws';
import { startProxy } from './testing/test-proxy.ts';

interface Origin {
  readonly port: number;
  /** Sessions opened so far. */
  readonly sessions: number;
  [Symbol.asyncDispose](): Promise<void>;
}

async function startOrigin(
  onStream: (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => void,
  settings = {},
): Promise<Origin> {
  const server: Http2Server = createServer({ settings });
  const open = new Set<{ destroy(): void }>();
  let sessions = 0;
  server.on('session', (session) => {
    sessions++;
    open.add(session);
    session.on('error', () => {});
  });
  server.on('stream', (stream, headers) => {
    stream.on('error', () => {});
    onStream(stream as ServerHttp2Stream, headers);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    get sessions() {
      return sessions;
    },
    async [Symbol.asyncDispose]() {
      for (const session of open) session.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

const HTTP2 = { policy: { protocol: 'http2' } } as const;

test('a request arrives as HTTP/2, and its response comes back as HTTP/1.1', async () => {
  let seen: IncomingHttpHeaders = {};
  await using origin = await startOrigin((stream, headers) => {
    seen = headers;
    stream.respond({ ':status': 206, 'x-answer': 'yes', 'content-length': '5' });
    stream.end('hello');
  });
  await using proxy = await startProxy([{ ...HTTP2, endpoints: [origin.port] }]);
  const response = await request(`http://127.0.0.1:${proxy.port}/a/b?c=d`, {
    headers: { 'X-Mine': '1', te: 'trailers' },
  });
  expect(response.statusCode).toBe(206);
  expect(response.headers).toMatchObject({ 'x-answer': 'yes', 'content-length': '5' });
  expect(await response.body.text()).toBe('hello');
  expect(seen).toMatchObject({
    ':method': 'GET',
    ':scheme': 'http',
    ':path': '/a/b?c=d',
    ':authority': `127.0.0.1:${proxy.port}`,
    'x-mine': '1',
    'x-forwarded-for': '127.0.0.1',
  });
  expect(Object.keys(seen)).not.toContain('connection');
  expect(Object.keys(seen)).not.toContain('host');
});

test('bodies of any size go both ways, many at one time over one connection', async () => {
  await using origin = await startOrigin((stream) => {
    stream.respond({ ':status': 200 });
    stream.pipe(stream);
  });
  await using proxy = await startProxy([
    { policy: { protocol: 'http2', maxBodyBytes: null }, endpoints: [origin.port] },
  ]);
  const sizes = [0, 1, 4096, 4097, 16_384, 70_000, 300_000, 1_000_000];
  const bodies = [...sizes, ...sizes].map((size, at) => Buffer.alloc(size, at + 65));
  const answers = await Promise.all(
    bodies.map(async (body) => {
      const response = await request(`http://127.0.0.1:${proxy.port}/`, { method: 'POST', body });
      return Buffer.from(await response.body.arrayBuffer());
    }),
  );
  for (const [at, answer] of answers.entries()) expect(answer.equals(bodies[at] as Buffer)).toBe(true);
  expect(origin.sessions).toBe(1);
});

test('WebSocket to an HTTP/2 upstream: the upgrade is not sent, and the client is answered as for any other GET', async () => {
  let seen: IncomingHttpHeaders = {};
  await using origin = await startOrigin((stream, headers) => {
    seen = headers;
    stream.respond({ ':status': 426 });
    stream.end();
  });
  await using proxy = await startProxy([{ endpoints: [origin.port], policy: { protocol: 'http2' } }]);
  const socket = new WebSocket(`ws://127.0.0.1:${proxy.port}/`);
  const [error] = (await once(socket, 'error')) as [Error];
  expect(error.message).toBe('Unexpected server response: 426');
  expect([seen[':method'], seen[':protocol'], seen['upgrade'], seen['connection']]).toEqual([
    'GET',
    undefined,
    undefined,
    undefined,
  ]);
});
