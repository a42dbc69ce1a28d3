// Shared counters of two workers, of which the second is a quick hand: at one row it acts within the very moment in which
// the first worker writes its count. What two threads would do once in a million times, a test does when it wants to.

import { allocateSharedLoads, SharedLoads } from '../../endpoints/shared-loads.ts';

export class RacingLoads extends SharedLoads {
  /** Where it acts; -1: nowhere. */
  racedRow = -1;
  /** So many times it takes a place when the first worker has just counted itself in. */
  takes = 0;
  /** So many times it takes the place that the first worker has just given back. */
  grabs = 0;
  /** It finds that both have counted themselves in, and steps back when the first worker does. */
  stepsBack = false;

  constructor() {
    super(allocateSharedLoads(2, 64));
  }

  override set(column: number, row: number, count: number): void {
    super.set(column, row, count);
    if (column !== 0 || row !== this.racedRow) return;
    if (count > 0 && this.takes > 0) {
      this.takes--;
      super.set(1, row, 1);
    } else if (count === 0 && this.stepsBack) {
      super.set(1, row, 0);
    } else if (count === 0 && this.grabs > 0) {
      this.grabs--;
      super.set(1, row, 1);
    }
  }
}
