// Waiting for something to become true: tests of processes have no other way. Fast when it is true already, and a failure
// says what was seen last.

import { setTimeout as delay } from 'node:timers/promises';

/** Far more than anything here takes on a busy machine. */
const limitMs = 30_000;
const intervalMs = 25;

/** Reads until the value fits, and gives it; rejects with the last value after `limit` milliseconds (default 30,000). */
export async function until<T>(
  what: string,
  read: () => T | Promise<T>,
  fits: (value: T) => boolean,
  limit = limitMs,
): Promise<T> {
  const endMs = performance.now() + limit;
  for (;;) {
    const value = await read();
    if (fits(value)) return value;
    if (performance.now() > endMs) throw new Error(`waited in vain for ${what}; last: ${JSON.stringify(value)}`);
    await delay(intervalMs);
  }
}
