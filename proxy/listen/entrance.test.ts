// PROXY headers and TLS passthrough on the HTTP listeners, over real sockets.

import { once } from 'node:events';
import net from 'node:net';
import tls from 'node:tls';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { generate } from 'selfsigned';
import { eventually } from '../forward/testing/data-path.ts';
import { startReplyingOrigin } from '../forward/testing/origin.ts';
import { TestProxy, type TestRoute, tableOf } from '../forward/testing/test-proxy.ts';
import { readAll } from '../stream/testing/stream-origin.ts';
import { proxyV2 } from '../stream/wire/testing/header-bytes.ts';
import { plainEndpoint } from '../table/defaults.ts';
import type { CertificateMaterial, GlobalSettings } from '../table/types.ts';

const expected: Partial<GlobalSettings> = { proxyProtocol: { isExpected: true, headerTimeoutMs: 5_000 } };
const V1 = Buffer.from('PROXY TCP4 192.0.2.1 192.0.2.2 56324 80\r\n');
const V2_IPV6 = proxyV2({
  family: 0x21,
  content: Buffer.from(`20010db8${'0'.repeat(23)}1${'0'.repeat(31)}2dc040050`, 'hex'),
});
const GET = 'GET / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n';

let ours: CertificateMaterial;
let theirs: CertificateMaterial;
let origin: Awaited<ReturnType<typeof startReplyingOrigin>>;
let secureOrigin: tls.Server;
const opened: net.Socket[] = [];

beforeAll(async () => {
  [ours, theirs] = (await Promise.all(
    ['ours', 'theirs'].map(async (name) => {
      const pair = await generate([{ name: 'commonName', value: name }], { keyType: 'ec' });
      return { id: name, certPem: pair.cert, keyPem: pair.private };
    }),
  )) as [CertificateMaterial, CertificateMaterial];
  origin = await startReplyingOrigin('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
  const options = { cert: theirs.certPem, key: theirs.keyPem };
  secureOrigin = tls.createServer(options, (socket) => socket.resume().end('from the pod'));
  secureOrigin.listen(0, '127.0.0.1');
  await once(secureOrigin, 'listening');
});

afterEach(() => {
  for (const socket of opened.splice(0)) socket.destroy();
});

afterAll(async () => {
  secureOrigin.close();
  await origin[Symbol.asyncDispose]();
});

const securePort = () => (secureOrigin.address() as net.AddressInfo).port;

async function start(global: Partial<GlobalSettings>, routes: readonly TestRoute[] = []): Promise<TestProxy> {
  const proxy = new TestProxy();
  const table = tableOf([...routes, { endpoints: [origin.port] }], { defaultCertificate: 'ours', ...global });
  const info = {
    id: 'ours',
    secret: '',
    commonName: 'ours',
    dnsNames: [],
    notBeforeMs: 0,
    notAfterMs: 0,
    serialNumber: '1',
    issuerCommonName: 'ours',
    issuerOrganization: '',
    publicKeyAlgorithm: 'ECDSA',
  };
  proxy.publish({ ...table, certificates: [info] }, [ours]);
  await proxy.listen();
  return proxy.listenTls();
}

/** Sends parts, each in a segment of its own, and reads to the end; '' when the connection is reset. */
async function say(port: number, parts: readonly (Buffer | string)[]): Promise<string> {
  const socket = net.connect({ port, host: '127.0.0.1', noDelay: true });
  await once(socket, 'connect');
  const all = readAll(socket);
  for (const part of parts) await new Promise((resolve) => socket.write(part, resolve));
  const answer = String(await all.catch(() => ''));
  socket.destroy();
  return answer;
}

async function handshake(port: number, servername: string, header: Buffer | null = null): Promise<tls.TLSSocket> {
  const raw = net.connect({ port, host: '127.0.0.1' });
  await once(raw, 'connect');
  opened.push(raw);
  if (header !== null) raw.write(header);
  const socket = tls.connect({ socket: raw, rejectUnauthorized: false, ...(servername === '' ? {} : { servername }) });
  await once(socket, 'secureConnect');
  return socket;
}

/** The head that the origin got last. */
const lastRequest = () => `${origin.received.at(-1)?.split('\r\n\r\n').at(-2)}\r\n`;

const subject = (socket: tls.TLSSocket) => socket.getPeerCertificate().subject.CN;

describe('a PROXY header', () => {
  test.each<[string, readonly (Buffer | string)[], string]>([
    ['version 1', [Buffer.concat([V1, Buffer.from(GET)])], '192.0.2.1'],
    ['in a segment of its own', [V1, GET], '192.0.2.1'],
    ['byte by byte', [...V1].map((byte) => Buffer.from([byte])).concat(Buffer.from(GET)), '192.0.2.1'],
    ['version 2, TCP over IPv6', [V2_IPV6, GET], '2001:db8::1'],
    ['UNKNOWN', ['PROXY UNKNOWN\r\n', GET], '127.0.0.1'],
    ['LOCAL', [proxyV2({ command: 0, family: 0, content: Buffer.alloc(0) }), GET], '127.0.0.1'],
  ])('%s says whose the connection is', async (_name, parts, address) => {
    await using proxy = await start(expected);
    expect(await say(proxy.port, parts)).toMatch(/^HTTP\/1\.1 200 OK/);
    expect(lastRequest()).toContain(`X-Forwarded-For: ${address}\r\n`);
    expect((await proxy.stop())[0]).toMatch(new RegExp(`^${address} - - `));
  });

  test.each([
    ['none', GET],
    ['malformed', `PROXY TCP4 1.2.3.4 5.6.7.8 1\r\n${GET}`],
    ['TLS where none is', '\x16\x03\x01\x00\x05'],
  ])('%s: the connection is refused without an answer', async (_name, bytes) => {
    await using proxy = await start(expected);
    expect(await say(proxy.port, [bytes])).toBe('');
    expect(await say(proxy.tlsPort, [bytes])).toBe('');
    const failures = proxy.worker.sample().counters.find(({ name }) => name === 'sluice_proxy_header_failures_total');
    expect(failures?.value).toBe(2);
  });

  test('must come in time', async () => {
    await using proxy = await start({ proxyProtocol: { isExpected: true, headerTimeoutMs: 200 } });
    expect(await say(proxy.port, ['PROXY'])).toBe('');
    expect(await say(proxy.port, [])).toBe('');
  });

  test('of somebody outside proxy-real-ip-cidr is required, but does not count', async () => {
    await using proxy = await start({ ...expected, trustedCidrs: ['192.0.2.0/24'] });
    expect(await say(proxy.port, [V1, GET])).toMatch(/200 OK/);
    expect(lastRequest()).toContain('X-Forwarded-For: 127.0.0.1\r\n');
    expect(await say(proxy.port, [GET])).toBe('');
  });

  test('with port 443 says that TLS has ended already', async () => {
    await using proxy = await start(expected);
    await say(proxy.port, ['PROXY TCP4 192.0.2.1 192.0.2.2 56324 443\r\n', GET]);
    expect(lastRequest()).toContain('X-Forwarded-Proto: https\r\n');
    await say(proxy.port, [V1, GET]);
    expect(lastRequest()).toContain('X-Forwarded-Proto: http\r\n');
  });

  test.each(['http/1.1', 'h2'])('before TLS, %s', async (protocol) => {
    await using proxy = await start(expected);
    const raw = net.connect({ port: proxy.tlsPort, host: '127.0.0.1' });
    await once(raw, 'connect');
    raw.write(V1);
    const socket = tls.connect({ socket: raw, rejectUnauthorized: false, ALPNProtocols: [protocol] });
    await once(socket, 'secureConnect');
    expect(socket.alpnProtocol).toBe(protocol);
    if (protocol === 'http/1.1') {
      socket.write(GET);
      expect(String(await readAll(socket))).toMatch(/200 OK/);
      expect(lastRequest()).toContain('X-Forwarded-For: 192.0.2.1\r\n');
    }
    socket.destroy();
  });

  test('is not looked for while the setting is off, and is from the next connection on', async () => {
    await using proxy = await start({});
    expect(await say(proxy.port, [GET])).toMatch(/200 OK/);
    expect(await say(proxy.port, [V1, GET])).toMatch(/^HTTP\/1\.1 400/);
    proxy.publish(tableOf([{ endpoints: [origin.port] }], expected));
    expect(await say(proxy.port, [V1, GET])).toMatch(/200 OK/);
  });

  test('in front of HTTP/2 without TLS', async () => {
    const http2 = { ...tableOf([]).global.http2, hasPriorKnowledge: true };
    await using proxy = await start({ ...expected, http2 });
    expect(await say(proxy.port, [V1, GET])).toMatch(/200 OK/);
    const socket = net.connect({ port: proxy.port, host: '127.0.0.1' });
    socket.write(Buffer.concat([V1, Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0', 'latin1')]));
    const [settings] = (await once(socket, 'data')) as [Buffer];
    expect(settings[3]).toBe(4);
    socket.destroy();
  });
});

describe('passthrough', () => {
  const routes = () => [
    { host: 'pass.test', endpoints: [securePort()], passthrough: true },
    { host: 'ends.test', endpoints: [origin.port] },
  ];

  test.each([
    ['pass.test', 'theirs'],
    ['PASS.test', 'theirs'],
    ['ends.test', 'ours'],
    ['unknown.test', 'ours'],
    ['', 'ours'],
  ])('%j shows the certificate %s', async (servername, certificate) => {
    await using proxy = await start({}, routes());
    const socket = await handshake(proxy.tlsPort, servername);
    expect(subject(socket)).toBe(certificate);
    socket.destroy();
  });

  test('bytes come through, and the connection is logged as a stream', async () => {
    await using proxy = await start({}, routes());
    const socket = await handshake(proxy.tlsPort, 'pass.test');
    expect(String(await readAll(socket))).toBe('from the pod');
    socket.destroy();
    // The proxy may see the end later than the client: it would cut the session and log 500.
    await eventually(() => proxy.accessLog.length > 0);
    expect((await proxy.stop())[0]).toMatch(/^\[127\.0\.0\.1\] \[[^\]]+\] TCP 200 \d+ \d+ \d+\.\d{3}$/);
  });

  test('behind a PROXY header, whose address is logged', async () => {
    await using proxy = await start(expected, routes());
    const socket = await handshake(proxy.tlsPort, 'pass.test', V1);
    expect(subject(socket)).toBe('theirs');
    socket.destroy();
    const other = await handshake(proxy.tlsPort, 'ends.test', V1);
    expect(subject(other)).toBe('ours');
    other.destroy();
    expect((await proxy.stop())[0]).toMatch(/^\[192\.0\.2\.1\] /);
  });

  test('to an IPv6 endpoint', async () => {
    const server = tls.createServer({ cert: theirs.certPem, key: theirs.keyPem }, (socket) => socket.end('over IPv6'));
    server.listen(0, '::1');
    await once(server, 'listening');
    const { port } = server.address() as net.AddressInfo;
    const upstream = { endpoints: [plainEndpoint('::1', port)] };
    await using proxy = await start({}, [{ host: 'pass.test', upstream, passthrough: true }]);
    const socket = await handshake(proxy.tlsPort, 'pass.test');
    expect(subject(socket)).toBe('theirs');
    expect(String(await readAll(socket))).toBe('over IPv6');
    socket.destroy();
    server.close();
    await once(server, 'close');
  });

  test('a host without endpoints: the connection is closed', async () => {
    await using proxy = await start({}, [{ host: 'pass.test', endpoints: [], passthrough: true }]);
    await expect(handshake(proxy.tlsPort, 'pass.test')).rejects.toThrow();
  });

  test('a client that never says its name is cut', async () => {
    await using proxy = await start({ proxyProtocol: { isExpected: false, headerTimeoutMs: 200 } }, routes());
    expect(await say(proxy.tlsPort, ['\x16\x03\x01'])).toBe('');
  });

  test('what is no TLS goes to the listener with every byte', async () => {
    await using proxy = await start({}, routes());
    // OpenSSL answers plain HTTP with an alert of its own, or just closes; the worker must live.
    await say(proxy.tlsPort, [GET]);
    expect(subject(await handshake(proxy.tlsPort, 'ends.test'))).toBe('ours');
  });

  test('a ClientHello split anywhere arrives whole on both ways', async () => {
    await using proxy = await start({}, routes());
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(['pass.test', 'theirs'] as const, ['ends.test', 'ours'] as const),
        fc.array(fc.integer({ min: 1, max: 300 }), { minLength: 1, maxLength: 6 }),
        async ([servername, certificate], cuts) => {
          const socket = await splitHandshake(proxy.tlsPort, servername, cuts);
          expect(subject(socket)).toBe(certificate);
          socket.destroy();
        },
      ),
      { numRuns: 30 },
    );
  });
});

/** Shakes hands through a relay that cuts what the client sends first into these pieces. */
async function splitHandshake(port: number, servername: string, cuts: readonly number[]): Promise<tls.TLSSocket> {
  const relay = net.createServer((client) => {
    const upstream = net.connect({ port, host: '127.0.0.1', noDelay: true });
    upstream.pipe(client);
    opened.push(client, upstream);
    for (const side of [client, upstream]) side.on('error', () => undefined);
    client.once('data', async (first: Buffer) => {
      client.pause();
      let at = 0;
      for (const cut of cuts) {
        const piece = first.subarray(at, at + cut);
        await new Promise((resolve) => upstream.write(piece, resolve));
        at += piece.length;
      }
      upstream.write(first.subarray(at));
      client.pipe(upstream);
    });
    client.on('close', () => upstream.destroy());
  });
  relay.listen(0, '127.0.0.1');
  await once(relay, 'listening');
  const socket = await handshake((relay.address() as net.AddressInfo).port, servername);
  relay.close();
  return socket;
}
