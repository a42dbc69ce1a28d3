// Stands before a server on loopback, and can let connections fall silent without ending them: what a client sees of a
// host that was switched off, or of an address that has moved.

import { once } from 'node:events';
import { type AddressInfo, createConnection, createServer, type Server, type Socket } from 'node:net';

export class SilentRelay implements AsyncDisposable {
  /** Connections so far. */
  connections = 0;
  readonly #server: Server;
  readonly #open = new Set<Socket>();
  #silenced: Socket[] = [];

  private constructor(target: number) {
    this.#server = createServer((socket) => {
      this.connections++;
      const other = createConnection({ port: target, host: '127.0.0.1' });
      for (const [from, to] of [
        [socket, other],
        [other, socket],
      ] as const) {
        this.#open.add(from);
        from.on('data', (bytes) => !this.#silenced.includes(socket) && to.write(bytes));
        from.on('error', () => undefined);
        from.on('close', () => {
          this.#open.delete(from);
          to.destroy();
        });
      }
    });
  }

  static async start(target: number): Promise<SilentRelay> {
    const relay = new SilentRelay(target);
    relay.#server.listen(0, '127.0.0.1');
    await once(relay.#server, 'listening');
    return relay;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** Nothing gets through the connections of now any more; later ones work. */
  silence(): void {
    this.#silenced = [...this.#open];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.close();
    for (const socket of this.#open) socket.destroy();
    await once(this.#server, 'close');
  }
}
