// The one promise of the incremental compiler: after every change its result is that of compile(). And the other one: it
// does not look at what a change does not touch.

import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { Snapshot } from '../objects/snapshot.ts';
import { ObjectStore } from '../watch/store.ts';
import { compile } from './compile.ts';
import { IncrementalCompiler } from './incremental.ts';
import { emptyMemory } from './memory.ts';
import { arbitraryOptions } from './testing/options.ts';
import { resultText } from './testing/result-text.ts';
import { type HistoryStep, histories } from './testing/sequences.ts';
import type { CompileMemory, CompileOptions, CompileResult } from './types.ts';

const startMs = Date.parse('2030-01-01T00:00:00Z');

/** Runs both compilers through a history and compares them after each step. */
function checkHistory(
  steps: readonly HistoryStep[],
  options: CompileOptions,
  skipped: (step: number) => boolean = () => false,
): void {
  const store = new ObjectStore();
  const compiler = new IncrementalCompiler(options);
  let memory: CompileMemory = emptyMemory;
  let nowMs = startMs;
  for (const [i, { changes, passedMs }] of steps.entries()) {
    store.apply(changes);
    nowMs += passedMs;
    const snapshot = store.snapshot();
    // Somebody else took this snapshot: the compiler does not see it, and must notice that at the next one.
    if (skipped(i)) continue;
    const want = compile(snapshot, options, memory, nowMs);
    memory = want.memory;
    expect(resultText(compileWith(compiler, snapshot, nowMs))).toBe(resultText(want));
  }
}

function compileWith(compiler: IncrementalCompiler, snapshot: Snapshot, nowMs: number): CompileResult {
  const { table, material, diagnostics, wantedNames } = compiler.compile(snapshot, nowMs);
  return { table, material, diagnostics, wantedNames, memory: compiler.memory() };
}

describe('after every step of any history the result is that of compile()', () => {
  test('step by step', () => {
    fc.assert(
      fc.property(histories, arbitraryOptions, (steps, options) => checkHistory(steps, options)),
      {
        numRuns: 300,
      },
    );
  });

  test('with snapshots that it never saw', () => {
    const property = fc.property(histories, arbitraryOptions, fc.nat(3), (steps, options, every) =>
      checkHistory(steps, options, (i) => i % 4 === every),
    );
    fc.assert(property, { numRuns: 100 });
  });
});
