// The gate: what it counts, and that each of its faults is the one it says. Behind it is a plain server.

import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { type AddressInfo, connect } from 'node:net';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { type ApiGate, openGate } from './api-gate.ts';

const ingresses = '/apis/networking.k8s.io/v1/namespaces/a/ingresses';
const watch = `${ingresses}?watch=true&resourceVersion=7`;

let gate: ApiGate;
let stack: AsyncDisposableStack;
/** Watches that run behind the gate. */
let streams: ServerResponse[];

beforeEach(async () => {
  stack = new AsyncDisposableStack();
  streams = [];
  const server = createServer((request, response) => {
    if (!request.url?.includes('watch=true')) response.end(request.headers.authorization ?? 'nobody');
    else {
      response.flushHeaders();
      streams.push(response);
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  stack.defer(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  gate = stack.use(
    await openGate({ server: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, caPem: undefined }),
  );
});
afterEach(() => stack.disposeAsync());

function open(method: string, path: string, token = 'good'): Promise<IncomingMessage> {
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
  const options = { method, ca: gate.caPem, agent: false as const, headers: { authorization: `Bearer ${token}` } };
  httpsRequest(gate.url + path, options, resolve)
    .on('error', reject)
    .end();
  return promise;
}

async function answer(method: string, path: string, token = 'good') {
  const response = await open(method, path, token);
  return { status: response.statusCode, text: (await response.setEncoding('utf8').toArray()).join('') };
}

test('passes requests on with their token, and counts them by name, verb and resource', async () => {
  gate.name('good', 'sluice-1');
  expect(await answer('GET', `${ingresses}/x`)).toEqual({ status: 200, text: 'Bearer good' });
  await answer('PATCH', `${ingresses}/x/status`);
  await answer('PUT', '/apis/coordination.k8s.io/v1/namespaces/a/leases/l');
  expect(gate.log.requests[0]).toMatchObject({
    client: 'sluice-1',
    verb: 'get',
    group: 'networking.k8s.io',
    resource: 'ingresses',
    namespace: 'a',
    name: 'x',
    status: 200,
  });
  expect(gate.log.writesSince(0)).toEqual(['patch ingresses/status x']);
  expect(gate.log.leaseWritesSince(0)).toBe(1);
  expect(gate.log.count({ verb: 'write' })).toBe(2);
});

test('refuses a token, and fails what matches as often as it is told', async () => {
  gate.refuse('old');
  expect((await answer('GET', ingresses, 'old')).status).toBe(401);
  gate.fail({ code: 429, retryAfterSeconds: 3, times: 1 }, { verb: 'write' });
  expect((await answer('GET', ingresses)).status).toBe(200);
  const refused = await open('POST', ingresses);
  expect([refused.statusCode, refused.headers['retry-after']]).toEqual([429, '3']);
  refused.resume();
  expect((await answer('POST', ingresses)).status).toBe(200);
});

test('a pause holds requests and running watches, and gives them everything afterwards', async () => {
  const running = await open('GET', watch);
  const goOn = gate.pause();
  let isAnswered = false;
  const waiting = answer('GET', ingresses).finally(() => {
    isAnswered = true;
  });
  streams[0]?.write('{"type":"ADDED"}\n');
  // The gate has the request when it has counted it; what it passes on at once would be here after a turn over loopback.
  while (gate.log.count() < 2) await new Promise((resolve) => setImmediate(resolve));
  await fetchRound();
  expect([isAnswered, running.readableLength]).toEqual([false, 0]);
  goOn();
  expect((await waiting).status).toBe(200);
  const [event] = await running.setEncoding('utf8').take(1).toArray();
  expect(event).toBe('{"type":"ADDED"}\n');
});

/** A whole exchange with a server of its own: whatever was under way on loopback before has arrived after it. */
async function fetchRound(): Promise<void> {
  const server = createServer((_, response) => response.end('x'));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  await (await fetch(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)).text();
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
}

test('closes under clients that have not ended their handshake', async () => {
  const { port } = new URL(gate.url);
  const silent = connect({ port: Number(port), host: '127.0.0.1' }).on('error', () => {});
  await once(silent, 'connect');
  // The gate has accepted the silent one too: it was before this one in the queue.
  await answer('GET', ingresses);
  const closed = once(silent, 'close');
  await gate.close();
  await closed;
});

test('cuts watches, and lets as many expire as it is told', async () => {
  const running = await open('GET', watch);
  const ended = new Promise((resolve) => running.on('error', resolve));
  expect([gate.countWatches('ingresses'), gate.countWatches('services')]).toEqual([1, 0]);
  gate.expireWatches(1);
  expect(gate.dropWatches()).toBe(1);
  expect(await ended).toMatchObject({ code: 'ECONNRESET' });
  expect(JSON.parse((await answer('GET', watch)).text)).toMatchObject({ type: 'ERROR', object: { code: 410 } });
  expect((await open('GET', watch)).statusCode).toBe(200);
  expect(gate.countAllWatches()).toBe(1);
});

test('closed, it refuses connections; opened again, it has the port it had', async () => {
  const { url } = gate;
  await gate.close();
  await expect(open('GET', ingresses)).rejects.toMatchObject({ code: 'ECONNREFUSED' });
  await gate.open();
  expect(gate.url).toBe(url);
  expect((await answer('GET', ingresses)).status).toBe(200);
});
