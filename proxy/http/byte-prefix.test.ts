import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { BytePrefix } from './byte-prefix.ts';

function prefixOf(bytes: Buffer): BytePrefix {
  const prefix = new BytePrefix();
  prefix.set(bytes, 0, bytes.length);
  return prefix;
}

describe('BytePrefix', () => {
  test('an empty one begins nothing', () => {
    expect(new BytePrefix().begins(Buffer.from('abc'), 0, 3)).toBe(false);
  });

  test('bytes behind `end` do not count', () => {
    expect(prefixOf(Buffer.from('abcdef')).begins(Buffer.from('abcdef'), 0, 5)).toBe(false);
  });

  test('says the same as a comparison byte for byte, at any offset and length, in one buffer after another', () => {
    const bytes = fc.uint8Array({ minLength: 1, maxLength: 300 });
    fc.assert(
      fc.property(bytes, bytes, fc.nat(9), fc.option(fc.nat(299)), (first, behind, offset, change) => {
        const prefix = prefixOf(Buffer.from(first));
        const buf = Buffer.concat([Buffer.alloc(offset, 7), first, behind]);
        if (change !== null) buf[offset + (change % first.length)] = 65;
        const isEqual = Buffer.from(first).equals(buf.subarray(offset, offset + first.length));
        expect(prefix.begins(buf, offset, buf.length)).toBe(isEqual);
        // The view of the first buffer must not be used for the second.
        expect(prefix.begins(Buffer.from(buf), offset, buf.length)).toBe(isEqual);
      }),
    );
  });

  test('a part is found where it stands, and only before the end', () => {
    const span = fc.tuple(fc.nat(40), fc.nat(40), fc.nat(60), fc.nat(60));
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 40, maxLength: 40, max: 1 }), span, ([...bytes], [a, b, start, end]) => {
        const [from, to] = [Math.min(a, b), Math.max(a, b)];
        const buf = Buffer.from([...bytes.slice(from), ...bytes]);
        const part = Buffer.from(bytes.slice(from, to));
        const last = Math.min(end, buf.length);
        const isThere = start + part.length <= last && part.equals(buf.subarray(start, start + part.length));
        expect(prefixOf(Buffer.from(bytes)).matches(from, to, buf, start, last)).toBe(isThere);
      }),
    );
  });

  test('what is kept does not follow the buffer it came from, and can grow', () => {
    const buf = Buffer.alloc(600, 1);
    const prefix = prefixOf(Buffer.from('x'));
    prefix.set(buf, 0, 600);
    buf.fill(2);
    expect(prefix.begins(Buffer.alloc(600, 1), 0, 600)).toBe(true);
    expect(prefix.begins(buf, 0, 600)).toBe(false);
  });
});
