// A Pod in a simulation: some requests at a time, the others wait in line.

import type { EventQueue } from './event-queue.ts';

export interface ServerSettings {
  /** How many times slower than the others. */
  readonly slowness: number;
  /** Every request fails after a millisecond. */
  readonly isFailing: boolean;
}

/** Requests a server works on at one time. */
export const serverThreads = 8;
/** Median of the service time of a server with slowness 1. */
export const medianServiceMs = 20;
/** Spread of service times: log-normal, so that the slowest in a hundred take 2.5 times the median. */
const spread = 0.4;

export class SimulatedServer {
  readonly settings: ServerSettings;
  readonly #events: EventQueue;
  readonly #random: () => number;
  readonly #waiting: ((isGood: boolean) => void)[] = [];
  #busy = 0;
  /** Requests that arrived, for the share of each server. */
  arrived = 0;

  constructor(settings: ServerSettings, events: EventQueue, random: () => number) {
    this.settings = settings;
    this.#events = events;
    this.#random = random;
  }

  /** Requests here, waiting or served: what only the oracle knows. */
  get load(): number {
    return this.#busy + this.#waiting.length;
  }

  handle(onDone: (isGood: boolean) => void): void {
    this.arrived++;
    if (this.settings.isFailing) return this.#events.after(1, () => onDone(false));
    if (this.#busy < serverThreads) this.#serve(onDone);
    else this.#waiting.push(onDone);
  }

  #serve(onDone: (isGood: boolean) => void): void {
    this.#busy++;
    this.#events.after(this.#serviceMs(), () => {
      this.#busy--;
      const next = this.#waiting.shift();
      if (next !== undefined) this.#serve(next);
      onDone(true);
    });
  }

  #serviceMs(): number {
    const normal = Math.sqrt(-2 * Math.log(1 - this.#random())) * Math.cos(2 * Math.PI * this.#random());
    return medianServiceMs * this.settings.slowness * Math.exp(spread * normal);
  }
}
