// Entry of an origin process that tests kill. It answers after a moment, so that requests are under way when it dies, and
// writes the id of every request to stdout before it answers: what was written survives the process.

import { writeSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

/** Time a request stays under way. */
const WORK_MS = 20;

const server = createServer((request, response) => {
  request.resume().once('end', () => {
    writeSync(1, `${request.method} ${request.url}\n`);
    setTimeout(() => response.end('done'), WORK_MS);
  });
});
server.listen(0, '127.0.0.1', () => writeSync(1, `port ${(server.address() as AddressInfo).port}\n`));
