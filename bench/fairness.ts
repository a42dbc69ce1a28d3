// Shows that every contender does the same work: the origin must get the same headers from all, and answers must come
// through whole. Runs before any timing.

import { type Arena, ask } from './arena.ts';
import type { Contender } from './contenders/contender.ts';

/** Connection handling differs by design and costs next to nothing. */
const IGNORED = new Set(['connection', 'content-length', 'transfer-encoding']);

/** Throws when a contender sends the origin other headers than the first one does. */
export async function assertSameHeaders(arena: Arena, contenders: readonly Contender[]): Promise<void> {
  let expected: { readonly name: string; readonly headers: string } | null = null;
  for (const contender of contenders) {
    const { ports } = await arena.instance(contender, 'plain');
    const headers = headerNames(await ask(ports.http, '/head')).join(' ');
    expected ??= { name: contender.name, headers };
    if (headers === expected.headers) continue;
    throw new Error(
      `not a fair comparison: ${contender.name} sends the origin the headers\n  ${headers}\n` +
        `and ${expected.name} sends\n  ${expected.headers}`,
    );
  }
}

/** Names of the header lines of a request head, lower case and sorted, without the ignored ones. */
export function headerNames(head: string): string[] {
  const lines = head.split('\r\n').slice(1).filter(Boolean);
  const names = lines.map((line) => line.slice(0, line.indexOf(':')).toLowerCase());
  return names.filter((name) => !IGNORED.has(name)).sort();
}
