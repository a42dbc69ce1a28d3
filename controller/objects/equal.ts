// Deep equality of the values of this folder.
//
// Not `node:util` isDeepStrictEqual: it cannot see the private field of Redacted, so that a Secret with a new key would
// count as unchanged.

import { Redacted } from './types.ts';

/** Compares plain JSON values and Redacted by content. Order of object keys does not matter, order of lists does. */
export function isSameValue(a: unknown, b: unknown): boolean {
  if (Object.is(a, b)) return true;
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false;
  if (a instanceof Redacted || b instanceof Redacted) {
    return a instanceof Redacted && b instanceof Redacted && a.reveal() === b.reveal();
  }
  if (Array.isArray(a) || Array.isArray(b)) {
    return (
      Array.isArray(a) && Array.isArray(b) && a.length === b.length && a.every((item, i) => isSameValue(item, b[i]))
    );
  }
  const keys = Object.keys(a);
  return (
    keys.length === Object.keys(b).length &&
    keys.every((key) => Object.hasOwn(b, key) && isSameValue(Reflect.get(a, key), Reflect.get(b, key)))
  );
}
