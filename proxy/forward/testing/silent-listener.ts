// An endpoint that neither accepts nor refuses: its machine is there, its program hangs and its accept queue is full.
//
// A thread listens with the shortest queue and then stands still, so nothing is ever accepted; the system drops further
// connection attempts (Linux, tcp_abort_on_overflow 0), as it does for an address where nobody is.

import { once } from 'node:events';
import net from 'node:net';
import { Worker } from 'node:worker_threads';

const LISTENER = `
  const { parentPort, workerData } = require('node:worker_threads');
  const server = require('node:net').createServer();
  server.listen({ port: 0, host: '127.0.0.1', backlog: 1 }, () => {
    parentPort.postMessage(server.address().port);
    setImmediate(() => { Atomics.wait(workerData, 0, 0); process.exit(); });
  });
`;
/** What fits into a queue of 1 on Linux. */
const QUEUE = 2;

export class SilentListener {
  readonly port: number;
  readonly #worker: Worker;
  readonly #gate: Int32Array;
  readonly #queued: readonly net.Socket[];

  private constructor(port: number, worker: Worker, gate: Int32Array, queued: readonly net.Socket[]) {
    this.port = port;
    this.#worker = worker;
    this.#gate = gate;
    this.#queued = queued;
  }

  static async start(): Promise<SilentListener> {
    const gate = new Int32Array(new SharedArrayBuffer(4));
    const worker = new Worker(LISTENER, { eval: true, workerData: gate });
    const [port] = (await once(worker, 'message')) as [number];
    const queued: net.Socket[] = [];
    for (let i = 0; i < QUEUE; i++) {
      const socket = net.connect(port, '127.0.0.1');
      socket.on('error', () => {});
      queued.push(socket);
      await once(socket, 'connect');
    }
    return new SilentListener(port, worker, gate, queued);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const ended = once(this.#worker, 'exit');
    Atomics.store(this.#gate, 0, 1);
    Atomics.notify(this.#gate, 0);
    for (const socket of this.#queued) socket.destroy();
    await ended;
  }
}
