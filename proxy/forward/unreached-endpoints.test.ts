// Clients that leave while their request is under way: an endpoint that cannot be reached is left out because of them, one
// that only takes its time is not.

import { expect, test } from '@jest/globals';
import { type DataPath, eventually, startDataPath } from './testing/data-path.ts';
import { startRawOrigin, startReplyingOrigin } from './testing/origin.ts';
import { connectRaw } from './testing/raw-client.ts';
import { SilentListener } from './testing/silent-listener.ts';

const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';
/** Failures in a row that leave an endpoint out, by default. */
const ERRORS = 5;

interface Leaving {
  readonly port: number;
  readonly patienceMs: number;
  readonly times: number;
  /** The `count`th request of the endpoint is as far as it gets. */
  readonly isUnderWay?: (count: number) => boolean;
}

/** Clients one after the other, each of which leaves `patienceMs` after the endpoint at `port` was picked for it. */
async function leave(proxy: DataPath, { port, patienceMs, times, isUnderWay = () => true }: Leaving): Promise<void> {
  const isPicked = () =>
    proxy.context.endpoints.get('u0')?.endpoints.find((each) => each.port === port)?.inFlight === 1;
  for (let left = 0; left < times; ) {
    const client = await connectRaw(proxy.port);
    const before = proxy.requests.length;
    client.send('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
    // Every other request goes to the endpoint that answers.
    await eventually(() => isPicked() || proxy.requests.length > before);
    if (isPicked()) {
      left++;
      await eventually(() => isUnderWay(left));
      for (let passed = 0; passed < patienceMs; passed += 100) proxy.pass(100);
    }
    client.socket.resetAndDestroy();
    await eventually(() => proxy.requests.length > before);
  }
}

const isOut = (proxy: DataPath, port: number) =>
  proxy.context.endpoints.get('u0')?.endpoints.find((each) => each.port === port)?.isOut;

test.each([
  [ERRORS, 1100, true],
  [ERRORS - 1, 1100, false],
  [ERRORS, 800, false],
])(
  '%i clients that leave %i ms after a black hole was picked for them: it is out: %s',
  async (times, patienceMs, want) => {
    await using hole = await SilentListener.start();
    await using origin = await startReplyingOrigin(OK);
    await using proxy = await startDataPath([{ endpoints: [hole.port, origin.port] }]);
    await leave(proxy, { port: hole.port, patienceMs, times });
    expect(isOut(proxy, hole.port)).toBe(want);
    expect(proxy.requests.filter(({ status }) => status === 499)).toHaveLength(times);
  },
);

test('an endpoint that has the request is not blamed for clients that leave, however late', async () => {
  await using slow = await startRawOrigin(() => undefined);
  await using origin = await startReplyingOrigin(OK);
  await using proxy = await startDataPath([{ endpoints: [slow.port, origin.port] }]);
  const isUnderWay = (count: number) => slow.received.join('').split('\r\n\r\n').length - 1 === count;
  await leave(proxy, { port: slow.port, patienceMs: 5000, times: ERRORS, isUnderWay });
  expect(isOut(proxy, slow.port)).toBe(false);
});

test('a black hole is blamed once for one request that waits until its time limit', async () => {
  await using hole = await SilentListener.start();
  await using proxy = await startDataPath([{ endpoints: [hole.port], policy: { connectTimeoutMs: 2000 } }]);
  const [endpoint] = proxy.context.endpoints.get('u0')?.endpoints ?? [];
  using client = await connectRaw(proxy.port);
  client.send('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
  await eventually(() => endpoint?.inFlight === 1);
  for (let passed = 0; passed < 2500; passed += 100) proxy.pass(100);
  expect(proxy.requests).toMatchObject([{ status: 504, attempts: [504] }]);
  expect([endpoint?.inFlight, endpoint?.outlier.errorsInRow]).toEqual([0, 1]);
});
