// Peer: http-proxy, the library most Node proxies are made of. Arguments: port, origin port.

import { Agent, createServer } from 'node:http';
import httpProxy from 'http-proxy';
import { forwardingHeaders } from './forwarding-headers.ts';

const [port, originPort] = process.argv.slice(2).map(Number);
const proxy = httpProxy.createProxyServer({
  target: `http://127.0.0.1:${originPort}`,
  agent: new Agent({ keepAlive: true, maxSockets: 1024 }),
});
proxy.on('error', (_error, _request, response) => response.destroy());
createServer((request, response) => {
  proxy.web(request, response, { headers: forwardingHeaders(request) });
}).listen(port, '127.0.0.1');
