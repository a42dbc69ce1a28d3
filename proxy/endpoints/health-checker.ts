// Active checks: probes the endpoints of all upstreams that ask for it, once for the whole process, and tells changes.
//
//   table's upstreams --apply--> schedule --tick--> probes --answers--> onChange --messages--> UpstreamState.probed
//
// Lives on the main thread, so that N workers are not N times the probes.

import type { Upstream } from '../table/types.ts';
import { type CheckCounts, CheckSchedule, type CheckTarget, type CheckTurn } from './check-schedule.ts';
import { endpointKey } from './endpoint-key.ts';
import { probe } from './probes.ts';

export interface HealthCheckerOptions {
  /** From 0 up to 1, as `Math.random`. */
  readonly random: () => number;
  /** Monotonic milliseconds. */
  readonly nowMs: () => number;
  /** An endpoint (`address:port`) of an upstream fails its check from now on, or no longer. */
  readonly onChange: (upstreamId: string, endpoint: string, isFailing: boolean) => void;
  /** Probes at one time, of all upstreams. */
  readonly maxRunning: number;
}

/** What active checks have found; for metrics. */
export interface CheckSample {
  /** Probes so far, by their result. */
  readonly good: number;
  readonly bad: number;
  readonly upstreams: readonly CheckCounts[];
}

interface RunningProbe {
  readonly controller: AbortController;
  /** Resolves when it is over. */
  readonly done: Promise<void>;
}

export class HealthChecker {
  readonly #options: HealthCheckerOptions;
  readonly #schedule: CheckSchedule;
  readonly #running = new Map<CheckTurn, RunningProbe>();
  readonly #results = { good: 0, bad: 0 };

  constructor(options: HealthCheckerOptions) {
    this.#options = options;
    this.#schedule = new CheckSchedule(options.maxRunning, options.random);
  }

  /** Takes over the upstreams of the table in force. */
  apply(upstreams: readonly Upstream[]): void {
    const over = this.#schedule.replace(upstreams.flatMap(targetsOf), this.#options.nowMs());
    for (const turn of over) this.#running.get(turn)?.controller.abort();
  }

  /** All workers serve these upstreams: what is known of others is forgotten. Until then it holds if they come back. */
  settle(): void {
    this.#schedule.settle();
  }

  /** Starts the probes that are due. Call it about ten times a second. */
  tick(): void {
    for (const turn of this.#schedule.takeDue(this.#options.nowMs())) this.#start(turn);
  }

  /** Calls `onChange` again for every endpoint that fails: what a worker that has just started must be told. */
  repeat(onChange: HealthCheckerOptions['onChange']): void {
    for (const { upstreamId, endpoint } of this.#schedule.unhealthy()) onChange(upstreamId, endpoint, true);
  }

  sample(): CheckSample {
    return { ...this.#results, upstreams: this.#schedule.counts() };
  }

  /** Resolves when the probes that run now are over. */
  async settled(): Promise<void> {
    await Promise.all([...this.#running.values()].map(({ done }) => done));
  }

  /** Ends all probes; nothing is told any more. */
  async close(): Promise<void> {
    this.apply([]);
    await this.settled();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #start(turn: CheckTurn): void {
    const controller = new AbortController();
    // One that ends with the probe: AbortSignal.timeout would leave a timer behind for each, for all of the time limit.
    const timer = setTimeout(() => controller.abort('late'), turn.target.check.timeoutMs);
    const done = probe(turn.target, controller.signal).then((isGood) => {
      clearTimeout(timer);
      this.#running.delete(turn);
      // A probe that was cut because nobody waits for it has found nothing.
      if (controller.signal.aborted && controller.signal.reason !== 'late') return;
      this.#end(turn, isGood);
    });
    this.#running.set(turn, { controller, done });
  }

  #end(turn: CheckTurn, isGood: boolean): void {
    const { upstreamId, endpoint } = turn.target;
    this.#results[isGood ? 'good' : 'bad']++;
    const change = this.#schedule.onResult(turn, isGood, this.#options.nowMs());
    if (change !== null) this.#options.onChange(upstreamId, endpoint, change === 'unhealthy');
  }
}

function targetsOf({ id, health, endpoints }: Upstream): readonly CheckTarget[] {
  const check = health.active;
  if (check === null) return [];
  return endpoints.map((endpoint) => ({
    upstreamId: id,
    endpoint: endpointKey(endpoint),
    address: endpoint.address,
    port: endpoint.port,
    check,
  }));
}
