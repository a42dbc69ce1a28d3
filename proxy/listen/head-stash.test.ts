import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { HeadStash } from './head-stash.ts';

test('gives back exactly what was added, in order, whatever the pieces', () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 5000 })), (pieces) => {
      const stash = new HeadStash();
      for (const piece of pieces) stash.add(Buffer.from(piece), 0, piece.length);
      const all = Buffer.concat(pieces);
      expect(stash.length).toBe(all.length);
      expect(stash.isEmpty).toBe(all.length === 0);
      if (pieces.length > 0) expect(stash.bytes.subarray(0, stash.length).equals(all)).toBe(true);
    }),
  );
});

test('what was read from it stays valid after it was cleared and filled again', () => {
  const stash = new HeadStash();
  stash.add(Buffer.from('first'), 0, 5);
  const before = stash.bytes;
  stash.clear();
  stash.add(Buffer.from('other'), 0, 5);
  expect(before.toString('latin1', 0, 5)).toBe('first');
});
