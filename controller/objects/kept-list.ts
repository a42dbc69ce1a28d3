// Forms in which decoded objects are kept: a cluster has tens of thousands of short lists and empty maps, and most of
// their memory would be room for entries that never come.

const noItems: readonly never[] = Object.freeze([]);

/** A map without entries, the same for all. */
export const noStrings: Readonly<Record<string, never>> = Object.freeze({});

/**
 * Gives a list of the same items that takes only the memory they need. V8 gives a list that was filled item by item (also
 * by `filter`) room for 17, 136 bytes for one address; a copy has none to spare.
 */
export function keptList<T>(list: readonly T[]): readonly T[] {
  return list.length === 0 ? noItems : list.slice();
}

/** As `keptList`, of those that are not null. */
export function keptPresent<T>(list: readonly (T | null)[]): readonly T[] {
  return keptList(list.filter((item) => item !== null));
}
