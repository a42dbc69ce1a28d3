// Asks a proxy until it answers in the new way, and summarises how long that took.

import { Agent, get } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import { connect } from 'node:tls';
import { machineMs, type Sample } from './standstills.ts';

const WAIT_MS = 30_000;
/** Between two questions: without a pause the probe would take the core that the controller needs. */
const PAUSE_MS = 1;

const agent = new Agent({ keepAlive: true });

export interface Quantiles {
  readonly count: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
}

export function quantilesOf(samples: readonly Sample[]): Quantiles {
  const sorted = samples.map(({ tookMs }) => tookMs).sort((a, b) => a - b);
  const at = (share: number): number => sorted[Math.ceil(sorted.length * share) - 1] ?? Number.NaN;
  return { count: sorted.length, p50Ms: at(0.5), p99Ms: at(0.99), maxMs: at(1) };
}

/** Status and body as one text, such as `200 first`; over a kept connection unless `isFresh`. */
export function askHttp(port: number, host: string, path: string, isFresh = false): Promise<string> {
  return new Promise((resolve, reject) => {
    const options = { host: '127.0.0.1', port, path, headers: { host }, agent: isFresh ? (false as const) : agent };
    const request = get(options, (response) => {
      let body = '';
      response.setEncoding('utf8').on('data', (text: string) => {
        body += text;
      });
      response.on('end', () => resolve(`${response.statusCode} ${body}`));
      response.on('error', reject);
    });
    request.on('error', reject);
  });
}

/** Handshakes, asks for `/app`, and gives the fingerprint of the certificate once the answer is there. */
export function askCertificate(port: number, host: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: '127.0.0.1', port, servername: host, rejectUnauthorized: false }, () => {
      const { fingerprint256 } = socket.getPeerCertificate();
      socket.once('data', () => {
        socket.destroy();
        resolve(fingerprint256);
      });
      socket.write(`GET /app HTTP/1.1\r\nhost: ${host}\r\nconnection: close\r\n\r\n`);
    });
    socket.on('error', reject);
  });
}

/** From now, before `change`, to the end of the first answer that is `want`. Throws after 30 s. */
export async function timeToSee(change: () => unknown, ask: () => Promise<string>, want: string): Promise<Sample> {
  const atMs = machineMs();
  await change();
  for (;;) {
    const seen = await ask();
    const tookMs = machineMs() - atMs;
    if (seen === want) return { atMs, tookMs };
    if (tookMs > WAIT_MS) throw new Error(`waited in vain for ${want}, last answer ${seen}`);
    await delay(PAUSE_MS);
  }
}
