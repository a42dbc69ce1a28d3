// Preloaded into a Sluice process (`node --import`): its wall clock is off by what a file says, in milliseconds, from the
// moment the file says so. The monotonic clock and timers stay as they are, as when an administrator sets the time.
//
// E2E_CLOCK_FILE names the file. Plain JavaScript, because workers are preloaded with it as well, before anything else.

import { readFileSync } from 'node:fs';

const lookEveryMs = 20;
const file = process.env.E2E_CLOCK_FILE;
const RealDate = Date;
let offsetMs = 0;

function look() {
  try {
    offsetMs = Number(readFileSync(file, 'utf8')) || 0;
  } catch {
    // Between two states of the file: the next look finds one.
  }
}

if (file !== undefined) {
  look();
  setInterval(look, lookEveryMs).unref();
  globalThis.Date = class extends RealDate {
    constructor(...args) {
      if (args.length === 0) super(RealDate.now() + offsetMs);
      else super(...args);
    }

    static now() {
      return RealDate.now() + offsetMs;
    }
  };
}
