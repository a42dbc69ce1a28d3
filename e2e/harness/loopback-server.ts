// An HTTP server of a test, on loopback.

import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';

/** Starts it on a free port, which it gives. It ends with `stack`, and all of its connections with it. */
export async function listenOnLoopback(server: Server, stack: AsyncDisposableStack): Promise<number> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', resolve);
  });
  stack.defer(() => {
    server.closeAllConnections();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}
