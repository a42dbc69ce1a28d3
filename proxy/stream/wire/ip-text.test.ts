import { BlockList, isIPv4, isIPv6 } from 'node:net';
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { parseIp, parseIpv4, parseIpv6, renderIp } from './ip-text.ts';

describe('addresses', () => {
  test.each([
    ['0:0:0:0:0:0:0:0', '::'],
    ['2001:DB8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
    ['2001:0:0:1:0:0:0:1', '2001:0:0:1::1'],
    ['1:0:3:4:5:6:7:8', '1:0:3:4:5:6:7:8'],
    ['::ffff:192.0.2.1', '192.0.2.1'],
    ['64:ff9b::192.0.2.33', '64:ff9b::c000:221'],
    ['127.0.0.1', '127.0.0.1'],
  ])('%s is shown as %s', (written, shown) => {
    expect(renderIp(parseIp(written) ?? [])).toBe(shown);
  });

  test.each([
    '',
    '1.2.3',
    '1.2.3.4.5',
    '01.2.3.4',
    '1.2.3.256',
    ':',
    ':::',
    '1::2::3',
    '1:2:3:4:5:6:7',
    '::1:2:3:4:5:6:7:8',
  ])('%j is none', (written) => {
    expect(parseIp(written)).toBeNull();
  });

  test('they are read as Node reads them', () => {
    const nearly = fc.string({ unit: fc.constantFrom(...'0123456789abcdefF:.%'), maxLength: 24 });
    fc.assert(
      fc.property(fc.oneof(fc.ipV6(), fc.ipV4(), nearly), (written) => {
        expect(parseIpv4(written) !== null).toBe(isIPv4(written));
        // A zone is no part of an address here.
        expect(parseIpv6(written) !== null).toBe(isIPv6(written) && !written.includes('%'));
      }),
      { numRuns: 3000 },
    );
  });

  test('rendered and read again they are the same address', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 16, maxLength: 16 }), (bytes) => {
        const list = new BlockList();
        const shown = renderIp(bytes);
        const full = Buffer.from(bytes).toString('hex').match(/.{4}/g)?.join(':') ?? '';
        list.addAddress(full, 'ipv6');
        expect(list.check(shown, isIPv4(shown) ? 'ipv4' : 'ipv6')).toBe(true);
      }),
    );
  });
});
