// The test's end of harness/mortal-workers.mjs.

import { connect } from 'node:net';

export class ThreadControl {
  readonly #path: string;

  /** `path` is the socket that the process was told by E2E_CONTROL_SOCKET. */
  constructor(path: string) {
    this.#path = path;
  }

  /** Ends a worker thread at once. */
  async kill(worker: number): Promise<void> {
    await this.#say(`kill sluice-worker-${worker}`, false);
  }

  /** Bytes in use behind a garbage collection, over the main thread and so many workers. */
  async usedBytes(workers: number): Promise<number> {
    const answer = await this.#say(`memory ${workers}`, true);
    return (JSON.parse(answer) as readonly number[]).reduce((sum, bytes) => sum + bytes, 0);
  }

  #say(line: string, isAnswered: boolean): Promise<string> {
    const { promise, resolve, reject } = Promise.withResolvers<string>();
    const socket = connect(this.#path, () => {
      if (isAnswered) socket.write(`${line}\n`);
      else socket.end(`${line}\n`);
    });
    let text = '';
    socket.setEncoding('utf8').on('data', (chunk: string) => {
      text += chunk;
    });
    socket.on('error', reject);
    socket.on('close', () => resolve(text));
    return promise;
  }
}
