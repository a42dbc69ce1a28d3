// Passive health of one endpoint: what its answers say, and whether it is left out because of them. PURE.
//
//   closed --rule broken--> open --time is up--> halfOpen --one good answer--> closed
//                             ^                      |
//                             +----- failed ---------+      each time in a row longer
//
// closed: traffic flows. open: no picks. halfOpen: one request at a time may try it. The detector of the upstream
// decides whether a broken rule may eject (outlier-detector.ts); this class counts and keeps the times.

import type { OutlierSettings } from '../table/upstream-settings.ts';

export type OutlierPhase = 'closed' | 'open' | 'halfOpen';

export class OutlierState {
  #phase: OutlierPhase = 'closed';
  #untilMs = 0;
  /** Ejections in a row, which make the next one longer. */
  #ejections = 0;
  #closedAtMs = 0;
  #errorsInRow = 0;
  #answered = 0;
  #failed = 0;
  #latencySumMs = 0;
  #probe = 0;

  /** A request is trying the half-open endpoint. */
  get isProbing(): boolean {
    return this.#probe !== 0;
  }

  get phase(): OutlierPhase {
    return this.#phase;
  }

  /** Until when it is left out; meaningful while `open`. */
  get untilMs(): number {
    return this.#untilMs;
  }

  get errorsInRow(): number {
    return this.#errorsInRow;
  }

  /** Attempts of the window so far. */
  get attempts(): number {
    return this.#answered + this.#failed;
  }

  /** Percent of failed attempts in the window; 0 without attempts. */
  get errorRatePercent(): number {
    return this.attempts === 0 ? 0 : (100 * this.#failed) / this.attempts;
  }

  /** Mean latency of the window's answers; null without any. */
  get meanLatencyMs(): number | null {
    return this.#answered === 0 ? null : this.#latencySumMs / this.#answered;
  }

  countAnswer(latencyMs: number): void {
    this.#errorsInRow = 0;
    this.#answered++;
    this.#latencySumMs += latencyMs;
  }

  countFailure(): void {
    this.#errorsInRow++;
    this.#failed++;
  }

  startWindow(): void {
    this.#answered = 0;
    this.#failed = 0;
    this.#latencySumMs = 0;
  }

  /** closed or halfOpen -> open. Gives the time until which it is left out. */
  eject(settings: OutlierSettings, nowMs: number): number {
    this.#countEjection(settings, nowMs);
    const lastsMs = Math.min(settings.ejectionMs * this.#ejections, settings.maxEjectionMs);
    this.#ejectUntil(nowMs + lastsMs);
    return this.#untilMs;
  }

  /**
   * Takes over an ejection that another worker decided; never shortens its own. It counts as one of its own: whichever
   * worker finds the next relapse, that lasts longer.
   */
  takeOver(settings: OutlierSettings, untilMs: number, nowMs: number): void {
    if (this.#phase !== 'open') this.#countEjection(settings, nowMs);
    this.#ejectUntil(untilMs);
  }

  #countEjection({ maxEjectionMs }: OutlierSettings, nowMs: number): void {
    // Long enough good again: its history is forgotten.
    const isRelapse = this.#phase === 'halfOpen' || nowMs - this.#closedAtMs < maxEjectionMs;
    this.#ejections = isRelapse ? this.#ejections + 1 : 1;
  }

  #ejectUntil(untilMs: number): void {
    this.#untilMs = this.#phase === 'open' ? Math.max(this.#untilMs, untilMs) : untilMs;
    this.#phase = 'open';
    this.#probe = 0;
    this.#errorsInRow = 0;
    this.startWindow();
  }

  /** open -> halfOpen when the time is up. True when that happened. */
  expire(nowMs: number): boolean {
    if (this.#phase !== 'open' || nowMs < this.#untilMs) return false;
    this.#phase = 'halfOpen';
    return true;
  }

  /** An attempt begins, with a number above 0 that is its own. True when it is the one that tries the endpoint. */
  beginProbe(probe: number): boolean {
    if (this.#phase !== 'halfOpen' || this.isProbing) return false;
    this.#probe = probe;
    return true;
  }

  /** The attempt is over, however it ended: the next request may try. Nothing for one whose turn is over already. */
  endProbe(probe: number): void {
    if (this.#probe === probe) this.#probe = 0;
  }

  /** Back to closed. */
  close(nowMs: number): void {
    this.#phase = 'closed';
    this.#closedAtMs = nowMs;
    this.#probe = 0;
    this.#errorsInRow = 0;
    this.startWindow();
  }
}
