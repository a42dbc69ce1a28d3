import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { KubeObject } from './objects.ts';
import { COMPACTED, Storage, type StoreEvent } from './storage.ts';

function object(name: string, value: string): KubeObject {
  return { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name }, data: { value } };
}

type Entries = readonly (readonly [string, KubeObject])[];

/** What a list shows, without what the store adds. */
function contentOf(entries: Entries | typeof COMPACTED): unknown {
  return entries === COMPACTED
    ? 'compacted'
    : entries.map(([key, { metadata, data }]) => [key, metadata.resourceVersion, data]);
}

const commands = fc.array(
  fc.record({
    name: fc.constantFrom('a', 'b', 'c', 'd'),
    action: fc.constantFrom('put', 'delete'),
    value: fc.string({ maxLength: 2 }),
  }),
  { maxLength: 40 },
);

function run(storage: Storage, { name, action, value }: { name: string; action: string; value: string }): void {
  if (action === 'put') storage.put('things', name, object(name, value));
  else storage.delete('things', name);
}

test('a list of an older revision is what a list was at that revision', () => {
  fc.assert(
    fc.property(commands, (steps) => {
      const storage = new Storage();
      const seen: [revision: number, content: unknown][] = [];
      for (const step of steps) {
        run(storage, step);
        seen.push([storage.revision, contentOf(storage.list('things'))]);
      }
      for (const [revision, content] of seen) expect(contentOf(storage.list('things', revision))).toEqual(content);
    }),
  );
});

test('an older list with the events after it is the list of now', () => {
  fc.assert(
    fc.property(commands, commands, (before, after) => {
      const storage = new Storage();
      for (const step of before) run(storage, step);
      const start = storage.list('things') as Entries;
      const { revision } = storage;
      for (const step of after) run(storage, step);
      const state = new Map(start);
      for (const { type, key, object: next } of storage.eventsAfter('things', revision) as readonly StoreEvent[]) {
        if (type === 'DELETED') state.delete(key);
        else state.set(key, next);
      }
      expect(contentOf([...state].sort(([a], [b]) => (a < b ? -1 : 1)))).toEqual(contentOf(storage.list('things')));
    }),
  );
});

test('listeners hear each event once, in order, until they leave', () => {
  const storage = new Storage();
  const heard: string[] = [];
  const leave = storage.subscribe('things', ({ type, revision }) => heard.push(`${type} ${revision}`));
  storage.put('things', 'a', object('a', '1'));
  storage.put('others', 'a', object('a', '1'));
  storage.put('things', 'a', object('a', '2'));
  storage.delete('things', 'a');
  leave();
  storage.put('things', 'b', object('b', '1'));
  expect(heard).toEqual(['ADDED 2', 'MODIFIED 4', 'DELETED 5']);
});

test('a deletion carries the last state at its own revision', () => {
  const storage = new Storage();
  storage.put('things', 'a', object('a', '1'));
  expect(storage.delete('things', 'a')).toMatchObject({ metadata: { resourceVersion: '3' }, data: { value: '1' } });
  expect([storage.delete('things', 'a'), storage.revision]).toEqual([undefined, 3]);
});

describe('compaction', () => {
  test('expires every revision so far and nothing after', () => {
    const storage = new Storage();
    storage.put('things', 'a', object('a', '1'));
    const before = storage.revision;
    storage.compact();
    const after = storage.revision;
    storage.put('things', 'b', object('b', '1'));
    expect([storage.eventsAfter('things', before), storage.list('things', before)]).toEqual([COMPACTED, COMPACTED]);
    expect((storage.eventsAfter('things', after) as readonly StoreEvent[]).map(({ key }) => key)).toEqual(['b']);
    expect((storage.list('things') as Entries).length).toBe(2);
  });
});
