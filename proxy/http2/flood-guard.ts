// Counts what a client does that costs us more than it costs the client, and says when it is too much.
//
// PURE given the times it is told. Each kind of event has a token bucket: a burst that any honest client stays within,
// refilled over time. Frames that are normal beside real work (window updates, pings) are also refilled by work, so
// that a fast download is not mistaken for a flood. The attacks: CVE-2019-9511 to 9518 (pings, settings, empty frames,
// tiny windows), CVE-2023-44487 (rapid reset), CVE-2025-8671 (made you reset).

/** What is counted; stable words, used as the reason in metrics and in the debug text of GOAWAY. */
const FLOOD_KINDS = ['reset', 'settings', 'ping', 'emptyFrame', 'windowUpdate', 'priority', 'unknownFrame'] as const;

export type FloodKind = (typeof FLOOD_KINDS)[number];

/** Limits of one connection. */
export interface FloodLimits {
  /** Streams that may be reset at once, by the client or by us because of it, before their response was complete. */
  readonly resetBurst: number;
  readonly resetsPerSecond: number;
  /** Control frames of one kind at once. */
  readonly controlBurst: number;
  readonly controlsPerSecond: number;
}

export class FloodGuard {
  readonly #limits: FloodLimits;
  readonly #tokens: Float64Array;
  readonly #filledAtMs: Float64Array;

  constructor(limits: FloodLimits, nowMs: number) {
    this.#limits = limits;
    this.#tokens = new Float64Array(FLOOD_KINDS.length).fill(limits.controlBurst);
    this.#tokens[0] = limits.resetBurst;
    this.#filledAtMs = new Float64Array(FLOOD_KINDS.length).fill(nowMs);
  }

  /** Counts one event, or one that is worth `cost`. False: the connection must end with ENHANCE_YOUR_CALM. */
  spend(kind: FloodKind, nowMs: number, cost = 1): boolean {
    const at = FLOOD_KINDS.indexOf(kind);
    const tokens = this.#tokens[at] as number;
    if (tokens >= cost) {
      this.#tokens[at] = tokens - cost;
      return true;
    }
    this.#refill(at, nowMs);
    const refilled = (this.#tokens[at] as number) - cost;
    this.#tokens[at] = refilled;
    return refilled >= 0;
  }

  /** Real work was done, a request or a frame of payload worth the name: it goes with some control frames. */
  credit(events: number): void {
    const { controlBurst } = this.#limits;
    for (let at = 1; at < this.#tokens.length; at++) {
      const tokens = this.#tokens[at] as number;
      if (tokens < controlBurst) this.#tokens[at] = Math.min(controlBurst, tokens + events);
    }
  }

  #refill(at: number, nowMs: number): void {
    const limits = this.#limits;
    const burst = at === 0 ? limits.resetBurst : limits.controlBurst;
    const perSecond = at === 0 ? limits.resetsPerSecond : limits.controlsPerSecond;
    const passedMs = nowMs - (this.#filledAtMs[at] as number);
    this.#filledAtMs[at] = nowMs;
    this.#tokens[at] = Math.min(burst, (this.#tokens[at] as number) + (passedMs * perSecond) / 1000);
  }
}
