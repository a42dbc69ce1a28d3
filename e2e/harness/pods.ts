// Pods as sockets of this machine: each answers with its own name.

import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface Pod extends AsyncDisposable {
  readonly name: string;
  readonly port: number;
  /** Requests that it answered. */
  readonly answers: number;
}

/** Longer than any test: a pod that closes idle connections would be a fault of its own. */
const keepAliveMs = 600_000;

export async function startPod(name: string): Promise<Pod> {
  let answers = 0;
  const server = createServer({ keepAliveTimeout: keepAliveMs }, (request, response) => {
    answers += 1;
    request.resume();
    response.end(name);
  });
  await new Promise<void>((resolve) => server.listen(0, '0.0.0.0', resolve));
  return {
    name,
    port: (server.address() as AddressInfo).port,
    get answers() {
      return answers;
    },
    [Symbol.asyncDispose]: () => close(server),
  };
}

async function close(server: Server): Promise<void> {
  const closed = new Promise((resolve) => server.close(resolve));
  server.closeAllConnections();
  await closed;
}
