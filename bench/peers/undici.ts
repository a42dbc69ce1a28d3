// Peer: undici behind node:http, the fastest pair that Node has for this without private interfaces. `dispatch` passes
// bytes on without a stream between. Arguments: port, origin port.

import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { type Dispatcher, Pool } from 'undici';
import { forwardingHeaders } from './forwarding-headers.ts';

const [port, originPort] = process.argv.slice(2).map(Number);
const pool = new Pool(`http://127.0.0.1:${originPort}`, { connections: 1024, pipelining: 1 });

createServer((request, response) => {
  const { connection: _connection, 'transfer-encoding': _coding, ...headers } = request.headers;
  const hasBody = request.method === 'POST';
  const options: Dispatcher.DispatchOptions = {
    path: request.url ?? '/',
    method: request.method as Dispatcher.HttpMethod,
    headers: { ...headers, ...forwardingHeaders(request) },
    body: hasBody ? request : null,
  };
  pool.dispatch(options, passTo(request, response));
}).listen(port, '127.0.0.1');

function passTo(request: IncomingMessage, response: ServerResponse): Dispatcher.DispatchHandler {
  return {
    onRequestStart(controller) {
      response.once('close', () => {
        if (!response.writableFinished) controller.abort(new Error('client has gone'));
      });
    },
    onResponseStart(_controller, status, headers) {
      const { connection: _connection, 'keep-alive': _keepAlive, ...kept } = headers;
      response.writeHead(status, kept);
    },
    onResponseData(controller, chunk) {
      if (response.write(chunk)) return;
      controller.pause();
      response.once('drain', () => controller.resume());
    },
    onResponseEnd() {
      response.end();
    },
    onResponseError() {
      request.destroy();
    },
  };
}
