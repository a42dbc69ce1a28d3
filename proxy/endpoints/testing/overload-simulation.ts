// An upstream that gets slower the more requests it has, before gates of several workers, in virtual time.
//
// The server works on at most `cores` requests at full speed and shares itself among more of them (processor sharing), so
// its throughput is fixed and its response time grows without bound under overload. Arrivals do not wait for answers.

import { plainEndpoint, plainUpstream } from '../../table/defaults.ts';
import type { UpstreamLimits } from '../../table/upstream-settings.ts';
import { LoadDirectory } from '../load-directory.ts';
import { allocateSharedLoads } from '../shared-loads.ts';
import { UpstreamGate } from '../upstream-gate.ts';
import { TurnedLoads } from './turned-loads.ts';

/** How things are from some second on. */
export interface Weather {
  readonly requestsPerSecond: number;
  /** Time a request takes on a core of its own, on average. */
  readonly workMs: number;
  readonly cores: number;
}

/** What happened in one second. */
export interface Second {
  readonly answered: number;
  readonly refused: number;
  /** Time at the server, without the wait for a place. */
  readonly medianMs: number;
  readonly p99Ms: number;
  readonly limit: number;
}

interface Job {
  remainingMs: number;
  readonly startedAtMs: number;
  readonly gate: UpstreamGate;
}

/** Deterministic numbers from 0 up to 1 (mulberry32). */
export function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

export class OverloadSimulation {
  readonly gates: readonly UpstreamGate[];
  readonly #random: () => number;
  readonly #loads: TurnedLoads;
  #jobs: Job[] = [];
  #nowMs = 1_000_000;
  #due = 0;
  #answered: number[] = [];
  #refused = 0;

  constructor(limits: UpstreamLimits, workers: number, seed: number) {
    this.#random = seeded(seed);
    const loads = new TurnedLoads(allocateSharedLoads(workers, 16));
    this.#loads = loads;
    new LoadDirectory(loads).apply([{ ...plainUpstream('u', [plainEndpoint('10.0.0.1', 80)]), limits }], []);
    const options = { upstreamId: 'u', nowMs: () => this.#nowMs, hasRoom: () => true };
    this.gates = Array.from(
      { length: workers },
      (_, column) => new UpstreamGate(limits, { ...options, loads: { loads, column } }),
    );
  }

  /** Lets so many seconds pass, each as `weather` says; what happened in each. */
  run(seconds: number, weather: Weather): Second[] {
    return Array.from({ length: seconds }, () => this.#second(weather));
  }

  #second(weather: Weather): Second {
    this.#answered = [];
    this.#refused = 0;
    for (let ms = 0; ms < 1000; ms++) this.#millisecond(weather);
    const sorted = this.#answered.toSorted((a, b) => a - b);
    const at = (share: number) => sorted[Math.floor(sorted.length * share)] ?? 0;
    const limit = this.gates[0]?.adaptive?.limit ?? Infinity;
    return { answered: sorted.length, refused: this.#refused, medianMs: at(0.5), p99Ms: at(0.99), limit };
  }

  #millisecond({ requestsPerSecond, workMs, cores }: Weather): void {
    this.#nowMs++;
    this.#loads.turn();
    this.#due += requestsPerSecond / 1000;
    for (; this.#due >= 1; this.#due--) this.#arrive(workMs);
    this.#work(Math.min(1, cores / this.#jobs.length));
    if (this.#nowMs % 100 === 0) for (const gate of this.gates) gate.tick(this.#nowMs);
  }

  #arrive(workMs: number): void {
    const gate = this.gates[Math.floor(this.#random() * this.gates.length)] as UpstreamGate;
    // Half to one and a half of the mean.
    const begin = () => {
      this.#jobs.push({ remainingMs: workMs * (0.5 + this.#random()), startedAtMs: this.#nowMs, gate });
    };
    const entrance = gate.enter({ onAdmitted: begin, onTimedOut: () => this.#refused++ }, this.#nowMs);
    if (entrance === 'admitted') begin();
    else if (entrance === 'full') this.#refused++;
  }

  #work(speed: number): void {
    for (const job of this.#jobs) job.remainingMs -= speed;
    const done = this.#jobs.filter(({ remainingMs }) => remainingMs <= 0);
    if (done.length === 0) return;
    this.#jobs = this.#jobs.filter(({ remainingMs }) => remainingMs > 0);
    for (const { startedAtMs, gate } of done) {
      const latencyMs = this.#nowMs - startedAtMs;
      this.#answered.push(latencyMs);
      gate.observe(latencyMs, this.#nowMs);
      gate.leave();
    }
  }
}
