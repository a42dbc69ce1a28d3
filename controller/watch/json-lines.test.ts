import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { jsonItemLines } from './json-lines.ts';

test('gives the line of each item', () => {
  const text = ['{ "kind": "List",', '  "items": [', '    { "a": [', '      {} ] },', '    {', '    }', '  ] }'].join(
    '\n',
  );
  expect(jsonItemLines(text)).toEqual([3, 5]);
});

test.each<[string, string]>([
  ['no list', '{"a": [{}, {}]}'],
  ['items below the top', '{"a": {"items": [{}]}}'],
  ['items as a value', '{"kind": "items", "a": [{}]}'],
  ['items as text with brackets', '{"a": "\\"items\\": [{", "items": []}'],
])('%s has none', (_name, text) => {
  expect(jsonItemLines(text)).toEqual([]);
});

test('finds every object among any neighbours', () => {
  fc.assert(
    fc.property(fc.array(fc.dictionary(fc.string(), fc.jsonValue())), fc.string(), (items, text) => {
      const list = { [`x${text}`]: text, items, after: [{}] };
      const pretty = JSON.stringify(list, null, 1);
      const lines = pretty.split('\n');
      const found = jsonItemLines(pretty);
      expect(found).toHaveLength(items.length);
      // Items stand two levels deep, so they begin with two blanks and a brace.
      for (const line of found) expect(lines[line - 1]).toMatch(/^ {2}\{/);
    }),
  );
});
