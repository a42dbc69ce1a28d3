import { expect, test } from '@jest/globals';
import { type Diagnostic, maxFieldLength, maxMessageLength } from '../objects/diagnostic.ts';
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

test('a key or value of any length is cut, and what happens to traffic stays', () => {
  const key = 'k'.repeat(70_000);
  const [, found] = finish([
    diagnose('warning', 'UnknownKey', web, `data.${key}.end`, `${key} is unknown; it does nothing`),
  ]);
  expect(found?.field).toMatch(/^data\.k+…k+\.end$/);
  expect(found?.field).toHaveLength(maxFieldLength);
  expect(found?.message).toMatch(/^k+…k+ is unknown; it does nothing$/);
  expect(found?.message).toHaveLength(maxMessageLength);
});

test('a cut within a surrogate pair leaves no half of it', () => {
  for (const prefix of ['', 'x']) {
    const [, found] = finish([diagnose('warning', 'A', web, '', prefix + '😀'.repeat(5_000))]);
    expect(found?.message.isWellFormed()).toBe(true);
  }
});

test('texts of exactly the longest length stay as they are', () => {
  const text = 'm'.repeat(maxMessageLength);
  const [, found] = finish([diagnose('warning', 'A', web, 'f'.repeat(maxFieldLength), text)]);
  expect([found?.field.length, found?.message]).toEqual([maxFieldLength, text]);
});
