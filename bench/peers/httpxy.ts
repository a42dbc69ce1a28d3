// Peer: httpxy, http-proxy's maintained descendant. Arguments: port, origin port.

import { Agent, createServer } from 'node:http';
import { createProxyServer } from 'httpxy';
import { forwardingHeaders } from './forwarding-headers.ts';

const [port, originPort] = process.argv.slice(2).map(Number);
const proxy = createProxyServer({
  target: `http://127.0.0.1:${originPort}`,
  agent: new Agent({ keepAlive: true, maxSockets: 1024 }),
});
createServer((request, response) => {
  proxy.web(request, response, { headers: forwardingHeaders(request) }).catch(() => response.destroy());
}).listen(port, '127.0.0.1');
