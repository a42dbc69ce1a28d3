// A wait that can be ended, on an injected clock.

import type { Clock } from '../clock.ts';

/** Waits; ends early, without a fault, when the signal is aborted. */
export function sleep(ms: number, clock: Clock, signal: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  if (signal.aborted) return Promise.resolve();
  const cancel = clock.after(ms, finish);
  signal.addEventListener('abort', finish, { once: true });
  return promise;

  function finish(): void {
    cancel();
    signal.removeEventListener('abort', finish);
    resolve();
  }
}
