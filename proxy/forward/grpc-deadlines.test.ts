// `grpc-timeout` is kept by the proxy: a server that ignores it holds nothing that nobody waits for any more. By a clock
// that is moved by hand, with a client that has no clock of its own.

import { expect, test } from '@jest/globals';
import { ErrorCode } from '../http2/protocol.ts';
import { connectHttp2, type Fields, type Http2Client, POST } from '../listen/testing/http2-client.ts';
import { defaultHttp2 } from '../table/defaults.ts';
import type { UpstreamProtocol } from '../table/upstream-protocol.ts';
import { type DataPath, eventually, startDataPath } from './testing/data-path.ts';
import { type Http2Origin, OK, type ServerEnd, startHttp2Origin } from './testing/http2-origin.ts';
import { SilentListener } from './testing/silent-listener.ts';

const GLOBAL = { http2: { ...defaultHttp2, hasPriorKnowledge: true } };
const CALL: Fields = [...POST, ['content-type', 'application/grpc'], ['te', 'trailers']];
const REPLY: Fields = [...OK, ['content-type', 'application/grpc']];
const DEADLINE_EXCEEDED = 'grpc-status: 4';

interface Scene extends AsyncDisposable {
  readonly path: DataPath;
  readonly caller: Http2Client;
  readonly origin: Http2Origin;
}

async function start(onCall: (server: ServerEnd, id: number) => void): Promise<Scene> {
  const stack = new AsyncDisposableStack();
  const origin = stack.use(await startHttp2Origin(onCall));
  const routes = [{ endpoints: [origin.port], policy: { protocol: 'grpc' as const } }];
  const path = stack.use(await startDataPath(routes, GLOBAL));
  const caller = stack.use((await connectHttp2(path.port)).greet());
  return { path, caller, origin, [Symbol.asyncDispose]: () => stack.disposeAsync() };
}

test('a call that is not answered in time ends for the client with its status, and for the server with CANCEL', async () => {
  await using scene = await start(() => undefined);
  const { path, caller, origin } = scene;
  caller.request(1, [...CALL, ['grpc-timeout', '2S']]);
  await eventually(() => origin.connections[0]?.requests.length === 1);
  path.pass(1_900);
  expect(caller.heads(1)).toEqual([]);
  path.pass(300);
  const { head } = await caller.response(1);
  expect(head).toEqual(expect.arrayContaining([':status: 200', DEADLINE_EXCEEDED]));
  await eventually(() => origin.connections[0]?.resetOf(1) === ErrorCode.cancel);
  expect(path.requests).toMatchObject([{ status: 504, reason: 'callTimeout' }]);
  expect(path.leftovers().inFlight).toBe(0);
});

test('a call that is amid its messages ends in trailers, and the server stops', async () => {
  await using scene = await start((server, id) => {
    server.request(id, REPLY, false);
    server.data(id, 'message');
  });
  const { path, caller, origin } = scene;
  caller.request(1, [...CALL, ['grpc-timeout', '500m']]);
  await caller.until(() => caller.body(1) === 'message');
  path.pass(800);
  await caller.until(() => caller.hasEnded(1));
  expect(caller.heads(1).at(-1)).toEqual(expect.arrayContaining([DEADLINE_EXCEEDED]));
  expect(caller.resetOf(1)).toBe(-1);
  await eventually(() => origin.connections[0]?.resetOf(1) === ErrorCode.cancel);
  expect(path.requests).toMatchObject([{ status: 200, reason: 'callTimeout' }]);
});

test('the time of a call that was answered is not that of the next one', async () => {
  await using scene = await start((server, id) => {
    server.request(id, REPLY, false);
    if (id === 1) server.request(id, [['grpc-status', '0']]);
  });
  const { path, caller } = scene;
  caller.request(1, [...CALL, ['grpc-timeout', '1S']]);
  await caller.response(1);
  caller.request(3, CALL);
  await caller.until(() => caller.heads(3).length === 1);
  path.pass(10_000);
  await caller.settled();
  expect([caller.hasEnded(3), path.requests.length]).toEqual([false, 1]);
});

test.each<[UpstreamProtocol, string]>([
  ['grpc', DEADLINE_EXCEEDED],
  ['grpcs', DEADLINE_EXCEEDED],
])('%s: time runs while the connection is opened', async (protocol, status) => {
  await using silent = await SilentListener.start();
  await using path = await startDataPath([{ endpoints: [silent.port], policy: { protocol } }], GLOBAL);
  using caller = (await connectHttp2(path.port)).greet();
  caller.request(1, [...CALL, ['grpc-timeout', '1S']]);
  await eventually(() => path.leftovers().inFlight === 1);
  path.pass(1_300);
  expect((await caller.response(1)).head).toContain(status);
  expect(path.requests).toMatchObject([{ reason: 'callTimeout' }]);
});
