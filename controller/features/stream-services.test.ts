// TCP and UDP services, passthrough and PROXY headers through a whole Sluice with two workers, asked by real tools: HAProxy in
// front, curl, OpenSSL.

import { type ChildProcess, execFile, spawn } from 'node:child_process';
import dgram from 'node:dgram';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import http from 'node:http';
import net, { type AddressInfo } from 'node:net';
import { join } from 'node:path';
import tls from 'node:tls';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { generate } from 'selfsigned';
import { FeatureSluice } from './testing/feature-sluice.ts';
import { TestFolder } from './testing/manifest-folder.ts';
import {
  configMap,
  ingress,
  ingressClass,
  type Manifest,
  noRedirect,
  serviceWith,
  textOf,
} from './testing/manifests.ts';

const run = promisify(execFile);
const PASSTHROUGH = { 'nginx.ingress.kubernetes.io/ssl-passthrough': 'true' };
const FLAGS = [
  '--workers=2',
  '--configmap=default/settings',
  '--tcp-services-configmap=default/tcp',
  '--udp-services-configmap=default/udp',
  '--enable-ssl-passthrough',
];

let stack: AsyncDisposableStack;
/** Answers with the forwarding headers it got. */
let web: number;
let secure: number;

beforeEach(async () => {
  stack = new AsyncDisposableStack();
  web = await listening(
    http.createServer((request, response) => response.end(`${request.headers['x-forwarded-for']}\n`)),
  );
  const pair = await generate([{ name: 'commonName', value: 'the pod' }], { keyType: 'ec' });
  secure = await listening(tls.createServer({ cert: pair.cert, key: pair.private }, (socket) => socket.end('hello\n')));
});
afterEach(() => stack.disposeAsync());

async function listening(server: net.Server): Promise<number> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  stack.defer(() => {
    server.close();
    if (server instanceof http.Server) server.closeAllConnections();
  });
  return (server.address() as AddressInfo).port;
}

/** A port that was free a moment ago: ConfigMaps name ports, so the system cannot choose. */
async function freePort(): Promise<number> {
  const server = net.createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

interface Parts {
  readonly tcp?: Readonly<Record<string, string>>;
  readonly udp?: Readonly<Record<string, string>>;
  readonly settings?: Readonly<Record<string, string>>;
}

function manifests({ tcp = {}, udp = {}, settings = {} }: Parts): string {
  const objects: Manifest[] = [
    ingressClass,
    ...serviceWith('web', web),
    ...serviceWith('secure', secure),
    ingress('web', { hosts: { 'web.test': { '/': 'web' } }, annotations: noRedirect }),
    ingress('secure', { hosts: { 'pass.test': { '/': 'secure' } }, annotations: PASSTHROUGH }),
    configMap('settings', settings),
    configMap('tcp', tcp),
    configMap('udp', udp),
  ];
  return textOf(...objects);
}

async function start(parts: Parts): Promise<{ readonly sluice: FeatureSluice; readonly folder: TestFolder }> {
  const folder = stack.use(await TestFolder.create({ 'all.yaml': manifests(parts) }));
  const sluice = stack.use(await FeatureSluice.start(folder.dir, { flags: FLAGS }));
  return { sluice, folder };
}

/** Both workers have opened or closed the port. */
const heard = (sluice: FeatureSluice, message: string) => () =>
  sluice.records.filter(({ msg }) => msg === message).length === 2;

async function curl(...args: readonly string[]): Promise<string> {
  const { stdout } = await run('curl', ['--silent', '--show-error', '--max-time', '10', ...args]);
  return stdout;
}

/** HAProxy in TCP mode that sends PROXY headers to `target`; gives its port. */
async function haproxy(target: number, sending: 'send-proxy' | 'send-proxy-v2', folder: TestFolder): Promise<number> {
  const port = await freePort();
  const file = join(folder.dir, '..haproxy.cfg');
  const lines = [
    'defaults\n  mode tcp\n  timeout connect 5s\n  timeout client 10s\n  timeout server 10s',
    `frontend in\n  bind 127.0.0.1:${port}\n  default_backend out`,
    `backend out\n  server sluice 127.0.0.1:${target} ${sending}`,
    '',
  ];
  await writeFile(file, lines.join('\n'));
  const child = spawn('haproxy', ['-db', '-f', file], { stdio: 'ignore' });
  stack.defer(() => ended(child));
  await untilAccepting(port);
  return port;
}

async function ended(child: ChildProcess): Promise<void> {
  child.kill();
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
}

async function untilAccepting(port: number): Promise<void> {
  const signal = AbortSignal.timeout(10_000);
  while (!signal.aborted) {
    const socket = net.connect(port, '127.0.0.1');
    const isOpen = await once(socket, 'connect').then(
      () => true,
      () => false,
    );
    socket.destroy();
    if (isOpen) return;
  }
  throw new Error(`nobody listens on ${port}`);
}

describe('TCP services', () => {
  test('are added and removed while others serve', async () => {
    const [first, second] = [await freePort(), await freePort()];
    const { sluice, folder } = await start({ tcp: { [first]: 'default/web:80' } });
    await sluice.until(heard(sluice, `TCP port ${first} is open`));
    expect(await curl(`http://127.0.0.1:${first}/`)).toBe('undefined\n');
    await folder.replace('all.yaml', manifests({ tcp: { [first]: 'default/web:80', [second]: 'default/web:http' } }));
    await sluice.until(heard(sluice, `TCP port ${second} is open`));
    expect(await curl(`http://127.0.0.1:${second}/`)).toBe('undefined\n');
    await folder.replace('all.yaml', manifests({ tcp: { [second]: 'default/web:http' } }));
    await sluice.until(heard(sluice, `TCP port ${first} is closed`));
    await expect(curl(`http://127.0.0.1:${first}/`)).rejects.toThrow(/refused|connect/i);
    expect(await curl(`http://127.0.0.1:${second}/`)).toBe('undefined\n');
    expect(sluice.complaints).toEqual([]);
  });

  test('a port that is taken is a diagnostic of its ConfigMap for as long as it is asked for', async () => {
    const taken = net.createServer().listen(0, '127.0.0.1');
    await once(taken, 'listening');
    const { port } = taken.address() as AddressInfo;
    stack.defer(() => void taken.close());
    const tcp = { [port]: 'default/web:80' };
    const { sluice, folder } = await start({ tcp });
    const told = () => sluice.diagnostics.filter(({ reason }) => reason === 'StreamPortNotOpen');
    await sluice.until(() => told().length > 0);
    // Both workers have tried.
    expect(told()).toEqual([
      expect.objectContaining({
        severity: 'error',
        object: { kind: 'ConfigMap', namespace: 'default', name: 'tcp' },
        field: `data[${port}]`,
        message: expect.stringMatching(/another process uses it \(EADDRINUSE\); its clients are refused, all other/),
        source: expect.objectContaining({ file: expect.stringContaining('all.yaml') }),
      }),
    ]);
    await folder.replace('all.yaml', manifests({}));
    await sluice.until(() => told().length === 0);
    await sluice.until(() => sluice.records.some(({ msg }) => msg.startsWith('resolved: ') && msg.includes(`${port}`)));
  });

  test('read and send PROXY headers', async () => {
    const port = await freePort();
    // A Sluice behind itself: its HTTP listener expects the header that its TCP service sends.
    const settings = { 'use-proxy-protocol': 'true' };
    const { sluice, folder } = await start({ settings });
    await folder.replace('more.yaml', textOf(...serviceWith('self', sluice.httpPort)));
    await folder.replace('all.yaml', manifests({ settings, tcp: { [port]: 'default/self:80:PROXY:PROXY' } }));
    await sluice.until(heard(sluice, `TCP port ${port} is open`));
    const args = ['--header', 'Host: web.test', '--haproxy-clientip', '192.0.2.7', `http://127.0.0.1:${port}/`];
    const { stdout } = await run('curl', ['--version']);
    // The flag that chooses the address came with curl 8.2; before that the header names the real one.
    const isOld = /^curl 7\./.test(stdout);
    const old = ['--header', 'Host: web.test', '--haproxy-protocol', `http://127.0.0.1:${port}/`];
    expect(await curl(...(isOld ? old : args))).toBe(isOld ? '127.0.0.1\n' : '192.0.2.7\n');
  });
});

test('a UDP service answers', async () => {
  const origin = dgram.createSocket('udp4');
  origin.on('message', (datagram, from) => origin.send(`re: ${datagram}`, from.port, from.address));
  origin.bind(0, '127.0.0.1');
  await once(origin, 'listening');
  stack.defer(() => void origin.close());
  const port = await freePort();
  const { sluice, folder } = await start({ udp: { [port]: 'default/dns:53' } });
  await sluice.live(
    () => folder.replace('dns.yaml', textOf(...udpService('dns', origin.address().port))),
    () => sluice.table.streams.some(({ upstream }) => upstream.endpoints.length > 0),
  );
  await sluice.until(heard(sluice, `UDP port ${port} is open`));
  const client = dgram.createSocket('udp4');
  stack.defer(() => void client.close());
  client.send('question', port, '127.0.0.1');
  const [answer] = (await once(client, 'message')) as [Buffer];
  expect(String(answer)).toBe('re: question');
});

function udpService(name: string, port: number): Manifest[] {
  return serviceWith(name, port).map((object) =>
    JSON.parse(JSON.stringify(object).replaceAll('"TCP"', '"UDP"').replace('"port":80', '"port":53')),
  );
}

describe('PROXY headers on the HTTP listeners', () => {
  test.each(['send-proxy', 'send-proxy-v2'] as const)(
    'HAProxy with %s in front of HTTP, HTTPS and passthrough',
    async (sending) => {
      const { sluice, folder } = await start({ settings: { 'use-proxy-protocol': 'true' } });
      const plain = await haproxy(sluice.httpPort, sending, folder);
      expect(await curl('--header', 'Host: web.test', `http://127.0.0.1:${plain}/`)).toBe('127.0.0.1\n');
      const secured = await haproxy(sluice.httpsPort, sending, folder);
      const to = (host: string) => [
        '--insecure',
        '--resolve',
        `${host}:${secured}:127.0.0.1`,
        `https://${host}:${secured}/`,
      ];
      expect(await curl(...to('web.test'))).toBe('127.0.0.1\n');
      expect(await subjectOf(secured, 'pass.test')).toContain('the pod');
      // Without HAProxy there is no header, and no answer.
      await expect(curl('--header', 'Host: web.test', `http://127.0.0.1:${sluice.httpPort}/`)).rejects.toThrow();
    },
  );

  test('curl --haproxy-protocol', async () => {
    const { sluice } = await start({ settings: { 'use-proxy-protocol': 'true' } });
    const args = ['--haproxy-protocol', '--header', 'Host: web.test', `http://127.0.0.1:${sluice.httpPort}/`];
    expect(await curl(...args)).toBe('127.0.0.1\n');
  });
});

describe('passthrough', () => {
  test.each(['-tls1_2', '-tls1_3'])(
    'openssl s_client %s sees the certificate of the pod, other names that of Sluice',
    async (version) => {
      const { sluice } = await start({});
      expect(await subjectOf(sluice.httpsPort, 'pass.test', version)).toContain('the pod');
      expect(await subjectOf(sluice.httpsPort, 'web.test', version)).toContain(
        'Kubernetes Ingress Controller Fake Certificate',
      );
    },
  );
});

/** The subject that OpenSSL's client is shown. */
async function subjectOf(port: number, servername: string, ...flags: readonly string[]): Promise<string> {
  const args = ['s_client', '-connect', `127.0.0.1:${port}`, '-servername', servername, ...flags];
  const promise = run('openssl', args);
  promise.child.stdin?.end();
  const { stdout } = await promise;
  return /^subject=(.*)$/m.exec(stdout)?.[1] ?? '';
}
