// A client's socket without a client: takes every byte at once and notes what was done to it.

import type { Socket } from 'node:net';

export class FakeSocket {
  text = '';
  writable = true;
  destroyed = false;
  isPaused = false;
  isEnded = false;
  /** Set it to play a client that does not read. */
  writableLength = 0;
  writableNeedDrain = false;

  /** The first line that was written, without its line end. */
  get firstLine(): string {
    return this.text.split('\r\n', 1)[0] ?? '';
  }

  asSocket(): Socket {
    return this as unknown as Socket;
  }

  write(data: string | Uint8Array, second?: unknown): boolean {
    this.text += typeof data === 'string' ? data : Buffer.from(data).toString('latin1');
    if (typeof second === 'function') queueMicrotask(() => (second as () => void)());
    return true;
  }

  cork(): void {}

  uncork(): void {}

  pause(): void {
    this.isPaused = true;
  }

  resume(): void {
    this.isPaused = false;
  }

  end(): void {
    this.isEnded = true;
    this.writable = false;
  }

  destroy(): void {
    this.destroyed = true;
    this.writable = false;
  }

  resetAndDestroy(): void {
    this.destroy();
  }
}
