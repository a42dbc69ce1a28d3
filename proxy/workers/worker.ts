// Entry of a worker thread: connects a ProxyWorker to the main thread's messages. Nothing else happens here.

import { performance } from 'node:perf_hooks';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { parentPort, workerData } from 'node:worker_threads';
import { SharedLoads } from '../endpoints/shared-loads.ts';
import { LimitTable } from '../filters/limit-table.ts';
import type { RateStoreSettings } from '../filters/rate-store.ts';
import { decodeUpdateInTurns } from '../table/codec.ts';
import type { FromWorker, ListenerSettings, ToWorker, WorkerStart } from './messages.ts';
import { ProxyWorker } from './proxy-worker.ts';

const port = parentPort;
if (port === null) throw new Error('worker.ts runs as a worker thread only');
const start = workerData as WorkerStart;

const send = (message: FromWorker): void => port.postMessage(message);

let updates: Promise<void> = Promise.resolve();

/** performance.now() begins at another moment in each thread; hrtime does not, but gives each reading as an array. */
const startOfThreadMs = Number(process.hrtime.bigint()) / 1e6 - performance.now();
const machineMs = (): number => startOfThreadMs + performance.now();

const worker = new ProxyWorker({
  ticketKeys: start.ticketKeys,
  maxConnections: start.maxConnections,
  staticReadBuffer: start.staticReadBuffer,
  requestMetrics: start.requestMetrics,
  reusePort: process.platform === 'linux',
  bindHost: start.listeners[0]?.host ?? '',
  log: (level, message, fields) => send({ type: 'log', level, message, fields }),
  writeAccessLog: (lines) => send({ type: 'accessLog', lines }),
  limits: new LimitTable(start.limitMemory, start.id),
  loads: start.loads === null ? null : { loads: new SharedLoads(start.loads), column: start.id },
  onEjected: (upstream, endpoint, untilMs, reason) => send({ type: 'ejected', upstream, endpoint, untilMs, reason }),
  onPortFault: (id, fault) => send({ type: 'portFault', id, fault }),
  monotonicMs: () => performance.now(),
  machineMs,
  wallMs: Date.now,
  random: Math.random,
});

port.on('message', (message: ToWorker) => {
  switch (message.type) {
    case 'update':
      return takeUpdate(message.revision, message.bytes);
    case 'listen':
      void listen(message.listeners);
      return;
    case 'sample':
      return send({ type: 'sample', id: message.id, sample: worker.sample() });
    case 'ejected':
    case 'probed':
      return worker.hear(message);
    case 'drain':
      void drain(message.deadlineMs);
      return;
    default:
      message satisfies never;
  }
});

if (start.limitStore === null) send({ type: 'started' });
else void connectStore(start.limitStore).then(() => send({ type: 'started' }));

/** The client library is loaded by those who use it only. The store need not answer for the worker to serve. */
async function connectStore({ url, ca, timeoutMs, onFailure }: RateStoreSettings): Promise<void> {
  const { RedisRateStore } = await import('./redis-rate-store.ts');
  const onChange = (isConnected: boolean, code: string): void => {
    if (isConnected) return send({ type: 'log', level: 'info', message: 'limit store connected', fields: {} });
    const message = `limit store cannot be reached: --limit-store-failure=${onFailure} decides about requests`;
    send({ type: 'log', level: 'warn', message, fields: { code } });
  };
  const onRefused = (code: string): void => {
    const message = `limit store refuses what it is asked: --limit-store-failure=${onFailure} decides about requests`;
    send({ type: 'log', level: 'warn', message, fields: { code } });
  };
  const store = new RedisRateStore({ url, ca, timeoutMs, nowMs: () => performance.now(), onChange, onRefused });
  store.start();
  worker.useRateStore(store, onFailure);
}

/** Updates one after the other: a long one is read in turns with requests, and a later one must not overtake it. */
function takeUpdate(revision: number, bytes: SharedArrayBuffer): void {
  updates = updates.then(() => applyUpdate(revision, bytes));
}

/** What cannot be applied is a bug: the rejection is not handled, so that it ends the thread and the pool hears of it. */
async function applyUpdate(revision: number, bytes: SharedArrayBuffer): Promise<void> {
  const startedAtMs = performance.now();
  const update = await decodeUpdateInTurns(bytes, nextTurn);
  const preparing = worker.prepare(update);
  let step = preparing.next();
  for (; step.done !== true; step = preparing.next()) await nextTurn();
  if (!worker.apply(update, step.value)) return send({ type: 'needFull', revision: worker.revision });
  send({ type: 'ack', revision, tookMs: performance.now() - startedAtMs, problems: [] });
}

async function listen(listeners: readonly ListenerSettings[]): Promise<void> {
  const opened: ListenerSettings[] = [];
  for (const listener of listeners) {
    try {
      opened.push({ ...listener, port: await worker.listen(listener) });
    } catch (error) {
      const { code = '', message } = error as NodeJS.ErrnoException;
      return send({ type: 'listenFailed', listener, code, message });
    }
  }
  send({ type: 'listening', listeners: opened });
}

async function drain(deadlineMs: number): Promise<void> {
  const cutConnections = await worker.drain(deadlineMs);
  worker.close();
  send({ type: 'drained', cutConnections });
}
