// One cluster of a given size in an API server, and the Sluice that serves it: single changes of each kind, changes under
// load, relists. Nothing here summarises; measure-sluice.ts does.

import { X509Certificate } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { WebSocket } from 'ws';
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
import { askCertificate, askHttp, timeToSee } from './probe.ts';
import { metricSum, residentBytes, type SluiceProcess, startSluice } from './sluice-process.ts';
import type { Sample } from './standstills.ts';
import type { SteadyOptions } from './steady-client.ts';

export const CHANGE_KINDS = ['endpoint', 'route', 'certificate'] as const;
export type ChangeKind = (typeof CHANGE_KINDS)[number];

/** What the relists of all kinds did. */
export interface RelistResult {
  /** Complete reads that the lost watches led to, and the revisions published meanwhile. */
  readonly relists: number;
  readonly relistRevisions: number;
}

const WEB_SOCKETS = 5;
const CHANGES_PER_SECOND = 100;
/** Watches come back with a jittered back-off; a whole read of 10,000 takes a second or two. */
const RELIST_WAIT_MS = 12_000;
const STATUS_WAIT_MS = 120_000;
/** Lets one change settle, so that the batch of the next starts anew. */
const SETTLE_MS = 30;

export class Site {
  readonly ingresses: number;
  readonly #api: ApiProcess;
  readonly #sluice: SluiceProcess;
  readonly #origins: readonly [Origin, Origin];
  readonly #directory: string;
  readonly #sockets: WebSocket[] = [];
  /** Changes made so far: the live Ingresses take turns, and no path comes twice. */
  #made = 0;

  private constructor(
    ingresses: number,
    origins: readonly [Origin, Origin],
    api: ApiProcess,
    sluice: SluiceProcess,
    directory: string,
  ) {
    this.ingresses = ingresses;
    this.#origins = origins;
    this.#api = api;
    this.#sluice = sluice;
    this.#directory = directory;
  }

  /** Resolves when Sluice serves; it is about to write the statuses then. */
  static async open(ingresses: number, origins: readonly [Origin, Origin]): Promise<Site> {
    const api = await startApiProcess(ingresses, origins[0]);
    const directory = await mkdtemp(join(tmpdir(), 'sluice-bench-'));
    const kubeconfig = join(directory, 'kubeconfig');
    await writeFile(kubeconfig, api.kubeconfig);
    return new Site(ingresses, origins, api, await startSluice(kubeconfig), directory);
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.terminate();
    await this.#sluice.stop();
    await this.#api.stop();
    await rm(this.#directory, { recursive: true });
  }

  get readyMs(): number {
    return this.#sluice.readyMs;
  }

  /** What a steady client asks here. */
  get target(): Omit<SteadyOptions, 'durationMs'> {
    return { port: this.#sluice.httpPort, host: hostOf(0) };
  }

  residentBytes(field?: 'VmRSS' | 'VmHWM'): number {
    return residentBytes(this.#sluice.pid, field);
  }

  countWrites(): Promise<WriteCounts> {
    return this.#api.countWrites();
  }

  /** Each Ingress gets its address once, right after the start. */
  async statusesWritten(): Promise<void> {
    const endMs = performance.now() + STATUS_WAIT_MS;
    while ((await this.#api.countWrites()).statuses < this.ingresses) {
      if (performance.now() > endMs) throw new Error('the statuses were not written in time');
      await delay(100);
    }
    await delay(1000);
  }

  async openWebSockets(): Promise<void> {
    for (let i = 0; i < WEB_SOCKETS; i++) this.#sockets.push(await openWebSocket(this.#sluice.httpPort, hostOf(0)));
  }

  get webSockets(): { readonly webSockets: number; readonly webSocketsCut: number } {
    return { webSockets: this.#sockets.length, webSocketsCut: countCut(this.#sockets) };
  }

  /** Makes `count` changes one after the other; each lasts until the first request that shows it. */
  async change(kind: ChangeKind, count: number): Promise<Sample[]> {
    const pairs = kind === 'certificate' ? await this.#generatePairs(count) : [];
    const samples: Sample[] = [];
    for (let n = 0; n < count; n++) {
      await delay(SETTLE_MS);
      samples.push(await this.#changeOnce(kind, this.#made % LIVE, pairs[n]));
      this.#made += 1;
    }
    return samples;
  }

  /** Endpoints of Ingresses nobody asks for move, 100 a second. Gives how many did. */
  changeSteadily(durationMs: number): Promise<number> {
    return this.#api.changeSteadily({ perSecond: CHANGES_PER_SECOND, durationMs });
  }

  /** Makes every watch lost and its history forgotten (410): all has to be read again. */
  async relistEverything(): Promise<RelistResult> {
    await delay(1000);
    const relists = await metricSum(this.#sluice, 'sluice_api_relists_total');
    const revision = await metricSum(this.#sluice, 'sluice_table_revision');
    await this.#api.forgetHistory();
    await delay(RELIST_WAIT_MS);
    return {
      relists: (await metricSum(this.#sluice, 'sluice_api_relists_total')) - relists,
      relistRevisions: (await metricSum(this.#sluice, 'sluice_table_revision')) - revision,
    };
  }

  #changeOnce(kind: ChangeKind, i: number, pair: KeyPair | undefined): Promise<Sample> {
    switch (kind) {
      case 'endpoint':
        return this.#moveEndpoint(i);
      case 'route':
        return this.#addRoute(i);
      case 'certificate':
        if (pair === undefined) throw new Error('one pair for each change');
        return this.#replaceCertificate(i, pair);
    }
  }

  /** The live pod moves from one origin to the other. */
  async #moveEndpoint(i: number): Promise<Sample> {
    const ask = () => askHttp(this.#sluice.httpPort, hostOf(i), '/app');
    const [first, second] = this.#origins;
    const target = (await ask()) === `200 ${first.name}` ? second : first;
    return await timeToSee(() => this.#api.apply([sliceOf(i, target)]), ask, `200 ${target.name}`);
  }

  /** The Ingress gets a path that answered 404 before. */
  async #addRoute(i: number): Promise<Sample> {
    const path = `/v${this.#made}`;
    const { httpPort } = this.#sluice;
    const serving = await askHttp(httpPort, hostOf(i), '/app');
    return await timeToSee(
      () => this.#api.apply([ingressOf(i, hasCertificate(i, this.ingresses), path)]),
      () => askHttp(httpPort, hostOf(i), path),
      serving,
    );
  }

  #replaceCertificate(i: number, pair: KeyPair): Promise<Sample> {
    return timeToSee(
      () => this.#api.apply([secretOf(i, pair)]),
      () => askCertificate(this.#sluice.httpsPort, hostOf(i)),
      new X509Certificate(pair.cert).fingerprint256,
    );
  }

  /** For the next `count` changes. */
  async #generatePairs(count: number): Promise<KeyPair[]> {
    const pairs: KeyPair[] = [];
    for (let n = 0; n < count; n++) pairs.push(await generateKeyPair(hostOf((this.#made + n) % LIVE)));
    return pairs;
  }
}
