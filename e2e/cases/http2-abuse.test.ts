// Attacks on HTTP/2 against `sluice serve` as it is run, while a normal client in a process of its own goes on asking: each
// attack ends its connection with the right error, costs next to no memory, and hardly holds the normal client up.
//
// An attacker opens a connection every 100 ms and sends each time what would keep an unprotected server at work for a
// fraction of a second. So one request in 25 of the normal client meets an attack: its p99 is the time that one attack
// takes of the worker, from the handshake to the GOAWAY. Beside it, at the same time, the client asks a Sluice that nobody
// attacks: what attackers and other tests take of the machine is in both.

import { readFile, rm } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { listenOnLoopback } from '../harness/loopback-server.ts';
import { writeManifests } from '../harness/manifest-folder.ts';
import { SluiceProcess } from '../harness/sluice-process.ts';
import { Attackers, attackOnce } from '../http2/attacker.ts';
import { ATTACKS, type Attack, VICTIM } from '../http2/attacks.ts';
import { NormalClient } from '../http2/normal-client.ts';

const NORMAL = 'normal.test';
const PAUSE_MS = 100;
/** The attack that takes a second is met once in each, and so twice in a hundred requests. */
const ROUNDS = 4;
const WINDOW_MS = 200;
const MAX_GROWTH_MB = 10;
/**
 * Twice of very little is no limit: a p99 of 2 ms would allow less than one time slice of the scheduler, which six busy
 * processes share here. Before requests of one read were spread over loop turns, resets brought the p99 to 33 ms.
 */
const ALWAYS_FINE_MS = 20;
/**
 * Measured again and again, up to this time, and the best value under attack counts: noise of the machine comes and goes and
 * the heap grows once, while a proxy that an attack holds up, or that keeps memory for it, does so each time. Of the Sluice
 * beside it the median counts, which a moment of noise does not move.
 */
const PATIENCE_MS = 60_000;

/** A hundred of them, kept for streams with closed windows, would be more than twice the memory that is allowed. */
const BIG = Buffer.alloc(256 * 1024, 'x');

let stack: AsyncDisposableStack;
let sluice: SluiceProcess;
let normal: NormalClient;
let port: number;

beforeAll(async () => {
  stack = new AsyncDisposableStack();
  normal = stack.use(await NormalClient.start());
  const folder = await writeManifests({
    services: { [NORMAL]: normal.originPort, [VICTIM]: await startVictim() },
    settings: { 'sluice-http2-stall-timeout': '1s', 'keep-alive-requests': '100000000', 'disable-access-log': 'true' },
  });
  stack.defer(() => rm(folder, { recursive: true }));
  const flags = ['--manifests', folder, '--configmap=default/settings', '--bind-address=127.0.0.1'];
  sluice = new SluiceProcess(flags);
  const spared = new SluiceProcess(flags);
  for (const started of [sluice, spared]) stack.defer(() => started.kill());
  port = (await sluice.serving()).httpsPort;
  await normal.begin({ ports: [port, (await spared.serving()).httpsPort], host: NORMAL });
  // Memory of an attack is what it costs beyond code that is compiled and buffers that have their size.
  for (const attack of ATTACKS) await attackOnce(port, attack);
}, 120_000);

afterAll(() => stack.disposeAsync());

async function startVictim(): Promise<number> {
  const server: Server = createServer((request, response) => {
    if (request.url === '/big') response.end(BIG);
  });
  return await listenOnLoopback(server, stack);
}

async function residentMb(): Promise<number> {
  const status = await readFile(`/proc/${sluice.pid}/status`, 'utf8');
  return Number(/^VmRSS:\s+(\d+) kB/m.exec(status)?.[1]) / 1024;
}

function p99(latenciesMs: readonly number[]): number {
  return latenciesMs.toSorted((a, b) => a - b)[Math.floor(latenciesMs.length * 0.99)] ?? Number.POSITIVE_INFINITY;
}

interface Measured {
  readonly attackedMs: number;
  /** Of the Sluice that nobody attacks. */
  readonly sparedMs: number;
  readonly growthMb: number;
}

/** Latencies and memory under attack; each attack is checked for its end. */
async function measure(attack: Attack): Promise<Measured> {
  const attacked: number[] = [];
  const spared: number[] = [];
  const beforeMb = await residentMb();
  let peakMb = 0;
  for (let round = 0; round < ROUNDS; round++) {
    await normal.take();
    const attackers = new Attackers(port, attack, { count: 1, pauseMs: PAUSE_MS });
    for (let passedMs = 0; passedMs < WINDOW_MS; passedMs += 50) {
      await delay(50);
      peakMb = Math.max(peakMb, await residentMb());
    }
    const [here = [], beside = []] = await normal.take();
    attacked.push(...here);
    spared.push(...beside);
    for (const { goAway, text } of await attackers.stop()) {
      expect({ goAway, text }).toEqual({ goAway: attack.end.goAway, text: attack.end.text });
    }
  }
  return { attackedMs: p99(attacked), sparedMs: p99(spared), growthMb: peakMb - beforeMb };
}

test.each(ATTACKS.map((attack) => [attack.name, attack] as const))(
  '%s',
  async (_name, attack) => {
    const { resets } = await attackOnce(port, attack);
    if (attack.end.reset !== undefined) expect(resets).toContain(attack.end.reset);
    const endMs = performance.now() + PATIENCE_MS;
    const all = [await measure(attack)];
    while (!isHarmless(all) && performance.now() < endMs) all.push(await measure(attack));
    expect(leastGrowthMb(all)).toBeLessThan(MAX_GROWTH_MB);
    expect(leastAttackedMs(all)).toBeLessThan(limitMs(all));
  },
  PATIENCE_MS + 30_000,
);

function isHarmless(all: readonly Measured[]): boolean {
  return leastGrowthMb(all) < MAX_GROWTH_MB && leastAttackedMs(all) < limitMs(all);
}

function limitMs(all: readonly Measured[]): number {
  const spared = all.map(({ sparedMs }) => sparedMs).sort((a, b) => a - b);
  return Math.max(2 * (spared[Math.floor((spared.length - 1) / 2)] ?? 0), ALWAYS_FINE_MS);
}

function leastAttackedMs(all: readonly Measured[]): number {
  return Math.min(...all.map(({ attackedMs }) => attackedMs));
}

function leastGrowthMb(all: readonly Measured[]): number {
  return Math.min(...all.map(({ growthMb }) => growthMb));
}
