// `backend-protocol: HTTPS` and AUTO_HTTP, and what TLS to an endpoint says and checks.

import { once } from 'node:events';
import https from 'node:https';
import type { AddressInfo } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { generate } from 'selfsigned';
import { Agent, request } from 'undici';
import { WebSocket, WebSocketServer } from 'ws';
import type { RoutePolicy } from '../table/types.ts';
import type { UpstreamTls } from '../table/upstream-protocol.ts';
import { startHttpOrigin } from './testing/origin.ts';
import { startProxy, TestProxy, tableOf } from './testing/test-proxy.ts';

const TLS: UpstreamTls = {
  serverName: null,
  verify: null,
  minVersion: 'TLSv1.2',
  maxVersion: 'TLSv1.3',
  ciphers: null,
};

let certPem: string;
let keyPem: string;
let origin: https.Server;
let port: number;
let connections = 0;

beforeAll(async () => {
  const pair = await generate([{ name: 'commonName', value: 'origin.test' }], {
    keyType: 'ec',
    extensions: [
      { name: 'basicConstraints', cA: true, critical: true },
      { name: 'subjectAltName', altNames: [{ type: 2, value: 'origin.test' }] },
    ],
  });
  certPem = pair.cert;
  keyPem = pair.private;
  origin = https.createServer({ key: keyPem, cert: certPem }, (incoming, response) => {
    const socket = incoming.socket as TLSSocket;
    if (incoming.url === '/big') return void response.end(Buffer.alloc(2_000_000, 'b'));
    if (incoming.method === 'POST') return void incoming.pipe(response);
    const facts = { host: incoming.headers.host, name: socket.servername, version: socket.getProtocol() };
    response.end(JSON.stringify(facts));
  });
  origin.on('secureConnection', () => connections++);
  new WebSocketServer({ server: origin }).on('connection', (socket) =>
    socket.on('message', (text) => socket.send(text)),
  );
  origin.listen(0, '127.0.0.1');
  await once(origin, 'listening');
  port = (origin.address() as AddressInfo).port;
});

afterAll(() => {
  origin.closeAllConnections();
  origin.close();
});

const start = (policy: Partial<RoutePolicy>) => startProxy([{ endpoints: [port], policy }]);

async function facts(proxy: TestProxy): Promise<unknown> {
  const response = await request(`http://127.0.0.1:${proxy.port}/`, { headers: { host: 'client.test' } });
  return response.statusCode === 200 ? response.body.json() : response.statusCode;
}

test('HTTPS: the Host of the client, no SNI, any certificate; connections are kept', async () => {
  await using proxy = await start({ protocol: 'https' });
  const before = connections;
  for (let i = 0; i < 5; i++) {
    expect(await facts(proxy)).toEqual({ host: 'client.test', name: false, version: 'TLSv1.3' });
  }
  expect(connections - before).toBe(1);
});

test('HTTPS: large bodies both ways', async () => {
  await using proxy = await start({ protocol: 'https', maxBodyBytes: null });
  const big = await request(`http://127.0.0.1:${proxy.port}/big`);
  expect((await big.body.arrayBuffer()).byteLength).toBe(2_000_000);
  const sent = Buffer.alloc(1_500_000, 's');
  const echoed = await request(`http://127.0.0.1:${proxy.port}/`, { method: 'POST', body: sent });
  expect(Buffer.from(await echoed.body.arrayBuffer()).equals(sent)).toBe(true);
});

test('HTTPS: WebSocket', async () => {
  await using proxy = await start({ protocol: 'https' });
  const socket = new WebSocket(`ws://127.0.0.1:${proxy.port}/`);
  await once(socket, 'open');
  socket.send('hello');
  const [message] = await once(socket, 'message');
  expect(String(message)).toBe('hello');
  socket.close();
  await once(socket, 'close');
});

test.each<[string, () => Partial<UpstreamTls>, unknown]>([
  ['a name is sent', () => ({ serverName: 'sni.test' }), { name: 'sni.test' }],
  ['TLS 1.2 at most', () => ({ maxVersion: 'TLSv1.2' }), { version: 'TLSv1.2' }],
  ['the certificate is verified', () => ({ verify: { caPem: certPem, name: 'origin.test' } }), { name: false }],
  ['the certificate is for another name', () => ({ verify: { caPem: certPem, name: 'other.test' } }), 502],
  ['settings that OpenSSL refuses', () => ({ ciphers: 'NO-SUCH-CIPHER' }), 502],
])('%s', async (_name, settings, want) => {
  await using proxy = await start({ protocol: 'https', upstreamTls: { ...TLS, ...settings() } });
  const got = await facts(proxy);
  if (typeof want === 'number') expect(got).toBe(want);
  else expect(got).toMatchObject(want as object);
});

test('a certificate of an unknown authority is refused where it is verified', async () => {
  const other = await generate([{ name: 'commonName', value: 'origin.test' }], { keyType: 'ec' });
  await using proxy = await start({
    protocol: 'https',
    upstreamTls: { ...TLS, verify: { caPem: other.cert, name: 'origin.test' } },
  });
  expect(await facts(proxy)).toBe(502);
});

test('settings that differ share no connection', async () => {
  await using proxy = await start({ protocol: 'https' });
  await facts(proxy);
  const upstreamTls = { ...TLS, serverName: 'sni.test' };
  proxy.publish(tableOf([{ endpoints: [port], policy: { protocol: 'https', upstreamTls } }]));
  expect(await facts(proxy)).toMatchObject({ name: 'sni.test' });
});

test('plain HTTP behind an HTTPS policy is a 502', async () => {
  await using plain = await startHttpOrigin((_request, response) => response.end('plain'));
  await using proxy = await startProxy([{ endpoints: [plain.port], policy: { protocol: 'https' } }]);
  expect(await facts(proxy)).toBe(502);
});

test('AUTO_HTTP: the protocol that the client came with', async () => {
  await using plain = await startHttpOrigin((_request, response) => response.end('plain'));
  await using proxy = new TestProxy();
  const material = { id: 'one', certPem, keyPem };
  const routes = [
    { path: '/plain', endpoints: [plain.port], policy: { protocol: 'auto' }, certificate: 'one' },
    { path: '/secure', endpoints: [port], policy: { protocol: 'auto' }, certificate: 'one' },
  ] as const;
  const certificate = {
    id: 'one',
    secret: '',
    commonName: 'origin.test',
    dnsNames: [],
    notBeforeMs: 0,
    notAfterMs: 0,
    serialNumber: '1',
    issuerCommonName: 'origin.test',
    issuerOrganization: '',
    publicKeyAlgorithm: 'ECDSA',
  };
  const table = tableOf(routes, { defaultCertificate: 'one' });
  proxy.publish({ ...table, certificates: [certificate] }, [material]);
  await proxy.listen();
  await proxy.listenTls();
  const overPlain = await request(`http://127.0.0.1:${proxy.port}/plain`);
  expect(await overPlain.body.text()).toBe('plain');
  const agent = new Agent({ connect: { rejectUnauthorized: false } });
  const overTls = await request(`https://127.0.0.1:${proxy.tlsPort}/secure`, { dispatcher: agent });
  expect(await overTls.body.json()).toMatchObject({ version: 'TLSv1.3' });
  await agent.close();
});
