// When each endpoint is probed, and what the answers mean. PURE: times and chance are arguments; health-checker.ts asks.
//
// An endpoint starts as healthy: Kubernetes calls it ready. `unhealthyThreshold` bad probes in a row turn it, and
// `healthyThreshold` good ones turn it back. First probes are spread over one interval, so that a thousand endpoints
// are not asked in one moment; at most `maxRunning` probes run at one time, and those that are due wait for a place.

import type { ActiveCheck } from '../table/upstream-settings.ts';

export interface CheckTarget {
  readonly upstreamId: string;
  /** `address:port`, as in `EndpointState.key`. */
  readonly endpoint: string;
  readonly address: string;
  readonly port: number;
  readonly check: ActiveCheck;
}

/** Endpoints of one upstream by what their checks say. */
export interface CheckCounts {
  readonly upstreamId: string;
  readonly healthy: number;
  readonly failing: number;
}

interface Entry {
  target: CheckTarget;
  dueAtMs: number;
  isRunning: boolean;
  isHealthy: boolean;
  /** Answers in a row that speak against the present state. */
  against: number;
}

export class CheckSchedule {
  readonly #maxRunning: number;
  readonly #random: () => number;
  readonly #entries = new Map<string, Entry>();
  #running = 0;

  constructor(maxRunning: number, random: () => number) {
    this.#maxRunning = maxRunning;
    this.#random = random;
  }

  /** Probes under way. */
  get running(): number {
    return this.#running;
  }

  /** Replaces all targets; those that stay keep their state and their turn. */
  replace(targets: readonly CheckTarget[], nowMs: number): void {
    const before = new Map(this.#entries);
    this.#entries.clear();
    for (const target of targets) {
      const name = nameOf(target);
      const known = before.get(name);
      const dueAtMs = nowMs + this.#random() * target.check.intervalMs;
      const entry = known ?? { target, dueAtMs, isRunning: false, isHealthy: true, against: 0 };
      // A shorter interval holds from now on, and not only after the longer one has passed.
      if (dueAtMs < entry.dueAtMs && target.check.intervalMs < entry.target.check.intervalMs) entry.dueAtMs = dueAtMs;
      entry.target = target;
      this.#entries.set(name, entry);
    }
  }

  /** Takes the targets to probe now; each must be ended by `onResult`. */
  takeDue(nowMs: number): readonly CheckTarget[] {
    const due: CheckTarget[] = [];
    for (const entry of this.#entries.values()) {
      if (this.#running >= this.#maxRunning) break;
      if (entry.isRunning || entry.dueAtMs > nowMs) continue;
      entry.isRunning = true;
      this.#running++;
      due.push(entry.target);
    }
    return due;
  }

  /** A probe is over. Gives the new state when it changed, else null. A target that is gone changes nothing. */
  onResult(target: CheckTarget, isGood: boolean, nowMs: number): 'healthy' | 'unhealthy' | null {
    this.#running--;
    const entry = this.#entries.get(nameOf(target));
    if (entry === undefined) return null;
    entry.isRunning = false;
    const { intervalMs, healthyThreshold, unhealthyThreshold } = entry.target.check;
    // A tenth more or less, so that probes of many replicas do not fall into step.
    entry.dueAtMs = nowMs + intervalMs * (0.9 + 0.2 * this.#random());
    entry.against = isGood === entry.isHealthy ? 0 : entry.against + 1;
    if (entry.against < (entry.isHealthy ? unhealthyThreshold : healthyThreshold)) return null;
    entry.against = 0;
    entry.isHealthy = isGood;
    return isGood ? 'healthy' : 'unhealthy';
  }

  /** For each upstream with targets, how many of them are in which state. */
  counts(): readonly CheckCounts[] {
    const counts = new Map<string, { readonly upstreamId: string; healthy: number; failing: number }>();
    for (const { target, isHealthy } of this.#entries.values()) {
      const { upstreamId } = target;
      const count = counts.get(upstreamId) ?? { upstreamId, healthy: 0, failing: 0 };
      count[isHealthy ? 'healthy' : 'failing']++;
      counts.set(upstreamId, count);
    }
    return [...counts.values()];
  }

  /** Endpoints that are unhealthy now: for a worker that has just started. */
  unhealthy(): readonly CheckTarget[] {
    return [...this.#entries.values()].filter(({ isHealthy }) => !isHealthy).map(({ target }) => target);
  }
}

function nameOf({ upstreamId, endpoint }: CheckTarget): string {
  return `${upstreamId} ${endpoint}`;
}
