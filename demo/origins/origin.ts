// What every demo origin has in common: a real node:http server on one fixed loopback port, so that the EndpointSlices
// in demo/manifests can name it.

import { createServer, type RequestListener, type Server } from 'node:http';

/** A running origin. */
export interface Origin {
  readonly name: string;
  readonly port: number;
  readonly server: Server;
  /** Stops it at once, open connections included. */
  close(): Promise<void>;
}

/**
 * Starts an origin on 127.0.0.1. `port` 0 takes a free one (tests). Rejects with an error whose message is one line
 * for the user when the port is taken.
 */
export function listen(name: string, port: number, handler: RequestListener): Promise<Origin> {
  const server = createServer(handler);
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      const taken = error.code === 'EADDRINUSE';
      reject(
        new Error(taken ? `port ${port} for the demo origin "${name}" is taken` : error.message, { cause: error }),
      );
    });
    server.listen(port, '127.0.0.1', () => {
      const address = server.address();
      const actualPort = typeof address === 'object' && address !== null ? address.port : port;
      resolve({ name, port: actualPort, server, close: () => closeServer(server) });
    });
  });
}

function closeServer(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
}
