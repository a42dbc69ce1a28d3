// HTTP/2 upstreams that end connections, refuse streams, break rules, or attack: what becomes of the requests.

import { describe, expect, test } from '@jest/globals';
import { request } from 'undici';
import { ErrorCode, Flag, FrameType, Setting } from '../http2/protocol.ts';
import { block, frame, uint32 } from '../listen/testing/http2-client.ts';
import { defaultUpstreamHttp2 } from '../table/upstream-protocol.ts';
import { eventually, startDataPath } from './testing/data-path.ts';
import { headFrame, OK, type ServerEnd, startHttp2Origin } from './testing/http2-origin.ts';
import { connectRaw } from './testing/raw-client.ts';
import { startProxy } from './testing/test-proxy.ts';

const HTTP2 = { protocol: 'http2' } as const;

async function ask(port: number, path = '/', body?: string): Promise<string> {
  const options = body === undefined ? {} : ({ method: 'POST', body } as const);
  const response = await request(`http://127.0.0.1:${port}${path}`, options);
  return `${response.statusCode} ${await response.body.text()}`;
}

const goAway = (lastStreamId: number, code: number = ErrorCode.noError): Buffer =>
  frame(FrameType.goAway, 0, 0, Buffer.concat([uint32(lastStreamId), uint32(code)]));
const reset = (streamId: number, code: number): Buffer => frame(FrameType.rstStream, 0, streamId, uint32(code));
const setting = (id: number, value: number): Buffer => Buffer.concat([Buffer.from([id >> 8, id & 255]), uint32(value)]);

describe('requests that were not processed', () => {
  test.each([
    ['GET', undefined],
    ['POST with a body', 'payload'],
  ])('%s: a refused stream goes to another endpoint', async (_name, body) => {
    await using first = await startHttp2Origin((server, id) => server.send(reset(id, ErrorCode.refusedStream)));
    await using second = await startHttp2Origin((server, id) => server.respond(id, 'here'));
    await using proxy = await startProxy([{ endpoints: [first.port, second.port], policy: HTTP2 }]);
    expect(await ask(proxy.port, '/', body)).toBe('200 here');
    expect(await ask(proxy.port, '/', body)).toBe('200 here');
    // Refusals of an endpoint under load must not become handshakes at another.
    expect([first.connections.length, second.connections.length]).toEqual([1, 1]);
  });

  test('above the last stream of a GOAWAY: sent again on a new connection, to the same endpoint', async () => {
    await using origin = await startHttp2Origin((server, id, connection) => {
      if (connection === 0 && id === 3) server.send(goAway(1));
      else server.respond(id, `connection ${connection}`);
    });
    await using proxy = await startProxy([{ endpoints: [origin.port], policy: HTTP2 }]);
    expect(await ask(proxy.port)).toBe('200 connection 0');
    expect(await ask(proxy.port, '/', 'payload')).toBe('200 connection 1');
    expect(await ask(proxy.port)).toBe('200 connection 1');
  });

  test('an endpoint that sends everybody away is not asked for ever', async () => {
    await using origin = await startHttp2Origin((server) => server.send(goAway(0)));
    await using proxy = await startProxy([{ endpoints: [origin.port], policy: HTTP2 }]);
    expect(await ask(proxy.port)).toMatch(/^502 /);
    expect(origin.connections.length).toBeLessThanOrEqual(3);
  });
});

test('requests below the last stream of a GOAWAY finish; new ones go to a new connection', async () => {
  const held: ServerEnd[] = [];
  await using origin = await startHttp2Origin((server, id, connection) => {
    if (connection > 0) return server.respond(id, 'new');
    held.push(server);
    server.send(goAway(id));
  });
  await using proxy = await startProxy([{ endpoints: [origin.port], policy: HTTP2 }]);
  const first = ask(proxy.port);
  await eventually(() => held.length === 1);
  await held[0]?.settled();
  expect(await ask(proxy.port)).toBe('200 new');
  held[0]?.respond(1, 'old');
  expect(await first).toBe('200 old');
  await held[0]?.closed();
});

test('SETTINGS_MAX_CONCURRENT_STREAMS: what is beyond it opens another connection', async () => {
  const waiting: Array<() => void> = [];
  await using origin = await startHttp2Origin(
    (server, id) => {
      if (origin.connections.length === 1 && id === 1) return server.respond(id, 'ok');
      waiting.push(() => server.respond(id, 'ok'));
    },
    setting(Setting.maxConcurrentStreams, 2),
  );
  await using proxy = await startProxy([{ endpoints: [origin.port], policy: HTTP2 }]);
  await ask(proxy.port);
  const answers = [1, 2, 3].map(() => ask(proxy.port));
  await eventually(() => waiting.length === 3);
  expect(origin.connections.map(({ requests }) => requests.length)).toEqual([3, 1]);
  for (const go of waiting) go();
  expect(await Promise.all(answers)).toEqual(['200 ok', '200 ok', '200 ok']);
});

describe('faults of one response: 502, and the connection goes on', () => {
  test.each<[string, (id: number) => Buffer]>([
    ['no :status', (id) => headFrame(id, [['x', 'y']])],
    [':status of two digits', (id) => headFrame(id, [[':status', '20']])],
    ['two :status', (id) => headFrame(id, [...OK, ...OK])],
    [':status behind a field', (id) => headFrame(id, [['x', 'y'], ...OK])],
    ['pseudo-header field of a request', (id) => headFrame(id, [...OK, [':path', '/']])],
    ['101', (id) => headFrame(id, [[':status', '101']])],
    ['END_STREAM on a 1xx', (id) => headFrame(id, [[':status', '103']])],
    ['upper case', (id) => headFrame(id, [...OK, ['X-Y', 'z']])],
    ['line feed in a value', (id) => headFrame(id, [...OK, ['x', 'a\r\nset-cookie: b']])],
    ['connection-specific field', (id) => headFrame(id, [...OK, ['transfer-encoding', 'chunked']])],
    ['content-length twice', (id) => headFrame(id, [...OK, ['content-length', '1'], ['content-length', '1']])],
    ['content-length without body', (id) => headFrame(id, [...OK, ['content-length', '5']])],
    ['DATA before the head', (id) => frame(FrameType.data, 0, id, 'x')],
    ['stream reset', (id) => reset(id, ErrorCode.internalError)],
    ['window of the stream overflows', (id) => frame(FrameType.windowUpdate, 0, id, uint32(0x7fffffff))],
    ['window grows by 0', (id) => frame(FrameType.windowUpdate, 0, id, uint32(0))],
  ])('%s', async (_name, bad) => {
    await using origin = await startHttp2Origin((server, id) => {
      if (id === 1) server.send(bad(id));
      else server.respond(id, 'well');
    });
    await using proxy = await startProxy([{ endpoints: [origin.port], policy: { ...HTTP2, maxAttempts: 1 } }]);
    expect(await ask(proxy.port)).toMatch(/^502 /);
    expect(await ask(proxy.port)).toBe('200 well');
    expect(origin.connections).toHaveLength(1);
  });
});

describe('faults of the connection: 502, GOAWAY and a new connection', () => {
  test.each<[string, Buffer, number]>([
    ['a frame larger than allowed', Buffer.from([0x00, 0x40, 0x01, 0, 0, 0, 0, 0, 1]), ErrorCode.frameSizeError],
    ['a push', frame(FrameType.pushPromise, Flag.endHeaders, 1, uint32(2)), ErrorCode.protocolError],
    ['DATA on an idle stream', frame(FrameType.data, 0, 9, 'x'), ErrorCode.protocolError],
    ['a head on an even stream', headFrame(2, OK), ErrorCode.protocolError],
    // The next two were found by the comparison with node:http2 (proxy/fuzz/http2-differential.ts).
    ['WINDOW_UPDATE of an idle stream', frame(FrameType.windowUpdate, 0, 9, uint32(1)), ErrorCode.protocolError],
    ['PRIORITY of a wrong size', frame(FrameType.priority, 0, 1, '1234'), ErrorCode.frameSizeError],
    ['RST_STREAM of an idle stream', reset(9, ErrorCode.cancel), ErrorCode.protocolError],
    [
      'broken compression',
      frame(FrameType.headers, Flag.endHeaders, 1, '\xff\xff\xff\xff'),
      ErrorCode.compressionError,
    ],
    [
      'an interrupted head',
      Buffer.concat([frame(FrameType.headers, 0, 1), frame(FrameType.ping, 0, 0, '12345678')]),
      ErrorCode.protocolError,
    ],
    ['a window beyond 31 bits', frame(FrameType.windowUpdate, 0, 0, uint32(0x7fffffff)), ErrorCode.flowControlError],
    [
      'SETTINGS with a bad window',
      frame(FrameType.settings, 0, 0, setting(Setting.initialWindowSize, 0x80000000)),
      ErrorCode.flowControlError,
    ],
    [
      'SETTINGS that enable push',
      frame(FrameType.settings, 0, 0, setting(Setting.enablePush, 1)),
      ErrorCode.protocolError,
    ],
    [
      'SETTINGS ACK with payload',
      frame(FrameType.settings, Flag.ack, 0, setting(Setting.enablePush, 0)),
      ErrorCode.frameSizeError,
    ],
    ['WINDOW_UPDATE of 0 on the connection', frame(FrameType.windowUpdate, 0, 0, uint32(0)), ErrorCode.protocolError],
    ['DATA on stream 0', frame(FrameType.data, 0, 0, 'x'), ErrorCode.protocolError],
    ['PING of a wrong size', frame(FrameType.ping, 0, 0, '1234567'), ErrorCode.frameSizeError],
    ['GOAWAY on a stream', frame(FrameType.goAway, 0, 1, Buffer.alloc(8)), ErrorCode.protocolError],
    ['CONTINUATION without a block', frame(FrameType.continuation, Flag.endHeaders, 1), ErrorCode.protocolError],
    [
      'a flood of PING',
      Buffer.concat(new Array(3000).fill(frame(FrameType.ping, 0, 0, '12345678'))),
      ErrorCode.enhanceYourCalm,
    ],
    [
      'a flood of SETTINGS',
      Buffer.concat(new Array(3000).fill(frame(FrameType.settings, 0, 0))),
      ErrorCode.enhanceYourCalm,
    ],
    [
      'CONTINUATION without end',
      Buffer.concat([frame(FrameType.headers, 0, 1), ...new Array(20).fill(frame(FrameType.continuation, 0, 1, 'x'))]),
      ErrorCode.enhanceYourCalm,
    ],
  ])('%s', async (_name, bad, code) => {
    await using origin = await startHttp2Origin((server, id, connection) => {
      if (connection === 0) server.send(bad);
      else server.respond(id, 'well');
    });
    await using proxy = await startProxy([{ endpoints: [origin.port], policy: { ...HTTP2, maxAttempts: 1 } }]);
    expect(await ask(proxy.port)).toMatch(/^502 /);
    await origin.connections[0]?.closed();
    expect(origin.connections[0]?.goAway?.code).toBe(code);
    expect(await ask(proxy.port)).toBe('200 well');
    expect(origin.connections).toHaveLength(2);
  });

  test('an upstream that speaks HTTP/1.1', async () => {
    await using origin = await startHttp2Origin(
      (server) => server.send(Buffer.from('HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n')),
      null,
    );
    await using proxy = await startProxy([{ endpoints: [origin.port], policy: { ...HTTP2, maxAttempts: 1 } }]);
    expect(await ask(proxy.port)).toMatch(/^502 /);
  });
});

describe('faults behind the head: the response is cut, the stream reset, and the connection goes on', () => {
  const trailers = (id: number, flags: number, name: string) =>
    frame(FrameType.headers, flags, id, block([[name, '/']]));
  test.each<[string, (id: number) => Buffer, number]>([
    ['trailers without END_STREAM', (id) => trailers(id, Flag.endHeaders, 'x'), ErrorCode.protocolError],
    ['a pseudo-header field in trailers', (id) => trailers(id, 5, ':path'), ErrorCode.protocolError],
    ['trailers before the whole content-length', (id) => trailers(id, 5, 'x'), ErrorCode.protocolError],
    ['more DATA than content-length', (id) => frame(FrameType.data, 0, id, '123456'), ErrorCode.protocolError],
    ['less DATA than content-length', (id) => frame(FrameType.data, 1, id, '1'), ErrorCode.protocolError],
    ['more DATA than the window', (id) => frame(FrameType.data, 0, id, 'x'.repeat(6000)), ErrorCode.flowControlError],
  ])('%s', async (_name, bad, code) => {
    await using origin = await startHttp2Origin((server, id) => {
      if (id > 1) return server.respond(id, 'well');
      server.request(id, [...OK, ['content-length', '5']], false);
      server.data(id, 'abc');
      server.send(bad(id));
    });
    await using proxy = await startProxy([{ endpoints: [origin.port], policy: { ...HTTP2, maxAttempts: 1 } }], {
      upstreamHttp2: {
        maxConcurrentStreams: 10,
        streamWindowBytes: 5000,
        pingIntervalMs: 20_000,
        pingTimeoutMs: 10_000,
      },
    });
    await expect(ask(proxy.port)).rejects.toThrow();
    expect(await ask(proxy.port)).toBe('200 well');
    expect(origin.connections).toHaveLength(1);
    expect(origin.connections[0]?.resetOf(1)).toBe(code);
  });
});

test('what an upstream is greeted with, and what it is answered', async () => {
  await using origin = await startHttp2Origin((server, id) => {
    if (id > 1) return server.respond(id, 'well');
    server.send(
      frame(0xbb, 0xff, 0, 'unknown'),
      frame(FrameType.settings, 0, 0, setting(0xfafa, 1)),
      frame(FrameType.ping, Flag.ack, 0, 'unasked!'),
      frame(FrameType.ping, 0, 0, 'abcdefgh'),
    );
    server.respond(id, 'well');
  });
  await using proxy = await startProxy([{ endpoints: [origin.port], policy: HTTP2 }]);
  expect(await ask(proxy.port)).toBe('200 well');
  expect(await ask(proxy.port)).toBe('200 well');
  const [server] = origin.connections;
  expect(server?.frames[0]).toMatchObject({ type: FrameType.settings, flags: 0, streamId: 0 });
  expect(server?.frames[0]?.payload.subarray(0, 6)).toEqual(setting(Setting.enablePush, 0));
  expect(server?.requests).toEqual([1, 3]);
  expect(server?.framesOf(FrameType.settings).filter(({ flags }) => flags === Flag.ack)).toHaveLength(2);
  expect(server?.framesOf(FrameType.ping).map(({ flags, payload }) => [flags, payload.latin1Slice()])).toEqual([
    [Flag.ack, 'abcdefgh'],
  ]);
});

test('an upstream that resets is not answered with RST_STREAM, and may have sent more', async () => {
  await using origin = await startHttp2Origin((server, id) => {
    if (id > 1) return server.respond(id, 'well');
    server.send(
      reset(id, ErrorCode.cancel),
      frame(FrameType.windowUpdate, 0, id, uint32(1)),
      reset(id, ErrorCode.cancel),
    );
  });
  await using proxy = await startProxy([{ endpoints: [origin.port], policy: { ...HTTP2, maxAttempts: 1 } }]);
  expect(await ask(proxy.port)).toMatch(/^502 /);
  expect(await ask(proxy.port)).toBe('200 well');
  expect(origin.connections).toHaveLength(1);
  expect(origin.connections[0]?.framesOf(FrameType.rstStream)).toEqual([]);
});

// RFC 9113 §8.7 lets REFUSED_STREAM say that nothing was processed; behind a head it is a lie.
test.each([
  ['INTERNAL_ERROR', ErrorCode.internalError],
  ['REFUSED_STREAM', ErrorCode.refusedStream],
])('a reset amid the body with %s cuts the response, which is not asked for again', async (_name, code) => {
  await using origin = await startHttp2Origin((server, id) => {
    server.request(id, OK, false);
    server.data(id, 'part');
    server.send(reset(id, code));
  });
  await using proxy = await startDataPath([{ endpoints: [origin.port], policy: HTTP2 }]);
  await expect(ask(proxy.port)).rejects.toThrow();
  expect(proxy.requests).toMatchObject([{ status: 200, reason: 'upstreamTruncated' }]);
  expect(origin.connections[0]?.requests).toEqual([1]);
});

test('the limit of streams holds for requests that wait for their connection as well', async () => {
  const waiting: Array<() => void> = [];
  await using origin = await startHttp2Origin((server, id) => {
    waiting.push(() => server.respond(id, 'ok'));
  });
  await using proxy = await startProxy([{ endpoints: [origin.port], policy: HTTP2 }], {
    upstreamHttp2: { ...defaultUpstreamHttp2, maxConcurrentStreams: 2 },
  });
  // Pipelined they would be served one after the other: each has a connection of its own, all of them open before.
  const clients = await Promise.all([1, 2, 3, 4, 5].map(() => connectRaw(proxy.port)));
  for (const client of clients) client.send('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
  await eventually(() => waiting.length === 5);
  for (const { requests } of origin.connections) expect(requests.length).toBeLessThanOrEqual(2);
  for (const go of waiting) go();
  for (const client of clients) {
    expect((await client.responses(1))[0]?.status).toBe(200);
    client.socket.destroy();
  }
});

test('a response that comes before the request is complete stands, and the rest of the request is not sent', async () => {
  await using origin = await startHttp2Origin((server, id) => server.respond(id, 'early'));
  await using proxy = await startProxy([{ endpoints: [origin.port], policy: HTTP2 }]);
  using client = await connectRaw(proxy.port);
  client.send('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\npart');
  await eventually(() => client.received.includes('early'));
  await eventually(() => origin.connections[0]?.resetOf(1) === ErrorCode.cancel);
});

test('1xx and trailers pass, and HEAD, 204 and 304 have no body', async () => {
  await using origin = await startHttp2Origin((server, id) => {
    const [method, path] = ['HEAD', '/204', '/304', '/trailers'].map((word) =>
      server.heads(id)[0]?.some((line) => line.endsWith(word)),
    );
    if (method) return server.request(id, [...OK, ['content-length', '10']]);
    const status = path ? '204' : server.heads(id)[0]?.includes(':path: /304') ? '304' : '';
    if (status !== '') return server.request(id, [[':status', status]]);
    server.request(
      id,
      [
        [':status', '103'],
        ['link', '</a>'],
      ],
      false,
    );
    server.request(id, OK, false);
    server.data(id, 'body');
    server.send(frame(FrameType.headers, Flag.endHeaders | Flag.endStream, id, block([['x-sum', 'abc']])));
  });
  await using proxy = await startProxy([{ endpoints: [origin.port], policy: HTTP2 }]);
  using client = await connectRaw(proxy.port);
  client.send('HEAD / HTTP/1.1\r\nHost: a\r\n\r\n');
  await eventually(() => /content-length: 10\r\n/i.test(client.received));
  client.send('GET /204 HTTP/1.1\r\nHost: a\r\n\r\n');
  await eventually(() => client.received.includes('204 No Content'));
  client.send('GET /304 HTTP/1.1\r\nHost: a\r\n\r\n');
  await eventually(() => client.received.includes('304 Not Modified'));
  client.send('GET /trailers HTTP/1.1\r\nHost: a\r\nTE: trailers\r\n\r\n');
  await eventually(() => client.received.includes('x-sum: abc\r\n\r\n'));
  expect(client.received).toContain('HTTP/1.1 103');
  expect(client.received).toContain('4\r\nbody\r\n0\r\nx-sum: abc\r\n\r\n');
});

test('one client that reads nothing holds up nobody else, and no more than its window is held', async () => {
  await using origin = await startHttp2Origin((server, id) => {
    if (id > 1) return server.respond(id, 'quick');
    server.isPolite = false;
    server.request(id, OK, false);
    for (let i = 0; i < 4; i++) server.data(id, 'x'.repeat(16_000));
  });
  await using proxy = await startProxy([{ endpoints: [origin.port], policy: HTTP2 }], {
    upstreamHttp2: {
      maxConcurrentStreams: 10,
      streamWindowBytes: 65_536,
      pingIntervalMs: 20_000,
      pingTimeoutMs: 10_000,
    },
  });
  using client = await connectRaw(proxy.port);
  client.socket.pause();
  client.send('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
  await eventually(() => origin.connections.length === 1);
  expect(await ask(proxy.port, '/other')).toBe('200 quick');
  expect(origin.connections).toHaveLength(1);
});

test('silence while a request runs is looked into; who does not answer a PING is gone', async () => {
  await using origin = await startHttp2Origin((server) => {
    server.isPolite = false;
  });
  await using proxy = await startDataPath([{ endpoints: [origin.port], policy: { ...HTTP2, maxAttempts: 1 } }]);
  const answer = ask(proxy.port);
  await eventually(() => origin.connections[0]?.requests.length === 1);
  await eventually(() => origin.connections[0]?.framesOf(FrameType.settings).length === 2);
  proxy.pass(20_100);
  proxy.pass(20_100);
  await eventually(() => origin.connections[0]?.framesOf(FrameType.ping).length === 1);
  proxy.pass(10_100);
  expect(await answer).toMatch(/^504 /);
});

test('an idle connection ends after upstream-keepalive-timeout, and leaves nothing', async () => {
  await using origin = await startHttp2Origin((server, id) => server.respond(id, 'ok'));
  await using proxy = await startDataPath([{ endpoints: [origin.port], policy: HTTP2 }], {
    upstreamKeepAliveTimeoutMs: 10_000,
  });
  expect(await ask(proxy.port)).toBe('200 ok');
  expect(proxy.leftovers()).toMatchObject({ upstreamConnections: 1, inFlight: 0 });
  proxy.pass(10_200);
  expect(proxy.leftovers()).toMatchObject({ upstreamConnections: 0 });
  await origin.connections[0]?.closed();
  expect(origin.connections[0]?.goAway?.code).toBe(ErrorCode.noError);
});
