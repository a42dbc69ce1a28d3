import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { PersistentTable } from './persistent-table.ts';
import { hashSpan, SpanTable } from './span-table.ts';

const key = fc.string({ maxLength: 3, unit: fc.constantFrom('a', 'b', '/', 'é') });

function lookUp<V>(
  table: { find(hash: number, text: string, start: number, end: number): V | undefined },
  name: string,
) {
  // Looked up inside a longer text, so that a find that ignores the span's ends fails.
  const text = `x${name}y`;
  const end = 1 + name.length;
  return table.find(hashSpan(text, 1, end), text, 1, end);
}

test('SpanTable: finds what a Map finds', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(key, fc.nat())), fc.array(key), (entries, asked) => {
      const model = new Map(entries);
      const table = new SpanTable(model);
      for (const name of [...asked, ...model.keys()]) expect(lookUp(table, name)).toBe(model.get(name));
      expect(new Map(table.entries())).toEqual(model);
    }),
  );
});

test('PersistentTable: a chain of changes gives what a Map gives, and every earlier version stays as it was', () => {
  const change = fc.array(fc.tuple(key, fc.option(fc.nat())), { maxLength: 12 });
  fc.assert(
    fc.property(fc.array(fc.tuple(key, fc.nat())), fc.array(change, { maxLength: 8 }), (start, changes) => {
      const versions = [{ model: new Map(start), table: PersistentTable.of(new Map(start)) }];
      for (const step of changes) {
        const last = versions.at(-1);
        if (last === undefined) break;
        const model = new Map(last.model);
        for (const [name, value] of step) value === null ? model.delete(name) : model.set(name, value);
        versions.push({ model, table: last.table.with(new Map(step)) });
      }
      const names = new Set([...start, ...changes.flat()].map(([name]) => name));
      for (const { model, table } of versions) {
        for (const name of names) expect(lookUp(table, name)).toBe(model.get(name));
        expect(new Map(table.entries())).toEqual(model);
      }
    }),
  );
});

test('PersistentTable: no change gives the same table', () => {
  const table = PersistentTable.of(new Map([['a', 1]]));
  expect(table.with(new Map())).toBe(table);
});
