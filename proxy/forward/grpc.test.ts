// gRPC end to end with a real client and a real server (@grpc/grpc-js): every way of calling, failures, limits of time.

import * as grpc from '@grpc/grpc-js';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { generate } from 'selfsigned';
import { connectHttp2, POST } from '../listen/testing/http2-client.ts';
import { defaultHttp2, emptyGlobal } from '../table/defaults.ts';
import type { RoutePolicy } from '../table/types.ts';
import { eventually, startDataPath } from './testing/data-path.ts';
import { connectEcho, type EchoClient, type EchoServer, startEcho } from './testing/grpc-service.ts';
import { OK, startHttp2Origin } from './testing/http2-origin.ts';
import { startProxy, type TestProxy, tableOf } from './testing/test-proxy.ts';

const GLOBAL = { http2: { ...defaultHttp2, hasPriorKnowledge: true } };
const GRPC: Partial<RoutePolicy> = { protocol: 'grpc', maxBodyBytes: null };

type Failure = grpc.ServiceError | null;

let origin: EchoServer;
let proxy: TestProxy;
let client: EchoClient;

async function connect(routes: Parameters<typeof startProxy>[0]): Promise<void> {
  proxy = await startProxy(routes, GLOBAL);
  client = connectEcho(proxy.port);
}

beforeEach(async () => {
  origin = await startEcho();
  await connect([{ endpoints: [origin.port], policy: GRPC }]);
});

afterEach(async () => {
  client.close();
  await proxy.stop();
  await origin[Symbol.asyncDispose]();
});

/** One call with one message each way. */
function call(name: 'unary' | 'hang' | 'fail', message: Buffer, options: grpc.CallOptions = {}): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    client[name](message, new grpc.Metadata(), options, (error: Failure, value?: Buffer) =>
      error === null ? resolve(value as Buffer) : reject(error),
    );
  });
}

test.each([0, 1, 100, 16_379, 70_000, 3_000_000])('unary with a message of %d bytes', async (size) => {
  const message = Buffer.alloc(size, 'm');
  expect((await call('unary', message)).equals(message)).toBe(true);
  expect(origin.metadata.get('x-forwarded-for')).toEqual(['127.0.0.1']);
});

test('trailers arrive', async () => {
  const status = await new Promise<grpc.StatusObject>((resolve) => {
    client.unary(Buffer.from('x'), new grpc.Metadata(), {}, () => {}).on('status', resolve);
  });
  expect(status.code).toBe(grpc.status.OK);
  expect(status.metadata.get('x-trailer')).toEqual(['yes']);
});

test('an error of the server arrives as it is', async () => {
  await expect(call('fail', Buffer.from('x'))).rejects.toMatchObject({
    code: grpc.status.NOT_FOUND,
    details: 'no such thing',
  });
});

test('client streaming: 100,000 messages', async () => {
  const count = await new Promise<string>((resolve, reject) => {
    const stream = client.collect((error: Failure, value?: Buffer) =>
      error === null ? resolve(String(value)) : reject(error),
    );
    let at = 0;
    const go = (): void => {
      while (at < 100_000) if (!stream.write(Buffer.from(String(at++)))) return void stream.once('drain', go);
      stream.end();
    };
    go();
  });
  expect(count).toBe('100000');
}, 180_000);

test('server streaming: 100,000 messages in order', async () => {
  let next = 0;
  await new Promise<void>((resolve, reject) => {
    const stream = client.expand(Buffer.from('100000'));
    stream.on('data', (message: Buffer) => {
      if (Number(message.toString()) === next) next++;
    });
    stream.on('end', resolve);
    stream.on('error', reject);
  });
  expect(next).toBe(100_000);
}, 180_000);

test('both ways at one time: each message is answered before the next is sent', async () => {
  const stream = client.chat();
  const got: string[] = [];
  await new Promise<void>((resolve, reject) => {
    stream.on('data', (message: Buffer) => {
      got.push(message.toString());
      if (got.length < 500) stream.write(Buffer.from(String(got.length)));
      else stream.end();
    });
    stream.on('end', resolve);
    stream.on('error', reject);
    stream.write(Buffer.from('0'));
  });
  expect(got).toEqual(Array.from({ length: 500 }, (_, at) => String(at)));
});

test('both ways at one time: 100,000 messages each way, a thousand of them under way', async () => {
  const stream = client.chat();
  let sent = 0;
  let answered = 0;
  const go = (): void => {
    // Not all at once: what a client of this library has queued costs it time for each message that it sends or gets.
    while (sent < 100_000 && sent - answered < 1000) stream.write(Buffer.from(String(sent++)));
    if (answered === 100_000) stream.end();
  };
  await new Promise<void>((resolve, reject) => {
    stream.on('data', (message: Buffer) => {
      if (Number(message.toString()) === answered) answered++;
      go();
    });
    stream.on('end', resolve);
    stream.on('error', reject);
    go();
  });
  expect(answered).toBe(100_000);
}, 180_000);

test('a client that cancels ends the call at the server', async () => {
  const stream = client.chat();
  const failed = new Promise<Failure>((resolve) => stream.on('error', (error) => resolve(error as grpc.ServiceError)));
  await new Promise<void>((resolve) => {
    stream.on('data', () => resolve());
    stream.write(Buffer.from('x'));
  });
  stream.cancel();
  expect((await failed)?.code).toBe(grpc.status.CANCELLED);
  await eventually(() => origin.cancelled === 1);
});

test('a limit of time that is shorter than a tick of the clock is not over at the next tick', async () => {
  await using server = await startHttp2Origin(() => {});
  await using path = await startDataPath([{ endpoints: [server.port], policy: GRPC }], GLOBAL);
  using caller = (await connectHttp2(path.port)).greet();
  caller.request(1, [...POST, ['content-type', 'application/grpc'], ['te', 'trailers'], ['grpc-timeout', '20m']]);
  await eventually(() => server.connections[0]?.requests.length === 1);
  path.pass(100);
  const fields = [...OK, ['content-type', 'application/grpc'], ['grpc-status', '0']] as const;
  server.connections[0]?.request(server.connections[0].requests[0] as number, fields);
  await caller.response(1);
  expect(path.requests).toEqual([{ status: 200, reason: '', attempts: [200] }]);
});

test('a deadline ends the call at the server', async () => {
  await expect(call('hang', Buffer.from('x'), { deadline: Date.now() + 300 })).rejects.toMatchObject({
    code: grpc.status.DEADLINE_EXCEEDED,
  });
  await eventually(() => origin.cancelled === 1);
});

describe('answers of the proxy itself', () => {
  const refusedPort = 1;

  test.each<[string, Parameters<typeof startProxy>[0], number, string]>([
    ['no endpoint', [{ endpoints: [], policy: GRPC }], grpc.status.UNAVAILABLE, 'noEndpoint'],
    ['refused', [{ endpoints: [refusedPort], policy: GRPC }], grpc.status.UNAVAILABLE, 'connectFailed'],
    ['no route', [{ path: '/other', endpoints: [], policy: GRPC }], grpc.status.UNIMPLEMENTED, 'noRoute'],
  ])('%s', async (_name, routes, code, details) => {
    proxy.publish(tableOf(routes, { ...emptyGlobal, ...GLOBAL }));
    await expect(call('unary', Buffer.from('x'))).rejects.toMatchObject({ code, details });
  });

  test('too large a message', async () => {
    proxy.publish(tableOf([{ endpoints: [origin.port], policy: { ...GRPC, maxBodyBytes: 100 } }], GLOBAL));
    await expect(call('unary', Buffer.alloc(1000))).rejects.toMatchObject({ code: grpc.status.RESOURCE_EXHAUSTED });
  });

  test('a server that takes too long', async () => {
    proxy.publish(tableOf([{ endpoints: [origin.port], policy: { ...GRPC, readTimeoutMs: 200 } }], GLOBAL));
    await expect(call('hang', Buffer.from('x'))).rejects.toMatchObject({
      code: grpc.status.DEADLINE_EXCEEDED,
      details: 'upstreamTimeout',
    });
  });
});

test('calls are spread over the endpoints one by one', async () => {
  await using second = await startEcho();
  proxy.publish(tableOf([{ endpoints: [origin.port, second.port], policy: GRPC }], GLOBAL));
  for (let i = 0; i < 20; i++) await call('unary', Buffer.from('x'));
  expect([origin.calls, second.calls]).toEqual([10, 10]);
});

test.each([
  ['UNAVAILABLE', grpc.status.UNAVAILABLE, 1],
  ['another error', grpc.status.INTERNAL, 0],
])('passive health: %s five times in a row', async (_name, code, expected) => {
  await using second = await startEcho();
  const ports = [origin.port, second.port];
  proxy.publish(tableOf([{ endpoints: ports, policy: GRPC }], GLOBAL));
  for (let i = 0; i < 10; i++) await expect(call('fail', Buffer.from(`${code}`))).rejects.toMatchObject({ code });
  expect(proxy.ejections).toEqual(Array(expected).fill(`127.0.0.1:${ports[0]} consecutiveErrors`));
});

test('GRPCS: over TLS, without asking who it is', async () => {
  const pair = await generate([{ name: 'commonName', value: 'grpc.test' }], { keyType: 'ec' });
  const keyPair = { cert_chain: Buffer.from(pair.cert), private_key: Buffer.from(pair.private) };
  await using secure = await startEcho(grpc.ServerCredentials.createSsl(null, [keyPair]));
  proxy.publish(tableOf([{ endpoints: [secure.port], policy: { ...GRPC, protocol: 'grpcs' } }], GLOBAL));
  expect((await call('unary', Buffer.from('safe'))).toString()).toBe('safe');
});
