// Addresses and blocks, checked against Node's own parser.

import { isIPv4, isIPv6 } from 'node:net';
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { isIpv4, isIpv6, parseCidr } from './cidr.ts';

describe('parseCidr', () => {
  test.each([
    ['10.0.0.0/8', '10.0.0.0/8'],
    ['0.0.0.0/0', '0.0.0.0/0'],
    ['192.168.1.77/24', '192.168.1.77/24'],
    ['1.2.3.4', '1.2.3.4/32'],
    ['2001:DB8::/32', '2001:db8::/32'],
    ['::/0', '::/0'],
    ['fe80::1', 'fe80::1/128'],
    ['::ffff:10.0.0.1', '::ffff:10.0.0.1/128'],
    ['1:2:3:4:5:6:7:8/64', '1:2:3:4:5:6:7:8/64'],
    ['1::8', '1::8/128'],
  ])('%s is a block', (text, block) => {
    expect(parseCidr(text)).toBe(block);
  });

  test.each([
    [''],
    ['/8'],
    ['10.0.0.0/'],
    ['10.0.0.0/33'],
    ['10.0.0.0/-1'],
    ['10.0.0.0/08'],
    ['10.0.0.0/8/8'],
    ['10.0.0.0/255.0.0.0'],
    ['010.0.0.1'],
    ['10.0.0'],
    ['10.0.0.256'],
    ['::/129'],
    ['fe80::1%eth0'],
    ['1:2:3:4:5:6:7:8:9'],
    ['1:2:3:4:5:6:7'],
    ['1::2::3'],
    [':1:2:3:4:5:6:7'],
    ['1:2:3:4:5:6:7:8::'],
    ['12345::'],
    ['10.0.0.1::'],
    ['example.com'],
    ['unix:'],
    [' 10.0.0.1'],
  ])('%j is none', (text) => {
    expect(parseCidr(text)).toBeNull();
  });
});

describe('like Node', () => {
  const nearlyAddresses = fc.oneof(
    fc.ipV4(),
    fc.ipV6(),
    fc.stringMatching(/^[0-9a-f:.]{1,24}$/),
    fc
      .array(fc.constantFrom('0', '1', 'ffff', ':', '::', '.', '255', '1.2.3.4'), { maxLength: 12 })
      .map((x) => x.join('')),
  );

  test('the same texts are addresses', () => {
    fc.assert(
      fc.property(nearlyAddresses, (text) => {
        expect([text, isIpv4(text), isIpv6(text)]).toEqual([text, isIPv4(text), isIPv6(text)]);
      }),
      { numRuns: 2000 },
    );
  });
});
