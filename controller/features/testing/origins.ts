// Origins that say who they are: `x-origin` and `x-port` name the one that answered, the body repeats the path.

import { once } from 'node:events';
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';

/** A running origin on a loopback port. */
export interface Origin extends AsyncDisposable {
  readonly server: Server;
  readonly port: number;
}

/** Starts an origin on a free port. It never closes an idle connection by itself: only the proxy decides here. */
export async function startOrigin(handler: RequestListener): Promise<Origin> {
  const server = createServer({ keepAliveTimeout: 0, requestTimeout: 0, headersTimeout: 0 }, handler);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    server,
    port: (server.address() as AddressInfo).port,
    [Symbol.asyncDispose]: () => closeServer(server),
  };
}

/** Starts an origin that answers 200 with its name and the path, once the request body is complete. */
export function startNamedOrigin(name: string): Promise<Origin> {
  return startOrigin((request, response) => {
    request.resume().once('end', () => {
      const body = `${request.method} ${request.url}`;
      const headers = {
        'x-origin': name,
        'x-port': request.socket.localPort,
        'content-length': Buffer.byteLength(body),
      };
      response.writeHead(200, headers).end(body);
    });
  });
}

async function closeServer(server: Server): Promise<void> {
  server.close();
  server.closeAllConnections();
  await once(server, 'close');
}
