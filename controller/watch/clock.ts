// Time as an argument: everything in this folder that waits gets a Clock, so that tests turn it by hand.

/** Cancels a timer; does nothing when it has fired or was cancelled. */
export type CancelTimer = () => void;

export interface Clock {
  /** Milliseconds from any fixed point; never goes backwards. */
  nowMs(): number;
  /** Calls back once after `delayMs`. */
  after(delayMs: number, callback: () => void): CancelTimer;
}

/** The real clock. Its timers do not keep the process alive: what they wait for is never a reason to stay. */
export const systemClock: Clock = {
  nowMs: () => performance.now(),
  after: (delayMs, callback) => {
    const timer = setTimeout(callback, delayMs);
    timer.unref();
    return () => clearTimeout(timer);
  },
};
