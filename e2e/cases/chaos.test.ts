// Everything at once: requests of every kind while endpoints come, go and die, the Ingress changes its mind about balancing,
// and worker threads are ended amid their work. Judged by what clients see, and by what is left behind.
//
// The seed is Jest's: `npm test -- cases/chaos --seed=<seed>` repeats the same changes, at other moments of the load.

import { readdir } from 'node:fs/promises';
import { Agent, request } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, beforeEach, expect, jest, test } from '@jest/globals';
import { Clients } from '../chaos/clients.ts';
import { type Failure, Faults } from '../chaos/faults.ts';
import { ChaosOrigin, type OriginContext } from '../chaos/origin.ts';
import { ChaosScene, GRPC_HOST, HOST } from '../chaos/scene.ts';
import { freePort } from '../harness/free-port.ts';
import { ThreadControl } from '../harness/thread-control.ts';
import { until } from '../harness/wait.ts';
import { seededRandom } from '../netns/randomness.ts';
import { WebSockets } from '../netns/web-sockets.ts';
import { Edge, ManifestFolder } from '../upstreams/edge.ts';

const WORKERS = 3;
const ENDPOINTS = 6;
const COUNTS = { http1: 8, uploads: 2, http2: 2, grpc: 3 };
const WEB_SOCKETS = 6;
const WARM_UP_MS = 3_000;
const CHAOS_MS = 20_000;
/** Once in each of these a worker is ended. */
const WORKER_PERIOD_MS = 6_000;
/** Connections of clients at one time: an end of a worker may cost each a request, and those of HTTP/2 four. */
const CONNECTIONS = COUNTS.http1 + COUNTS.uploads + 4 * COUNTS.http2 + COUNTS.grpc;
const MAX_LEFT_BYTES = 12_000_000;
const SETTINGS = {
  // Connections to endpoints that nobody uses are to be gone at the end.
  'upstream-keepalive-timeout': '2',
  'disable-access-log': 'true',
};

let stack: AsyncDisposableStack;
let context: OriginContext;
let faults: Faults;
let folder: ManifestFolder;
let scene: ChaosScene;
let edge: Edge;
let threads: ThreadControl;

beforeEach(async () => {
  stack = new AsyncDisposableStack();
  const random = seededRandom(jest.getSeed());
  faults = new Faults();
  const [port, grpcPort] = [await freePort(), await freePort()];
  context = { port, grpcPort, random, deliveries: new Map(), hold: null, underWay: 0 };
  const start = async (name: string, number: number) =>
    stack.use(await ChaosOrigin.start(name, `127.201.1.${number}`, context));
  const origins = await Promise.all(Array.from({ length: ENDPOINTS }, (_, at) => start(`web${at}`, 10 + at)));
  const canaries = await Promise.all([start('next0', 100), start('next1', 101)]);
  const settings = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'settings' }, data: SETTINGS };
  folder = stack.use(await ManifestFolder.create({ settings: JSON.stringify(settings) }));
  scene = new ChaosScene({ origins, canaries, context, folder, faults });
  await scene.publish();
  threads = stack.use(await ThreadControl.create());
  edge = stack.use(await Edge.start(folder, [`--workers=${WORKERS}`, '--configmap=default/settings'], threads.env));
}, 60_000);

afterEach(() => stack.disposeAsync());

function startClients(label: string): { readonly clients: Clients; readonly sockets: WebSockets } {
  const { http: httpPort, https: httpsPort } = edge.ports;
  const clients = new Clients({ label, httpPort, httpsPort, host: HOST, grpcHost: GRPC_HOST, random: context.random });
  clients.start(COUNTS);
  const mayEnd = (name: string | null): boolean => {
    const end = { client: 'socket', what: '', atMs: performance.now() };
    return faults.excusesBrokenConnection(end) || faults.excusesLostRequest(end, name ?? undefined);
  };
  const addresses = ['127.0.0.1'];
  return { clients, sockets: new WebSockets({ addresses, port: httpPort, host: HOST, clients: WEB_SOCKETS, mayEnd }) };
}

/** Endpoints die and come back, one at a time. */
async function strikeUntil(endMs: number): Promise<void> {
  while (performance.now() < endMs) {
    const victim = await scene.strike();
    await delay(300 + context.random() * 700);
    await victim?.revive();
    await delay(300 + context.random() * 700);
  }
}

async function changeUntil(endMs: number): Promise<void> {
  while (performance.now() < endMs) {
    await scene.change();
    await delay(50 + context.random() * 250);
  }
}

/** Ends a worker in the midst of each period; the pool starts another one in its place. */
async function killWorkersUntil(endMs: number): Promise<void> {
  for (let worker = 0; performance.now() + WORKER_PERIOD_MS < endMs; worker = (worker + 1) % WORKERS) {
    await delay(WORKER_PERIOD_MS / 2);
    scene.log.push(`worker ${worker} dies`);
    const before = crashes();
    faults.note({ kind: 'worker' });
    await threads.kill(worker);
    await until('the end of a worker', crashes, (count) => count > before);
    await delay(WORKER_PERIOD_MS / 2);
  }
}

function crashes(): number {
  return edge.process.records.filter(({ msg }) => msg?.includes('died; the others serve')).length;
}

/** Descriptors of the process that are open. */
async function descriptors(): Promise<number> {
  return (await readdir(`/proc/${edge.process.pid}/fd`)).length;
}

/** What the process holds when nobody asks. */
async function restingState(): Promise<{ readonly descriptors: number; readonly bytes: number }> {
  await until(
    'the end of all connections',
    async () => [await edge.metric('sluice_open_connections'), await edge.metric('sluice_upstream_connections')],
    (counts) => counts.every((count) => count === 0),
  );
  // The one of the request for metrics goes by itself.
  await delay(500);
  return { descriptors: await descriptors(), bytes: await threads.usedBytes(WORKERS) };
}

/** So many requests that wait at their endpoint, at one time; then those beyond are refused. Gives their statuses. */
async function countedOut(most: number): Promise<readonly number[]> {
  const { promise, resolve } = Promise.withResolvers<void>();
  context.hold = promise;
  const agent = new Agent({ keepAlive: false });
  const asked = Array.from({ length: most }, () => statusOf(agent));
  await until(
    'requests at the endpoints',
    () => context.underWay,
    (count) => count === most,
  );
  const beyond = await statusOf(agent);
  context.hold = null;
  resolve();
  return [...(await Promise.all(asked)), beyond];
}

function statusOf(agent: Agent): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  const options = {
    agent,
    host: '127.0.0.1',
    port: edge.ports.http,
    headers: { host: HOST, 'x-id': 'last' },
    timeout: 10_000,
  };
  const outgoing = request(options, (response) => {
    response.resume().on('end', () => resolve(response.statusCode ?? 0));
  });
  outgoing.on('timeout', () => outgoing.destroy(new Error('neither let in nor refused')));
  outgoing.on('error', reject);
  outgoing.end();
  return promise;
}

const wordsOf = (failures: readonly Failure[]) => failures.map(({ client, what }) => `${client} ${what}`);

test('clients see no fault but those that cannot be hidden, and nothing stays behind', async () => {
  const warmUp = startClients('warm-up');
  await delay(WARM_UP_MS);
  await Promise.all([warmUp.clients.stop(), warmUp.sockets.stop()]);
  const before = await restingState();

  const { clients, sockets } = startClients('chaos');
  const endMs = performance.now() + CHAOS_MS;
  await Promise.all([changeUntil(endMs), strikeUntil(endMs), killWorkersUntil(endMs)]);
  await Promise.all([clients.stop(), sockets.stop()]);

  // What may be sent again never fails, whoever has died.
  expect(wordsOf(clients.idempotentFailures)).toEqual([]);
  // What may not be sent again fails only where it was under way to an endpoint that has died, and is never sent twice.
  expect(wordsOf(clients.onceFailures.filter((failure) => !faults.excusesLostRequest(failure)))).toEqual([]);
  expect([...context.deliveries].filter(([, count]) => count > 1)).toEqual([]);
  expect(clients.answeredOnce.filter((id) => context.deliveries.get(id) !== 1)).toEqual([]);
  // Connections are lost with their worker; an upload or a call that was answered in part, with its endpoint.
  const isExcused = (failure: Failure) =>
    faults.excusesBrokenConnection(failure) ||
    (/^(upload|grpc)/.test(failure.client) && faults.excusesLostRequest(failure));
  expect(wordsOf(clients.brokenConnections.filter((failure) => !isExcused(failure)))).toEqual([]);
  expect(clients.brokenConnections.length).toBeLessThanOrEqual(CONNECTIONS * (faults.count('worker') + 1));
  expect(sockets.faults).toEqual([]);
  // It was what it says.
  expect(faults.count('worker')).toBeGreaterThanOrEqual(2);
  expect(faults.count('endpoint')).toBeGreaterThanOrEqual(5);
  expect(sockets.ended).toBeGreaterThan(0);
  // A connection that has had its thousand requests is ended in order, whatever races with that is safe to ask again.
  expect(clients.refused).toBeLessThan(clients.answers.http2 / 100);
  for (const [kind, count] of Object.entries(clients.answers)) {
    expect({ kind, isEnough: count > 50 }).toEqual({ kind, isEnough: true });
  }

  // No request is counted that is over: exactly as many as allowed get in.
  await edge.change(folder, 'chaos', scene.settled(5));
  expect(await countedOut(5)).toEqual([200, 200, 200, 200, 200, 503]);
  const after = await restingState();
  expect(after.descriptors).toBeLessThanOrEqual(before.descriptors + 4);
  expect(after.bytes - before.bytes).toBeLessThan(MAX_LEFT_BYTES);
}, 120_000);
