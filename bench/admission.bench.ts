// Measures what the admission webhook takes to decide, with 10,000 Ingresses in the cluster.
//
// Run: node bench/admission.bench.ts [seconds per row]. Prints milliseconds per review: p50, p99 and the slowest, of the
// decision alone and over HTTPS on a kept-alive connection as the API server has one. The aim is a p99 below 20 ms.

import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import type { IncomingMessage } from 'node:http';
import { Agent, request } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type AdmissionDecision, decide } from '#controller/admission/decide.ts';
import { readReview } from '#controller/admission/review.ts';
import { type IngressSpec, rawIngress, reviewOf, viewWith } from '#controller/admission/testing/reviews.ts';
import { WebhookServer } from '#controller/admission/webhook-server.ts';
import type { CompilerView } from '#controller/compile/incremental/view.ts';
import { fixture } from '#controller/compile/testing/fixtures.ts';

const stored = 10_000;
const forMs = Number(process.argv[2] ?? 5) * 1000;

interface Scenario {
  readonly name: string;
  /** The stored Ingress number i. */
  readonly ingress: (i: number) => IngressSpec;
  readonly candidate: IngressSpec;
  readonly want: AdmissionDecision['kind'];
}

const paths = ['/', '/api', '/static'];
const annotations = { 'ssl-redirect': 'false', 'proxy-read-timeout': '30', 'proxy-body-size': '8m', 'limit-rps': '5' };
const created = { creationTimestamp: '2025-01-01T00:00:00Z' };
const ownHost = (i: number): IngressSpec => ({ name: `app-${i}`, host: `app-${i}.foo.com`, paths, annotations });
const sharedHost = (i: number): IngressSpec => ({
  name: `app-${i}`,
  host: 'foo.com',
  paths: [`/app-${i}`],
  annotations,
});
const manyPaths = Array.from({ length: 1000 }, (_, i) => `/new-${i}`);

const scenarios: readonly Scenario[] = [
  { name: 'a host each, new', ingress: ownHost, candidate: { ...ownHost(stored), meta: created }, want: 'allow' },
  { name: 'a host each, update', ingress: ownHost, candidate: ownHost(17), want: 'allow' },
  { name: 'a host each, taken', ingress: ownHost, candidate: { ...ownHost(17), name: 'new' }, want: 'refuse' },
  {
    name: 'one host for all, new',
    ingress: sharedHost,
    candidate: { ...sharedHost(stored), meta: created },
    want: 'allow',
  },
  {
    name: 'one host for all, 1,000 paths',
    ingress: sharedHost,
    candidate: { ...sharedHost(stored), meta: created, paths: manyPaths },
    want: 'allow',
  },
  {
    name: 'half are canaries, new',
    ingress: (i) => ({
      ...ownHost(i >> 1),
      name: `app-${i}`,
      annotations: i % 2 === 0 ? annotations : { canary: 'true' },
    }),
    candidate: { ...ownHost(stored), meta: created },
    want: 'allow',
  },
];

function quantiles(times: readonly number[]): string[] {
  const sorted = [...times].sort((a, b) => a - b);
  return [0.5, 0.99, 1].map((q) => (sorted[Math.ceil(q * sorted.length) - 1] ?? 0).toFixed(2).padStart(8));
}

/** Runs `once` again and again for the time of a row, after a tenth of it to warm up. Gives milliseconds. */
async function measure(runOnce: () => unknown): Promise<number[]> {
  const times: number[] = [];
  const startMs = performance.now();
  for (let nowMs = startMs; nowMs < startMs + forMs * 1.1; ) {
    await runOnce();
    const endMs = performance.now();
    if (nowMs > startMs + forMs * 0.1) times.push(endMs - nowMs);
    nowMs = endMs;
  }
  return times;
}

async function measureOverHttps(view: CompilerView, body: string): Promise<number[]> {
  const folder = await mkdtemp(join(tmpdir(), 'sluice-bench-'));
  const [certPath, keyPath] = [join(folder, 'tls.crt'), join(folder, 'tls.key')];
  await writeFile(certPath, fixture('foo-bar-com.crt'));
  await writeFile(keyPath, fixture('foo-bar-com.key'));
  const ignore = () => undefined;
  const server = await WebhookServer.start({
    host: '127.0.0.1',
    port: 0,
    certPath,
    keyPath,
    decide: (asked) => decide(view, asked, { disableFullTest: false }),
    onReview: ignore,
    log: { info: ignore, warn: ignore, error: ignore },
    nowMs: () => performance.now(),
  });
  const agent = new Agent({ keepAlive: true, maxSockets: 1, rejectUnauthorized: false });
  const times = await measure(() => post(server.port, agent, body));
  agent.destroy();
  await server.close();
  await rm(folder, { recursive: true });
  return times;
}

async function post(port: number, agent: Agent, body: string): Promise<void> {
  const asked = request({ host: '127.0.0.1', port, agent, method: 'POST', path: '/networking/v1/ingresses' });
  asked.end(body);
  const [response] = (await once(asked, 'response')) as [IncomingMessage];
  response.resume();
  await once(response, 'end');
  if (response.statusCode !== 200) throw new Error(`answered ${response.statusCode}`);
}

console.log(`${stored} Ingresses, ms per review`);
console.log(`${''.padEnd(32)}${'decide p50, p99, max'.padStart(26)}${'over HTTPS p50, p99, max'.padStart(28)}`);
for (const { name, ingress, candidate, want } of scenarios) {
  const view = viewWith({
    objects: Array.from({ length: stored }, (_, i) => rawIngress({ ...ingress(i), meta: created })),
  });
  const body = JSON.stringify(reviewOf(rawIngress(candidate)));
  const runOnce = (): AdmissionDecision => {
    const reading = readReview(body);
    if (reading.kind !== 'review') throw new Error(reading.why);
    return decide(view, reading.request, { disableFullTest: false });
  };
  const { kind } = runOnce();
  if (kind !== want) throw new Error(`${name}: ${kind}, not ${want}`);
  const alone = quantiles(await measure(runOnce));
  const overHttps = quantiles(await measureOverHttps(view, body));
  console.log(`${name.padEnd(32)}  ${alone.join('')}    ${overHttps.join('')}`);
}
