// Identity says "unchanged" to whoever compares two versions of the table, also when all of it was made anew.

import { equalJson } from '#proxy/table/equal.ts';
import type { SortedList } from '../sorted-list.ts';

/** Gives the entry that an earlier list has under the key where it is equal to `entry`, else `entry`. */
export function asBefore<T extends object>(earlier: SortedList<T>, key: string, entry: T): T {
  const before = earlier.get(key);
  return before !== undefined && equalJson(before, entry) ? before : entry;
}
