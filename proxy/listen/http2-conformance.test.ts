// RFC 9113 on the wire: what a server must refuse, how it must refuse it, and that nothing of it reaches an origin.
// docs/http2.md lists these tests beside the rules.

import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { type RawOrigin, startReplyingOrigin } from '../forward/testing/origin.ts';
import { startProxy, type TestProxy } from '../forward/testing/test-proxy.ts';
import { CLIENT_PREFACE, ErrorCode, Flag, FrameType } from '../http2/protocol.ts';
import { defaultHttp2 } from '../table/defaults.ts';
import {
  block,
  connectHttp2,
  type Fields,
  frame,
  GET,
  type Http2Client,
  POST,
  uint32,
} from './testing/http2-client.ts';

const { data, headers, priority, rstStream, settings, pushPromise, ping, goAway, windowUpdate, continuation } =
  FrameType;

let origin: RawOrigin;
let proxy: TestProxy;

beforeAll(async () => {
  origin = await startReplyingOrigin('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
  proxy = await startProxy([{ endpoints: [origin.port] }], { http2: { ...defaultHttp2, hasPriorKnowledge: true } });
});

afterAll(async () => {
  await proxy[Symbol.asyncDispose]();
  await origin[Symbol.asyncDispose]();
});

async function connect(): Promise<Http2Client> {
  return (await connectHttp2(proxy.port)).greet();
}

function setting(id: number, value: number): Buffer {
  const out = Buffer.alloc(6);
  out.writeUInt16BE(id);
  out.writeUInt32BE(value, 2);
  return out;
}

/** Fields of GET with one more. */
function withField(name: string, value: string): Fields {
  return [...GET, [name, value]];
}

function without(name: string, from: Fields = GET): Fields {
  return from.filter(([each]) => each !== name);
}

function seenByOrigin(): number {
  return origin.received.join('').length;
}

describe('connection errors', () => {
  const { protocolError, frameSizeError, flowControlError, streamClosed, compressionError } = ErrorCode;
  const openStream = frame(headers, Flag.endHeaders, 1, block(POST));
  const finished = frame(headers, Flag.endHeaders | Flag.endStream, 1, block(GET));

  test.each([
    ['§4.2 a frame above SETTINGS_MAX_FRAME_SIZE', frame(data, 0, 1, Buffer.alloc(16_385)), frameSizeError],
    ['§4.3 a header block that cannot be decoded', frame(headers, 5, 1, '\x80'), compressionError],
    [
      '§4.3 trailers that cannot be decoded',
      Buffer.concat([openStream, frame(headers, 5, 1, '\x80')]),
      compressionError,
    ],
    ['§5.1 DATA on an idle stream', frame(data, 0, 1, 'a'), protocolError],
    ['§5.1 RST_STREAM on an idle stream', frame(rstStream, 0, 1, uint32(8)), protocolError],
    ['§5.1 WINDOW_UPDATE on an idle stream', frame(windowUpdate, 0, 1, uint32(1)), protocolError],
    ['§5.1.1 HEADERS with an even number', frame(headers, 5, 2, block(GET)), protocolError],
    ['§6.1 DATA on stream 0', frame(data, 0, 0, 'a'), protocolError],
    ['§6.1 DATA padded beyond its payload', Buffer.concat([openStream, frame(data, 8, 1, '\x05abc')]), protocolError],
    ['§6.2 HEADERS on stream 0', frame(headers, 5, 0, block(GET)), protocolError],
    ['§6.2 HEADERS padded beyond its payload', frame(headers, 0xd, 1, '\x05abc'), protocolError],
    [
      '§6.2 another frame in a header block',
      Buffer.concat([frame(headers, 1, 1, ''), frame(ping, 0, 0, '12345678')]),
      protocolError,
    ],
    [
      '§6.2 another stream in a header block',
      Buffer.concat([frame(headers, 1, 1, ''), frame(headers, 5, 3, block(GET))]),
      protocolError,
    ],
    ['§6.3 PRIORITY on stream 0', frame(priority, 0, 0, '12345'), protocolError],
    ['§6.3 PRIORITY of a wrong size', frame(priority, 0, 1, '1234'), frameSizeError],
    ['§6.4 RST_STREAM on stream 0', frame(rstStream, 0, 0, uint32(8)), protocolError],
    ['§6.4 RST_STREAM of a wrong size', Buffer.concat([openStream, frame(rstStream, 0, 1, '12345')]), frameSizeError],
    ['§6.5 SETTINGS on a stream', frame(settings, 0, 1), protocolError],
    ['§6.5 SETTINGS ACK with payload', frame(settings, Flag.ack, 0, setting(3, 1)), frameSizeError],
    ['§6.5 SETTINGS of a wrong size', frame(settings, 0, 0, '12345'), frameSizeError],
    ['§6.5.2 ENABLE_PUSH other than 0 or 1', frame(settings, 0, 0, setting(2, 2)), protocolError],
    ['§6.5.2 INITIAL_WINDOW_SIZE above 2^31-1', frame(settings, 0, 0, setting(4, 0x80000000)), flowControlError],
    ['§6.5.2 MAX_FRAME_SIZE below 16,384', frame(settings, 0, 0, setting(5, 16_383)), protocolError],
    ['§6.5.2 MAX_FRAME_SIZE above 2^24-1', frame(settings, 0, 0, setting(5, 0x1000000)), protocolError],
    ['§6.6 PUSH_PROMISE from a client', frame(pushPromise, 4, 1, uint32(2)), protocolError],
    ['§6.7 PING on a stream', frame(ping, 0, 1, '12345678'), protocolError],
    ['§6.7 PING of a wrong size', frame(ping, 0, 0, '1234567'), frameSizeError],
    ['§6.8 GOAWAY on a stream', frame(goAway, 0, 1, Buffer.alloc(8)), protocolError],
    ['§6.9 WINDOW_UPDATE of a wrong size', frame(windowUpdate, 0, 0, '12345'), frameSizeError],
    ['§6.9 WINDOW_UPDATE of 0 on the connection', frame(windowUpdate, 0, 0, uint32(0)), protocolError],
    ['§6.9.1 a connection window above 2^31-1', frame(windowUpdate, 0, 0, uint32(0x7fffffff)), flowControlError],
    ['§6.10 CONTINUATION without a block', frame(continuation, 4, 1, block(GET)), protocolError],
    [
      '§6.10 CONTINUATION behind END_HEADERS',
      Buffer.concat([openStream, frame(continuation, 4, 1, '')]),
      protocolError,
    ],
    ['§6.10 CONTINUATION on stream 0', frame(continuation, 4, 0, ''), protocolError],
    [
      'RFC 9218 §7.1 PRIORITY_UPDATE of an even stream',
      frame(FrameType.priorityUpdate, 0, 0, Buffer.concat([uint32(2), Buffer.from('u=1')])),
      protocolError,
    ],
    ['RFC 8441 §3 ENABLE_CONNECT_PROTOCOL other than 0 or 1', frame(settings, 0, 0, setting(8, 2)), protocolError],
    [
      '§6.9.2 a window above 2^31-1 by a setting',
      Buffer.concat([
        openStream,
        frame(windowUpdate, 0, 1, uint32(0x7fff0000)),
        frame(settings, 0, 0, setting(4, 0x7fffffff)),
      ]),
      flowControlError,
    ],
  ])('%s', async (_name, bytes, code) => {
    using client = await connect();
    client.send(bytes);
    await client.closed();
    expect(client.goAway?.code).toBe(code);
  });

  test('§5.1 HEADERS on a stream that has ended is STREAM_CLOSED', async () => {
    using client = await connect();
    client.send(finished);
    await client.response(1);
    client.send(finished);
    await client.closed();
    expect(client.goAway).toMatchObject({ code: streamClosed, lastStreamId: 1 });
  });

  test('§5.1 DATA on a stream that has ended is STREAM_CLOSED', async () => {
    using client = await connect();
    client.send(finished);
    await client.response(1);
    client.data(1, 'late');
    await client.closed();
    expect(client.goAway?.code).toBe(streamClosed);
  });

  test('§5.1.1 a stream number lower than one before', async () => {
    using client = await connect();
    client.request(5, GET);
    await client.response(5);
    client.request(3, GET);
    await client.closed();
    expect(client.goAway).toMatchObject({ code: streamClosed, lastStreamId: 5 });
  });

  test.each([
    ['bytes that are no preface', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\r'],
    ['another frame than SETTINGS first', `${CLIENT_PREFACE}${frame(ping, 0, 0, '12345678').latin1Slice()}`],
    ['SETTINGS ACK first', `${CLIENT_PREFACE}${frame(settings, Flag.ack, 0).latin1Slice()}`],
  ])('§3.4 %s', async (name, text) => {
    using client = await connectHttp2(proxy.port);
    client.send(Buffer.from(text, 'latin1'));
    await client.closed();
    // What is no preface is HTTP/1.1 here, and gets its 400.
    if (name !== 'bytes that are no preface') expect(client.goAway?.code).toBe(protocolError);
    else expect(client.frames.map(({ type }) => type)).not.toContain(settings);
  });
});

describe('stream errors leave the connection alone', () => {
  const { protocolError, streamClosed, flowControlError } = ErrorCode;
  const malformed: ReadonlyArray<readonly [string, Fields]> = [
    ['§8.2.1 upper case in a name', withField('X-Upper', '1')],
    ['§8.2.1 a space in a name', withField('x y', '1')],
    ['§8.2.1 a control byte in a name', withField('x\x01', '1')],
    ['§8.2.1 a byte above 0x7f in a name', withField('x\xe4', '1')],
    ['§8.2.1 a colon in a name', withField('x:y', '1')],
    ['§8.2.1 an empty name', withField('', '1')],
    ['§8.2.1 CR in a value', withField('x', 'a\rb')],
    ['§8.2.1 LF in a value', withField('x', 'a\nGET /evil HTTP/1.1')],
    ['§8.2.1 NUL in a value', withField('x', 'a\0b')],
    ['§8.2.1 a value with a leading space', withField('x', ' a')],
    ['§8.2.1 a value with a trailing tab', withField('x', 'a\t')],
    ['§8.2.2 connection', withField('connection', 'close')],
    ['§8.2.2 keep-alive', withField('keep-alive', '1')],
    ['§8.2.2 proxy-connection', withField('proxy-connection', 'close')],
    ['§8.2.2 transfer-encoding', withField('transfer-encoding', 'chunked')],
    ['§8.2.2 upgrade', withField('upgrade', 'h2c')],
    ['§8.2.2 te other than trailers', withField('te', 'gzip')],
    ['§8.3 an unknown pseudo-header field', [...GET, [':foo', '1']]],
    ['§8.3 a response pseudo-header field', [...GET, [':status', '200']]],
    ['§8.3 a pseudo-header field behind others', [...GET.slice(0, 3), ['x', '1'], [':path', '/']]],
    ['§8.3.1 no :method', without(':method')],
    ['§8.3.1 no :scheme', without(':scheme')],
    ['§8.3.1 no :path', without(':path')],
    ['§8.3.1 an empty :path', [...without(':path'), [':path', '']]],
    ['§8.3.1 several :method', [[':method', 'GET'], ...GET]],
    ['§8.3.1 several :scheme', [[':scheme', 'http'], ...GET]],
    ['§8.3.1 several :authority', [[':authority', 'one.test'], ...GET]],
    ['§8.3.1 several :path', [[':path', '/'], ...GET]],
    ['§8.3.1 a space in :path', [...without(':path'), [':path', '/a HTTP/1.1']]],
    ['§8.3.1 CR LF in :path', [...without(':path'), [':path', '/\r\nx: y']]],
    ['§8.3.1 a space in :method', [[':method', 'GET / HTTP/1.1'], ...without(':method')]],
    ['§8.3.1 another :scheme', [...without(':scheme'), [':scheme', 'ftp']].reverse() as Fields],
    [
      '§8.5 CONNECT with :path',
      [
        [':method', 'CONNECT'],
        [':authority', 'a:80'],
        [':path', '/'],
      ],
    ],
    [
      '§8.5 CONNECT with :scheme',
      [
        [':method', 'CONNECT'],
        [':authority', 'a:80'],
        [':scheme', 'http'],
      ],
    ],
    ['§8.5 CONNECT without :authority', [[':method', 'CONNECT']]],
    ['RFC 8441 §4 :protocol without CONNECT', [[':protocol', 'websocket'], ...GET]],
    ['§8.1.1 content-length without DATA', withField('content-length', '3')],
    ['§8.1.1 several content-length', [...GET, ['content-length', '0'], ['content-length', '0']]],
    ['§8.1.1 a content-length that is no number', withField('content-length', '+0')],
  ];

  test.each(malformed)('%s', async (_name, fields) => {
    using client = await connect();
    const before = seenByOrigin();
    client.request(1, fields);
    await client.until(() => client.resetOf(1) !== -1);
    expect(client.resetOf(1)).toBe(protocolError);
    expect(seenByOrigin()).toBe(before);
    // The table of the decoder is in step, and the connection goes on.
    client.request(3, GET);
    expect((await client.response(3)).body).toBe('ok');
  });

  test.each([
    ['more DATA than content-length', ['abcd'], false],
    ['less DATA than content-length', ['ab'], true],
    ['no DATA at all', [''], true],
  ] as const)('§8.1.1 %s', async (_name, pieces, isLast) => {
    using client = await connect();
    client.request(1, [...POST, ['content-length', '3']], false);
    for (const piece of pieces) client.data(1, piece, isLast);
    await client.until(() => client.resetOf(1) !== -1);
    expect(client.resetOf(1)).toBe(protocolError);
  });

  test.each([
    ['trailers without END_STREAM', frame(headers, Flag.endHeaders, 1, block([['x-t', '1']]))],
    ['a pseudo-header field in trailers', frame(headers, 5, 1, block([[':path', '/']]))],
    ['a connection-specific field in trailers', frame(headers, 5, 1, block([['connection', 'close']]))],
  ])('§8.1 %s', async (_name, trailers) => {
    using client = await connect();
    client.request(1, POST, false);
    client.send(trailers);
    await client.until(() => client.resetOf(1) !== -1);
    expect(client.resetOf(1)).toBe(protocolError);
  });

  test('§5.1 DATA behind END_STREAM, while the response is still to come', async () => {
    using client = await connectHttp2(proxy.port);
    client.greet();
    // In one write, so that the upstream cannot have answered yet.
    client.send(frame(headers, 5, 1, block(GET)), frame(data, 0, 1, 'late'));
    await client.until(() => client.resetOf(1) !== -1);
    expect(client.resetOf(1)).toBe(streamClosed);
  });

  test('§6.9 WINDOW_UPDATE of 0 on a stream', async () => {
    using client = await connect();
    client.send(frame(headers, 4, 1, block(POST)), frame(windowUpdate, 0, 1, uint32(0)));
    await client.until(() => client.resetOf(1) !== -1);
    expect(client.resetOf(1)).toBe(protocolError);
  });

  test('§6.9.1 a stream window above 2^31-1', async () => {
    using client = await connect();
    client.send(frame(headers, 4, 1, block(POST)), frame(windowUpdate, 0, 1, uint32(0x7fffffff)));
    await client.until(() => client.resetOf(1) !== -1);
    expect(client.resetOf(1)).toBe(flowControlError);
  });
});

describe('answers with a status, as HTTP/1.1 gives', () => {
  test.each([
    [
      '§8.5 CONNECT',
      [
        [':method', 'CONNECT'],
        [':authority', 'a:80'],
      ],
      '405',
    ],
    [
      'extended CONNECT for another protocol',
      [[':method', 'CONNECT'], [':protocol', 'connect-udp'], ...GET.slice(1)],
      '405',
    ],
    ['TRACE', [[':method', 'TRACE'], ...GET.slice(1)], '405'],
    ['a method in lower case', [[':method', 'get'], ...GET.slice(1)], '400'],
    ['a method of 33 letters', [[':method', 'A'.repeat(33)], ...GET.slice(1)], '400'],
    ['§8.3.1 :authority and Host that differ', [...GET, ['host', 'other.test']], '400'],
    ['neither :authority nor Host', without(':authority'), '400'],
    [
      '§8.3.1 userinfo in :authority',
      [...without(':authority').slice(0, 2), [':authority', 'u@one.test'], [':path', '/']],
      '400',
    ],
    ['asterisk-form', [...without(':path'), [':path', '*']], '400'],
    ['.. above the root', [...without(':path'), [':path', '/../a']], '400'],
    ['another expectation', [...GET, ['expect', '200-ok']], '417'],
    ['a header line beyond large-client-header-buffers', [...GET, ['x', 'y'.repeat(9000)]], '431'],
    ['too many header lines', [...GET, ...Array.from({ length: 101 }, (_, i) => [`x-${i}`, '1'] as const)], '431'],
    ['a path beyond large-client-header-buffers', [...without(':path'), [':path', `/${'a'.repeat(9000)}`]], '414'],
  ] as ReadonlyArray<readonly [string, Fields, string]>)('%s', async (_name, fields, status) => {
    using client = await connect();
    const before = seenByOrigin();
    client.request(1, fields);
    expect((await client.response(1)).head[0]).toBe(`:status: ${status}`);
    expect(seenByOrigin()).toBe(before);
  });

  test('a head beyond the header list limit is 431, and the connection goes on', async () => {
    using client = await connect();
    const fields = [...GET, ...Array.from({ length: 5 }, (_, i) => [`x-${i}`, 'y'.repeat(7000)] as const)];
    const bytes = block(fields);
    client.send(
      frame(headers, Flag.endStream, 1, bytes.subarray(0, 16_384)),
      frame(continuation, 0, 1, bytes.subarray(16_384, 32_768)),
      frame(continuation, Flag.endHeaders, 1, bytes.subarray(32_768)),
    );
    expect((await client.response(1)).head[0]).toBe(':status: 431');
    client.request(3, GET);
    expect((await client.response(3)).body).toBe('ok');
  });
});

describe('must be accepted', () => {
  test('§3.4 SETTINGS first, and an ACK for ours', async () => {
    using client = await connect();
    await client.until(() => client.frames.some(({ type, flags }) => type === settings && flags === Flag.ack));
    expect(client.frames[0]).toMatchObject({ type: settings, flags: 0, streamId: 0 });
  });

  test('§5.5 unknown frame types, flags and settings are ignored', async () => {
    using client = await connect();
    client.send(
      frame(0xbb, 0xff, 0, 'anything'),
      frame(settings, 0, 0, setting(0xfafa, 1)),
      frame(ping, 0xf0, 0, '12345678'),
    );
    client.request(1, GET);
    expect((await client.response(1)).body).toBe('ok');
  });

  test('§6.7 PING is answered with its payload', async () => {
    using client = await connect();
    client.send(frame(ping, 0, 0, 'abcdefgh'));
    await client.until(() =>
      client.frames.some(({ type, payload }) => type === ping && payload.latin1Slice() === 'abcdefgh'),
    );
  });

  test('§5.3.2 deprecated priority signals are read over', async () => {
    using client = await connect();
    client.send(frame(priority, 0, 3, Buffer.from([0, 0, 0, 0, 15])));
    client.send(frame(headers, 0x25, 1, Buffer.concat([Buffer.from([0x80, 0, 0, 3, 255]), block(GET)])));
    expect((await client.response(1)).body).toBe('ok');
  });

  test('§6.1, §6.2 padding', async () => {
    using client = await connect();
    client.send(frame(headers, 0xc, 1, Buffer.concat([Buffer.from([4]), block(POST), Buffer.alloc(4)])));
    client.send(frame(data, 9, 1, '\x03hello\0\0\0'));
    expect((await client.response(1)).body).toBe('ok');
    expect(origin.received.join('')).toContain('hello');
  });

  test('§6.10 a header block in several frames, empty ones too', async () => {
    using client = await connect();
    const bytes = block(GET);
    client.send(
      frame(headers, Flag.endStream, 1, bytes.subarray(0, 5)),
      frame(continuation, 0, 1, ''),
      frame(continuation, Flag.endHeaders, 1, bytes.subarray(5)),
    );
    expect((await client.response(1)).body).toBe('ok');
  });

  test('§8.2.3 cookie crumbs are put together', async () => {
    using client = await connect();
    client.request(1, [...GET, ['cookie', 'a=1'], ['x-between', '1'], ['cookie', 'b=2']]);
    await client.response(1);
    expect(origin.received.join('')).toContain('cookie: a=1; b=2\r\n');
  });

  test('§8.3.1 Host instead of :authority, and both when they agree', async () => {
    using client = await connect();
    client.request(1, [...without(':authority'), ['host', 'only-host.test']]);
    await client.response(1);
    client.request(3, [...GET, ['host', 'ONE.test']]);
    expect((await client.response(3)).body).toBe('ok');
    expect(origin.received.join('')).toContain('Host: only-host.test\r\n');
  });

  test('§8.1 trailers behind the request payload', async () => {
    using client = await connect();
    client.request(1, POST, false);
    client.data(1, 'body');
    client.send(frame(headers, 5, 1, block([['x-trailer', '1']])));
    expect((await client.response(1)).body).toBe('ok');
  });

  test('§5.1 frames for a stream that we reset are ignored', async () => {
    using client = await connect();
    client.request(1, withField('upgrade', 'x'), false);
    await client.until(() => client.resetOf(1) !== -1);
    client.data(1, 'on its way');
    client.send(
      frame(headers, 5, 1, block([['x-t', '1']])),
      frame(windowUpdate, 0, 1, uint32(5)),
      frame(rstStream, 0, 1, uint32(8)),
    );
    client.request(3, GET);
    expect((await client.response(3)).body).toBe('ok');
  });

  test('§5.1 WINDOW_UPDATE, RST_STREAM and PRIORITY for a stream that has ended', async () => {
    using client = await connect();
    client.request(1, GET);
    await client.response(1);
    client.send(
      frame(windowUpdate, 0, 1, uint32(5)),
      frame(rstStream, 0, 1, uint32(8)),
      frame(priority, 0, 1, Buffer.from([0, 0, 0, 0, 15])),
    );
    client.request(3, GET);
    expect((await client.response(3)).body).toBe('ok');
  });

  test('§5.4.2 RST_STREAM is not answered with RST_STREAM', async () => {
    using client = await connect();
    client.request(1, POST, false);
    client.send(frame(rstStream, 0, 1, uint32(8)));
    await client.settled();
    client.request(3, GET);
    await client.response(3);
    expect(client.resetOf(1)).toBe(-1);
  });

  test('§6.5.2 our SETTINGS say nothing about pushes', async () => {
    using client = await connect();
    await client.settled();
    const payload = client.frames[0]?.payload ?? Buffer.alloc(0);
    const ids = Array.from({ length: payload.length / 6 }, (_, i) => payload.readUInt16BE(6 * i));
    expect(ids).toContain(3);
    expect(ids).not.toContain(2);
  });

  test('§6.7 PING ACK is not answered', async () => {
    using client = await connect();
    client.send(frame(ping, Flag.ack, 0, 'unasked!'));
    await client.settled();
    const pings = client.frames.filter(({ type }) => type === ping).map(({ payload }) => payload.latin1Slice());
    expect(pings).toEqual(['settled!']);
  });

  test('§6.9 DATA for a stream that we reset gives the connection its window back', async () => {
    using client = await connect();
    client.request(1, withField('upgrade', 'x'), false);
    await client.until(() => client.resetOf(1) !== -1);
    const { connectionWindowBytes } = defaultHttp2;
    const piece = Buffer.alloc(16_384);
    // More than half of the window: so much is told of at the latest.
    const pieces = Math.ceil((connectionWindowBytes * 0.6) / piece.length);
    for (let i = 0; i < pieces; i++) client.data(1, piece);
    const given = () =>
      client.frames
        .filter(({ type, streamId }) => type === windowUpdate && streamId === 0)
        .slice(1)
        .reduce((sum, { payload }) => sum + payload.readUInt32BE(0), 0);
    await client.until(() => given() >= connectionWindowBytes / 2);
  });

  test('§6.9.1 a response without payload needs no window', async () => {
    using client = await connectHttp2(proxy.port);
    client.isPolite = false;
    client.greet(setting(4, 0));
    client.request(1, [[':method', 'HEAD'], ...GET.slice(1)]);
    expect((await client.response(1)).head[0]).toBe(':status: 200');
  });

  test('§8.2.2 te: trailers', async () => {
    using client = await connect();
    client.request(1, withField('te', 'trailers'));
    expect((await client.response(1)).body).toBe('ok');
  });

  test('§8.3.2 a response has :status once, before all others', async () => {
    using client = await connect();
    client.request(1, GET);
    const { head } = await client.response(1);
    expect(head[0]).toBe(':status: 200');
    expect(head.slice(1).filter((line) => line.startsWith(':'))).toEqual([]);
  });

  test('§6.9.2 a window that a setting makes negative, and that grows again', async () => {
    using client = await connectHttp2(proxy.port);
    client.isPolite = false;
    client.greet(setting(4, 0));
    client.request(1, GET);
    await client.until(() => client.heads(1).length === 1);
    await client.settled();
    expect(client.body(1)).toBe('');
    client.send(frame(settings, 0, 0, setting(4, 1)));
    await client.until(() => client.body(1) === 'o');
    client.send(frame(windowUpdate, 0, 1, uint32(10)));
    expect((await client.response(1)).body).toBe('ok');
  });
});
