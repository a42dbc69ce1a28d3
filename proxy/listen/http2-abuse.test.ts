// What a hostile client can do with a few bytes: each attack ends its own connection with the right error, and what it
// can make the proxy hold is bounded.

import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { type HttpOrigin, startHttpOrigin } from '../forward/testing/origin.ts';
import { startProxy, type TestProxy, tableOf } from '../forward/testing/test-proxy.ts';
import { ErrorCode, Flag, FrameType } from '../http2/protocol.ts';
import { defaultHttp2 } from '../table/defaults.ts';
import type { Http2Settings } from '../table/types.ts';
import { block, connectHttp2, frame, GET, type Http2Client, uint32 } from './testing/http2-client.ts';

const { headers, data, rstStream, settings, ping, windowUpdate, continuation, priority, priorityUpdate } = FrameType;
const BIG = Buffer.alloc(1_000_000, 'x');

let origin: HttpOrigin;
let proxy: TestProxy;

beforeAll(async () => {
  origin = await startHttpOrigin((request, response) => {
    if (request.url === '/never') return;
    if (request.url === '/big') response.end(BIG);
    else response.end('ok');
  });
  proxy = await start();
});

afterAll(async () => {
  await proxy[Symbol.asyncDispose]();
  await origin[Symbol.asyncDispose]();
});

function start(http2: Partial<Http2Settings> = {}, times: { clientHeaderTimeoutMs?: number } = {}): Promise<TestProxy> {
  const all = { ...defaultHttp2, hasPriorKnowledge: true, ...http2 };
  return startProxy([{ endpoints: [origin.port], policy: { maxBodyBytes: null } }], { http2: all, ...times });
}

async function connect(to: TestProxy = proxy): Promise<Http2Client> {
  return (await connectHttp2(to.port)).greet();
}

/** One that does not even acknowledge SETTINGS: nothing of its own comes between the frames of a test. */
async function connectSilent(to: TestProxy = proxy): Promise<Http2Client> {
  const client = await connectHttp2(to.port);
  client.isPolite = false;
  return client.greet();
}

/** Value of the fault counter. */
function faults(of: TestProxy, reason: string): number {
  const { counters } = of.worker.sample();
  const found = counters.find(
    ({ name, labels }) => name === 'sluice_http2_faults_total' && labels['reason'] === reason,
  );
  return found?.value ?? 0;
}

function path(value: string): ReadonlyArray<readonly [string, string]> {
  return [...GET.slice(0, 3), [':path', value]];
}

/** Odd stream numbers from 1. */
function ids(count: number): number[] {
  return Array.from({ length: count }, (_, i) => i * 2 + 1);
}

describe('floods of frames', () => {
  const many = (bytes: Buffer): Buffer => Buffer.concat(Array.from({ length: 1100 }, () => bytes));
  const open = frame(headers, Flag.endHeaders, 1, block(path('/never').toSpliced(0, 1, [':method', 'POST'])));

  test.each([
    ['SETTINGS', 'settingsFlood', many(frame(settings, 0, 0))],
    ['SETTINGS ACK', 'settingsFlood', many(frame(settings, Flag.ack, 0))],
    ['PING', 'pingFlood', many(frame(ping, 0, 0, '12345678'))],
    ['empty DATA', 'emptyFrameFlood', Buffer.concat([open, many(frame(data, 0, 1))])],
    [
      'padding and nothing else',
      'emptyFrameFlood',
      Buffer.concat([open, many(frame(data, Flag.padded, 1, '\x02\0\0'))]),
    ],
    ['WINDOW_UPDATE of one byte', 'windowUpdateFlood', many(frame(windowUpdate, 0, 0, uint32(1)))],
    ['PRIORITY', 'priorityFlood', many(frame(priority, 0, 1, '\0\0\0\0\0'))],
    ['PRIORITY_UPDATE', 'priorityFlood', many(frame(priorityUpdate, 0, 0, `${uint32(7).latin1Slice()}u=1`))],
    ['unknown frames', 'unknownFrameFlood', many(frame(0xfe, 0, 0, 'x'))],
  ])('%s', async (_name, reason, bytes) => {
    using client = await connect();
    const before = faults(proxy, reason);
    client.send(bytes);
    await client.closed();
    expect(client.goAway).toMatchObject({ code: ErrorCode.enhanceYourCalm, text: reason });
    expect(faults(proxy, reason)).toBe(before + 1);
  });

  test('pings between requests are no flood', async () => {
    using client = await connect();
    for (const id of ids(300)) {
      for (let i = 0; i < 4; i++) client.send(frame(ping, 0, 0, 'abcdefgh'));
      client.request(id, GET);
      // More streams at a time than allowed would be refused.
      if (id % 100 === 1) await client.response(id);
    }
    await client.response(599);
    expect(client.goAway).toBeNull();
  });
});

describe('streams', () => {
  test('rapid reset (CVE-2023-44487): the connection ends, and nothing stays at work', async () => {
    using client = await connect();
    const requests = ids(500).map((id) =>
      Buffer.concat([frame(headers, 5, id, block(path('/never'))), frame(rstStream, 0, id, uint32(8))]),
    );
    client.send(...requests);
    await client.closed();
    expect(client.goAway).toMatchObject({ code: ErrorCode.enhanceYourCalm, text: 'resetFlood' });
  });

  test('made you reset (CVE-2025-8671): so does a client that makes us reset its streams', async () => {
    using client = await connect();
    const requests = ids(500).map((id) =>
      Buffer.concat([frame(headers, 5, id, block(path('/never'))), frame(windowUpdate, 0, id, uint32(0))]),
    );
    client.send(...requests);
    await client.closed();
    expect(client.goAway).toMatchObject({ code: ErrorCode.enhanceYourCalm, text: 'resetFlood' });
  });

  test('requests that are reset in the read they came in are not begun, but for the first of them', async () => {
    let begun = 0;
    await using counting = await startHttpOrigin(() => {
      begun++;
    });
    await using other = await start();
    other.publish(tableOf([{ endpoints: [counting.port] }], { http2: { ...defaultHttp2, hasPriorKnowledge: true } }));
    using client = await connect(other);
    await client.settled();
    const pairs = ids(200).flatMap((id) => [frame(headers, 5, id, block(GET)), frame(rstStream, 0, id, uint32(8))]);
    client.send(Buffer.concat(pairs));
    // One that is served says that all before it have been dealt with.
    await counting[Symbol.asyncDispose]();
    client.request(401, GET);
    expect((await client.response(401)).head[0]).toBe(':status: 502');
    expect(begun).toBeLessThanOrEqual(32);
    const log = await other.stop();
    expect(log.filter((line) => line.includes(' 499 '))).toHaveLength(200);
  });

  test('malformed requests count the same', async () => {
    using client = await connect();
    client.send(...ids(500).map((id) => frame(headers, 5, id, block([...GET, ['connection', 'x']]))));
    await client.closed();
    expect(client.goAway?.text).toBe('resetFlood');
  });

  test('more streams than allowed are refused, and those that run go on', async () => {
    await using few = await start({ maxConcurrentStreams: 3 });
    using client = await connect(few);
    for (const id of ids(3)) client.request(id, path('/never'));
    client.request(7, GET);
    await client.until(() => client.resetOf(7) !== -1);
    expect(client.resetOf(7)).toBe(ErrorCode.refusedStream);
    client.send(frame(rstStream, 0, 1, uint32(8)));
    client.request(9, GET);
    expect((await client.response(9)).body).toBe('ok');
  });
});

describe('header blocks', () => {
  test('CONTINUATION flood (CVE-2024-27316)', async () => {
    using client = await connectSilent();
    client.send(frame(headers, 1, 1, block(GET)), ...ids(20).map(() => frame(continuation, 0, 1, '')));
    await client.closed();
    expect(client.goAway).toMatchObject({ code: ErrorCode.enhanceYourCalm, text: 'headerBlockTooLarge' });
  });

  test('a block that never ends, in large frames', async () => {
    using client = await connectSilent();
    const filler = Buffer.alloc(16_384, 0x82);
    client.send(frame(headers, 1, 1, filler), ...ids(5).map(() => frame(continuation, 0, 1, filler)));
    await client.closed();
    expect(client.goAway?.text).toBe('headerBlockTooLarge');
  });

  test('HPACK bomb: a few bytes that stand for megabytes are answered 431', async () => {
    using client = await connectSilent();
    const entry = Buffer.concat([Buffer.from([0x40]), block([['x', 'y'.repeat(3900)]]).subarray(1)]);
    client.send(frame(headers, 5, 1, Buffer.concat([block(GET), entry, Buffer.alloc(10_000, 0xbe)])));
    expect((await client.response(1)).head[0]).toBe(':status: 431');
  });

  test('header lists that are too large count as several resets', async () => {
    using client = await connectSilent();
    const entry = Buffer.concat([Buffer.from([0x40]), block([['x', 'y'.repeat(3900)]]).subarray(1)]);
    const large = Buffer.concat([block(GET), entry, Buffer.alloc(10, 0xbe)]);
    client.send(...ids(100).map((id) => frame(headers, 5, id, large)));
    await client.closed();
    expect(client.status(1)).toBe(':status: 431');
    expect(client.goAway).toMatchObject({ code: ErrorCode.enhanceYourCalm, text: 'resetFlood' });
    expect(faults(proxy, 'headersTooLarge')).toBeGreaterThanOrEqual(10);
  });

  test('a block that is not completed in time', async () => {
    await using quick = await start({}, { clientHeaderTimeoutMs: 200 });
    using client = await connectSilent(quick);
    client.send(frame(headers, 1, 1, block(GET)));
    await client.closed();
    expect(client.goAway).toMatchObject({ code: ErrorCode.enhanceYourCalm, text: 'headTimeout' });
  });

  test('a complete block for a stream that was reset leaves running streams alone', async () => {
    await using quick = await start({}, { clientHeaderTimeoutMs: 200 });
    using client = await connectSilent(quick);
    client.request(1, path('/never'));
    client.request(3, [...GET, ['upgrade', 'x']], false);
    await client.until(() => client.resetOf(3) !== -1);
    client.send(frame(headers, 1, 3, block([['x-t', '1']])), frame(continuation, 4, 3, ''));
    // A second connection lives through the same time: its own limit fires behind that of the first.
    using other = await connectSilent(quick);
    other.send(frame(headers, 1, 1, block(GET)));
    await other.closed();
    expect(client.goAway).toBeNull();
  });

  test('a preface that is not completed in time', async () => {
    await using quick = await start({}, { clientHeaderTimeoutMs: 200 });
    using client = await connectHttp2(quick.port);
    client.send(Buffer.from('PRI * HTTP/2.0\r\n'));
    await client.closed();
  });
});

describe('clients that do not read', () => {
  const noWindow = Buffer.from([0, 4, 0, 0, 0, 0]);

  test('a window that stays at zero ends the connection, and holds little meanwhile', async () => {
    await using quick = await start({ stallTimeoutMs: 1_500 });
    using client = await connectHttp2(quick.port);
    client.isPolite = false;
    client.greet(noWindow);
    const before = process.memoryUsage().arrayBuffers;
    for (const id of ids(30)) client.request(id, path('/big'));
    await client.until(() => client.heads(59).length === 1);
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(10_000_000);
    await client.closed();
    expect(client.goAway).toMatchObject({ code: ErrorCode.enhanceYourCalm, text: 'windowStall' });
    expect(faults(quick, 'windowStall')).toBeGreaterThan(0);
  });

  // The second is what a busy machine does to the first: the proxy is not scheduled for longer than the limit.
  test.each([
    ['a stalled stream does not end a connection that works', 0],
    ['nor does it when the process has stood still', 800],
  ])('%s', async (_name, standstillMs) => {
    await using quick = await start({ stallTimeoutMs: 600 });
    using client = await connectHttp2(quick.port);
    client.isPolite = false;
    client.greet();
    client.send(frame(windowUpdate, 0, 0, uint32(5_000_000)));
    client.request(1, path('/big'));
    let next = 3;
    while (client.resetOf(1) === -1) {
      client.request(next, path('/big'));
      client.send(frame(windowUpdate, 0, next, uint32(2_000_000)), frame(windowUpdate, 0, 0, uint32(BIG.length)));
      await client.response(next);
      next += 2;
      if (next === 9) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, standstillMs);
    }
    expect(client.resetOf(1)).toBe(ErrorCode.cancel);
    expect(client.goAway).toBeNull();
  });

  test('asking without reading stops the reading of requests', async () => {
    using client = await connect();
    client.socket.pause();
    const before = process.memoryUsage().arrayBuffers;
    for (let round = 0; round < 5; round++) {
      for (let i = 0; i < 100; i++) client.send(frame(ping, 0, 0, 'abcdefgh'));
      client.request(round * 2 + 1, GET);
    }
    client.socket.resume();
    await client.response(9);
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(10_000_000);
  });

  describe('uploads that nobody takes', () => {
    // An extended CONNECT whose upstream does not answer: its payload is held, and nothing is credited.
    const open = frame(
      headers,
      Flag.endHeaders,
      1,
      block([[':method', 'CONNECT'], [':protocol', 'websocket'], ...path('/never').slice(1)]),
    );
    const full = frame(data, 0, 1, Buffer.alloc(16_384));

    test('are held up to the window, which is not given back', async () => {
      await using tight = await start({ streamWindowBytes: 65_536 });
      using client = await connect(tight);
      client.send(open, full, full, full, full);
      await client.settled();
      expect(client.resetOf(1)).toBe(-1);
      expect(client.frames.filter(({ type, streamId }) => type === windowUpdate && streamId === 1)).toEqual([]);
    });

    test('more than the window is FLOW_CONTROL_ERROR', async () => {
      await using tight = await start({ streamWindowBytes: 16_384 });
      using client = await connect(tight);
      client.send(open, full, full);
      await client.until(() => client.resetOf(1) !== -1);
      expect(client.resetOf(1)).toBe(ErrorCode.flowControlError);
      // What was held is given back to the connection, which goes on.
      client.request(3, GET);
      expect((await client.response(3)).body).toBe('ok');
    });

    test('more than the window of the connection ends it', async () => {
      await using tight = await start({ streamWindowBytes: 1_000_000, connectionWindowBytes: 65_535 });
      using client = await connect(tight);
      client.send(open, full, full, full, full);
      await client.closed();
      expect(client.goAway?.code).toBe(ErrorCode.flowControlError);
    });
  });
});
