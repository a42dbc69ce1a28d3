// Header blocks in one frame and in several, and where they end.

import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { type BlockFrame, HeaderBlock } from './header-block.ts';
import { Flag, FrameType } from './protocol.ts';

const MAX_BYTES = 1000;

/** The frames of a block that is cut at these places, each payload in the middle of a larger read. */
function framesOf(block: Buffer, cuts: readonly number[], streamId = 1, isLast = false): BlockFrame[] {
  const ends = [...cuts.map((cut) => cut % (block.length + 1)).sort((a, b) => a - b), block.length];
  return ends.map((end, i) => {
    const piece = block.subarray(i === 0 ? 0 : (ends[i - 1] ?? 0), end);
    const payload = Buffer.concat([Buffer.from('###'), piece, Buffer.from('###')]);
    const endStream = i === 0 && isLast ? Flag.endStream : 0;
    return {
      type: i === 0 ? FrameType.headers : FrameType.continuation,
      flags: endStream | (i === ends.length - 1 ? Flag.endHeaders : 0),
      streamId,
      payload,
      payloadStart: 3,
      payloadEnd: 3 + piece.length,
    };
  });
}

function contentOf({ bytes, start, end }: HeaderBlock): Buffer {
  return Buffer.from(bytes.subarray(start, end));
}

test('blocks come out as they went in, however they are cut, one behind another', () => {
  const block = fc.record({
    bytes: fc.uint8Array({ maxLength: MAX_BYTES }),
    cuts: fc.array(fc.nat(), { maxLength: 8 }),
    isLast: fc.boolean(),
    streamId: fc.integer({ min: 1, max: 2 ** 31 - 1 }),
  });
  fc.assert(
    fc.property(fc.array(block, { minLength: 1, maxLength: 5 }), (blocks) => {
      const assembled = new HeaderBlock();
      for (const { bytes, cuts, isLast, streamId } of blocks) {
        const frames = framesOf(Buffer.from(bytes), cuts, streamId, isLast);
        const events = frames.map((frame) => assembled.take(frame, MAX_BYTES));
        const before = cuts.map((_, i) => (i === 0 ? 'opened' : 'more'));
        expect(events).toEqual([...before, 'complete']);
        expect(assembled).toMatchObject({ streamId, isLast, isOpen: false });
        expect(contentOf(assembled)).toEqual(Buffer.from(bytes));
        assembled.release();
      }
    }),
  );
});

test('one frame is not copied, and not kept behind its end', () => {
  const assembled = new HeaderBlock();
  const [frame] = framesOf(Buffer.from('block'), []);
  assembled.take(frame as BlockFrame, MAX_BYTES);
  expect(assembled.bytes).toBe(frame?.payload);
  assembled.release();
  expect(assembled.bytes).toHaveLength(0);
});

test('an open block says so', () => {
  const assembled = new HeaderBlock();
  const [first, second] = framesOf(Buffer.from('block'), [2]);
  assembled.take(first as BlockFrame, MAX_BYTES);
  expect(assembled.isOpen).toBe(true);
  assembled.take(second as BlockFrame, MAX_BYTES);
  expect(assembled.isOpen).toBe(false);
});

test.each([
  { name: 'the last byte allowed', bytes: MAX_BYTES, cuts: [500], last: 'complete' },
  { name: 'a byte more', bytes: MAX_BYTES + 1, cuts: [500], last: 'tooLarge' },
  { name: 'eight CONTINUATIONs', bytes: 9, cuts: [1, 2, 3, 4, 5, 6, 7, 8], last: 'complete' },
  { name: 'nine', bytes: 9, cuts: [0, 1, 2, 3, 4, 5, 6, 7, 8], last: 'tooLarge' },
  { name: 'nine empty ones', bytes: 0, cuts: [0, 0, 0, 0, 0, 0, 0, 0, 0], last: 'tooLarge' },
])('limits: $name', ({ bytes, cuts, last }) => {
  const assembled = new HeaderBlock();
  const events = framesOf(Buffer.alloc(bytes), cuts).map((frame) => assembled.take(frame, MAX_BYTES));
  expect(events.at(-1)).toBe(last);
});
