import { expect, test } from '@jest/globals';
import { decodeAs, rawObject, summary } from '../objects/testing/raw-objects.ts';
import type { ManifestObject } from './manifest-content.ts';
import { mergeManifests } from './merge-manifests.ts';

function entry(name: string, file: string, line = 1): ManifestObject {
  const { object } = decodeAs('ConfigMap', rawObject('ConfigMap', { metadata: { name } }));
  return { id: `ConfigMap/default/${name}`, object, source: { file, line } };
}

test.each<[string, ManifestObject[][], ManifestObject[][], string[], string[]]>([
  ['different objects', [[entry('x', 'a')], [entry('y', 'b')]], [], ['a', 'b'], []],
  ['one object in two files', [[entry('x', 'a')], [entry('x', 'b')]], [], ['a'], ['b']],
  ['one object in three files', [[entry('x', 'a')], [entry('x', 'b')], [entry('x', 'c')]], [], ['a'], ['b', 'c']],
  ['a renamed file', [[entry('x', 'b')]], [[entry('x', 'a')]], ['b'], []],
  ['a vanishing file', [[entry('y', 'b')]], [[entry('x', 'a')]], ['b', 'a'], []],
])('%s', (_name, present, vanishing, winners, losers) => {
  const merged = mergeManifests(present, vanishing);
  expect([...merged.winners.values()].map(({ source }) => source.file)).toEqual(winners);
  expect(merged.duplicates.map(({ source }) => source?.file)).toEqual(losers);
  expect(summary(merged.duplicates)).toEqual(losers.map(() => 'warning DuplicateObject '));
});

test('the first place in one file wins', () => {
  const merged = mergeManifests([[entry('x', 'a', 3), entry('x', 'a', 9)]], []);
  expect(merged.winners.get('ConfigMap/default/x')?.source.line).toBe(3);
  expect(merged.duplicates[0]?.message).toContain('in a:3 and in a:9; the one in a:3 is used');
});
