// The headers that Sluice adds to a request, for the Node peers: they do the same work, by the cheapest means they have.

import { randomBytes } from 'node:crypto';
import type { IncomingMessage } from 'node:http';

/** Values for one request over plain HTTP. Keys as Sluice writes them. */
export function forwardingHeaders(request: IncomingMessage): Record<string, string> {
  const address = request.socket.remoteAddress ?? '';
  const host = request.headers.host ?? '';
  return {
    'X-Request-ID': randomBytes(16).toString('hex'),
    'X-Real-IP': address,
    'X-Forwarded-For': address,
    'X-Forwarded-Host': host,
    'X-Forwarded-Port': String(request.socket.localPort),
    'X-Forwarded-Proto': 'http',
    'X-Forwarded-Scheme': 'http',
    'X-Scheme': 'http',
  };
}
