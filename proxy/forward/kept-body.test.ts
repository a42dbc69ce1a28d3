import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { defaultBodyLimits } from '../table/body-limits.ts';
import { BodyMemory, KeptBody } from './kept-body.ts';

/** What a receiver got, copied at once. */
function sent(body: KeptBody): string {
  let text = '';
  const writeBody = (buf: Buffer, start: number, end: number) => {
    text += buf.latin1Slice(start, end);
    return true;
  };
  body.sendTo({ writeBody });
  return text;
}

test('any parts within the limit are sent again in order; beyond it nothing is', () => {
  const parts = fc.array(fc.string({ unit: 'grapheme-ascii', maxLength: 3000 }), { maxLength: 6 });
  fc.assert(
    fc.property(parts, fc.integer({ min: 0, max: 8192 }), (texts, limit) => {
      const body = new KeptBody(new BodyMemory(() => defaultBodyLimits));
      body.begin(limit);
      // The buffer they come in is used again for each of them, as that of a connection is.
      const shared = Buffer.alloc(3010);
      for (const text of texts) {
        shared.write(text, 5, 'latin1');
        body.add(shared, 5, 5 + text.length);
      }
      const whole = texts.join('');
      const isWhole = whole.length <= limit;
      expect({ isWhole: body.isWhole, text: sent(body) }).toEqual({ isWhole, text: isWhole ? whole : '' });
    }),
  );
});

test('a second request begins with nothing', () => {
  const body = new KeptBody(new BodyMemory(() => defaultBodyLimits));
  body.begin(2);
  body.add(Buffer.from('abc'), 0, 3);
  expect(body.isWhole).toBe(false);
  body.clear();
  body.begin(8);
  expect([body.isWhole, body.length, sent(body)]).toEqual([true, 0, '']);
});

test('what is still being written when the request ends is not overwritten by the next body', () => {
  const memory = new BodyMemory(() => defaultBodyLimits);
  const large = (letter: string) => Buffer.alloc(600_000, letter);
  const first = new KeptBody(memory);
  first.begin(0);
  first.hold(large('a'), 0, 600_000);
  const writing: Buffer[] = [];
  const writeBody = (buf: Buffer, start: number, end: number) => {
    writing.push(buf.subarray(start, end));
    // The socket takes no more from the second part on.
    return writing.length !== 2;
  };
  first.sendTo({ writeBody });
  first.clear();
  const second = new KeptBody(memory);
  second.begin(0);
  second.hold(large('b'), 0, 600_000);
  expect(Buffer.concat(writing).equals(large('a'))).toBe(true);
  second.clear();
  expect(memory.bytes).toBe(0);
});

test('it says when the receiver holds bytes back', () => {
  const body = new KeptBody(new BodyMemory(() => defaultBodyLimits));
  body.begin(8);
  expect(body.sendTo({ writeBody: () => false })).toBe(true);
  body.add(Buffer.from('abc'), 0, 3);
  expect(body.sendTo({ writeBody: () => false })).toBe(false);
});
