// Waiting for what happens outside of this process, where nothing tells when.

import { setTimeout as delay } from 'node:timers/promises';

const POLL_MS = 25;

/** Reads until the value fits. Throws with the last value when it does not within the time. */
export async function until<T>(
  what: string,
  read: () => T | Promise<T>,
  fits: (value: T) => boolean,
  limitMs = 20_000,
): Promise<T> {
  const endMs = performance.now() + limitMs;
  for (;;) {
    const value = await read();
    if (fits(value)) return value;
    if (performance.now() > endMs) throw new Error(`waited in vain for ${what}; last: ${JSON.stringify(value)}`);
    await delay(POLL_MS);
  }
}
