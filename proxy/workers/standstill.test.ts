// The process stands still (a container out of its CPU share, a machine that is moved): neither clients nor upstreams are
// blamed for time in which nobody looked. The whole worker, over sockets.

import { expect, test } from '@jest/globals';
import { startRawOrigin } from '../forward/testing/origin.ts';
import { connectRaw } from '../forward/testing/raw-client.ts';
import { startProxy } from '../forward/testing/test-proxy.ts';

const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';
/** More than twice the longest of the limits below. */
const STANDSTILL_MS = 1500;

/** Nothing in this process runs meanwhile: neither the proxy nor its peers. */
function standStill(): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, STANDSTILL_MS);
}

test('an answer that came meanwhile is read before the attempt is called late', async () => {
  await using origin = await startRawOrigin((socket, soFar) => {
    if (!soFar.endsWith('\r\n\r\n')) return;
    socket.write(OK);
    standStill();
  });
  await using proxy = await startProxy([{ endpoints: [origin.port], policy: { perTryTimeoutMs: 50 } }]);
  using client = await connectRaw(proxy.port);
  client.send('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
  expect((await client.responses(1))[0]?.status).toBe(200);
});

test('a client amid its head has its time behind it', async () => {
  await using origin = await startRawOrigin((socket) => socket.write(OK));
  await using proxy = await startProxy([{ endpoints: [origin.port] }], { clientHeaderTimeoutMs: 700 });
  using client = await connectRaw(proxy.port);
  client.send('GET / HTTP/1.1\r\nHost: a\r\n\r\nGET /second HTTP/1.1\r\n');
  await client.responses(1);
  standStill();
  // It was not in a buffer before: only time that is not counted can help it.
  await new Promise(setImmediate);
  await new Promise(setImmediate);
  client.send('Host: a\r\n\r\n');
  expect((await client.responses(2)).map(({ status }) => status)).toEqual([200, 200]);
});

test('limits of time hold all the same', async () => {
  await using origin = await startRawOrigin(() => {});
  const policy = { perTryTimeoutMs: 200, maxAttempts: 1 };
  await using proxy = await startProxy([{ endpoints: [origin.port], policy }]);
  using client = await connectRaw(proxy.port);
  client.send('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
  await client.untilTrue(() => origin.connections === 1);
  standStill();
  expect((await client.responses(1))[0]?.status).toBe(504);
});
