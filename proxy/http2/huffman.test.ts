// The Huffman code: vectors of RFC 7541 Appendix C, every byte, and what §5.2 calls a decoding error.

import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { huffmanDecode, huffmanEncode, huffmanLength } from './huffman.ts';

function encode(text: string): Buffer {
  const out = Buffer.alloc(text.length * 4 + 4);
  return out.subarray(0, huffmanEncode(text, out, 0));
}

function decode(bytes: Buffer): string | null {
  const out = Buffer.alloc(bytes.length * 2 + 2);
  const length = huffmanDecode(bytes, 0, bytes.length, out, 0);
  return length < 0 ? null : out.latin1Slice(0, length);
}

describe('vectors of RFC 7541 Appendix C', () => {
  test.each([
    ['www.example.com', 'f1e3c2e5f23a6ba0ab90f4ff'],
    ['no-cache', 'a8eb10649cbf'],
    ['custom-key', '25a849e95ba97d7f'],
    ['custom-value', '25a849e95bb8e8b4bf'],
    ['302', '6402'],
    ['private', 'aec3771a4b'],
    ['Mon, 21 Oct 2013 20:13:21 GMT', 'd07abe941054d444a8200595040b8166e082a62d1bff'],
    ['https://www.example.com', '9d29ad171863c78f0b97c8e9ae82ae43d3'],
    ['gzip', '9bd9ab'],
    [
      'foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1',
      '94e7821dd7f2e6c7b335dfdfcd5b3960d5af27087f3672c1ab270fb5291f9587316065c003ed4ee5b1063d5007',
    ],
  ])('%s', (text, hex) => {
    expect(encode(text).toString('hex')).toBe(hex);
    expect(huffmanLength(text)).toBe(hex.length / 2);
    expect(decode(Buffer.from(hex, 'hex'))).toBe(text);
  });
});

test('any bytes come back', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
      const text = Buffer.from(bytes).latin1Slice();
      expect(decode(encode(text))).toBe(text);
    }),
  );
});

describe('decoding errors (§5.2)', () => {
  test.each([
    ['EOS in the string', 'ffffffff'],
    ['padding of eight ones', 'f1e3c2e5f23a6ba0ab90f4ffff'],
    ['padding that is not ones', '1800'],
    ['a code cut short', 'fffe'],
  ])('%s', (_name, hex) => {
    expect(decode(Buffer.from(hex, 'hex'))).toBeNull();
  });

  test('a single 0 padded with ones is fine, with a zero it is not', () => {
    expect(decode(Buffer.from([0b00000111]))).toBe('0');
    expect(decode(Buffer.from([0b00000110]))).toBeNull();
  });
});
