import { expect, test } from '@jest/globals';
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

test('sorts, drops repetitions, adds the source diagnostics and where each object stands', () => {
  const second = diagnose('warning', 'B', web, 'b', 'two');
  const first = diagnose('warning', 'A', web, 'a', 'one');
  const finished = finishDiagnostics([second, first, { ...second }], snapshotWithSource());
  expect(finished.map(({ reason, source: at }) => [reason, at?.file, at?.line])).toEqual([
    ['InvalidField', 'api.yaml', 1],
    ['A', 'web.yaml', 4],
    ['B', 'web.yaml', 4],
  ]);
});

test('an object without a place in a folder has no source', () => {
  const [, found] = finishDiagnostics(
    [diagnose('info', 'A', ingressOf({ meta: metaOf('z') }), '', 'x')],
    snapshotWithSource(),
  );
  expect(found?.source).toBeNull();
});
