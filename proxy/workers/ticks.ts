// What a worker does ten times a second: looks at the clock, and lets those act whose time is up.
//
//   timer: the time is told --poll phase: what has come in meanwhile is read--> check phase: deadlines fire
// In this order, as in nginx, an answer that waits in the socket's buffer is taken before it is called late.

import { LivedTime } from './lived-time.ts';

export const TICK_MS = 100;
/** Looks at the clock that are further apart have been a standstill: the rest of it is nobody's time. */
const LONGEST_STEP_MS = 3 * TICK_MS;

export interface TickListener {
  /** Monotonic milliseconds without standstills. Nothing may be done about it yet. */
  onTime(nowMs: number): void;
  onTick(): void;
}

export class Ticks {
  readonly #timer: NodeJS.Timeout;
  readonly #act: () => void;
  #acting: NodeJS.Immediate | undefined;

  /** Begins at once. `readMs`: monotonic milliseconds; listeners' times begin with its first reading. */
  constructor(readMs: () => number, listener: TickListener) {
    const time = new LivedTime(readMs(), LONGEST_STEP_MS);
    this.#act = () => listener.onTick();
    this.#timer = setInterval(() => {
      listener.onTime(time.read(readMs()));
      this.#acting = setImmediate(this.#act);
    }, TICK_MS);
  }

  stop(): void {
    clearInterval(this.#timer);
    clearImmediate(this.#acting);
  }
}
