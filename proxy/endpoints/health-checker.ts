// Active checks: probes the endpoints of all upstreams that ask for it, once for the whole process, and tells changes.
//
//   table's upstreams --apply--> schedule --tick--> probes --answers--> onChange --messages--> UpstreamState.probed
//
// Lives on the main thread, so that N workers are not N times the probes.

import type { Upstream } from '../table/types.ts';
import { type CheckCounts, CheckSchedule, type CheckTarget } from './check-schedule.ts';
import { endpointKey } from './endpoint-key.ts';
import { probe } from './probes.ts';

export interface HealthCheckerOptions {
  /** From 0 up to 1, as `Math.random`. */
  readonly random: () => number;
  /** Monotonic milliseconds. */
  readonly nowMs: () => number;
  /** An endpoint (`address:port`) of an upstream fails its check from now on, or no longer. */
  readonly onChange: (upstreamId: string, endpoint: string, isFailing: boolean) => void;
  /** Probes at one time. Default 64. */
  readonly maxRunning?: number;
}

const defaultMaxRunning = 64;

/** What active checks have found; for metrics. */
export interface CheckSample {
  /** Probes so far, by their result. */
  readonly good: number;
  readonly bad: number;
  readonly upstreams: readonly CheckCounts[];
}

export class HealthChecker {
  readonly #options: HealthCheckerOptions;
  readonly #schedule: CheckSchedule;
  readonly #running = new Map<AbortController, Promise<void>>();
  readonly #results = { good: 0, bad: 0 };

  constructor(options: HealthCheckerOptions) {
    this.#options = options;
    this.#schedule = new CheckSchedule(options.maxRunning ?? defaultMaxRunning, options.random);
  }

  /** Takes over the upstreams of the table in force. */
  apply(upstreams: readonly Upstream[]): void {
    this.#schedule.replace(upstreams.flatMap(targetsOf), this.#options.nowMs());
  }

  /** Starts the probes that are due. Call it about ten times a second. */
  tick(): void {
    for (const target of this.#schedule.takeDue(this.#options.nowMs())) this.#start(target);
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
    await Promise.all(this.#running.values());
  }

  /** Ends all probes; nothing is told any more. */
  async close(): Promise<void> {
    this.#schedule.replace([], this.#options.nowMs());
    for (const controller of this.#running.keys()) controller.abort();
    await this.settled();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #start(target: CheckTarget): void {
    const controller = new AbortController();
    const signal = AbortSignal.any([controller.signal, AbortSignal.timeout(target.check.timeoutMs)]);
    const running = probe(target, signal).then((isGood) => {
      this.#running.delete(controller);
      // A probe that was cut at the end of everything has found nothing.
      if (controller.signal.aborted) return;
      this.#results[isGood ? 'good' : 'bad']++;
      const change = this.#schedule.onResult(target, isGood, this.#options.nowMs());
      if (change !== null) this.#options.onChange(target.upstreamId, target.endpoint, change === 'unhealthy');
    });
    this.#running.set(controller, running);
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
