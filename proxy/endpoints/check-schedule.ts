// When each endpoint is probed, and what the answers mean. PURE: times and chance are arguments; health-checker.ts asks.
//
// An endpoint starts as healthy: Kubernetes calls it ready. `unhealthyThreshold` bad probes in a row turn it, and
// `healthyThreshold` good ones turn it back. First probes are spread over one interval, so that a thousand endpoints
// are not asked in one moment; at most `maxRunning` probes run at one time, no upstream has more than a quarter of these
// places, and who is due for longest comes first: one Service that never answers must not stop the checks of the others.

import { equalJson } from '../table/equal.ts';
import type { ActiveCheck } from '../table/upstream-settings.ts';

export interface CheckTarget {
  readonly upstreamId: string;
  /** `address:port`, as in `EndpointState.key`. */
  readonly endpoint: string;
  readonly address: string;
  readonly port: number;
  readonly check: ActiveCheck;
}

/** A probe under way. */
export interface CheckTurn {
  readonly target: CheckTarget;
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
  /** null while none runs. */
  turn: CheckTurn | null;
  isHealthy: boolean;
  /** Answers in a row that speak against the present state. */
  against: number;
}

export class CheckSchedule {
  readonly #maxRunning: number;
  readonly #random: () => number;
  readonly #entries = new Map<string, Entry>();
  /** Targets that are gone, for the case that they come back: see `settle`. */
  readonly #left = new Map<string, Entry>();
  /** Probes under way, by upstream: none of 0. */
  readonly #runningOf = new Map<string, number>();
  #running = 0;

  constructor(maxRunning: number, random: () => number) {
    this.#maxRunning = maxRunning;
    this.#random = random;
  }

  /** Probes under way. */
  get running(): number {
    return this.#running;
  }

  /**
   * Replaces all targets; those that stay keep their state and their turn, those that come back before `settle` their
   * state. Gives the probes that nobody waits for any more, since their target is gone or is asked something else: their
   * places are free, and their results change nothing.
   */
  replace(targets: readonly CheckTarget[], nowMs: number): readonly CheckTurn[] {
    const before = new Map(this.#entries);
    const over: CheckTurn[] = [];
    this.#entries.clear();
    for (const target of targets) {
      const name = nameOf(target);
      const known = before.get(name) ?? this.#left.get(name);
      before.delete(name);
      this.#left.delete(name);
      const dueAtMs = nowMs + this.#random() * target.check.intervalMs;
      const entry = known ?? { target, dueAtMs, turn: null, isHealthy: true, against: 0 };
      // A shorter interval holds from now on, and not only after the longer one has passed.
      if (dueAtMs < entry.dueAtMs && target.check.intervalMs < entry.target.check.intervalMs) entry.dueAtMs = dueAtMs;
      if (!isSameQuestion(entry.target, target)) this.#stop(entry, over);
      entry.target = target;
      this.#entries.set(name, entry);
    }
    for (const [name, entry] of before) {
      this.#stop(entry, over);
      this.#left.set(name, entry);
    }
    return over;
  }

  /** Nobody will go back to targets that have left: one that comes again later begins as healthy. */
  settle(): void {
    this.#left.clear();
  }

  /** Takes the probes to start now; each must be ended by `onResult`, unless `replace` gives it back. */
  takeDue(nowMs: number): readonly CheckTurn[] {
    if (this.#running >= this.#maxRunning) return [];
    const due: Entry[] = [];
    for (const entry of this.#entries.values()) if (entry.turn === null && entry.dueAtMs <= nowMs) due.push(entry);
    const share = Math.max(1, Math.floor(this.#maxRunning / 4));
    const turns: CheckTurn[] = [];
    for (const entry of due.sort((a, b) => a.dueAtMs - b.dueAtMs)) {
      if (this.#running >= this.#maxRunning) break;
      if (this.#count(entry.target) >= share) continue;
      entry.turn = { target: entry.target };
      this.#add(entry.target, 1);
      turns.push(entry.turn);
    }
    return turns;
  }

  /** A probe is over. Gives the new state when it changed, else null. One that `replace` gave back changes nothing. */
  onResult(turn: CheckTurn, isGood: boolean, nowMs: number): 'healthy' | 'unhealthy' | null {
    const entry = this.#entries.get(nameOf(turn.target));
    if (entry?.turn !== turn) return null;
    entry.turn = null;
    this.#add(turn.target, -1);
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

  #stop(entry: Entry, over: CheckTurn[]): void {
    entry.against = 0;
    if (entry.turn === null) return;
    over.push(entry.turn);
    this.#add(entry.turn.target, -1);
    entry.turn = null;
  }

  #count({ upstreamId }: CheckTarget): number {
    return this.#runningOf.get(upstreamId) ?? 0;
  }

  #add(target: CheckTarget, change: 1 | -1): void {
    this.#running += change;
    const count = this.#count(target) + change;
    if (count === 0) this.#runningOf.delete(target.upstreamId);
    else this.#runningOf.set(target.upstreamId, count);
  }
}

/** An answer to the one says something about the other. */
function isSameQuestion(a: CheckTarget, b: CheckTarget): boolean {
  return (
    a.check.port === b.check.port && a.check.timeoutMs === b.check.timeoutMs && equalJson(a.check.probe, b.check.probe)
  );
}

function nameOf({ upstreamId, endpoint }: CheckTarget): string {
  return `${upstreamId} ${endpoint}`;
}
