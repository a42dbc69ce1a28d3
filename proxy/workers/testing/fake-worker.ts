// A worker that speaks the protocol and does nothing else, for tests of the pool. It accepts real connections and answers
// each with one line: worker id, revision, and how many updates of each kind it was sent.
//
// `workerData.misbehaviour` says how it misbehaves.
// A client that sends `crash` makes the worker that accepted it throw.

import { createServer, type Server } from 'node:net';
import { parentPort, workerData } from 'node:worker_threads';
import { canApply } from '../../table/apply.ts';
import { decodeUpdate } from '../../table/codec.ts';
import type { EndpointNews, FromWorker, ListenerSettings, ToWorker, WorkerStart } from '../messages.ts';

/** Ids of the workers that do it. */
export interface Misbehaviour {
  /** Throws when it is sent this revision, in whatever form. */
  readonly poison?: { readonly revision: number; readonly workers: readonly number[] };
  /** Does not acknowledge parts. */
  readonly muteParts?: readonly number[];
  /** Asks for a full table instead of applying parts. */
  readonly refuseParts?: readonly number[];
  /** Acknowledges nothing and answers no drain. */
  readonly mute?: readonly number[];
  /** Answers no sample request. */
  readonly slowSample?: readonly number[];
  readonly failListen?: readonly number[];
  /** Throws before it reports that it has started. */
  readonly crashOnStart?: readonly number[];
  /** Reports a certificate it cannot use with every acknowledgement. */
  readonly problem?: readonly number[];
}

export interface FakeWorkerStart extends WorkerStart {
  readonly misbehaviour?: Misbehaviour;
}

const port = parentPort;
if (port === null) throw new Error('this module runs in a worker thread only');
const { id, misbehaviour = {} } = workerData as FakeWorkerStart;
const misbehaves = (how: Exclude<keyof Misbehaviour, 'poison'>): boolean => misbehaviour[how]?.includes(id) ?? false;
const servers: Server[] = [];
const seen = { full: 0, parts: 0 };
let revision: number | null = null;
let connections = 0;

function send(message: FromWorker): void {
  port?.postMessage(message);
}

function update(bytes: SharedArrayBuffer): void {
  if (misbehaves('mute')) return;
  const received = decodeUpdate(bytes);
  const { poison } = misbehaviour;
  if (poison?.revision === received.revision && poison.workers.includes(id)) throw new Error('poison');
  if (received.kind === 'parts' && misbehaves('muteParts')) return;
  seen[received.kind]++;
  const refuses = received.kind === 'parts' && misbehaves('refuseParts');
  if (refuses || !canApply(received, revision)) return send({ type: 'needFull', revision: received.revision });
  revision = received.revision;
  const problems = misbehaves('problem') ? [{ certificate: 'c0', message: 'key values mismatch' }] : [];
  send({ type: 'ack', revision, tookMs: 1 + id, problems });
}

function listen(listeners: readonly ListenerSettings[]): void {
  const [wanted] = listeners;
  if (wanted === undefined) return;
  if (misbehaves('failListen')) {
    return send({ type: 'listenFailed', listener: wanted, code: 'EACCES', message: 'permission denied' });
  }
  const server = createServer((socket) => {
    connections++;
    send({ type: 'accessLog', lines: `worker ${id}\n` });
    socket.on('error', () => undefined);
    socket.on('data', (data) => {
      if (data.toString() === 'crash') throw new Error(`worker ${id} was told to crash`);
      socket.end(`${id} ${revision} ${seen.full} ${seen.parts}\n`);
    });
  });
  server.listen({ port: wanted.port, host: wanted.host, reusePort: true }, () => {
    const address = server.address();
    const chosen = typeof address === 'object' && address !== null ? address.port : 0;
    send({ type: 'listening', listeners: [{ ...wanted, port: chosen }] });
  });
  servers.push(server);
}

function sample(sampleId: number): void {
  if (misbehaves('slowSample')) return;
  send({
    type: 'sample',
    id: sampleId,
    sample: {
      counters: [{ name: 'connections_total', labels: {}, value: connections }],
      gauges: [{ name: 'workers_alive', labels: {}, value: 1 }],
      histograms: [
        { name: 'size', labels: { a: 'b' }, bounds: [1, 10], counts: [connections, 0, 1], sum: connections },
      ],
    },
  });
}

/** Says what it heard. A failing probe makes it eject that endpoint, so that tests see where an ejection goes. */
function hear(news: EndpointNews): void {
  send({ type: 'log', level: 'info', message: `${id} heard ${news.type} ${news.endpoint}`, fields: {} });
  if (news.type !== 'probed' || !news.isFailing) return;
  const { upstream, endpoint } = news;
  send({ type: 'ejected', upstream, endpoint, untilMs: 1000, reason: 'consecutiveErrors' });
}

function drain(): void {
  for (const server of servers) server.close();
  if (!misbehaves('mute')) send({ type: 'drained', cutConnections: 1 + id });
}

port.on('message', (message: ToWorker) => {
  switch (message.type) {
    case 'update':
      return update(message.bytes);
    case 'listen':
      return listen(message.listeners);
    case 'sample':
      return sample(message.id);
    case 'probed':
    case 'ejected':
      return hear(message);
    case 'drain':
      return drain();
    default:
      return message satisfies never;
  }
});

if (misbehaves('crashOnStart')) throw new Error(`worker ${id} cannot start`);
send({ type: 'log', level: 'info', message: 'started', fields: { id } });
send({ type: 'started' });
