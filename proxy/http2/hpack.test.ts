// HPACK: the examples of RFC 7541 Appendix C, both directions against each other, limits, and faults.

import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { HeaderField } from './header-field.ts';
import { DECODER_TABLE_BYTES, HpackDecoder } from './hpack-decoder.ts';
import { encodeInteger, encodeString, HpackEncoder } from './hpack-encoder.ts';

const LIMIT = 64 * 1024;

class Collector {
  readonly fields: string[] = [];
  onField({ name, value }: HeaderField): void {
    this.fields.push(`${name.text}: ${value}`);
  }
}

function newDecoder(): HpackDecoder {
  return new HpackDecoder(Buffer.alloc(128 * 1024));
}

function decode(decoder: HpackDecoder, block: Buffer, limit = LIMIT): string[] | null {
  const collector = new Collector();
  return decoder.decode(block, 0, block.length, limit, collector) ? collector.fields : null;
}

function hex(text: string): Buffer {
  return Buffer.from(text.replaceAll(' ', ''), 'hex');
}

const FIRST = [':method: GET', ':scheme: http', ':path: /', ':authority: www.example.com'];
const REQUESTS = [
  FIRST,
  [...FIRST, 'cache-control: no-cache'],
  [':method: GET', ':scheme: https', ':path: /index.html', ':authority: www.example.com', 'custom-key: custom-value'],
];

describe('RFC 7541 Appendix C', () => {
  test.each([
    [
      'C.2.1 literal with indexing',
      '400a637573746f6d2d6b65790d637573746f6d2d686561646572',
      ['custom-key: custom-header'],
      55,
    ],
    ['C.2.2 literal without indexing', '040c2f73616d706c652f70617468', [':path: /sample/path'], 0],
    ['C.2.3 never indexed', '100870617373776f726406736563726574', ['password: secret'], 0],
    ['C.2.4 indexed', '82', [':method: GET'], 0],
  ] as const)('%s', (_name, block, fields, tableBytes) => {
    const decoder = newDecoder();
    expect(decode(decoder, hex(block))).toEqual(fields);
    expect(decoder.tableBytes).toBe(tableBytes);
  });

  test.each([
    [
      'C.3 requests without Huffman',
      [
        '828684410f7777772e6578616d706c652e636f6d',
        '828684be58086e6f2d6361636865',
        '828785bf400a637573746f6d2d6b65790c637573746f6d2d76616c7565',
      ],
    ],
    [
      'C.4 requests with Huffman',
      [
        '828684418cf1e3c2e5f23a6ba0ab90f4ff',
        '828684be5886a8eb10649cbf',
        '828785bf408825a849e95ba97d7f8925a849e95bb8e8b4bf',
      ],
    ],
  ] as const)('%s', (_name, blocks) => {
    const decoder = newDecoder();
    const sizes = blocks.map((block, at) => {
      expect(decode(decoder, hex(block))).toEqual(REQUESTS[at]);
      return decoder.tableBytes;
    });
    expect(sizes).toEqual([57, 110, 164]);
  });

  test('C.5 responses without Huffman, in a table of 256 bytes', () => {
    const decoder = newDecoder();
    // The peer sets its table to 256 bytes first, as the example assumes.
    expect(
      decode(
        decoder,
        hex(
          '3fe101 4803333032 580770726976617465 611d4d6f6e2c203231204f637420323031332032303a31333a323120474d54 6e1768747470733a2f2f7777772e6578616d706c652e636f6d',
        ),
      ),
    ).toEqual([
      ':status: 302',
      'cache-control: private',
      'date: Mon, 21 Oct 2013 20:13:21 GMT',
      'location: https://www.example.com',
    ]);
    expect(decoder.tableBytes).toBe(222);
    expect(decode(decoder, hex('4803333037c1c0bf'))?.[0]).toBe(':status: 307');
    expect(decoder.tableBytes).toBe(222);
    const third = decode(
      decoder,
      hex(
        '88c1 611d4d6f6e2c203231204f637420323031332032303a31333a323220474d54 c0 5a04677a6970 7738666f6f3d4153444a4b48514b425a584f5157454f50495541585157454f49553b206d61782d6167653d333630303b2076657273696f6e3d31',
      ),
    );
    expect(third).toEqual([
      ':status: 200',
      'cache-control: private',
      'date: Mon, 21 Oct 2013 20:13:22 GMT',
      'location: https://www.example.com',
      'content-encoding: gzip',
      'set-cookie: foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1',
    ]);
    expect(decoder.tableBytes).toBe(215);
  });

  test.each([
    [10, 5, '0a'],
    [1337, 5, '1f9a0a'],
    [42, 8, '2a'],
  ])('C.1 integer %d in a prefix of %d bits', (value, bits, want) => {
    const out = Buffer.alloc(8);
    expect(out.subarray(0, encodeInteger(0, bits, value, out, 0)).toString('hex')).toBe(want);
  });
});

describe('faults end the connection', () => {
  test.each([
    ['index 0', '80'],
    ['an index beyond the tables', 'bf'],
    ['a literal whose name is beyond the tables', '7f00 0161'],
    ['a string cut short', '0005616263'],
    ['a literal without value', '000161'],
    ['an integer that never ends', 'ffffffffffffffffff'],
    ['a table larger than we allow', '3fe2ff7f'],
    ['a table size behind a field', '8220'],
    ['bad Huffman padding', '0001 61 82ffff'],
  ])('%s', (_name, block) => {
    expect(decode(newDecoder(), hex(block))).toBeNull();
  });
});

describe('limits', () => {
  function literal(pattern: number, name: string, value: string): Buffer {
    const out = Buffer.alloc(name.length + value.length + 20);
    out[0] = pattern;
    return out.subarray(0, encodeString(value, false, out, encodeString(name, false, out, 1)));
  }

  test('one large entry, named many times, hands out no more than the limit (HPACK bomb)', () => {
    const decoder = newDecoder();
    const block = Buffer.concat([literal(0x40, 'a', 'x'.repeat(4000)), Buffer.alloc(10_000, 0xbe)]);
    const fields = decode(decoder, block, 32 * 1024);
    expect(decoder.isListTooLarge).toBe(true);
    expect(fields).toHaveLength(8);
  });

  test('the table stays in step behind a list that is too large', () => {
    const decoder = newDecoder();
    decode(decoder, Buffer.concat([literal(0, 'big', 'x'.repeat(300)), literal(0x40, 'kept', 'v')]), 100);
    expect(decoder.isListTooLarge).toBe(true);
    expect(decode(decoder, hex('be'))).toEqual(['kept: v']);
    expect(decoder.isListTooLarge).toBe(false);
  });

  test('an entry larger than the table empties it (§4.4)', () => {
    const decoder = newDecoder();
    decode(decoder, Buffer.concat([literal(0x40, 'a', 'b'), literal(0x40, 'c', 'x'.repeat(DECODER_TABLE_BYTES))]));
    expect(decoder.tableBytes).toBe(0);
    expect(decode(decoder, hex('be'))).toBeNull();
  });

  test('the table never grows beyond its size', () => {
    const decoder = newDecoder();
    for (let i = 0; i < 1000; i++) decode(decoder, literal(0x40, `name-${i}`, 'v'.repeat(i % 200)));
    expect(decoder.tableBytes).toBeLessThanOrEqual(DECODER_TABLE_BYTES);
  });
});

const fieldName = fc
  .stringMatching(/^[a-z][a-z0-9-]{0,30}$/)
  .filter((name) => !/^(connection|keep-alive|te|upgrade)$/.test(name));
const fieldValue = fc.stringMatching(/^([!-~\xa0-\xff]([ -~]{0,60}[!-~])?)?$/);
const lines = fc.array(fc.tuple(fieldName, fieldValue), { maxLength: 20 });

test('what the encoder writes, the decoder reads, over a whole connection and changing table sizes', () => {
  const head = fc.record({
    status: fc.constantFrom(200, 204, 302, 404, 418, 503),
    lines,
    tableSize: fc.option(fc.constantFrom(0, 100, 4096, 65_536)),
  });
  // The same head several times, also with another in between.
  const several = fc
    .tuple(fc.array(head, { minLength: 1, maxLength: 4 }), fc.array(fc.nat(3), { minLength: 1, maxLength: 30 }))
    .map(([heads, order]) => order.map((at) => heads[at % heads.length] as (typeof heads)[number]));
  fc.assert(
    fc.property(several, (heads) => {
      const encoder = new HpackEncoder();
      const decoder = newDecoder();
      for (const each of heads) {
        if (each.tableSize !== null) encoder.setPeerLimit(each.tableSize);
        const text = each.lines.map(([name, value]) => `${name}: ${value}\r\n`).join('');
        const out = Buffer.alloc(HpackEncoder.roomFor(text));
        const block = out.subarray(0, encoder.encode(each.status, `${text}\r\nbody`, 0, out, 0));
        const want = [`:status: ${each.status}`, ...each.lines.map(([name, value]) => `${name}: ${value}`)];
        expect(decode(decoder, block)).toEqual(want);
        expect(encoder.tableBytes).toBeLessThanOrEqual(4096);
      }
    }),
  );
});

describe('the encoder', () => {
  function blockOf(encoder: HpackEncoder, text: string): Buffer {
    const out = Buffer.alloc(HpackEncoder.roomFor(text));
    return Buffer.from(out.subarray(0, encoder.encode(200, text, 0, out, 0)));
  }

  test('lowers names, trims values, and leaves out what HTTP/2 does not know', () => {
    const text = 'X-Upper:  v \r\nConnection: close\r\nTransfer-Encoding: chunked\r\nKeep-Alive: 1\r\n\r\n';
    expect(decode(newDecoder(), blockOf(new HpackEncoder(), text))).toEqual([':status: 200', 'x-upper: v']);
  });

  test('a line that repeats takes one byte', () => {
    const encoder = new HpackEncoder();
    blockOf(encoder, 'Server: sluice\r\n');
    expect(blockOf(encoder, 'Server: sluice\r\n').toString('hex')).toBe('88be');
  });

  test('a block that repeats stays right when the table changes in between', () => {
    const encoder = new HpackEncoder();
    const decoder = newDecoder();
    const same = 'Server: sluice\r\nETag: "1"\r\n';
    const want = [':status: 200', 'server: sluice', 'etag: "1"'];
    const sendSame = (): string => {
      const block = blockOf(encoder, same);
      expect(decode(decoder, block)).toEqual(want);
      return block.toString('hex');
    };
    sendSame();
    const second = sendSame();
    expect([sendSame(), sendSame()]).toEqual([second, second]);
    expect(decode(decoder, blockOf(encoder, 'X-New: entry\r\n'))).toEqual([':status: 200', 'x-new: entry']);
    const moved = sendSame();
    expect(moved).not.toBe(second);
    expect([sendSame(), sendSame()]).toEqual([moved, moved]);
    encoder.setPeerLimit(0);
    expect(sendSame()).toMatch(/^20/);
    encoder.setPeerLimit(4096);
    for (let again = 0; again < 4; again++) sendSame();
  });

  test('heads and trailers that take turns are both kept', () => {
    const encoder = new HpackEncoder();
    const decoder = newDecoder();
    const out = Buffer.alloc(1000);
    for (let call = 0; call < 5; call++) {
      const head = encoder.encode(200, 'Content-Type: application/grpc\r\n', 0, out, 0);
      expect(decode(decoder, out.subarray(0, head))).toEqual([':status: 200', 'content-type: application/grpc']);
      const trailers = encoder.encode(0, `grpc-status: ${call === 4 ? 13 : 0}\r\n`, 0, out, 0);
      expect(decode(decoder, out.subarray(0, trailers))).toEqual([`grpc-status: ${call === 4 ? 13 : 0}`]);
    }
  });

  test('secrets enter no table, ours or another on the way (§7.1.3)', () => {
    const encoder = new HpackEncoder();
    const block = blockOf(encoder, 'Set-Cookie: a=b\r\n');
    expect(encoder.tableBytes).toBe(0);
    expect((block[1] as number) & 0xf0).toBe(0x10);
  });
});
