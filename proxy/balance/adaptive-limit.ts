// How many requests an upstream may have at one time, found from its response times. PURE: times are arguments.
//
//   baseline   median response time with few requests: measured now and then, with the limit halved for a moment
//   window     median response time since the limit was last changed, 100 ms or more
//   limit      window above baseline x tolerance: limit x (tolerated / window), at least half
//              else, and at least half of it in use: limit + its square root
//
// The idea is that of gradient controllers: beyond what a server can work on at one time, more requests make all of them
// slower and none of them sooner. The baseline must be measured with less load: a mean of the past would follow an overload
// that lasts, and the limit with it. Where a lower limit does not help, it was not the load: the baseline is measured again.

import type { AdaptiveLimitSettings } from '../table/upstream-settings.ts';
import type { LoadNumbers } from './load-numbers.ts';

/** Limit before anything is known, within the bounds of the settings. */
const FIRST_LIMIT = 20;
/** Windows last as long, and as many times their median: the first answers after a moment are those to short requests. */
const WINDOW_MS = 100;
const WINDOW_MEDIANS = 2;
/** And until they have this many. */
const WINDOW_SAMPLES = 10;
/** Samples that are looked at, the latest ones. */
const KEPT_SAMPLES = 64;
/** Over all workers, and what a median needs at least. */
const BASELINE_SAMPLES = 30;
const MIN_BASELINE_SAMPLES = 20;
/** While the baseline is measured. */
const MEASURED_SHARE = 0.5;
/** After this time a few answers must do, and without any the old baseline holds on. */
const MEASURE_TIMEOUT_MS = 5000;
/** Zero would mean that nothing is known. */
const SHORTEST_MS = 0.01;
/** The limit has fallen to this share, and response times not to that one: the baseline is doubted. */
const FALLEN_LIMIT = 0.7;
const FALLEN_TIME = 0.9;

/** What all workers of a process share; each of them may write. Zero: unknown. */
export interface AdaptiveNumbers {
  /** Requests, with fractions; milliseconds with few requests. */
  readonly found: LoadNumbers;
  /** When the limit was last changed, and the baseline last measured. */
  readonly times: LoadNumbers;
  /** Limit and response time when the limit began to fall; zero while it does not. */
  readonly before: LoadNumbers;
}

export class AdaptiveLimit {
  readonly #numbers: AdaptiveNumbers;
  readonly #baselineSamples: number;
  readonly #samples = new Float64Array(KEPT_SAMPLES);
  #settings: AdaptiveLimitSettings;
  #count = 0;
  #windowStartedAtMs = 0;
  /** Most requests at the upstream in the window. */
  #peak = 0;
  /** Since when this worker measures the baseline; null while it does not. */
  #measuringSinceMs: number | null = null;
  /** Since when so few requests are there that their times say what the baseline is. */
  #settledAtMs: number | null = null;

  /** `workers`: how many share the numbers, and the requests; the first that has measured has done so for all. */
  constructor(settings: AdaptiveLimitSettings, numbers: AdaptiveNumbers, workers = 1) {
    this.#settings = settings;
    this.#numbers = numbers;
    this.#baselineSamples = Math.max(MIN_BASELINE_SAMPLES, Math.ceil(BASELINE_SAMPLES / workers));
  }

  configure(settings: AdaptiveLimitSettings): void {
    this.#settings = settings;
  }

  /** Requests that may be at the upstream, 1 or more; lower while the baseline is measured. */
  get limit(): number {
    const { minRequests } = this.#settings;
    if (this.#measuringSinceMs === null) return Math.floor(this.#foundLimit());
    // At first even half of the limit may be too much for this upstream.
    return this.#numbers.found.first === 0
      ? minRequests
      : Math.floor(Math.max(minRequests, this.#foundLimit() * MEASURED_SHARE));
  }

  /** Milliseconds; 0 while it is unknown. */
  get baselineMs(): number {
    return this.#numbers.found.second;
  }

  /** A request comes while `load` are at the upstream: time to look at the clock. */
  advance(nowMs: number, load: number): void {
    const isDue = nowMs - this.#numbers.times.second >= this.#settings.measureEveryMs || this.baselineMs === 0;
    if (isDue !== (this.#measuringSinceMs !== null)) this.#restart(isDue ? nowMs : null, nowMs);
    if (this.#measuringSinceMs === null) return;
    if (load <= this.limit) this.#settledAtMs ??= nowMs;
    if (nowMs - this.#measuringSinceMs >= MEASURE_TIMEOUT_MS) this.#endMeasuringLate(nowMs);
  }

  /** An answer, or the end of a wait for one, came `latencyMs` after its attempt began, while `load` were at the upstream. */
  observe(latencyMs: number, nowMs: number, load: number): void {
    this.advance(nowMs, load);
    this.#peak = Math.max(this.#peak, load);
    const startedAtMs = nowMs - latencyMs;
    if (this.#measuringSinceMs !== null) return this.#observeBaseline(latencyMs, startedAtMs, nowMs);
    // What began under another limit says nothing about this one; another worker may have changed it.
    const changedAtMs = this.#numbers.times.first;
    if (changedAtMs > this.#windowStartedAtMs) this.#restart(null, changedAtMs);
    if (startedAtMs < changedAtMs) return;
    this.#add(latencyMs);
    if (this.#isWindowOver(WINDOW_SAMPLES, this.#windowStartedAtMs, nowMs)) this.#judge(this.#median(), nowMs);
  }

  #foundLimit(): number {
    const { minRequests, maxRequests } = this.#settings;
    const known = this.#numbers.found.first;
    return Math.min(Math.max(known === 0 ? FIRST_LIMIT : known, minRequests), maxRequests);
  }

  #observeBaseline(latencyMs: number, startedAtMs: number, nowMs: number): void {
    if (this.#settledAtMs === null || startedAtMs < this.#settledAtMs) return;
    this.#add(latencyMs);
    if (this.#isWindowOver(this.#baselineSamples, this.#settledAtMs, nowMs)) this.#endMeasuring(nowMs, this.#median());
  }

  /** Slow or rare answers, or requests that stay. As long as nothing at all is known, it goes on with what there is. */
  #endMeasuringLate(nowMs: number): void {
    if (this.#count > 0) this.#endMeasuring(nowMs, this.#median());
    else if (this.baselineMs > 0) this.#endMeasuring(nowMs, this.baselineMs);
    else this.#settledAtMs ??= nowMs;
  }

  #endMeasuring(nowMs: number, baselineMs: number): void {
    this.#numbers.found.first = this.#foundLimit();
    this.#numbers.found.second = Math.max(baselineMs, SHORTEST_MS);
    this.#numbers.times.second = nowMs;
    this.#restart(null, nowMs);
  }

  #isWindowOver(samples: number, sinceMs: number, nowMs: number): boolean {
    const elapsedMs = nowMs - sinceMs;
    return this.#count >= samples && elapsedMs >= WINDOW_MS && elapsedMs >= this.#median() * WINDOW_MEDIANS;
  }

  #judge(medianMs: number, nowMs: number): void {
    const { times, found } = this.#numbers;
    const toleratedMs = this.baselineMs * (1 + this.#settings.tolerancePercent / 100);
    const limit = this.#foundLimit();
    if (medianMs > toleratedMs) this.#lower(limit, medianMs, toleratedMs);
    else {
      this.#numbers.before.first = 0;
      // What is not used is not known to be bearable.
      if (this.#peak * 2 >= limit) found.first = Math.min(this.#settings.maxRequests, limit + Math.sqrt(limit));
    }
    times.first = nowMs;
    this.#restart(null, nowMs);
  }

  #lower(limit: number, medianMs: number, toleratedMs: number): void {
    const { minRequests } = this.#settings;
    const { found, before } = this.#numbers;
    if (before.first === 0) {
      before.first = limit;
      before.second = medianMs;
    }
    const hasFallen = limit <= Math.max(minRequests, before.first * FALLEN_LIMIT) && limit < before.first;
    if (hasFallen && medianMs > before.second * FALLEN_TIME) return this.#doubt();
    found.first = Math.max(minRequests, limit * Math.max(0.5, toleratedMs / medianMs));
  }

  /** Forgets the baseline, and what followed from it. */
  #doubt(): void {
    const { found, before } = this.#numbers;
    found.first = before.first;
    found.second = 0;
    before.first = 0;
  }

  #restart(measuringSinceMs: number | null, nowMs: number): void {
    this.#measuringSinceMs = measuringSinceMs;
    this.#settledAtMs = null;
    this.#count = 0;
    this.#peak = 0;
    this.#windowStartedAtMs = nowMs;
  }

  #add(latencyMs: number): void {
    this.#samples[this.#count % KEPT_SAMPLES] = latencyMs;
    this.#count++;
  }

  #median(): number {
    const sorted = this.#samples.slice(0, Math.min(this.#count, KEPT_SAMPLES)).sort();
    return sorted[sorted.length >> 1] as number;
  }
}
