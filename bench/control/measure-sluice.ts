// One Sluice process against an API server with a cluster of a given size: start, single changes, many changes, relist.

import { X509Certificate } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { type ApiServer, startApiServer } from '../../e2e/apiserver/server.ts';
import {
  generateKeyPair,
  hasCertificate,
  hostOf,
  ingressClass,
  ingressOf,
  type KeyPair,
  LIVE,
  secretOf,
  serviceOf,
  sliceOf,
} from './cluster.ts';
import { countCut, type Origin, openWebSocket } from './origins.ts';
import { askCertificate, askHttp, type Quantiles, quantilesOf, timeToSee } from './probe.ts';
import { metricSum, residentBytes, type SluiceProcess, startSluice } from './sluice-process.ts';
import { askSteadily } from './steady-client.ts';

export interface SluiceResult {
  readonly ingresses: number;
  readonly readyMs: number;
  readonly endpoint: Quantiles;
  readonly route: Quantiles;
  readonly certificate: Quantiles;
  readonly quiet: Quantiles;
  readonly busy: Quantiles;
  readonly achievedChangesPerSecond: number;
  /** Right after the start, and at the end of everything. */
  readonly startBytes: number;
  readonly endBytes: number;
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
/** Watches come back with a jittered back-off; a whole read of 10,000 takes a second or two. */
const RELIST_WAIT_MS = 12_000;
/** Lets one change settle, so that the batch of the next starts anew. */
const SETTLE_MS = 30;

export async function measureSluice(options: MeasureOptions): Promise<SluiceResult> {
  await using api = await startApiServer();
  await fill(api, options);
  const dir = await mkdtemp(join(tmpdir(), 'sluice-bench-'));
  const kubeconfig = join(dir, 'kubeconfig');
  await writeFile(kubeconfig, api.kubeconfig());
  const sluice = await startSluice(kubeconfig);
  try {
    return await measure(api, sluice, options);
  } finally {
    await sluice.stop();
    await rm(dir, { recursive: true });
  }
}

async function fill(api: ApiServer, { ingresses, origins }: MeasureOptions): Promise<void> {
  await api.apply([ingressClass]);
  for (let i = 0; i < ingresses; i++) {
    const isTls = hasCertificate(i, ingresses);
    const objects = [serviceOf(i), sliceOf(i, i < LIVE ? origins[0] : null), ingressOf(i, isTls)];
    if (isTls) objects.push(secretOf(i, await generateKeyPair(hostOf(i))));
    await api.apply(objects);
  }
}

async function measure(api: ApiServer, sluice: SluiceProcess, options: MeasureOptions): Promise<SluiceResult> {
  const { ingresses, steadyMs, changes } = options;
  const startBytes = residentBytes(sluice.pid);
  const sockets = await Promise.all(
    Array.from({ length: WEB_SOCKETS }, () => openWebSocket(sluice.httpPort, hostOf(0))),
  );
  // The first few are for the compiler of the language; they do not count.
  await endpointChanges(api, sluice, options, 10);
  const endpoint = await endpointChanges(api, sluice, options, changes);
  const route = await routeChanges(api, sluice, options, changes);
  const certificate = await certificateChanges(api, sluice, changes);
  const steady = { port: sluice.httpPort, host: hostOf(0), durationMs: steadyMs };
  const quiet = await askSteadily(steady);
  const [busy, applied] = await Promise.all([askSteadily(steady), changeSteadily(api, ingresses, steadyMs)]);
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
    achievedChangesPerSecond: applied / (steadyMs / 1000),
    startBytes,
    endBytes: residentBytes(sluice.pid),
    ...relist,
    webSockets: WEB_SOCKETS,
    webSocketsCut,
  };
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
  api: ApiServer,
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
  api: ApiServer,
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

async function certificateChanges(api: ApiServer, { httpsPort }: SluiceProcess, count: number): Promise<Quantiles> {
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

/** Moves endpoints of Ingresses nobody asks; returns how many changes were made. */
async function changeSteadily(api: ApiServer, ingresses: number, durationMs: number): Promise<number> {
  const startMs = performance.now();
  let made = 0;
  while (performance.now() < startMs + durationMs) {
    await api.apply([sliceOf(LIVE + ((made * 7919) % (ingresses - LIVE)), null, made + 1)]);
    made += 1;
    await delay(Math.max(0, startMs + (made * 1000) / CHANGES_PER_SECOND - performance.now()));
  }
  return made;
}

/** Makes every watch lost and its history forgotten (410): all has to be read again. */
async function relistEverything(
  api: ApiServer,
  sluice: SluiceProcess,
): Promise<Pick<SluiceResult, 'relists' | 'relistRevisions'>> {
  await delay(1000);
  const relists = await metricSum(sluice, 'sluice_api_relists_total');
  const revision = await metricSum(sluice, 'sluice_table_revision');
  api.compact();
  api.faults.dropWatches();
  await delay(RELIST_WAIT_MS);
  return {
    relists: (await metricSum(sluice, 'sluice_api_relists_total')) - relists,
    relistRevisions: (await metricSum(sluice, 'sluice_table_revision')) - revision,
  };
}
