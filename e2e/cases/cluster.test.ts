// A Sluice process against an API server, from outside: what kubectl users and clients of the proxy would see.
//
// Runs against the test API server; pods are sockets on this machine's own address, because an EndpointSlice with a
// loopback address is refused by a real server, and by the test one.

import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, get, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { networkInterfaces, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { type ApiServer, startApiServer } from '../apiserver/server.ts';

const MAIN = fileURLToPath(new URL('../../controller/main.ts', import.meta.url));
const WAIT_MS = 15_000;

/** An IPv4 address of this machine that is not loopback; null where there is none. */
const address =
  Object.values(networkInterfaces())
    .flatMap((entries) => entries ?? [])
    .find(({ family, internal }) => family === 'IPv4' && !internal)?.address ?? null;

async function until<T>(what: string, read: () => T | Promise<T>, fits: (value: T) => boolean): Promise<T> {
  const endMs = performance.now() + WAIT_MS;
  for (;;) {
    const value = await read();
    if (fits(value)) return value;
    if (performance.now() > endMs) throw new Error(`waited in vain for ${what}; last: ${JSON.stringify(value)}`);
    await delay(20);
  }
}

/** A pod that answers with its name. */
async function startPod(name: string): Promise<Server> {
  const server = createServer((_, response) => response.end(name));
  await new Promise<void>((resolve) => server.listen(0, '0.0.0.0', resolve));
  return server;
}

const portOf = (server: Server) => (server.address() as AddressInfo).port;

/** A running `sluice serve`. */
class SluiceProcess {
  readonly #child: ChildProcess;
  readonly #records: Readonly<Record<string, unknown>>[] = [];
  readonly #exit: Promise<number | null>;

  constructor(args: readonly string[], env: Readonly<Record<string, string>>) {
    const ports = ['--http-port=0', '--https-port=0', '--healthz-port=0', '--workers=1', '--log-format=json'];
    this.#child = spawn(process.execPath, [MAIN, 'serve', ...ports, ...args], {
      stdio: ['ignore', 'ignore', 'pipe'],
      env: { ...process.env, NODE_OPTIONS: '', ...env },
    });
    this.#exit = new Promise((resolve) => this.#child.once('exit', resolve));
    let rest = '';
    this.#child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      const lines = (rest + text).split('\n');
      rest = lines.pop() ?? '';
      this.#records.push(...lines.filter((line) => line.startsWith('{')).map((line) => JSON.parse(line)));
    });
  }

  async serving(): Promise<{ readonly httpPort: number; readonly healthPort: number }> {
    const find = () => this.#records.find(({ msg }) => msg === 'serving');
    const record = await until('a start', find, (found) => found !== undefined);
    return record as unknown as { httpPort: number; healthPort: number };
  }

  get isServing(): boolean {
    return this.#records.some(({ msg }) => msg === 'serving');
  }

  async stop(): Promise<number | null> {
    this.#child.kill('SIGTERM');
    return await this.#exit;
  }

  kill(): void {
    this.#child.kill('SIGKILL');
  }
}

interface Answer {
  readonly status: number;
  readonly body: string;
}

function ask(port: number, host: string, path = '/'): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const request = get(
      { host: '127.0.0.1', port, path, headers: { host }, agent: false, timeout: 5000 },
      (response) => {
        let body = '';
        response.setEncoding('utf8').on('data', (text: string) => {
          body += text;
        });
        response.on('end', () => resolve({ status: response.statusCode ?? 0, body }));
        response.on('error', reject);
      },
    );
    request.on('error', reject);
    request.on('timeout', () => request.destroy(new Error('no answer in time')));
  });
}

const cluster = `
apiVersion: networking.k8s.io/v1
kind: IngressClass
metadata: { name: nginx }
spec: { controller: k8s.io/ingress-nginx }
---
apiVersion: networking.k8s.io/v1
kind: IngressClass
metadata: { name: other }
spec: { controller: example.test/other }
---
apiVersion: v1
kind: Pod
metadata: { name: sluice-1, namespace: default, labels: { app: sluice } }
spec: { nodeName: node-1, containers: [{ name: sluice, image: sluice }] }
---
apiVersion: v1
kind: Service
metadata: { name: web, namespace: default }
spec: { ports: [{ name: http, port: 80 }] }
`;

const ingress = (name: string, className = 'nginx', service = 'web') => `
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: { name: ${name}, namespace: default }
spec:
  ingressClassName: ${className}
  rules:
    - host: ${name}.test
      http: { paths: [{ path: /, pathType: Prefix, backend: { service: { name: ${service}, port: { number: 80 } } } }] }
`;

const slice = (port: number) => `
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: { name: web-1, namespace: default, labels: { kubernetes.io/service-name: web } }
addressType: IPv4
ports: [{ name: http, port: ${port} }]
endpoints: [{ addresses: ["${address}"], conditions: { ready: true } }]
`;

if (address === null)
  console.warn('e2e/cases/cluster.test.ts is skipped: this machine has no address besides loopback');
const describeWithAddress = address === null ? describe.skip : describe;

describeWithAddress('a Sluice process and an API server', () => {
  let api: ApiServer;
  let first: Server;
  let second: Server;
  let sluice: SluiceProcess;
  let dir: string;
  let httpPort: number;
  let healthPort: number;

  const statusOf = (name: string) => api.get('networking.k8s.io/v1', 'Ingress', 'default', name)?.['status'];
  const isPublished = (status: unknown) =>
    JSON.stringify(status) === '{"loadBalancer":{"ingress":[{"ip":"192.0.2.1"}]}}';
  const eventsOf = async (name: string) => {
    const headers = { authorization: `Bearer ${api.token()}` };
    const { Agent, fetch } = await import('undici');
    const dispatcher = new Agent({ connect: { ca: api.caPem } });
    const selector = `fieldSelector=involvedObject.name%3D${name}`;
    const response = await fetch(`${api.url}/api/v1/namespaces/default/events?${selector}`, { headers, dispatcher });
    const { items } = (await response.json()) as {
      items: readonly { readonly reason: string; readonly message: string }[];
    };
    await dispatcher.close();
    return items;
  };

  beforeAll(async () => {
    [api, first, second] = await Promise.all([startApiServer(), startPod('first'), startPod('second')]);
    await api.apply(`${cluster}\n---${slice(portOf(first))}\n---${ingress('one')}\n---${ingress('foreign', 'other')}`);
    dir = await mkdtemp(join(tmpdir(), 'sluice-e2e-'));
    const kubeconfig = join(dir, 'kubeconfig');
    await writeFile(kubeconfig, api.kubeconfig());
    sluice = new SluiceProcess(['--kubeconfig', kubeconfig, '--publish-status-address=192.0.2.1'], {
      POD_NAMESPACE: 'default',
      POD_NAME: 'sluice-1',
    });
    ({ httpPort, healthPort } = await sluice.serving());
  }, 30_000);

  afterAll(async () => {
    sluice.kill();
    first.close();
    second.close();
    await api[Symbol.asyncDispose]();
    await rm(dir, { recursive: true });
  });

  // One story: each chapter needs the one before.
  test('from the first table to the last write', async () => {
    expect(await ask(httpPort, 'one.test')).toEqual({ status: 200, body: 'first' });
    expect((await ask(httpPort, 'foreign.test')).status).toBe(404);

    // The status of ours is written, that of another class is not.
    await until('the status', () => statusOf('one'), isPublished);
    expect(statusOf('foreign')).toEqual({ loadBalancer: {} });

    // A new Ingress answers, gets its address and its Event; a broken one is told.
    await api.apply(ingress('two'));
    await until(
      'the new host',
      () => ask(httpPort, 'two.test'),
      ({ status }) => status === 200,
    );
    await until('its status', () => statusOf('two'), isPublished);
    await until(
      'its Event',
      () => eventsOf('two'),
      (events) => events.some(({ reason }) => reason === 'Sync'),
    );
    await api.apply(ingress('broken', 'nginx', 'nowhere'));
    const told = await until(
      'the rejection',
      () => eventsOf('broken'),
      (events) => events.length > 1,
    );
    expect(told.map(({ reason }) => reason)).toContain('Sync');
    expect(told.some(({ message }) => message.includes('nowhere'))).toBe(true);
    await until('its status', () => statusOf('broken'), isPublished);

    // Endpoints move.
    await api.apply(slice(portOf(second)));
    await until(
      'the second pod',
      () => ask(httpPort, 'one.test'),
      ({ body }) => body === 'second',
    );

    // The server goes: traffic goes on, and metrics say how old the objects are.
    await api.stop();
    await delay(1500);
    expect(await ask(httpPort, 'one.test')).toEqual({ status: 200, body: 'second' });
    const metrics = await ask(healthPort, 'localhost', '/metrics');
    expect(
      Number(/^sluice_api_last_contact_age_seconds\{resource="ingresses"\} (.*)$/m.exec(metrics.body)?.[1]),
    ).toBeGreaterThan(1);
    expect((await ask(healthPort, 'localhost', '/healthz')).status).toBe(200);
    await api.start();
    await api.apply(slice(portOf(first)));
    await until(
      'the first pod again',
      () => ask(httpPort, 'one.test'),
      ({ body }) => body === 'first',
    );

    // History is gone: everything is read again, without a write.
    api.compact();
    api.log.clear();
    api.faults.dropWatches();
    await api.apply(ingress('three'));
    await until(
      'a host made meanwhile',
      () => ask(httpPort, 'three.test'),
      ({ status }) => status === 200,
    );
    await until('its status', () => statusOf('three'), isPublished);
    expect(api.log.count({ verb: 'patch', resource: 'ingresses.networking.k8s.io/status' })).toBe(1);

    // The end: addresses are taken back, the Lease is free.
    expect(await sluice.stop()).toBe(0);
    expect(statusOf('one')).toEqual({ loadBalancer: {} });
    expect(api.get('coordination.k8s.io/v1', 'Lease', 'default', 'ingress-controller-leader')?.['spec']).toMatchObject({
      holderIdentity: '',
    });
  }, 60_000);
});

describe('starting', () => {
  test('not before the first full sync: a server that is late is waited for', async () => {
    await using api = await startApiServer();
    const dir = await mkdtemp(join(tmpdir(), 'sluice-e2e-'));
    await writeFile(join(dir, 'kubeconfig'), api.kubeconfig());
    await api.stop();
    const sluice = new SluiceProcess(['--kubeconfig', join(dir, 'kubeconfig'), '--disable-leader-election'], {});
    try {
      await delay(2000);
      expect(sluice.isServing).toBe(false);
      await api.start();
      const { healthPort } = await sluice.serving();
      expect((await ask(healthPort, 'localhost', '/healthz')).status).toBe(200);
    } finally {
      sluice.kill();
      await rm(dir, { recursive: true });
    }
  }, 30_000);

  test.each([
    [
      'a kubeconfig that does not exist',
      ['--kubeconfig', '/nonexistent'],
      /kubeconfig \/nonexistent cannot be used: ENOENT/,
    ],
    ['no place to read from', [], /where do objects come from\?/],
  ])('%s: one line, exit code 2', async (_, args, line) => {
    const child = spawn(process.execPath, [MAIN, 'serve', '--healthz-port=0', ...args], {
      stdio: ['ignore', 'ignore', 'pipe'],
      env: { PATH: process.env['PATH'] ?? '' },
    });
    let stderr = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr += text;
    });
    const code = await new Promise((resolve) => child.once('exit', resolve));
    expect(code).toBe(2);
    expect(stderr).toMatch(line);
    expect(stderr.trimEnd().split('\n')).toHaveLength(1);
  });
});
