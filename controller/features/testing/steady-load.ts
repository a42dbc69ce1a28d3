// Clients that ask one host over and over while something else happens, each on its own connection.

import { KeepAliveClient } from './keep-alive-client.ts';

/** What one client met. */
export interface ClientReport {
  readonly answers: number;
  /** Statuses other than 200, and the error that ended it. Empty when nothing failed. */
  readonly failures: readonly string[];
}

export interface LoadedPorts {
  readonly httpPort: number;
  readonly httpsPort: number;
}

export class SteadyLoad {
  readonly #loops: Promise<ClientReport>[];
  #isOver = false;

  /** Starts `clients` clients, every other one over HTTPS. They ask `host` for `/`. */
  constructor(ports: LoadedPorts, host: string, clients: number) {
    this.#loops = Array.from({ length: clients }, (_, i) =>
      this.#loop(
        i % 2 === 0 ? new KeepAliveClient('http', ports.httpPort) : new KeepAliveClient('https', ports.httpsPort),
        host,
      ),
    );
  }

  /** Ends the load and tells what each client met. */
  async stop(): Promise<ClientReport[]> {
    this.#isOver = true;
    return await Promise.all(this.#loops);
  }

  async #loop(client: KeepAliveClient, host: string): Promise<ClientReport> {
    using asking = client;
    const failures: string[] = [];
    while (!this.#isOver && failures.length === 0) {
      await asking.ask({ host }).then(
        ({ status }) => status === 200 || failures.push(`status ${status}`),
        (error: Error) => failures.push(error.message),
      );
    }
    return { answers: asking.answers, failures };
  }
}
