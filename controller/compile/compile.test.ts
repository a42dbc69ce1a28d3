// Promises of compile() that hold for all inputs: total, deterministic, stable, fast. What it makes of single objects is
// in the golden cases.

import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { validateTable } from '#proxy/table/validate.ts';
import type { Snapshot } from '../objects/snapshot.ts';
import type { KubernetesObject } from '../objects/types.ts';
import { ObjectStore } from '../watch/store.ts';
import { compile } from './compile.ts';
import { emptyMemory } from './memory.ts';
import { clusterObjects } from './testing/arbitrary.ts';
import { fixture } from './testing/fixtures.ts';
import { defaultOptions, snapshotOf } from './testing/golden.ts';
import { arbitraryOptions } from './testing/options.ts';
import { resultText } from './testing/result-text.ts';
import type { CompileResult } from './types.ts';

const nowMs = Date.parse('2030-01-01T00:00:00Z');

function snapshotWith(objects: readonly KubernetesObject[]): Snapshot {
  const store = new ObjectStore();
  store.apply(objects.map((object) => ({ kind: 'upsert', object, source: null })));
  return store.snapshot();
}

/** ES modules are strict: a write to a frozen object throws. */
function deepFreeze(value: unknown): void {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return;
  Object.freeze(value);
  for (const item of Object.values(value)) deepFreeze(item);
}

describe('for arbitrary objects compile', () => {
  test('never throws and gives a valid table', () => {
    fc.assert(
      fc.property(clusterObjects, arbitraryOptions, (objects, options) => {
        const result = compile(snapshotWith(objects), options, emptyMemory, nowMs);
        expect(validateTable(result.table)).toEqual([]);
        expect([...result.material.keys()]).toEqual(result.table.certificates.map(({ id }) => id));
        expect(Object.keys(result.table.policies)).toEqual(Object.keys(result.table.policies).toSorted());
      }),
    );
  });

  test('leaves its input as it is', () => {
    fc.assert(
      fc.property(clusterObjects, arbitraryOptions, (objects, options) => {
        for (const object of objects) deepFreeze(object);
        expect(() => compile(snapshotWith(objects), options, emptyMemory, nowMs)).not.toThrow();
      }),
      { numRuns: 30 },
    );
  });

  test('gives equal bytes for shuffled objects', () => {
    const shuffled = clusterObjects.chain((objects) =>
      fc.tuple(fc.constant(objects), fc.shuffledSubarray([...objects], { minLength: objects.length })),
    );
    fc.assert(
      fc.property(shuffled, arbitraryOptions, ([objects, others], options) => {
        const [one, two] = [objects, others].map((list) => compile(snapshotWith(list), options, emptyMemory, nowMs));
        expect(two && resultText(two)).toBe(one && resultText(one));
      }),
    );
  });

  test('gives the same again with its own memory', () => {
    fc.assert(
      fc.property(clusterObjects, clusterObjects, arbitraryOptions, (before, after, options) => {
        const { memory } = compile(snapshotWith(before), options, emptyMemory, nowMs);
        const once = compile(snapshotWith(after), options, memory, nowMs);
        const twice = compile(snapshotWith(after), options, once.memory, nowMs);
        expect(resultText(twice)).toBe(resultText(once));
      }),
    );
  });

  test('names in every diagnostic the object and the reason, and says what follows', () => {
    fc.assert(
      fc.property(clusterObjects, arbitraryOptions, (objects, options) => {
        for (const { reason, object, message } of compile(snapshotWith(objects), options, emptyMemory, nowMs)
          .diagnostics) {
          expect(reason).toMatch(/^[A-Z][A-Za-z]+$/);
          expect(object.name).not.toBe('');
          expect(message).toMatch(/[;:] \S/);
        }
      }),
      { numRuns: 30 },
    );
  });

  test('keeps key material out of table, diagnostics and printed memory', () => {
    const keyLine = fixture('foo-bar-com.key').split('\n')[1] ?? '';
    fc.assert(
      fc.property(clusterObjects, arbitraryOptions, (objects, options) => {
        const { table, diagnostics } = compile(snapshotWith(objects), options, emptyMemory, nowMs);
        expect(JSON.stringify([table, diagnostics])).not.toContain(keyLine);
      }),
      { numRuns: 30 },
    );
  });
});

describe('size', () => {
  const manyPaths = (count: number) =>
    snapshotOf(
      JSON.stringify({
        apiVersion: 'networking.k8s.io/v1',
        kind: 'Ingress',
        metadata: { name: 'many' },
        spec: {
          rules: [
            {
              host: 'many.test',
              http: {
                paths: Array.from({ length: count }, (_, i) => ({
                  path: `/p${i}`,
                  pathType: 'Prefix',
                  backend: { service: { name: 'web', port: { number: 80 } } },
                })),
              },
            },
          ],
        },
      }),
    );

  test('10,000 paths in one Ingress all become routes, with one diagnostic for their one missing Service', () => {
    const options = { ...defaultOptions, watchIngressWithoutClass: true };
    const compiled = [1, 2, 3].map(() => {
      const snapshot = manyPaths(10_000);
      const startedAtMs = performance.now();
      const result = compile(snapshot, options, emptyMemory, nowMs);
      return { ...result, tookMs: performance.now() - startedAtMs };
    });
    // Measured at about 60 ms on one slow core; a quadratic pass takes many seconds. The best of three: in one of them the
    // machine may have stood still.
    expect(Math.min(...compiled.map(({ tookMs }) => tookMs))).toBeLessThan(3000);
    const { table, diagnostics } = compiled[0] as CompileResult;
    expect(table.virtualHosts.find(({ name }) => name === 'many.test')?.routes).toHaveLength(10_001);
    expect(diagnostics.map(({ reason }) => reason)).toEqual(['ServiceNotFound']);
  });
});
