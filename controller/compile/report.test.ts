import { expect, test } from '@jest/globals';
import type { Diagnostic } from '../objects/diagnostic.ts';
import { ObjectStore } from '../watch/store.ts';
import { diagnose, finishDiagnostics } from './report.ts';
import { ingressOf, metaOf } from './testing/objects.ts';

const web = ingressOf();
const api = ingressOf({ meta: metaOf('api') });
const source = { file: 'web.yaml', line: 4 };

function snapshotWithSource() {
  const store = new ObjectStore();
  const decoded = {
    ...diagnose('error', 'InvalidField', api, 'spec', 'wrong; not used'),
    source: { file: 'api.yaml', line: 1 },
  };
  store.apply([
    { kind: 'upsert', object: web, source },
    { kind: 'sourceDiagnostics', origin: 'api.yaml', diagnostics: [decoded] },
  ]);
  return store.snapshot();
}

function finish(found: readonly Diagnostic[]): Diagnostic[] {
  const { sourceDiagnostics, sources } = snapshotWithSource();
  return finishDiagnostics(sourceDiagnostics, found, sources);
}

test('of two that differ in severity only, the same one stays in any order', () => {
  const two = (['warning', 'error'] as const).map((severity) => diagnose(severity, 'A', web, '', 'x'));
  expect(finish(two.toReversed())).toEqual(finish(two));
});

test('sorts, drops repetitions, adds the source diagnostics and where each object stands', () => {
  const second = diagnose('warning', 'B', web, 'b', 'two');
  const first = diagnose('warning', 'A', web, 'a', 'one');
  const finished = finish([second, first, { ...second }]);
  expect(finished.map(({ reason, source: at }) => [reason, at?.file, at?.line])).toEqual([
    ['InvalidField', 'api.yaml', 1],
    ['A', 'web.yaml', 4],
    ['B', 'web.yaml', 4],
  ]);
});

test('an object without a place in a folder has no source', () => {
  const [, found] = finish([diagnose('info', 'A', ingressOf({ meta: metaOf('z') }), '', 'x')]);
  expect(found?.source).toBeNull();
});
