// WebSocket through the proxy with real peers (`ws`): whatever frames one side sends arrive as they are at the other.

import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { WebSocket, WebSocketServer } from 'ws';
import { connectHttp2 } from '../listen/testing/http2-client.ts';
import { defaultHttp2 } from '../table/defaults.ts';
import { eventually } from './testing/data-path.ts';
import { startHttpOrigin } from './testing/origin.ts';
import { startProxy, type TestProxy, tableOf } from './testing/test-proxy.ts';

let server: WebSocketServer;
let proxy: TestProxy;
let atServer: WebSocket[];

beforeEach(async () => {
  server = new WebSocketServer({ port: 0, host: '127.0.0.1', maxPayload: 64 * 1024 * 1024 });
  await once(server, 'listening');
  atServer = [];
  server.on('connection', (socket) => {
    atServer.push(socket);
    socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary }));
  });
  proxy = await startProxy(routes());
});

afterEach(async () => {
  for (const socket of server.clients) socket.terminate();
  await proxy.stop();
  server.close();
});

function routes() {
  return [{ endpoints: [(server.address() as AddressInfo).port] }];
}

async function connect(protocols: string[] = []): Promise<WebSocket> {
  const socket = new WebSocket(`ws://127.0.0.1:${proxy.port}/`, protocols, { maxPayload: 64 * 1024 * 1024 });
  await once(socket, 'open');
  return socket;
}

async function echo(socket: WebSocket, send: () => void): Promise<{ data: Buffer; isBinary: boolean }> {
  const answer = once(socket, 'message');
  send();
  const [data, isBinary] = (await answer) as [Buffer, boolean];
  return { data, isBinary };
}

describe('messages of every length class', () => {
  test.each([0, 1, 125, 126, 127, 128, 65_535, 65_536, 65_537, 1_000_000, 16_000_000])('%d bytes', async (size) => {
    const socket = await connect();
    const sent = randomBytes(size);
    const { data, isBinary } = await echo(socket, () => socket.send(sent));
    expect(isBinary).toBe(true);
    expect(data.equals(sent)).toBe(true);
    socket.terminate();
  });
});

test('text stays text, and its bytes stay what they are', async () => {
  const socket = await connect();
  const sent = 'κόσμε \u{1f600} \ufffd';
  const { data, isBinary } = await echo(socket, () => socket.send(sent));
  expect([isBinary, data.toString()]).toEqual([false, sent]);
  socket.terminate();
});

test('fragments, with a ping between them', async () => {
  const socket = await connect();
  const pong = once(socket, 'pong');
  const { data } = await echo(socket, () => {
    socket.send('one ', { fin: false });
    socket.send('', { fin: false });
    socket.ping('between');
    socket.send('two ', { fin: false });
    socket.send('three', { fin: true });
  });
  expect(data.toString()).toBe('one two three');
  expect(String((await pong)[0])).toBe('between');
  socket.terminate();
});

test('ping and pong from the server, also unasked for', async () => {
  const socket = await connect();
  const atClient = once(socket, 'ping');
  const atOrigin = once(atServer[0] as WebSocket, 'pong');
  atServer[0]?.ping('a'.repeat(125));
  expect(String((await atClient)[0])).toHaveLength(125);
  expect(String((await atOrigin)[0])).toHaveLength(125);
  const unasked = once(socket, 'pong');
  atServer[0]?.pong('unasked');
  expect(String((await unasked)[0])).toBe('unasked');
  socket.terminate();
});

test.each([
  [1000, 'bye'],
  [1001, ''],
  [3000, 'x'.repeat(123)],
  [4999, 'own'],
])('close %d from the client arrives, and its answer comes back', async (code, reason) => {
  const socket = await connect();
  const atOrigin = once(atServer[0] as WebSocket, 'close');
  const atClient = once(socket, 'close');
  socket.close(code, reason);
  expect((await atOrigin).map(String)).toEqual([String(code), reason]);
  expect((await atClient)[0]).toBe(code);
});

test('close from the server arrives', async () => {
  const socket = await connect();
  const atClient = once(socket, 'close');
  atServer[0]?.close(1012, 'restart');
  expect((await atClient).map(String)).toEqual(['1012', 'restart']);
});

test('a server that is gone without a close is an abnormal end', async () => {
  const socket = await connect();
  const atClient = once(socket, 'close');
  atServer[0]?.terminate();
  expect((await atClient)[0]).toBe(1006);
});

test('a subprotocol is agreed on end to end', async () => {
  server.options.handleProtocols = () => 'second';
  const socket = await connect(['first', 'second']);
  expect(socket.protocol).toBe('second');
  socket.terminate();
});

test('1,000 messages both ways at one time come in order', async () => {
  const socket = await connect();
  const got: string[] = [];
  socket.on('message', (data) => got.push(String(data)));
  for (let i = 0; i < 1000; i++) socket.send(String(i));
  await eventually(() => got.length === 1000);
  expect(got).toEqual(Array.from({ length: 1000 }, (_, at) => String(at)));
  socket.terminate();
});

test('a new table, even without its route, does not cut it', async () => {
  const socket = await connect();
  proxy.publish(tableOf(routes(), { clientKeepAliveMs: 1000 }));
  expect((await echo(socket, () => socket.send('changed'))).data.toString()).toBe('changed');
  proxy.publish(tableOf([]));
  expect((await echo(socket, () => socket.send('removed'))).data.toString()).toBe('removed');
  socket.terminate();
});

test('it lives on while the worker drains, and is cut at the limit', async () => {
  const socket = await connect();
  const cut = once(socket, 'close');
  const drained = proxy.worker.drain(1000);
  expect((await echo(socket, () => socket.send('draining'))).data.toString()).toBe('draining');
  await drained;
  expect((await cut)[0]).toBe(1006);
}, 10_000);

test('an upstream that answers an extended CONNECT with 200 has not opened a tunnel: the client gets a 502', async () => {
  await using plain = await startHttpOrigin((_request, response) => response.end('a page'));
  proxy.publish(tableOf([{ endpoints: [plain.port] }], { http2: { ...defaultHttp2, hasPriorKnowledge: true } }));
  const client = (await connectHttp2(proxy.port)).greet();
  client.request(
    1,
    [
      [':method', 'CONNECT'],
      [':protocol', 'websocket'],
      [':scheme', 'http'],
      [':authority', 'one.test'],
      [':path', '/'],
      ['sec-websocket-version', '13'],
    ],
    false,
  );
  expect((await client.response(1)).head[0]).toBe(':status: 502');
  expect(client.body(1)).toBe('502 Bad Gateway\n');
  client.socket.destroy();
});
