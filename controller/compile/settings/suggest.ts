// Finds the name somebody probably meant.

const MAX_DISTANCE = 2;

/** The known name nearest to a mistyped one: at most two edits away, the first of equals. null when none is near. */
export function nearestName(name: string, known: Iterable<string>): string | null {
  let nearest: string | null = null;
  let best = MAX_DISTANCE + 1;
  for (const candidate of known) {
    const distance = editDistance(name, candidate, best);
    if (distance < best) {
      best = distance;
      nearest = candidate;
    }
  }
  return nearest;
}

/**
 * Levenshtein distance, or `limit` as soon as it cannot be below it. Only cells less than `limit` away from the diagonal
 * are filled, and it stops early: a cluster may hold ten thousand Ingresses with the same unknown name.
 */
function editDistance(a: string, b: string, limit: number): number {
  if (Math.abs(a.length - b.length) >= limit) return limit;
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const next: number[] = new Array(b.length + 1).fill(limit);
    next[0] = i;
    let lowest = i;
    for (let j = Math.max(1, i - limit); j <= Math.min(b.length, i + limit); j++) {
      const replace = (row[j - 1] ?? limit) + (a.charCodeAt(i - 1) === b.charCodeAt(j - 1) ? 0 : 1);
      const cell = Math.min(replace, (row[j] ?? limit) + 1, (next[j - 1] ?? limit) + 1);
      next[j] = cell;
      lowest = Math.min(lowest, cell);
    }
    if (lowest >= limit) return limit;
    row = next;
  }
  return row[b.length] ?? limit;
}
