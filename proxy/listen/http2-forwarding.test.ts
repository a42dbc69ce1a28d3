// HTTP/2 as real clients speak it (node:http2, over TLS): bodies both ways, trailers, windows, priorities, ends, WebSocket.

import { once } from 'node:events';
import http2 from 'node:http2';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { generate } from 'selfsigned';
import { WebSocketServer } from 'ws';
import { type HttpOrigin, startHttpOrigin, startRawOrigin } from '../forward/testing/origin.ts';
import { STREAMED, TestProxy, tableOf } from '../forward/testing/test-proxy.ts';
import { ErrorCode, Flag, FrameType } from '../http2/protocol.ts';
import { defaultHttp2 } from '../table/defaults.ts';
import type { CertificateMaterial, GlobalSettings, Http2Settings, RoutePolicy } from '../table/types.ts';
import { connectHttp2, connectSecureHttp2, frame, GET, POST, uint32 } from './testing/http2-client.ts';

const BIG = Buffer.from(Array.from({ length: 3_000_000 }, (_, i) => (i * 7) & 0xff));

let material: CertificateMaterial;
let origin: HttpOrigin;

beforeAll(async () => {
  const pair = await generate([{ name: 'commonName', value: 'one.test' }], { keyType: 'ec' });
  material = { id: 'one', certPem: pair.cert, keyPem: pair.private };
  origin = await startHttpOrigin((request, response) => {
    switch (request.url) {
      case '/big':
        return response.end(BIG);
      case '/echo':
        return request.pipe(response);
      case '/trailers':
        response.write('body');
        response.addTrailers({ 'X-Checksum': 'abc' });
        return response.end();
      case '/early':
        return response.writeEarlyHints({ link: '</a.css>; rel=preload' }, () => response.end('late'));
      case '/head':
        response.setHeader('content-length', '12345');
        return response.end();
      case '/refuses':
        return response.writeHead(403).end('no');
      case '/never':
        return undefined;
      default:
        response.setHeader('x-seen', JSON.stringify(request.headers));
        return response.end('ok');
    }
  });
  const sockets = new WebSocketServer({ noServer: true });
  origin.server.on('upgrade', (request, socket, head) => {
    sockets.handleUpgrade(request, socket, head, (each) => {
      each.on('message', (message, isBinary) => each.send(message, { binary: isBinary }));
    });
  });
});

afterAll(() => origin[Symbol.asyncDispose]());

async function startProxy(
  http: Partial<Http2Settings> = {},
  global: Partial<GlobalSettings> = {},
  policy: Partial<RoutePolicy> = {},
): Promise<TestProxy> {
  const proxy = new TestProxy();
  const settings = {
    http2: { ...defaultHttp2, hasPriorKnowledge: true, ...http },
    defaultCertificate: 'one',
    ...global,
  };
  const table = tableOf([{ endpoints: [origin.port], policy: { maxBodyBytes: null, ...policy } }], settings);
  const info = { id: 'one', secret: '', commonName: 'one', dnsNames: [], notBeforeMs: 0, notAfterMs: 0 };
  const certificate = {
    ...info,
    serialNumber: '1',
    issuerCommonName: '',
    issuerOrganization: '',
    publicKeyAlgorithm: 'ECDSA',
  };
  proxy.publish({ ...table, certificates: [certificate] }, [material]);
  await proxy.listen();
  return proxy.listenTls();
}

interface Answer {
  readonly headers: http2.IncomingHttpHeaders & http2.IncomingHttpStatusHeader;
  readonly body: Buffer;
  readonly trailers: http2.IncomingHttpHeaders;
}

async function ask(
  session: http2.ClientHttp2Session,
  headers: http2.OutgoingHttpHeaders,
  body?: Buffer,
): Promise<Answer> {
  const stream = session.request(headers, { endStream: body === undefined });
  if (body !== undefined) stream.end(body);
  let trailers: http2.IncomingHttpHeaders = {};
  stream.on('trailers', (received) => {
    trailers = received;
  });
  const [answered] = await once(stream, 'response');
  const parts: Buffer[] = [];
  for await (const part of stream) parts.push(part as Buffer);
  return { headers: answered as Answer['headers'], body: Buffer.concat(parts), trailers };
}

function connect(proxy: TestProxy): http2.ClientHttp2Session {
  const session = http2.connect(`https://127.0.0.1:${proxy.tlsPort}`, {
    rejectUnauthorized: false,
    // Node's own limit for what a session holds, in megabytes: the uploads below are more than its default of 10.
    maxSessionMemory: 100,
  });
  session.on('error', () => {});
  return session;
}

describe('node:http2', () => {
  let proxy: TestProxy;
  let session: http2.ClientHttp2Session;

  beforeAll(async () => {
    proxy = await startProxy();
    session = connect(proxy);
  });

  afterAll(async () => {
    session.destroy();
    await proxy[Symbol.asyncDispose]();
  });

  test('requests with the same forwarding headers as HTTP/1.1', async () => {
    const { headers } = await ask(session, { ':path': '/a?b=c', ':authority': 'one.test:8443', 'x-own': 'v' });
    expect(headers[':status']).toBe(200);
    expect(headers['strict-transport-security']).toBe('max-age=31536000; includeSubDomains');
    expect(JSON.parse(String(headers['x-seen']))).toMatchObject({
      host: 'one.test:8443',
      'x-forwarded-proto': 'https',
      'x-forwarded-for': '127.0.0.1',
      'x-forwarded-host': 'one.test:8443',
      'x-own': 'v',
    });
  });

  test('drops the headers that only some servers tell apart, as HTTP/1.1', async () => {
    const odd = { 'x.real.ip': '1', x_real_ip: '2', 'x!y': '3', 'x-real': '4' };
    const { headers } = await ask(session, { ':path': '/', ...odd });
    const seen = JSON.parse(String(headers['x-seen']));
    expect(Object.keys(seen).filter((name) => name in odd)).toEqual(['x-real']);
  });

  test('a large response, byte by byte the same', async () => {
    const { body } = await ask(session, { ':path': '/big' });
    expect(body.equals(BIG)).toBe(true);
  });

  test('a large request and response through each other, many at a time', async () => {
    const all = Array.from({ length: 8 }, () => ask(session, { ':path': '/echo', ':method': 'POST' }, BIG));
    for (const { body } of await Promise.all(all)) expect(body.equals(BIG)).toBe(true);
  });

  test('an empty body that ends with an empty DATA frame', async () => {
    const { body } = await ask(session, { ':path': '/echo', ':method': 'POST' }, Buffer.alloc(0));
    expect(body).toHaveLength(0);
  });

  test('trailers of the response', async () => {
    const { body, trailers } = await ask(session, { ':path': '/trailers' });
    expect(body.toString()).toBe('body');
    expect(trailers['x-checksum']).toBe('abc');
  });

  test('HEAD keeps the length and has no body', async () => {
    const { headers, body } = await ask(session, { ':path': '/head', ':method': 'HEAD' });
    expect(headers['content-length']).toBe('12345');
    expect(body).toHaveLength(0);
  });

  test('103 goes before the response', async () => {
    const stream = session.request({ ':path': '/early' });
    const [early] = await once(stream, 'headers');
    expect(early).toMatchObject({ ':status': 103 });
    const [answered] = await once(stream, 'response');
    expect(answered).toMatchObject({ ':status': 200 });
    stream.close();
  });

  test('Expect: 100-continue', async () => {
    const stream = session.request({ ':path': '/echo', ':method': 'POST', expect: '100-continue' });
    await once(stream, 'continue');
    stream.end('now');
    const parts: Buffer[] = [];
    for await (const part of stream) parts.push(part as Buffer);
    expect(Buffer.concat(parts).toString()).toBe('now');
  });

  test('a cancelled request leaves the others alone', async () => {
    const stream = session.request({ ':path': '/never' });
    stream.on('error', () => {});
    stream.close(http2.constants.NGHTTP2_CANCEL);
    await once(stream, 'close');
    expect((await ask(session, { ':path': '/' })).body.toString()).toBe('ok');
  });

  test('WebSocket over extended CONNECT, both ways and to its end', async () => {
    const stream = session.request({
      ':method': 'CONNECT',
      ':protocol': 'websocket',
      ':path': '/ws',
      'sec-websocket-version': '13',
    });
    const [answered] = await once(stream, 'response');
    expect(answered).toMatchObject({ ':status': 200 });
    expect(answered).not.toHaveProperty('sec-websocket-accept');
    // A masked text frame "hi", then a close frame.
    stream.write(Buffer.from([0x81, 0x82, 1, 2, 3, 4, 0x68 ^ 1, 0x69 ^ 2]));
    const [echoed] = await once(stream, 'data');
    expect(echoed).toEqual(Buffer.from([0x81, 2, 0x68, 0x69]));
    stream.end(Buffer.from([0x88, 0x80, 1, 2, 3, 4]));
    stream.resume();
    await once(stream, 'close');
  });

  test('a WebSocket that the upstream refuses gets its answer', async () => {
    await using refusing = await startRawOrigin((socket) =>
      socket.write('HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno'),
    );
    const own = new TestProxy();
    own.publish(tableOf([{ endpoints: [refusing.port] }], { http2: { ...defaultHttp2, hasPriorKnowledge: true } }));
    await own.listen();
    using client = (await connectHttp2(own.port)).greet();
    client.request(1, [[':method', 'CONNECT'], [':protocol', 'websocket'], ...GET.slice(1)], false);
    expect((await client.response(1)).head[0]).toBe(':status: 403');
    expect(refusing.received[0]).toMatch(/upgrade: websocket\r\nConnection: upgrade/i);
    await own[Symbol.asyncDispose]();
  });

  test.each([
    ['a 101 without Sec-WebSocket-Accept', 'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\nevil'],
    ['the accept value of another key', `HTTP/1.1 101 S\r\nSec-WebSocket-Accept: ${'A'.repeat(27)}=\r\n\r\nevil`],
    ['a 200 that ignores the upgrade', 'HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil'],
  ])('a WebSocket that the upstream answers with %s is a 502, in the log too', async (_name, reply) => {
    await using upstream = await startRawOrigin((socket) => socket.write(reply));
    await using own = new TestProxy();
    own.publish(tableOf([{ endpoints: [upstream.port] }], { http2: { ...defaultHttp2, hasPriorKnowledge: true } }));
    await own.listen();
    using client = (await connectHttp2(own.port)).greet();
    client.request(1, [[':method', 'CONNECT'], [':protocol', 'websocket'], ...GET.slice(1)], false);
    expect((await client.response(1)).head[0]).toBe(':status: 502');
    expect(client.body(1)).toBe('502 Bad Gateway\n');
    expect((await own.stop()).join('')).toMatch(/"CONNECT \S+ HTTP\/2\.0" 502 /);
  });
});

describe('ALPN', () => {
  test.each([
    [true, ['h2', 'http/1.1'], 'h2'],
    [false, ['h2', 'http/1.1'], 'http/1.1'],
    [true, ['http/1.1'], 'http/1.1'],
  ])('use-http2 %s, offered %j: %s', async (isEnabled, offered, want) => {
    await using proxy = await startProxy({ isEnabled });
    const tls = await import('node:tls');
    const socket = tls.connect({
      port: proxy.tlsPort,
      host: '127.0.0.1',
      rejectUnauthorized: false,
      ALPNProtocols: offered,
    });
    await once(socket, 'secureConnect');
    expect(socket.alpnProtocol).toBe(want);
    socket.destroy();
  });
});

describe('windows and order', () => {
  test('never sends more than the windows allow', async () => {
    await using proxy = await startProxy();
    using client = await connectHttp2(proxy.port);
    client.isPolite = false;
    client.greet();
    client.request(1, [...GET.slice(0, 3), [':path', '/big']]);
    await client.until(() => client.body(1).length === 65_535);
    client.send(frame(FrameType.windowUpdate, 0, 1, uint32(1_000_000)));
    await client.settled();
    expect(client.body(1)).toHaveLength(65_535);
    client.send(frame(FrameType.windowUpdate, 0, 0, uint32(100)));
    await client.until(() => client.body(1).length === 65_635);
    client.send(
      frame(FrameType.windowUpdate, 0, 0, uint32(10_000_000)),
      frame(FrameType.windowUpdate, 0, 1, uint32(10_000_000)),
    );
    await client.response(1);
    expect(Buffer.from(client.body(1), 'latin1').equals(BIG)).toBe(true);
  });

  test.each([
    ['the priority field', false],
    ['PRIORITY_UPDATE', true],
  ])('the more urgent response goes first (%s)', async (_name, isUpdate) => {
    await using proxy = await startProxy();
    using client = await connectHttp2(proxy.port);
    client.isPolite = false;
    client.greet();
    // The first stream uses the connection's window up; both of the others wait then.
    client.send(frame(FrameType.settings, 0, 0, Buffer.from([0, 4, 0x0f, 0, 0, 0])));
    client.request(1, [...GET.slice(0, 3), [':path', '/never']]);
    client.request(3, [...GET.slice(0, 3), [':path', '/big']]);
    await client.until(() => client.body(3).length === 65_535);
    client.request(5, [...GET.slice(0, 3), [':path', '/big']]);
    client.request(7, [...GET.slice(0, 3), [':path', '/big'], ...(isUpdate ? [] : ([['priority', 'u=0']] as const))]);
    if (isUpdate) client.send(frame(FrameType.priorityUpdate, 0, 0, Buffer.concat([uint32(7), Buffer.from('u=0')])));
    await client.until(() => client.heads(5).length === 1 && client.heads(7).length === 1);
    await client.settled();
    client.send(frame(FrameType.windowUpdate, 0, 0, uint32(30_000)));
    await client.until(() => client.body(3).length + client.body(5).length + client.body(7).length === 95_535);
    expect(client.body(7)).toHaveLength(30_000);
  });

  test('answers before the request has ended: RST_STREAM NO_ERROR stops the rest', async () => {
    await using proxy = await startProxy({}, {}, STREAMED);
    using client = (await connectHttp2(proxy.port)).greet();
    client.request(1, POST.with(3, [':path', '/refuses']), false);
    client.data(1, 'the first part');
    await client.until(() => client.resetOf(1) !== -1);
    expect(client.resetOf(1)).toBe(ErrorCode.noError);
    expect(client.hasEnded(1)).toBe(true);
  });
});

describe('ends', () => {
  const times = { clientKeepAliveMs: 200 };

  test('an idle connection ends with GOAWAY after keep-alive', async () => {
    await using proxy = await startProxy({}, times);
    using client = (await connectSecureHttp2(proxy.tlsPort)).greet();
    client.request(1, GET);
    await client.response(1);
    await client.closed();
    expect(client.goAway).toEqual({ lastStreamId: 1, code: ErrorCode.noError, text: '' });
  });

  test.each([
    ['keep-alive-requests', {}, { clientKeepAliveRequests: 2 }],
    ['the maximum age', { maxConnectionAgeMs: 0 }, {}],
  ] as const)('%s: told first, ended once what runs is done', async (_name, http, global) => {
    await using proxy = await startProxy(http, global);
    using client = (await connectHttp2(proxy.port)).greet();
    client.request(1, GET);
    client.request(3, GET);
    await client.response(3);
    await client.closed();
    const goAways = client.frames.filter(({ type }) => type === FrameType.goAway);
    expect(goAways[0]?.payload.readUInt32BE(0)).toBe(0x7fffffff);
    expect(client.goAway).toEqual({ lastStreamId: 3, code: ErrorCode.noError, text: '' });
  });

  test('drain: running streams finish, later ones are refused', async () => {
    await using proxy = await startProxy();
    using client = (await connectHttp2(proxy.port)).greet();
    client.request(1, POST.with(3, [':path', '/echo']), false);
    await client.until(() =>
      client.frames.some(({ flags, type }) => type === FrameType.settings && flags === Flag.ack),
    );
    await client.settled();
    const drained = proxy.worker.drain(5_000);
    await client.until(() => client.goAway?.lastStreamId === 1);
    client.request(3, GET);
    await client.until(() => client.resetOf(3) !== -1);
    expect(client.resetOf(3)).toBe(ErrorCode.refusedStream);
    client.data(1, 'finished', true);
    expect((await client.response(1)).body).toBe('finished');
    expect(await drained).toBe(0);
  });

  test('the access log and metrics show the request', async () => {
    const proxy = await startProxy();
    using client = (await connectHttp2(proxy.port)).greet();
    client.request(1, GET);
    await client.response(1);
    const lines = await proxy.stop();
    expect(lines[0]).toContain('"GET / HTTP/2.0" 200 2 ');
  });
});
