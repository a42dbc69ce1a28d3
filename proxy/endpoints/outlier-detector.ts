// Passive health of one upstream: which endpoints are left out because of how they answer. PURE: times are arguments.
//
// Rules: errors in a row (at once), error rate and latency against the other endpoints (at the end of each window). Never
// more than the allowed share is out at one time: when most endpoints fail alike, it is not the endpoints.

import type { OutlierSettings } from '../table/upstream-settings.ts';
import type { OutlierPhase, OutlierState } from './outlier-state.ts';

/** An endpoint as the detector sees it. */
export interface Watched {
  /** As `outlier.phase`, also of an endpoint that nothing has been counted for yet. */
  readonly outlierPhase: OutlierPhase;
  /** It is left out, for this or another reason. */
  readonly isOut: boolean;
  /** What is counted, made when it is first asked for: of tens of thousands of endpoints few have a history. */
  readonly outlier: OutlierState;
}

export interface OutlierEvents<W extends Watched> {
  /** The endpoint is left out until then, by this worker's own decision. */
  readonly onEjected: (endpoint: W, untilMs: number, reason: EjectionReason) => void;
  /** A phase changed: what may be picked must be chosen again. */
  readonly onChanged: () => void;
  /** It is used again after an ejection. */
  readonly onReadmitted: (endpoint: W) => void;
}

/** A stable word for logs and metrics. */
export type EjectionReason = 'consecutiveErrors' | 'errorRate' | 'latency' | 'failedProbe';

export class OutlierDetector<W extends Watched> {
  readonly #settings: OutlierSettings;
  readonly #events: OutlierEvents<W>;
  #endpoints: readonly W[] = [];
  #windowEndsAtMs: number;

  constructor(settings: OutlierSettings, events: OutlierEvents<W>, nowMs: number) {
    this.#settings = settings;
    this.#events = events;
    this.#windowEndsAtMs = nowMs + settings.windowMs;
  }

  /** True while `tick` has something to do, now or later. */
  get isRestless(): boolean {
    const { errorRatePercent, latencyFactor } = this.#settings;
    return errorRatePercent !== null || latencyFactor !== null || this.#openCount() > 0;
  }

  /** Those that requests are meant for: shares are of them, and one of them stays. */
  update(endpoints: readonly W[]): void {
    this.#endpoints = endpoints;
  }

  /** An attempt got a good answer. `isPanic`: ejected endpoints are used too, so that an answer proves them. */
  onAnswered(endpoint: W, latencyMs: number, nowMs: number, isPanic: boolean): void {
    const { outlier } = endpoint;
    if (outlier.phase === 'closed') return outlier.countAnswer(latencyMs);
    // In the open phase it is the end of a request from before.
    if (outlier.phase === 'open' && !isPanic) return;
    outlier.close(nowMs);
    this.#events.onReadmitted(endpoint);
    this.#events.onChanged();
  }

  /** An attempt failed. */
  onFailed(endpoint: W, nowMs: number): void {
    const { outlier } = endpoint;
    if (outlier.phase === 'open') return;
    if (outlier.phase === 'halfOpen') return this.#eject(endpoint, 'failedProbe', nowMs);
    outlier.countFailure();
    const { consecutiveErrors } = this.#settings;
    if (consecutiveErrors === null || outlier.errorsInRow < consecutiveErrors) return;
    if (this.#mayEject(endpoint)) this.#eject(endpoint, 'consecutiveErrors', nowMs);
  }

  /** Another worker of the process has ejected the endpoint. */
  onEjectedElsewhere(endpoint: W, untilMs: number, nowMs: number): void {
    if (untilMs <= nowMs || (endpoint.outlierPhase === 'closed' && !this.#mayEject(endpoint))) return;
    endpoint.outlier.takeOver(this.#settings, untilMs, nowMs);
    this.#events.onChanged();
  }

  /** Ends ejections whose time is up, and judges windows. */
  tick(nowMs: number): void {
    let hasExpired = false;
    for (const endpoint of this.#endpoints) {
      if (endpoint.outlierPhase === 'open' && endpoint.outlier.expire(nowMs)) hasExpired = true;
    }
    if (hasExpired) this.#events.onChanged();
    if (nowMs < this.#windowEndsAtMs) return;
    this.#windowEndsAtMs = nowMs + this.#settings.windowMs;
    this.#judgeWindow(nowMs);
  }

  #judgeWindow(nowMs: number): void {
    const { errorRatePercent, latencyFactor, minRequests } = this.#settings;
    const judged = this.#endpoints.filter(
      ({ outlier }) => outlier.phase === 'closed' && outlier.attempts >= minRequests,
    );
    const latencyLimitMs = latencyFactor === null ? null : latencyFactor * medianLatency(judged);
    // The worst go first: the share that may be out is small.
    for (const endpoint of judged.toSorted(worstFirst)) {
      const { outlier } = endpoint;
      const isFailing = errorRatePercent !== null && outlier.errorRatePercent >= errorRatePercent;
      const isSlow = latencyLimitMs !== null && (outlier.meanLatencyMs ?? 0) > latencyLimitMs;
      if (!(isFailing || isSlow) || !this.#mayEject(endpoint)) continue;
      this.#eject(endpoint, isFailing ? 'errorRate' : 'latency', nowMs);
    }
    for (const { outlier } of this.#endpoints) outlier.startWindow();
  }

  #eject(endpoint: W, reason: EjectionReason, nowMs: number): void {
    const untilMs = endpoint.outlier.eject(this.#settings, nowMs);
    this.#events.onEjected(endpoint, untilMs, reason);
    this.#events.onChanged();
  }

  /**
   * Whether this one may be out as well: one at least even of few endpoints, but never the last that is used, whatever
   * the others are out for.
   */
  #mayEject(endpoint: W): boolean {
    const count = this.#endpoints.length;
    const allowed = Math.max(1, Math.floor((count * this.#settings.maxEjectedPercent) / 100));
    return this.#openCount() < allowed && this.#endpoints.some((other) => other !== endpoint && !other.isOut);
  }

  #openCount(): number {
    let count = 0;
    for (const { outlierPhase } of this.#endpoints) if (outlierPhase !== 'closed') count++;
    return count;
  }
}

/** Median of the mean latencies, the lower one of two in the middle; infinite below two endpoints: nothing to compare with. */
function medianLatency(endpoints: readonly Watched[]): number {
  const means = endpoints.flatMap(({ outlier }) => outlier.meanLatencyMs ?? []).sort((a, b) => a - b);
  return means.length < 2 ? Number.POSITIVE_INFINITY : (means[(means.length - 1) >> 1] as number);
}

function worstFirst(a: Watched, b: Watched): number {
  const byErrors = b.outlier.errorRatePercent - a.outlier.errorRatePercent;
  return byErrors || (b.outlier.meanLatencyMs ?? 0) - (a.outlier.meanLatencyMs ?? 0);
}
