// One Sluice process against an API server with a cluster of a given size: start, single changes, many changes, relist.

import { X509Certificate } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { type ApiProcess, startApiProcess, type WriteCounts } from './api-process.ts';
import {
  generateKeyPair,
  hasCertificate,
  hostOf,
  ingressOf,
  type KeyPair,
  LIVE,
  secretOf,
  sliceOf,
} from './cluster.ts';
import { countCut, type Origin, openWebSocket } from './origins.ts';
import { askCertificate, askHttp, type Quantiles, quantilesOf, timeToSee } from './probe.ts';
import { metricSum, residentBytes, type SluiceProcess, startSluice } from './sluice-process.ts';
import { askSteadily, type SteadyOptions } from './steady-client.ts';

export interface SluiceResult {
  readonly ingresses: number;
  readonly readyMs: number;
  readonly endpoint: Quantiles;
  readonly route: Quantiles;
  readonly certificate: Quantiles;
  readonly quiet: Quantiles;
  readonly busy: Quantiles;
  /** While the status of every Ingress is written for the first time, right after the start. */
  readonly whileWriting: Quantiles;
  /** Statuses and Events written in all. */
  readonly writes: WriteCounts;
  readonly achievedChangesPerSecond: number;
  /** When the first statuses are written, after the busy time, and at the end of everything. */
  readonly startBytes: number;
  readonly busyBytes: number;
  readonly endBytes: number;
  /** Highest of all. */
  readonly peakBytes: number;
  /** Complete reads that the lost watches led to, and the revisions published meanwhile. */
  readonly relists: number;
  readonly relistRevisions: number;
  readonly webSockets: number;
  readonly webSocketsCut: number;
}

export interface MeasureOptions {
  readonly ingresses: number;
  /** Of each kind. */
  readonly changes: number;
  readonly steadyMs: number;
  readonly origins: readonly [Origin, Origin];
}

const WEB_SOCKETS = 5;
const CHANGES_PER_SECOND = 100;
const STEADY_ROUNDS = 5;
/** Watches come back with a jittered back-off; a whole read of 10,000 takes a second or two. */
const RELIST_WAIT_MS = 12_000;
const STATUS_WAIT_MS = 120_000;
/** Lets one change settle, so that the batch of the next starts anew. */
const SETTLE_MS = 30;

export async function measureSluice(options: MeasureOptions): Promise<SluiceResult> {
  const api = await startApiProcess(options.ingresses, options.origins[0]);
  const dir = await mkdtemp(join(tmpdir(), 'sluice-bench-'));
  const kubeconfig = join(dir, 'kubeconfig');
  await writeFile(kubeconfig, api.kubeconfig);
  const sluice = await startSluice(kubeconfig);
  try {
    return await measure(api, sluice, options);
  } finally {
    await sluice.stop();
    await api.stop();
    await rm(dir, { recursive: true });
  }
}

async function measure(api: ApiProcess, sluice: SluiceProcess, options: MeasureOptions): Promise<SluiceResult> {
  const { ingresses, steadyMs, changes } = options;
  const steady = { port: sluice.httpPort, host: hostOf(0), durationMs: steadyMs };
  const whileWriting = quantilesOf(await askSteadily({ ...steady, durationMs: Math.min(steadyMs, 5000) }));
  await statusesWritten(api, ingresses);
  const startBytes = residentBytes(sluice.pid);
  const sockets = await Promise.all(
    Array.from({ length: WEB_SOCKETS }, () => openWebSocket(sluice.httpPort, hostOf(0))),
  );
  // The first few are for the compiler of the language; they do not count.
  await endpointChanges(api, sluice, options, 10);
  const endpoint = await endpointChanges(api, sluice, options, changes);
  const route = await routeChanges(api, sluice, options, changes);
  const certificate = await certificateChanges(api, sluice, changes);
  const { quiet, busy, made } = await compareQuietAndBusy(api, steady);
  const busyBytes = residentBytes(sluice.pid);
  const relist = await relistEverything(api, sluice);
  const webSocketsCut = countCut(sockets);
  for (const socket of sockets) socket.terminate();
  return {
    ingresses,
    readyMs: sluice.readyMs,
    endpoint,
    route,
    certificate,
    quiet,
    busy,
    whileWriting,
    writes: await api.countWrites(),
    achievedChangesPerSecond: made / (steadyMs / 1000),
    startBytes,
    busyBytes,
    endBytes: residentBytes(sluice.pid),
    peakBytes: residentBytes(sluice.pid, 'VmHWM'),
    ...relist,
    webSockets: WEB_SOCKETS,
    webSocketsCut,
  };
}

/** Each Ingress gets its address once, right after the start. */
async function statusesWritten(api: ApiProcess, ingresses: number): Promise<void> {
  const endMs = performance.now() + STATUS_WAIT_MS;
  while ((await api.countWrites()).statuses < ingresses) {
    if (performance.now() > endMs) throw new Error('the statuses were not written in time');
    await delay(100);
  }
  await delay(1000);
}

/** Runs one kind of change `count` times, on the live Ingresses in turn. */
async function repeat(count: number, once: (round: number, i: number) => Promise<number>): Promise<Quantiles> {
  const tookMs: number[] = [];
  for (let round = 0; round < count; round++) {
    tookMs.push(await once(round, round % LIVE));
    await delay(SETTLE_MS);
  }
  return quantilesOf(tookMs);
}

/** The live pod moves from one origin to the other. */
function endpointChanges(
  api: ApiProcess,
  { httpPort }: SluiceProcess,
  { origins }: MeasureOptions,
  count: number,
): Promise<Quantiles> {
  return repeat(count, async (_, i) => {
    const current = await askHttp(httpPort, hostOf(i), '/app');
    const target = current === `200 ${origins[0].name}` ? origins[1] : origins[0];
    return timeToSee(
      () => api.apply([sliceOf(i, target)]),
      () => askHttp(httpPort, hostOf(i), '/app'),
      `200 ${target.name}`,
    );
  });
}

/** The Ingress gets a path that answered 404 before. */
function routeChanges(
  api: ApiProcess,
  { httpPort }: SluiceProcess,
  { ingresses }: MeasureOptions,
  count: number,
): Promise<Quantiles> {
  return repeat(count, async (round, i) => {
    const path = `/v${round}`;
    const serving = await askHttp(httpPort, hostOf(i), '/app');
    return timeToSee(
      () => api.apply([ingressOf(i, hasCertificate(i, ingresses), path)]),
      () => askHttp(httpPort, hostOf(i), path),
      serving,
    );
  });
}

async function certificateChanges(api: ApiProcess, { httpsPort }: SluiceProcess, count: number): Promise<Quantiles> {
  const pairs: KeyPair[] = [];
  for (let round = 0; round < count; round++) pairs.push(await generateKeyPair(hostOf(round % LIVE)));
  return repeat(count, (round, i) => {
    const pair = pairs[round];
    if (pair === undefined) throw new Error('one pair for each round');
    return timeToSee(
      () => api.apply([secretOf(i, pair)]),
      () => askCertificate(httpsPort, hostOf(i)),
      new X509Certificate(pair.cert).fingerprint256,
    );
  });
}

/** Quiet and busy times in turn, so that whatever else disturbs the machine falls on both. */
async function compareQuietAndBusy(
  api: ApiProcess,
  { durationMs, ...target }: SteadyOptions,
): Promise<{ readonly quiet: Quantiles; readonly busy: Quantiles; readonly made: number }> {
  const latenciesMs = { quiet: [] as number[], busy: [] as number[] };
  const round = { ...target, durationMs: durationMs / STEADY_ROUNDS };
  let made = 0;
  for (let i = 0; i < STEADY_ROUNDS; i++) {
    latenciesMs.quiet.push(...(await askSteadily(round)));
    const busy = await askWhileChanging(api, round);
    latenciesMs.busy.push(...busy.latenciesMs);
    made += busy.made;
  }
  return { quiet: quantilesOf(latenciesMs.quiet), busy: quantilesOf(latenciesMs.busy), made };
}

async function askWhileChanging(
  api: ApiProcess,
  round: SteadyOptions,
): Promise<{ readonly latenciesMs: readonly number[]; readonly made: number }> {
  const changes = Promise.withResolvers<number>();
  const { durationMs } = round;
  const latenciesMs = await askSteadily(round, () => {
    changes.resolve(api.changeSteadily({ perSecond: CHANGES_PER_SECOND, durationMs }));
  });
  return { latenciesMs, made: await changes.promise };
}

/** Makes every watch lost and its history forgotten (410): all has to be read again. */
async function relistEverything(
  api: ApiProcess,
  sluice: SluiceProcess,
): Promise<Pick<SluiceResult, 'relists' | 'relistRevisions'>> {
  await delay(1000);
  const relists = await metricSum(sluice, 'sluice_api_relists_total');
  const revision = await metricSum(sluice, 'sluice_table_revision');
  await api.forgetHistory();
  await delay(RELIST_WAIT_MS);
  return {
    relists: (await metricSum(sluice, 'sluice_api_relists_total')) - relists,
    relistRevisions: (await metricSum(sluice, 'sluice_table_revision')) - revision,
  };
}
