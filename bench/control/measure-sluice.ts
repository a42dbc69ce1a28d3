// A small and a large cluster side by side, each with its own API server and Sluice: start, single changes, many changes,
// relist.
//
// What is compared takes turns, small and large, quiet and busy: a machine that is slower for a while is so for both. The
// one whose turn it is not has nothing to do.

import { setTimeout as delay } from 'node:timers/promises';
import type { WriteCounts } from './api-process.ts';
import { Disturbance } from './disturbance.ts';
import type { Origin } from './origins.ts';
import { type Quantiles, quantilesOf } from './probe.ts';
import { CHANGE_KINDS, type ChangeKind, type RelistResult, Site } from './site.ts';
import { type Sample, type StandstillWatch, undisturbed, watchStandstills } from './standstills.ts';
import { type SteadyClient, startSteadyClient } from './steady-client.ts';

export interface Latencies {
  /** Of the samples that no standstill of the machine has held up. */
  readonly undisturbed: Quantiles;
  readonly all: Quantiles;
}

export interface SluiceResult extends RelistResult {
  readonly ingresses: number;
  readonly readyMs: number;
  /** Single changes, and requests beside none and beside many. */
  readonly endpoint: Latencies;
  readonly route: Latencies;
  readonly certificate: Latencies;
  readonly quiet: Latencies;
  readonly busy: Latencies;
  /** While the status of every Ingress is written for the first time, right after the start. */
  readonly whileWriting: Latencies;
  /** Share of the machine that went to something else during single changes, quiet and busy times. */
  readonly disturbed: { readonly changes: number; readonly quiet: number; readonly busy: number };
  /** Statuses and Events written in all. */
  readonly writes: WriteCounts;
  readonly achievedChangesPerSecond: number;
  /** When the first statuses are written, after the busy time, and at the end of everything. */
  readonly startBytes: number;
  readonly busyBytes: number;
  readonly endBytes: number;
  /** Highest of all. */
  readonly peakBytes: number;
  readonly webSockets: number;
  readonly webSocketsCut: number;
}

export interface SluiceResults {
  readonly small: SluiceResult;
  readonly large: SluiceResult;
  /** null: nothing is known of them. */
  readonly standstills: readonly Sample[] | null;
}

export interface MeasureOptions {
  readonly small: number;
  readonly large: number;
  /** Of each kind. */
  readonly changes: number;
  /** Length of the quiet and of the busy time, each in turns of a second. */
  readonly steadyMs: number;
  readonly origins: readonly [Origin, Origin];
}

const WRITING_MS = 5000;
/** Changes of one kind before it is another's turn. */
const CHANGES_AT_ONCE = 20;
const TURN_MS = 1000;
/** Lets the last change of a busy time reach the workers, and fills what a pause has emptied: connections, caches. */
const WARM_UP_MS = 200;
const FIRST_WARM_UP_MS = 3000;

/** What both clusters are measured with. */
interface Instruments {
  readonly client: SteadyClient;
  readonly watch: StandstillWatch;
}

export async function measureSluice(options: MeasureOptions): Promise<SluiceResults> {
  const watch = watchStandstills();
  const client = startSteadyClient();
  const { origins } = options;
  try {
    await using small = await Measurement.open(options.small, origins, { client, watch });
    await using large = await Measurement.open(options.large, origins, { client, watch });
    await takeTurns([small, large], options);
    // At once, since it is mostly waiting.
    const [smallResult, largeResult] = await Promise.all([small.finish(), large.finish()]);
    return { small: smallResult, large: largeResult, standstills: watch.standstills };
  } finally {
    client.stop();
    watch.stop();
  }
}

async function takeTurns(measurements: readonly Measurement[], { changes, steadyMs }: MeasureOptions): Promise<void> {
  // The other way round each time: nobody shall always come after the same one.
  let inTurn = measurements;
  for (const measurement of measurements) await measurement.warmUp();
  for (let made = 0; made < changes; made += CHANGES_AT_ONCE) {
    const count = Math.min(CHANGES_AT_ONCE, changes - made);
    for (const kind of CHANGE_KINDS) for (const each of inTurn) await each.change(kind, count);
    inTurn = inTurn.toReversed();
  }
  for (let passedMs = 0; passedMs < steadyMs; passedMs += TURN_MS) {
    for (const each of inTurn) await each.askQuietAndBusy(Math.min(TURN_MS, steadyMs - passedMs));
    inTurn = inTurn.toReversed();
  }
}

/** What is known of one cluster so far. */
class Measurement {
  readonly #site: Site;
  readonly #client: SteadyClient;
  readonly #watch: StandstillWatch;
  readonly #changes: Record<ChangeKind, Sample[]> = { endpoint: [], route: [], certificate: [] };
  readonly #requests = { quiet: [] as Sample[], busy: [] as Sample[], whileWriting: [] as Sample[] };
  readonly #disturbance = { changes: new Disturbance(), quiet: new Disturbance(), busy: new Disturbance() };
  #startBytes = 0;
  #changesWhileBusy = 0;
  #busyMs = 0;

  private constructor(site: Site, { client, watch }: Instruments) {
    this.#site = site;
    this.#client = client;
    this.#watch = watch;
  }

  /** Starts Sluice and lets it write all statuses. */
  static async open(
    ingresses: number,
    origins: readonly [Origin, Origin],
    instruments: Instruments,
  ): Promise<Measurement> {
    const measurement = new Measurement(await Site.open(ingresses, origins), instruments);
    await measurement.#writeStatuses();
    return measurement;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#site.close();
  }

  /** The first few are for the compiler of the language; they do not count. */
  async warmUp(): Promise<void> {
    for (const kind of CHANGE_KINDS) await this.#site.change(kind, CHANGES_AT_ONCE);
    await Promise.all([
      this.#client.ask({ ...this.#site.target, durationMs: FIRST_WARM_UP_MS }),
      this.#site.changeSteadily(FIRST_WARM_UP_MS),
    ]);
  }

  async change(kind: ChangeKind, count: number): Promise<void> {
    const samples = await this.#disturbance.changes.while(() => this.#site.change(kind, count));
    this.#changes[kind].push(...samples);
  }

  async askQuietAndBusy(durationMs: number): Promise<void> {
    const ask = { ...this.#site.target, durationMs };
    await this.#warmAgain();
    const quiet = await this.#disturbance.quiet.while(() => this.#client.ask(ask));
    await this.#warmAgain();
    const [busy, made] = await this.#disturbance.busy.while(() =>
      Promise.all([this.#client.ask(ask), this.#site.changeSteadily(durationMs)]),
    );
    this.#requests.quiet.push(...quiet);
    this.#requests.busy.push(...busy);
    this.#changesWhileBusy += made;
    this.#busyMs += durationMs;
  }

  async finish(): Promise<SluiceResult> {
    const site = this.#site;
    const { changes, quiet, busy } = this.#disturbance;
    const busyBytes = site.residentBytes();
    const relist = await site.relistEverything();
    return {
      ingresses: site.ingresses,
      readyMs: site.readyMs,
      endpoint: this.#latencies(this.#changes.endpoint),
      route: this.#latencies(this.#changes.route),
      certificate: this.#latencies(this.#changes.certificate),
      quiet: this.#latencies(this.#requests.quiet),
      busy: this.#latencies(this.#requests.busy),
      whileWriting: this.#latencies(this.#requests.whileWriting),
      disturbed: { changes: changes.share, quiet: quiet.share, busy: busy.share },
      writes: await site.countWrites(),
      achievedChangesPerSecond: this.#changesWhileBusy / (this.#busyMs / 1000),
      startBytes: this.#startBytes,
      busyBytes,
      endBytes: site.residentBytes(),
      peakBytes: site.residentBytes('VmHWM'),
      ...relist,
      ...site.webSockets,
    };
  }

  #latencies(samples: readonly Sample[]): Latencies {
    return { undisturbed: quantilesOf(undisturbed(samples, this.#watch.standstills ?? [])), all: quantilesOf(samples) };
  }

  async #writeStatuses(): Promise<void> {
    await this.#warmAgain();
    this.#requests.whileWriting.push(...(await this.#client.ask({ ...this.#site.target, durationMs: WRITING_MS })));
    await this.#site.statusesWritten();
    this.#startBytes = this.#site.residentBytes();
    await this.#site.openWebSockets();
  }

  async #warmAgain(): Promise<void> {
    await delay(WARM_UP_MS);
    await this.#client.ask({ ...this.#site.target, durationMs: WARM_UP_MS });
  }
}
