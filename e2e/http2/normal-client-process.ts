// A program: an origin, and a client that asks it through the proxy over HTTP/2, at a steady rate. Both are here, in a
// process of their own, so that what an attack costs its attacker does not look like something it costs the proxy.
//
// Parent -> it: { port, host } to begin. 'take' asks for the latencies since the last time, in milliseconds.
// It -> parent: { originPort } at the start, 'warm', then lists of latencies. A request that fails ends the program.

import { createServer } from 'node:http';
import { type ClientHttp2Session, connect } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';

export interface Begin {
  readonly port: number;
  readonly host: string;
}

/** 250 requests a second: enough for a p99 of a few seconds, and a fraction of a core. */
const INTERVAL_MS = 4;
/** So many requests until code is compiled and buffers have their size, here and in the proxy. */
const WARM_UP_REQUESTS = 1500;
const BODY = Buffer.alloc(1024, 'x');

let latenciesMs: number[] = [];

function ask(session: ClientHttp2Session, host: string): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const startedAtMs = performance.now();
  const stream = session.request({ ':path': '/', ':authority': host });
  let status = 0;
  stream.on('response', (head) => {
    status = Number(head[':status']);
  });
  stream.resume();
  stream.on('error', reject);
  stream.on('end', () => {
    latenciesMs.push(performance.now() - startedAtMs);
    if (status === 200) resolve();
    else reject(new Error(`a normal client was answered ${status}`));
  });
  return promise;
}

async function run({ port, host }: Begin): Promise<void> {
  const session = connect(`https://127.0.0.1:${port}`, { rejectUnauthorized: false });
  // The proxy is ended before this program is.
  session.on('error', () => process.exit(1));
  for (let i = 0; i < WARM_UP_REQUESTS; i++) await ask(session, host);
  process.send?.('warm');
  latenciesMs = [];
  for (;;) {
    const startedAtMs = performance.now();
    // One after the other: a request that waits is counted with all of its time, and nothing piles up behind it.
    await ask(session, host);
    await delay(Math.max(0, INTERVAL_MS - (performance.now() - startedAtMs)));
  }
}

process.on('message', (message: Begin | 'take') => {
  if (message !== 'take') return void run(message);
  process.send?.(latenciesMs);
  latenciesMs = [];
});
const origin = createServer((_request, response) => response.end(BODY));
origin.listen(0, '127.0.0.1', () => process.send?.({ originPort: (origin.address() as AddressInfo).port }));
