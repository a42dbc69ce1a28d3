// Structural equality of JSON values: what the table, its parts and the updates are made of.
//
// In: two values. Out: a boolean. Nothing is allocated, and shared references end the comparison at once, so comparing
// a table with the one it was made from costs little more than its changes.

/**
 * Tells whether two JSON values are equal. Key order does not matter; `undefined`, functions and class instances do not
 * occur in JSON values and must not be passed. Linear in the size of the smaller value.
 */
export function equalJson(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false;
  if (Array.isArray(a) || Array.isArray(b)) return Array.isArray(a) && Array.isArray(b) && equalArrays(a, b);
  return equalObjects(a as Record<string, unknown>, b as Record<string, unknown>);
}

function equalArrays(a: readonly unknown[], b: readonly unknown[]): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) {
    if (!equalJson(a[i], b[i])) return false;
  }
  return true;
}

function equalObjects(a: Readonly<Record<string, unknown>>, b: Readonly<Record<string, unknown>>): boolean {
  let keys = 0;
  for (const key in a) {
    keys++;
    // `hasOwn` and not `in`: an inherited name such as `constructor` must not count as present.
    if (!Object.hasOwn(b, key) || !equalJson(a[key], b[key])) return false;
  }
  for (const _ in b) keys--;
  return keys === 0;
}
