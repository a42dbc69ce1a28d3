// The numbers of the request series of one worker: counts, sums and histogram buckets, laid out for the cache.
//
// With thousands of hosts every request finds the numbers of its series outside the processor's cache, so what counts is
// how many lines it touches. What nearly every request touches lies in 192 bytes: count, sums, the first bucket of the
// times, the last one of the message sizes, and the bytes sent. The other buckets lie apart, by value, not by histogram.

/** Series of one block; a block is two arrays. */
const BLOCK_SERIES = 256;
/** Upper bounds of the histograms, ascending: process options. */
export interface HistogramBounds {
  /** `--time-buckets`, seconds. */
  readonly time: readonly number[];
  /** `--length-buckets`, bytes: request_size and response_size. */
  readonly length: readonly number[];
  /** `--size-buckets`, bytes: bytes_sent. */
  readonly size: readonly number[];
}

/** Those of ingress-nginx. */
export const defaultHistogramBounds: HistogramBounds = {
  time: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
  length: [10, 20, 30, 40, 50, 60, 70, 80, 90, 100],
  size: [10, 100, 1000, 10_000, 100_000, 1_000_000, 10_000_000],
};

/** One histogram of each series. */
export interface Distribution {
  /** Without prefix. */
  readonly name: string;
  /** In the unit of the name. */
  readonly bounds: readonly number[];
  /** In the unit of observed values: milliseconds, bytes. */
  readonly limits: readonly number[];
  /** What an observed value of 1 is in the unit of the name. */
  readonly unit: number;
  readonly sumPlace: number;
  /** By bucket, the one above all bounds included: from `near` of the layout on it is a place in `far`. */
  readonly places: readonly number[];
}

const COUNT_PLACE = 0;
const FIRST_TIMES = 8;
const LAST_LENGTHS = 12;
const SIZES = 14;
/** Numbers in one line of the processor's cache. */
const LINE = 8;

/** Where the numbers of a series are, for one set of bounds. */
export class SeriesLayout {
  readonly requestDuration: Distribution;
  readonly connectDuration: Distribution;
  readonly headerDuration: Distribution;
  readonly responseDuration: Distribution;
  readonly requestSize: Distribution;
  readonly responseSize: Distribution;
  readonly bytesSent: Distribution;
  /** In the order of the samples. */
  readonly all: readonly Distribution[];
  /** Numbers of a series in `near`. */
  readonly near: number;
  /** Numbers of a series in `far`. */
  readonly far: number;

  constructor({ time, length, size }: HistogramBounds) {
    this.near = Math.ceil((SIZES + size.length + 1) / LINE) * LINE;
    const furtherLengths = this.near + time.length * 4;
    this.far = furtherLengths + length.length * 2 - this.near;
    this.requestDuration = timesOf('request_duration_seconds', 0, time, this.near);
    this.connectDuration = timesOf('connect_duration_seconds', 1, time, this.near);
    this.headerDuration = timesOf('header_duration_seconds', 2, time, this.near);
    this.responseDuration = timesOf('response_duration_seconds', 3, time, this.near);
    this.requestSize = lengthsOf('request_size', 0, length, furtherLengths);
    this.responseSize = lengthsOf('response_size', 1, length, furtherLengths);
    const places = Array.from({ length: size.length + 1 }, (_, bucket) => SIZES + bucket);
    this.bytesSent = { name: 'bytes_sent', bounds: size, limits: size, unit: 1, sumPlace: 7, places };
    this.all = [
      this.requestDuration,
      this.connectDuration,
      this.headerDuration,
      this.responseDuration,
      this.requestSize,
      this.responseSize,
      this.bytesSent,
    ];
  }
}

function timesOf(name: string, column: number, bounds: readonly number[], further: number): Distribution {
  const places = Array.from({ length: bounds.length + 1 }, (_, bucket) =>
    bucket === 0 ? FIRST_TIMES + column : further + (bucket - 1) * 4 + column,
  );
  const limits = bounds.map((seconds) => seconds * 1000);
  return { name, bounds, limits, unit: 1 / 1000, sumPlace: 1 + column, places };
}

function lengthsOf(name: string, column: number, bounds: readonly number[], further: number): Distribution {
  const places = Array.from({ length: bounds.length + 1 }, (_, bucket) =>
    bucket === bounds.length ? LAST_LENGTHS + column : further + bucket * 2 + column,
  );
  return { name, bounds, limits: bounds, unit: 1, sumPlace: 5 + column, places };
}

/** The numbers of many series. */
export interface Block {
  readonly layout: SeriesLayout;
  readonly near: Float64Array;
  /** Made when the first request of the block needs it. */
  far: Float64Array | null;
  /** Places that were given back. */
  readonly free: number[];
  used: number;
}

/** Where the numbers of a series are; from NumberStore. */
export interface NumberPlace {
  readonly block: Block;
  readonly index: number;
}

/** The numbers of one series; a base class, so that they are found without another object in between. */
export class SeriesNumbers {
  readonly #block: Block;
  /** Of its numbers in `near`. */
  readonly #at: number;
  /** Numbers of a series in `near`: the places from there on are in `far`. */
  readonly #near: number;
  readonly #index: number;

  constructor({ block, index }: NumberPlace) {
    this.#block = block;
    this.#index = index;
    this.#near = block.layout.near;
    this.#at = index * this.#near;
  }

  /** Requests. */
  get count(): number {
    return this.#block.near[this.#at + COUNT_PLACE] as number;
  }

  countRequest(): void {
    const at = this.#at + COUNT_PLACE;
    const { near } = this.#block;
    near[at] = (near[at] as number) + 1;
  }

  /** Counts a value in the first bucket whose bound it does not exceed. Milliseconds for times. */
  observe({ limits, places, sumPlace }: Distribution, value: number): void {
    const { near } = this.#block;
    let bucket = limits.length;
    // Most sizes are above all bounds, most times below the first.
    if (value <= (limits[bucket - 1] as number)) {
      bucket = 0;
      while (value > (limits[bucket] as number)) bucket++;
    }
    const sumAt = this.#at + sumPlace;
    near[sumAt] = (near[sumAt] as number) + value;
    const place = places[bucket] as number;
    if (place >= this.#near) return this.#countFar(place);
    const at = this.#at + place;
    near[at] = (near[at] as number) + 1;
  }

  /** In the unit of the name. */
  sum({ sumPlace, unit }: Distribution): number {
    return (this.#block.near[this.#at + sumPlace] as number) * unit;
  }

  /** By bucket, the one above all bounds last. */
  counts({ places }: Distribution): number[] {
    const { near, far, layout } = this.#block;
    return places.map((place) => {
      if (place < layout.near) return near[this.#at + place] as number;
      return far === null ? 0 : (far[this.#index * layout.far + place - layout.near] as number);
    });
  }

  /** Gives its place to the next series: nothing may be counted here from now on. */
  release(): void {
    const { near, far, free, layout } = this.#block;
    near.fill(0, this.#at, this.#at + layout.near);
    far?.fill(0, this.#index * layout.far, (this.#index + 1) * layout.far);
    free.push(this.#index);
  }

  #countFar(place: number): void {
    const block = this.#block;
    const { near, far } = block.layout;
    block.far ??= new Float64Array(BLOCK_SERIES * far);
    const at = this.#index * far + place - near;
    block.far[at] = (block.far[at] as number) + 1;
  }
}

/** Where series get their numbers from. Memory follows the largest number of series there was at one time. */
export class NumberStore {
  readonly #layout: SeriesLayout;
  readonly #blocks: Block[] = [];

  constructor(layout: SeriesLayout) {
    this.#layout = layout;
  }

  claim(): NumberPlace {
    for (const block of this.#blocks) {
      const index = block.free.pop() ?? (block.used < BLOCK_SERIES ? block.used++ : -1);
      if (index !== -1) return { block, index };
    }
    const layout = this.#layout;
    const block: Block = { layout, near: new Float64Array(BLOCK_SERIES * layout.near), far: null, free: [], used: 1 };
    this.#blocks.push(block);
    return { block, index: 0 };
  }
}
