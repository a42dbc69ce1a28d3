// Clients with WebSockets: each keeps one open, talks on it all the time, and opens a new one when it ends. The pod says
// its name first, so each end can be held against what was done to that pod.

import { WebSocket } from 'ws';

export interface WebSocketsOptions {
  readonly addresses: readonly string[];
  readonly port: number;
  readonly host: string;
  readonly clients: number;
  /** Whether the pod may have ended its connections by now; null: whether a socket may not have come as far as a pod. */
  readonly mayEnd: (pod: string | null) => boolean;
}

const TALK_MS = 50;
/** An echo that takes longer counts as lost. */
const ECHO_LIMIT_MS = 20_000;

export class WebSockets implements AsyncDisposable {
  /** What should not have happened, in words. */
  readonly faults: string[] = [];
  #ended = 0;
  #echoes = 0;
  #isStopped = false;
  readonly #open = new Set<WebSocket>();
  readonly #running: Promise<unknown>;

  constructor(options: WebSocketsOptions) {
    this.#running = Promise.all(Array.from({ length: options.clients }, (_, client) => this.#run(client, options)));
  }

  /** Sockets that ended with their pod. */
  get ended(): number {
    return this.#ended;
  }

  get echoes(): number {
    return this.#echoes;
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    for (const socket of this.#open) socket.terminate();
    await this.#running;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  async #run(client: number, { addresses, port, host, mayEnd }: WebSocketsOptions): Promise<void> {
    const address = addresses[client % addresses.length] ?? '';
    while (!this.#isStopped) {
      const { pod, why } = await this.#live(`ws://${address}:${port}/socket`, host);
      if (this.#isStopped) return;
      if (mayEnd(pod)) this.#ended += 1;
      else if (pod === null) this.faults.push(`not opened at ${address}: ${why}`);
      else this.faults.push(`ended without ${pod}: ${why}`);
    }
  }

  /** One socket from its opening to its end. */
  #live(url: string, host: string): Promise<{ readonly pod: string | null; readonly why: string }> {
    return new Promise((resolve) => {
      const socket = new WebSocket(url, { headers: { host }, handshakeTimeout: ECHO_LIMIT_MS });
      this.#open.add(socket);
      let pod: string | null = null;
      /** Who has opened it: its name may be lost when it is killed at once. */
      let opener: string | null = null;
      let why = '';
      let sent = 0;
      let sentAtMs = 0;
      let isAnswered = true;
      const talk = setInterval(() => {
        if (pod === null || socket.readyState !== WebSocket.OPEN) return;
        if (!isAnswered) {
          if (performance.now() - sentAtMs > ECHO_LIMIT_MS) socket.terminate();
          return;
        }
        isAnswered = false;
        sentAtMs = performance.now();
        socket.send(String(++sent));
      }, TALK_MS);
      socket.on('upgrade', ({ headers }) => {
        if (typeof headers['x-pod'] === 'string') opener = headers['x-pod'];
      });
      socket.on('message', (data) => {
        const text = String(data);
        if (pod === null) pod = text;
        else if (text === String(sent)) {
          isAnswered = true;
          this.#echoes += 1;
        } else this.faults.push(`${pod} answered ${text} to ${sent}`);
      });
      socket.on('error', (error) => {
        why = error.message;
      });
      socket.on('close', (code) => {
        clearInterval(talk);
        this.#open.delete(socket);
        resolve({ pod: pod ?? opener, why: `${code} ${why}` });
      });
    });
  }
}
