// Ids made from content: equal values get equal ids on every machine and in every run.

import { createHash } from 'node:crypto';

/**
 * Hashes parts to 32 hex digits (128 bits of SHA-256: users choose part of the content and must not be able to make two
 * values collide). Each part is preceded by its length, so that moving a border between parts gives another id.
 */
export function contentId(...parts: readonly string[]): string {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(`${part.length}:`).update(part);
  return hash.digest('hex').slice(0, 32);
}

/** Prints JSON with sorted keys: the order in which a value's properties were set does not matter. */
export function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_key, item: unknown) =>
    item !== null && typeof item === 'object' && !Array.isArray(item)
      ? Object.fromEntries(Object.entries(item).sort(([a], [b]) => (a < b ? -1 : 1)))
      : item,
  );
}
