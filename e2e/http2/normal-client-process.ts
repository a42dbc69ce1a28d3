// A program: an origin, and a client that asks it through several proxies over HTTP/2, each at a steady rate. Both are here,
// in a process of their own, so that what an attack costs its attacker does not look like something it costs the proxy.
//
// Parent -> it: { ports, host } to begin. 'take' asks for the latencies since the last time, in milliseconds.
// It -> parent: { originPort } at the start, 'warm', then a list of latencies for each port. A request that fails ends the
// program.

import { createServer } from 'node:http';
import { type ClientHttp2Session, connect } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';

export interface Begin {
  readonly ports: readonly number[];
  readonly host: string;
}

/** 250 requests a second at each port: enough for a p99 of a few seconds, and a fraction of a core. */
const INTERVAL_MS = 4;
/** So many requests until code is compiled and buffers have their size, here and in the proxy. */
const WARM_UP_REQUESTS = 1500;
const BODY = Buffer.alloc(1024, 'x');

let latenciesMs: number[][] = [];

function ask(session: ClientHttp2Session, host: string, at: number): Promise<void> {
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
    latenciesMs[at]?.push(performance.now() - startedAtMs);
    if (status === 200) resolve();
    else reject(new Error(`a normal client was answered ${status}`));
  });
  return promise;
}

async function run({ ports, host }: Begin): Promise<void> {
  latenciesMs = ports.map(() => []);
  const sessions = ports.map((port) => connect(`https://127.0.0.1:${port}`, { rejectUnauthorized: false }));
  // The proxies are ended before this program is.
  for (const session of sessions) session.on('error', () => process.exit(1));
  for (let i = 0; i < WARM_UP_REQUESTS; i++)
    for (const [at, session] of sessions.entries()) await ask(session, host, at);
  process.send?.('warm');
  latenciesMs = ports.map(() => []);
  for (const [at, session] of sessions.entries()) void goOn(session, host, at);
}

async function goOn(session: ClientHttp2Session, host: string, at: number): Promise<never> {
  for (;;) {
    const startedAtMs = performance.now();
    // One after the other: a request that waits is counted with all of its time, and nothing piles up behind it.
    await ask(session, host, at);
    await delay(Math.max(0, INTERVAL_MS - (performance.now() - startedAtMs)));
  }
}

process.on('message', (message: Begin | 'take') => {
  if (message !== 'take') return void run(message);
  process.send?.(latenciesMs);
  latenciesMs = latenciesMs.map(() => []);
});
const origin = createServer((_request, response) => response.end(BODY));
origin.listen(0, '127.0.0.1', () => process.send?.({ originPort: (origin.address() as AddressInfo).port }));
