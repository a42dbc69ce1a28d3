// The numbers of the request series of one worker: counts, sums and histogram buckets, laid out for the cache.
//
// With thousands of hosts every request finds the numbers of its series outside the processor's cache, so what counts is
// how many lines it touches. What nearly every request touches lies in 192 bytes: count, sums, the first bucket of the
// times, the last one of the message sizes, and the bytes sent. The other buckets lie apart, by value, not by histogram.

/** Series of one block; a block is two arrays. */
const BLOCK_SERIES = 256;
/** Numbers of a series in `near`. */
const NEAR = 24;
/** `--time-buckets` default, seconds. */
const TIME_BOUNDS: readonly number[] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];
/** `--length-buckets` default, bytes. */
const LENGTH_BOUNDS: readonly number[] = [10, 20, 30, 40, 50, 60, 70, 80, 90, 100];
/** `--size-buckets` default, bytes. */
const SIZE_BOUNDS: readonly number[] = [10, 100, 1000, 10_000, 100_000, 1_000_000, 10_000_000];

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
  /** By bucket, the one above all bounds included: from NEAR on it is a place in `far`. */
  readonly places: readonly number[];
}

const LAST_TIME = TIME_BOUNDS.length;
const LAST_LENGTH = LENGTH_BOUNDS.length;
const COUNT_PLACE = 0;
const FIRST_TIMES = 8;
const LAST_LENGTHS = 12;
const SIZES = 14;
const FURTHER_TIMES = NEAR;
const FURTHER_LENGTHS = FURTHER_TIMES + LAST_TIME * 4;
/** Numbers of a series in `far`. */
const FAR = FURTHER_LENGTHS + LAST_LENGTH * 2 - NEAR;

export const REQUEST_DURATION = time('request_duration_seconds', 0);
export const CONNECT_DURATION = time('connect_duration_seconds', 1);
export const HEADER_DURATION = time('header_duration_seconds', 2);
export const RESPONSE_DURATION = time('response_duration_seconds', 3);
export const REQUEST_SIZE = length('request_size', 0);
export const RESPONSE_SIZE = length('response_size', 1);
export const BYTES_SENT: Distribution = {
  name: 'bytes_sent',
  bounds: SIZE_BOUNDS,
  limits: SIZE_BOUNDS,
  unit: 1,
  sumPlace: 7,
  places: Array.from({ length: SIZE_BOUNDS.length + 1 }, (_, bucket) => SIZES + bucket),
};

/** In the order of the samples. */
export const DISTRIBUTIONS: readonly Distribution[] = [
  REQUEST_DURATION,
  CONNECT_DURATION,
  HEADER_DURATION,
  RESPONSE_DURATION,
  REQUEST_SIZE,
  RESPONSE_SIZE,
  BYTES_SENT,
];

function time(name: string, column: number): Distribution {
  const places = Array.from({ length: LAST_TIME + 1 }, (_, bucket) =>
    bucket === 0 ? FIRST_TIMES + column : FURTHER_TIMES + (bucket - 1) * 4 + column,
  );
  const limits = TIME_BOUNDS.map((seconds) => seconds * 1000);
  return { name, bounds: TIME_BOUNDS, limits, unit: 1 / 1000, sumPlace: 1 + column, places };
}

function length(name: string, column: number): Distribution {
  const places = Array.from({ length: LAST_LENGTH + 1 }, (_, bucket) =>
    bucket === LAST_LENGTH ? LAST_LENGTHS + column : FURTHER_LENGTHS + bucket * 2 + column,
  );
  return { name, bounds: LENGTH_BOUNDS, limits: LENGTH_BOUNDS, unit: 1, sumPlace: 5 + column, places };
}

/** The numbers of many series. */
export interface Block {
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
  readonly #index: number;

  constructor({ block, index }: NumberPlace) {
    this.#block = block;
    this.#index = index;
    this.#at = index * NEAR;
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
    if (place >= NEAR) return this.#countFar(place);
    const at = this.#at + place;
    near[at] = (near[at] as number) + 1;
  }

  /** In the unit of the name. */
  sum({ sumPlace, unit }: Distribution): number {
    return (this.#block.near[this.#at + sumPlace] as number) * unit;
  }

  /** By bucket, the one above all bounds last. */
  counts({ places }: Distribution): number[] {
    const { near, far } = this.#block;
    return places.map((place) => {
      if (place < NEAR) return near[this.#at + place] as number;
      return far === null ? 0 : (far[this.#index * FAR + place - NEAR] as number);
    });
  }

  /** Gives its place to the next series: nothing may be counted here from now on. */
  release(): void {
    const { near, far, free } = this.#block;
    near.fill(0, this.#at, this.#at + NEAR);
    far?.fill(0, this.#index * FAR, (this.#index + 1) * FAR);
    free.push(this.#index);
  }

  #countFar(place: number): void {
    const block = this.#block;
    block.far ??= new Float64Array(BLOCK_SERIES * FAR);
    const at = this.#index * FAR + place - NEAR;
    block.far[at] = (block.far[at] as number) + 1;
  }
}

/** Where series get their numbers from. Memory follows the largest number of series there was at one time. */
export class NumberStore {
  readonly #blocks: Block[] = [];

  claim(): NumberPlace {
    for (const block of this.#blocks) {
      const index = block.free.pop() ?? (block.used < BLOCK_SERIES ? block.used++ : -1);
      if (index !== -1) return { block, index };
    }
    const block: Block = { near: new Float64Array(BLOCK_SERIES * NEAR), far: null, free: [], used: 1 };
    this.#blocks.push(block);
    return { block, index: 0 };
  }
}
