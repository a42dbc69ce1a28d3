// Trailers of requests: from an HTTP/2 client to upstreams of both protocols, and what must not come through as one.

import { once } from 'node:events';
import http from 'node:http';
import http2 from 'node:http2';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { startHttp2Origin } from '../forward/testing/http2-origin.ts';
import { startRawOrigin } from '../forward/testing/origin.ts';
import { startProxy, type TestProxy, tableOf } from '../forward/testing/test-proxy.ts';
import { Flag, FrameType } from '../http2/protocol.ts';
import { defaultHttp2 } from '../table/defaults.ts';
import type { RoutePolicy } from '../table/types.ts';
import { block, connectHttp2, type Fields, frame, GET, type Http2Client, POST } from './testing/http2-client.ts';

const GLOBAL = { http2: { ...defaultHttp2, hasPriorKnowledge: true } };
const TRAILERS: Fields = [['x-checksum', 'abc']];

let stack: AsyncDisposableStack;

beforeEach(() => {
  stack = new AsyncDisposableStack();
});
afterEach(() => stack.disposeAsync());

async function serve(ports: readonly number[], policy: Partial<RoutePolicy> = {}): Promise<TestProxy> {
  return stack.use(await startProxy([{ endpoints: ports, policy }], GLOBAL));
}

async function connect(proxy: TestProxy): Promise<Http2Client> {
  const client = (await connectHttp2(proxy.port)).greet();
  stack.defer(() => client[Symbol.dispose]());
  return client;
}

function sendWithTrailers(client: Http2Client, fields: Fields, payload: string, trailers: Fields): void {
  client.request(1, fields, false);
  if (payload !== '') client.data(1, payload);
  client.send(frame(FrameType.headers, Flag.endHeaders | Flag.endStream, 1, block(trailers)));
}

/** node:http: a reader of ours would share our mistakes. Answers with the body and the trailers it has read. */
async function startReader(): Promise<number> {
  const server = http.createServer((request, response) => {
    let body = '';
    request.setEncoding('latin1').on('data', (text: string) => {
      body += text;
    });
    request.on('end', () => response.end(JSON.stringify([body, request.trailers])));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  stack.defer(() => {
    server.closeAllConnections();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}

describe('to HTTP/1.1', () => {
  test.each<[string, string]>([
    ['behind a body', 'payload'],
    ['without one', ''],
  ])('%s they are in the chunked trailer section', async (_name, payload) => {
    const client = await connect(await serve([await startReader()]));
    sendWithTrailers(client, POST, payload, [...TRAILERS, ['x-empty', '']]);
    const { body } = await client.response(1);
    expect(JSON.parse(body)).toEqual([payload, { 'x-checksum': 'abc', 'x-empty': '' }]);
  });

  test('a body of declared length has no room for them', async () => {
    const client = await connect(await serve([await startReader()]));
    sendWithTrailers(client, [...POST, ['content-length', '3']], 'abc', TRAILERS);
    expect(JSON.parse((await client.response(1)).body)).toEqual(['abc', {}]);
  });

  test.each([
    'host',
    'content-length',
    'content-type',
    'authorization',
    'cookie',
    'expect',
    'te',
    'trailer',
    'x-forwarded-for',
    'x-forwarded-host',
    'x-forwarded-proto',
    'x-real-ip',
    'x-request-id',
    'forwarded',
    'proxy',
    'proxy-authorization',
    'priority',
    'with_underscore',
    'with.dot',
    'if-match',
    'range',
  ])('%s is dropped', async (name) => {
    const client = await connect(await serve([await startReader()]));
    sendWithTrailers(client, POST, 'abc', [[name, '1'], ...TRAILERS]);
    expect(JSON.parse((await client.response(1)).body)).toEqual(['abc', { 'x-checksum': 'abc' }]);
  });

  test('what looks like the end of a request is a value or nothing', async () => {
    const client = await connect(await serve([await startReader()]));
    sendWithTrailers(client, POST, 'abc', [['x-checksum', 'a\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: b']]);
    await client.until(() => client.resetOf(1) !== -1);
  });

  test('another attempt sends them again', async () => {
    await using first = await startRawOrigin((socket, soFar) => {
      if (soFar.includes('\r\n0\r\n')) socket.destroy();
    });
    const proxy = await serve([first.port, await startReader()], {
      bufferRequestBytes: 1024,
      retryOn: ['error', 'timeout', 'nonIdempotent'],
    });
    const client = await connect(proxy);
    sendWithTrailers(client, POST, '', TRAILERS);
    expect(JSON.parse((await client.response(1)).body)).toEqual(['', { 'x-checksum': 'abc' }]);
    expect(first.received[0]).toContain('0\r\nx-checksum: abc\r\n\r\n');
  });

  test('a request behind one with trailers has none', async () => {
    const client = await connect(await serve([await startReader()]));
    sendWithTrailers(client, POST, 'abc', TRAILERS);
    await client.response(1);
    client.request(3, POST, false);
    client.data(3, 'next', true);
    expect(JSON.parse((await client.response(3)).body)).toEqual(['next', {}]);
    client.request(5, GET);
    expect(JSON.parse((await client.response(5)).body)).toEqual(['', {}]);
  });
});

describe('to HTTP/2', () => {
  test.each<[string, string]>([
    ['behind a body', 'payload'],
    ['without one', ''],
    ['behind more than the window', 'x'.repeat(200_000)],
  ])('%s they are its trailer section', async (_name, payload) => {
    const origin = http2.createServer();
    origin.on('stream', (stream: http2.ServerHttp2Stream) => {
      let [bytes, trailers] = [0, {}];
      stream.on('data', (chunk: Buffer) => {
        bytes += chunk.length;
      });
      stream.on('trailers', (fields: http2.IncomingHttpHeaders) => {
        trailers = { ...fields };
      });
      stream.on('end', () => {
        stream.respond({ ':status': 200 });
        stream.end(JSON.stringify([bytes, trailers]));
      });
    });
    origin.listen(0, '127.0.0.1');
    await once(origin, 'listening');
    stack.defer(() => void origin.close());
    const proxy = await serve([(origin.address() as AddressInfo).port], { protocol: 'http2', maxBodyBytes: null });
    // A real client, too: node:http2 asks for trailers when the body has been sent.
    const session = http2.connect(`http://127.0.0.1:${proxy.port}`);
    stack.defer(() => session.destroy());
    const stream = session.request({ ':method': 'POST', ':authority': 'one.test' }, { waitForTrailers: true });
    stream.on('wantTrailers', () => stream.sendTrailers({ 'x-checksum': 'abc', 'x-real-ip': '1.2.3.4' }));
    stream.end(payload);
    let body = '';
    stream.setEncoding('utf8').on('data', (text: string) => {
      body += text;
    });
    await once(stream, 'end');
    expect(JSON.parse(body)).toEqual([payload.length, { 'x-checksum': 'abc' }]);
  });

  test('the last DATA frame does not end the stream before them', async () => {
    await using origin = await startHttp2Origin(() => {});
    const client = await connect(await serve([origin.port], { protocol: 'grpc' }));
    sendWithTrailers(client, [...POST, ['content-type', 'application/grpc']], 'abc', TRAILERS);
    await client.until(() => (origin.connections[0]?.heads(1).length ?? 0) === 2);
    const [server] = origin.connections;
    expect(server?.heads(1)[1]).toEqual(['x-checksum: abc']);
    expect(server?.framesOf(FrameType.data).map(({ flags }) => flags & Flag.endStream)).toEqual([0]);
    server?.respond(1, 'done');
    expect((await client.response(1)).body).toBe('done');
  });
});

test('a table without the route does not lose them on the way', async () => {
  await using origin = await startHttp2Origin(() => {});
  const proxy = await serve([origin.port], { protocol: 'grpc' });
  const client = await connect(proxy);
  client.request(1, POST, false);
  await client.until(() => origin.connections[0]?.requests.length === 1);
  proxy.publish(tableOf([], GLOBAL));
  client.send(frame(FrameType.headers, Flag.endHeaders | Flag.endStream, 1, block(TRAILERS)));
  await client.until(() => (origin.connections[0]?.heads(1).length ?? 0) === 2);
});
