// Peer: @fastify/http-proxy, which forwards with undici. Arguments: port, origin port.

import type { IncomingMessage } from 'node:http';
import fastifyHttpProxy from '@fastify/http-proxy';
import fastify from 'fastify';
import { forwardingHeaders } from './forwarding-headers.ts';

const [port = 0, originPort] = process.argv.slice(2).map(Number);
const server = fastify({ logger: false, bodyLimit: 64 << 20 });
await server.register(fastifyHttpProxy, {
  upstream: `http://127.0.0.1:${originPort}`,
  undici: { connections: 1024, pipelining: 1 },
  replyOptions: {
    rewriteRequestHeaders: (request, headers) => ({
      ...headers,
      host: request.headers.host ?? '',
      ...forwardingHeaders(request.raw as IncomingMessage),
    }),
  },
});
await server.listen({ port, host: '127.0.0.1' });
