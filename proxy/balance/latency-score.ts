// The smoothed response time of one endpoint, in two cells of an array that may be shared by all workers.
//
//   new = old * e^(-dt / 10 s) + rtt * (1 - e^(-dt / 10 s))       ingress-nginx, reference "Load balancing", ewma
//
// An endpoint that nobody asks decays towards 0 and is tried again: how the balancer learns that it got better.
// Two workers may write at once: then one observation is lost, which a mean over ten seconds does not feel.

/** ingress-nginx's DECAY_TIME. */
const decayMs = 10_000;

/** Cells one score takes: its value and when it was last touched, both milliseconds. */
export const cellsPerScore = 2;

export class LatencyScore {
  readonly #cells: Float64Array;
  readonly #at: number;

  /** The score in `cells[at]` and `cells[at + 1]`; 0, 0 is an endpoint that never answered. */
  constructor(cells: Float64Array = new Float64Array(cellsPerScore), at = 0) {
    this.#cells = cells;
    this.#at = at;
  }

  /** True until the first response, or a starting score. */
  get isUnknown(): boolean {
    return (this.#cells[this.#at + 1] as number) === 0;
  }

  /** The score as it counts at `nowMs`: it decays while nothing is observed. */
  valueMs(nowMs: number): number {
    const value = this.#cells[this.#at] as number;
    return value === 0 ? 0 : value * keptShare(nowMs - (this.#cells[this.#at + 1] as number));
  }

  /** Counts one response: `rttMs` is connect time plus time to the end of the response head, of the last try. */
  observe(rttMs: number, nowMs: number): void {
    const touchedAtMs = this.#cells[this.#at + 1] as number;
    // The first response is the score, whatever the clock began with.
    const kept = touchedAtMs === 0 ? 0 : keptShare(nowMs - touchedAtMs);
    this.#set((this.#cells[this.#at] as number) * kept + rttMs * (1 - kept), nowMs);
  }

  /** A failed attempt never makes an endpoint look fast: refusing takes a millisecond. */
  observeFailure(elapsedMs: number, nowMs: number): void {
    this.observe(Math.max(elapsedMs, this.valueMs(nowMs)), nowMs);
  }

  /** The start of a new endpoint: the average of the others (ingress-nginx), or a score known from elsewhere. */
  reset(valueMs: number, nowMs: number): void {
    this.#set(valueMs, nowMs);
  }

  #set(valueMs: number, nowMs: number): void {
    this.#cells[this.#at] = valueMs;
    this.#cells[this.#at + 1] = nowMs;
  }
}

/** Clocks of two threads may differ by a little: time never runs backwards here. */
function keptShare(elapsedMs: number): number {
  return elapsedMs <= 0 ? 1 : Math.exp(-elapsedMs / decayMs);
}

/** The score a new endpoint starts with: the mean of those that are known; 0 when none is. */
export function startingScore(scoresMs: readonly number[]): number {
  const known = scoresMs.filter((score) => score > 0);
  return known.length === 0 ? 0 : known.reduce((sum, score) => sum + score, 0) / known.length;
}
