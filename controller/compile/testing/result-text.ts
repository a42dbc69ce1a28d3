// A compile result as text, to compare two of them whole.

import type { CompileMemory, CompileResult } from '../types.ts';

/** Everything of a result, in the order it has. Maps have no meaningful order and are sorted. Holds test keys: never print it elsewhere. */
export function resultText({ table, diagnostics, wantedNames, material, memory }: CompileResult): string {
  return JSON.stringify([table, diagnostics, wantedNames, sorted(material), ...memoryParts(memory)]);
}

function memoryParts({ acceptedIngresses, goodPairs }: CompileMemory): unknown[] {
  return [sorted(acceptedIngresses), sorted(goodPairs)];
}

function sorted<V>(map: ReadonlyMap<string, V>): readonly (readonly [string, V])[] {
  return [...map].sort(([a], [b]) => (a < b ? -1 : 1));
}
