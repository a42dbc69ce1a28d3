// TLS: which certificate is shown to whom, and that replacing one disturbs nobody.

import { once } from 'node:events';
import http from 'node:http';
import https from 'node:https';
import net, { type AddressInfo } from 'node:net';
import tls from 'node:tls';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { generate } from 'selfsigned';
import { startRawOrigin, startReplyingOrigin } from '../forward/testing/origin.ts';
import { RawClient } from '../forward/testing/raw-client.ts';
import { TestProxy, type TestRoute, tableOf } from '../forward/testing/test-proxy.ts';
import type { CertificateMaterial, GlobalSettings, RoutingTable } from '../table/types.ts';

const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';
const GET = 'GET / HTTP/1.1\r\nHost: one.test\r\n\r\n';

const names = ['default', 'one', 'wild', 'renewed'] as const;
const pairs = new Map<string, CertificateMaterial>();
let origin: Awaited<ReturnType<typeof startReplyingOrigin>>;

beforeAll(async () => {
  for (const name of names) {
    const pair = await generate([{ name: 'commonName', value: name }], { keyType: 'ec' });
    pairs.set(name, { id: name, certPem: pair.cert, keyPem: pair.private });
  }
  origin = await startReplyingOrigin(OK);
});

afterAll(() => origin[Symbol.asyncDispose]());

function publish(proxy: TestProxy, one = 'one', global: Partial<GlobalSettings> = {}): void {
  const routes: TestRoute[] = [
    { host: 'one.test', endpoints: [origin.port], certificate: one },
    { host: '*.wild.test', endpoints: [origin.port], certificate: 'wild' },
    { endpoints: [origin.port] },
  ];
  const table = tableOf(routes, { defaultCertificate: 'default', ...global });
  proxy.publish(withCertificates(table, names), [...pairs.values()]);
}

/** Adds the entries that a compiled table has for each certificate it names. */
function withCertificates(table: RoutingTable, ids: readonly string[]): RoutingTable {
  const certificates = ids.map((id) => ({
    id,
    secret: '',
    commonName: id,
    dnsNames: [],
    notBeforeMs: 0,
    notAfterMs: 0,
    serialNumber: '1',
    issuerCommonName: id,
    issuerOrganization: '',
    publicKeyAlgorithm: 'ECDSA',
  }));
  return { ...table, certificates };
}

async function startTlsProxy(global: Partial<GlobalSettings> = {}): Promise<TestProxy> {
  const proxy = new TestProxy();
  publish(proxy, 'one', global);
  return proxy.listenTls();
}

async function connectTls(port: number, options: tls.ConnectionOptions): Promise<tls.TLSSocket> {
  const socket = tls.connect({ port, host: '127.0.0.1', rejectUnauthorized: false, ...options });
  await once(socket, 'secureConnect');
  return socket;
}

async function certificateFor(proxy: TestProxy, servername: string): Promise<string> {
  const socket = await connectTls(proxy.tlsPort, servername === '' ? {} : { servername });
  const name = socket.getPeerCertificate().subject.CN;
  socket.destroy();
  return String(name);
}

describe('certificate choice', () => {
  test.each([
    ['one.test', 'one'],
    ['ONE.test', 'one'],
    ['a.wild.test', 'wild'],
    ['a.b.wild.test', 'default'],
    ['wild.test', 'default'],
    ['unknown.test', 'default'],
    ['', 'default'],
  ])('%j gets %s', async (servername, want) => {
    await using proxy = await startTlsProxy();
    expect(await certificateFor(proxy, servername)).toBe(want);
  });

  test('ssl-reject-handshake aborts handshakes for unknown names only', async () => {
    await using proxy = await startTlsProxy({ rejectUnknownSni: true });
    expect(await certificateFor(proxy, 'one.test')).toBe('one');
    await expect(connectTls(proxy.tlsPort, { servername: 'unknown.test' })).rejects.toThrow();
    await expect(connectTls(proxy.tlsPort, {})).rejects.toThrow();
  });

  test('a pair that OpenSSL refuses is reported and the default certificate serves', async () => {
    await using proxy = await startTlsProxy();
    const table = tableOf([{ host: 'one.test', endpoints: [origin.port], certificate: 'bad' }], {
      defaultCertificate: 'default',
    });
    proxy.publish(withCertificates(table, ['bad', 'default']), [
      { id: 'bad', certPem: 'no', keyPem: 'no' },
      ...pairs.values(),
    ]);
    expect(await certificateFor(proxy, 'one.test')).toBe('default');
    expect(proxy.logs.join()).toMatch(/certificate cannot be used/);
    expect(proxy.logs.join()).not.toMatch(/PRIVATE/);
  });
});

test('a replaced certificate serves new handshakes while an open connection goes on', async () => {
  await using proxy = await startTlsProxy();
  using client = new RawClient(await connectTls(proxy.tlsPort, { servername: 'one.test' }));
  client.send(GET);
  await client.responses(1);
  publish(proxy, 'renewed');
  expect(await certificateFor(proxy, 'one.test')).toBe('renewed');
  client.send(GET);
  const responses = await client.responses(2);
  expect(responses.map((response) => response.body)).toEqual(['ok', 'ok']);
});

test('HTTPS requests carry the right scheme and port upstream, and HSTS comes back once', async () => {
  await using proxy = await startTlsProxy();
  using client = new RawClient(await connectTls(proxy.tlsPort, { servername: 'one.test' }));
  client.send(GET);
  const [response] = await client.responses(1);
  expect(response?.head.match(/strict-transport-security: .*/gi)).toEqual([
    'Strict-Transport-Security: max-age=31536000; includeSubDomains',
  ]);
  const request = origin.received.at(-1) ?? '';
  expect(request).toMatch(/\r\nX-Forwarded-Proto: https\r\n/);
  expect(request).toMatch(/\r\nX-Forwarded-Port: 443\r\n/);
});

test('only TLS 1.2 and 1.3 are spoken, and ssl-protocols narrows that', async () => {
  await using proxy = await startTlsProxy({ minTlsVersion: 'TLSv1.3' });
  const options = { servername: 'one.test', maxVersion: 'TLSv1.2' } as const;
  await expect(connectTls(proxy.tlsPort, options)).rejects.toThrow();
  publish(proxy);
  const socket = await connectTls(proxy.tlsPort, options);
  expect(socket.getProtocol()).toBe('TLSv1.2');
  socket.destroy();
  const old = {
    servername: 'one.test',
    minVersion: 'TLSv1.1',
    maxVersion: 'TLSv1.1',
    ciphers: 'DEFAULT@SECLEVEL=0',
  } as const;
  await expect(connectTls(proxy.tlsPort, old)).rejects.toThrow();
});

test('ssl-ciphers that OpenSSL does not know leave the built-in ones in force', async () => {
  await using proxy = await startTlsProxy({ tlsCiphers: 'NONSENSE' });
  expect(await certificateFor(proxy, 'one.test')).toBe('one');
  expect(proxy.logs.join()).toMatch(/ssl-ciphers cannot be used/);
});

test('every resumed connection gets a ticket that resumes the next one, across a new default certificate', async () => {
  await using proxy = await startTlsProxy();
  let session: Buffer | undefined;
  const resumed: boolean[] = [];
  for (let i = 0; i < 5; i++) {
    if (i === 3) publish(proxy, 'one', { defaultCertificate: 'renewed' });
    const socket = await connectTls(proxy.tlsPort, { servername: 'one.test', ...(session && { session }) });
    // Without renewal this event comes after full handshakes only, and the test times out here.
    [session] = (await once(socket, 'session')) as [Buffer];
    resumed.push(socket.isSessionReused());
    socket.destroy();
  }
  expect(resumed).toEqual([false, true, true, true, true]);
});

test('tickets of another key are full handshakes, not errors', async () => {
  await using proxy = await startTlsProxy();
  const first = await connectTls(proxy.tlsPort, { servername: 'one.test' });
  const [session] = (await once(first, 'session')) as [Buffer];
  first.destroy();
  await using other = new TestProxy();
  publish(other);
  await other.listenTls();
  const second = await connectTls(other.tlsPort, { servername: 'one.test', session });
  expect(second.isSessionReused()).toBe(false);
  second.destroy();
});

test('a large response passes through TLS unchanged', async () => {
  const size = 3 * 1024 * 1024;
  await using big = await startReplyingOrigin(
    `HTTP/1.1 200 OK\r\nContent-Length: ${size}\r\n\r\n${'0123456789abcdef'.repeat(size / 16)}`,
  );
  await using proxy = new TestProxy();
  const table = tableOf([{ endpoints: [big.port] }], { defaultCertificate: 'default' });
  proxy.publish(withCertificates(table, ['default']), [...pairs.values()]);
  await proxy.listenTls();
  using client = new RawClient(await connectTls(proxy.tlsPort, {}));
  client.send(GET);
  const [response] = await client.responses(1);
  expect(response?.body === '0123456789abcdef'.repeat(size / 16)).toBe(true);
});

test('large bodies of several connections at once come through TLS both ways, each its own', async () => {
  await using echo = http.createServer((request, response) => request.pipe(response)).listen(0, '127.0.0.1');
  await once(echo, 'listening');
  await using proxy = new TestProxy();
  const { port } = echo.address() as AddressInfo;
  const routes: TestRoute[] = [{ endpoints: [port], policy: { maxBodyBytes: null } }];
  proxy.publish(withCertificates(tableOf(routes, { defaultCertificate: 'default' }), names), [...pairs.values()]);
  await proxy.listenTls();
  const roundTrip = async (seed: number): Promise<boolean> => {
    const body = Buffer.alloc(3_000_000 + seed);
    for (let at = 0; at < body.length; at++) body[at] = (at * (seed + 3) + (at >> 8)) & 255;
    const request = https.request({ port: proxy.tlsPort, method: 'POST', rejectUnauthorized: false, agent: false });
    request.end(body);
    const [response] = (await once(request, 'response')) as [http.IncomingMessage];
    const parts: Buffer[] = [];
    for await (const part of response) parts.push(part);
    return Buffer.concat(parts).equals(body);
  };
  expect(await Promise.all([0, 1, 2, 3].map(roundTrip))).toEqual([true, true, true, true]);
});

test('a handshake that ends during the drain: a request is served, and who asks nothing is closed long before its head is late', async () => {
  let answer = (): void => {};
  await using held = await startRawOrigin((socket) => {
    answer = () => socket.write(OK);
  });
  await using proxy = await startTlsProxy();
  const table = tableOf([{ host: 'held.test', endpoints: [held.port] }, { endpoints: [origin.port] }], {
    defaultCertificate: 'default',
  });
  proxy.publish(withCertificates(table, names), [...pairs.values()]);
  const early = await Promise.all([1, 2, 3].map(() => connectPlain(proxy.tlsPort)));
  // Connected after them, and so accepted after them.
  using busy = new RawClient(await connectTls(proxy.tlsPort, {}));
  busy.send('GET / HTTP/1.1\r\nHost: held.test\r\n\r\n');
  await busy.untilTrue(() => held.received[0]?.endsWith('\r\n\r\n') === true);
  const drained = proxy.worker.drain(60_000);
  const protocols = [['http/1.1'], ['http/1.1'], ['h2']];
  const late = early.map((socket, i) =>
    tls.connect({ socket, rejectUnauthorized: false, ALPNProtocols: protocols[i] ?? [] }),
  );
  const [asking, silent, http2] = late.map((socket) => new RawClient(socket)) as [RawClient, RawClient, RawClient];
  asking.send(GET);
  expect((await asking.responses(1))[0]).toMatchObject({ status: 200, headers: { connection: 'close' } });
  await Promise.all([asking, silent, http2].map((client) => client.closed()));
  for (const socket of late) socket.destroy();
  answer();
  await busy.responses(1);
  busy.socket.end();
  expect(await drained).toBe(0);
});

async function connectPlain(port: number): Promise<net.Socket> {
  const socket = net.connect(port, '127.0.0.1');
  await once(socket, 'connect');
  return socket;
}
