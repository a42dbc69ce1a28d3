// What the main thread does for the endpoints of all workers: counts that they share, and active checks, which run once
// per process and whose results go to every worker.
//
//   table update --onUpdate--> rows for new endpoints, targets of checks --> workers --acks--> onAcknowledged: rows are free
//   probe --> an endpoint turns --> `probed` to all workers; a worker that starts later is told by `repeatTo`
//   table update given up --onGivenUp--> all as before it, also what checks have found

import { type CheckSample, HealthChecker } from '../endpoints/health-checker.ts';
import { LoadDirectory } from '../endpoints/load-directory.ts';
import { allocateSharedLoads, SharedLoads, type SharedLoadsMemory } from '../endpoints/shared-loads.ts';
import type { Upstream, UpstreamId } from '../table/types.ts';
import type { FullUpdate, TableUpdate } from '../table/update.ts';
import type { ToWorker, WorkerLogEntry } from './messages.ts';

export interface EndpointWatchOptions {
  readonly workers: number;
  /** Upstreams and endpoints that can be counted over all workers; further ones are counted per worker. */
  readonly sharedCounts: number;
  /** Probes of active checks at one time. */
  readonly maxChecks: number;
  /** Tells all workers, or one of them. */
  readonly tell: (message: ToWorker, workerId: number | null) => void;
  readonly log: (entry: WorkerLogEntry) => void;
  /** Monotonic milliseconds. */
  readonly nowMs: () => number;
  /** From 0 up to 1. */
  readonly random: () => number;
}

const TICK_MS = 100;

export class EndpointWatch {
  /** For the workers' start. */
  readonly memory: SharedLoadsMemory;
  readonly #options: EndpointWatchOptions;
  readonly #directory: LoadDirectory;
  readonly #checker: HealthChecker;
  /** Upstreams with active checks, by id: most tables have none. */
  readonly #checked = new Map<UpstreamId, Upstream>();
  /** Endpoints of which the workers were told since they all served an update. */
  readonly #turned = new Set<string>();
  #timer: NodeJS.Timeout | null = null;
  #isShort = false;

  constructor(options: EndpointWatchOptions) {
    this.#options = options;
    this.memory = allocateSharedLoads(options.workers, options.sharedCounts);
    this.#directory = new LoadDirectory(new SharedLoads(this.memory));
    this.#checker = new HealthChecker({
      random: options.random,
      nowMs: options.nowMs,
      maxRunning: options.maxChecks,
      onChange: (upstream, endpoint, isFailing) => this.#onChange(upstream, endpoint, isFailing),
    });
  }

  /** Call it before an update is sent. */
  onUpdate(update: TableUpdate): void {
    const isWhole = update.kind === 'full';
    const upstreams = isWhole ? update.table.upstreams : update.upstreams;
    const removed = isWhole ? [] : update.removedUpstreams;
    if (isWhole) this.#directory.replace(upstreams);
    else this.#directory.apply(upstreams, removed);
    this.#warnWhenShort();
    this.#followChecks(upstreams, removed, isWhole);
  }

  /** The last update was given up: `inForce` is the whole table that workers serve, as before it. */
  onGivenUp(inForce: FullUpdate): void {
    this.onUpdate(inForce);
    // Endpoints that the update had removed have kept their state, here as in the workers that never saw it. What it had
    // brought is known nowhere.
    this.#checker.settle();
    // A worker that was restarted meanwhile has not heard of endpoints that were no targets then.
    this.#repeat(null, () => true);
    this.#turned.clear();
  }

  /** All workers serve the last update. */
  onAcknowledged(): void {
    this.#directory.settle();
    this.#checker.settle();
    // A worker that had not yet read the update when a probe came back has not known the endpoint. No others: each is
    // looked for among all of its upstream's, and updates come ten times a second.
    if (this.#turned.size > 0) this.#repeat(null, (upstream, endpoint) => this.#turned.has(`${upstream} ${endpoint}`));
    this.#turned.clear();
  }

  /** A worker is gone: what it had counted is taken off. Call it before the next thread starts in its place. */
  onWorkerGone(workerId: number): void {
    this.#directory.forgetWorker(workerId);
  }

  /** A worker has its first table: it must hear what the others know. */
  repeatTo(workerId: number): void {
    this.#repeat(workerId, () => true);
  }

  /** What active checks have found. */
  sampleChecks(): CheckSample {
    return this.#checker.sample();
  }

  /** Ends all probes. */
  async close(): Promise<void> {
    this.#stopTimer();
    await this.#checker.close();
  }

  #repeat(workerId: number | null, isWanted: (upstream: UpstreamId, endpoint: string) => boolean): void {
    this.#checker.repeat((upstream, endpoint, isFailing) => {
      if (isWanted(upstream, endpoint)) this.#options.tell({ type: 'probed', upstream, endpoint, isFailing }, workerId);
    });
  }

  #followChecks(upstreams: readonly Upstream[], removed: readonly UpstreamId[], isWhole: boolean): void {
    const before = this.#checked.size;
    if (isWhole) this.#checked.clear();
    let isTouched = isWhole && before > 0;
    for (const id of removed) if (this.#checked.delete(id)) isTouched = true;
    for (const upstream of upstreams) {
      if (upstream.health.active !== null) this.#checked.set(upstream.id, upstream);
      else if (!this.#checked.delete(upstream.id)) continue;
      isTouched = true;
    }
    if (!isTouched) return;
    this.#checker.apply([...this.#checked.values()]);
    if (this.#checked.size === 0) this.#stopTimer();
    else this.#timer ??= setInterval(() => this.#checker.tick(), TICK_MS);
  }

  #stopTimer(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
  }

  #onChange(upstream: string, endpoint: string, isFailing: boolean): void {
    this.#options.tell({ type: 'probed', upstream, endpoint, isFailing }, null);
    this.#turned.add(`${upstream} ${endpoint}`);
    const message = isFailing ? 'an endpoint fails its checks and is left out' : 'an endpoint passes its checks again';
    this.#options.log({ level: isFailing ? 'warn' : 'info', message, fields: { upstream, endpoint } });
  }

  #warnWhenShort(): void {
    const { missing } = this.#directory;
    const isShort = missing > 0;
    if (isShort && !this.#isShort) {
      const message = 'endpoints are counted per worker, --shared-counts is too small: picks by load get less even';
      this.#options.log({ level: 'warn', message, fields: { missing } });
    }
    this.#isShort = isShort;
  }
}
