import { isIPv4, isIPv6 } from 'node:net';
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { type IpAddress, isLinkLocal, isLoopback, isMulticast, isUnspecified, parseIpAddress } from './ip-address.ts';

describe('parseIpAddress', () => {
  test.each([
    ['10.0.0.1', 4],
    ['255.255.255.255', 4],
    ['::', 6],
    ['::1', 6],
    ['2001:db8::1', 6],
    ['1:2:3:4:5:6:7:8', 6],
    ['1::', 6],
    ['::ffff:10.0.0.1', 6],
    ['1:2:3:4:5:6:1.2.3.4', 6],
  ])('reads %s', (text, family) => {
    expect(parseIpAddress(text)?.family).toBe(family);
  });

  test.each([
    ['', '010.0.0.1', '1.2.3', '1.2.3.4.5', '256.1.1.1', '1.2.3.4 ', '0x7f.1', '2130706433', 'a.test'],
    [
      ':',
      ':::',
      '1::2::3',
      '1:2:3:4:5:6:7',
      '1:2:3:4:5:6:7:8:9',
      '[::1]',
      'fe80::1%eth0',
      '12345::',
      '1.2.3.4::',
      ':1',
    ],
    ['1:2:3:4:5:6:7:8::', '::1:2:3:4:5:6:7:8', '::1.2.3', '1:2:3:4:5:6:7:1.2.3.4'],
  ])('refuses %s and the like', (...texts) => {
    for (const text of texts) expect([text, parseIpAddress(text)]).toEqual([text, null]);
  });

  test('agrees with Node on addresses and near misses', () => {
    const nearIp = fc.stringMatching(/^[0-9a-f:.]{1,20}$/);
    fc.assert(
      fc.property(fc.oneof(fc.ipV4(), fc.ipV6(), nearIp), (text) => {
        const expected = isIPv4(text) ? 4 : isIPv6(text) ? 6 : null;
        expect(parseIpAddress(text)?.family ?? null).toBe(expected);
      }),
      { numRuns: 2000 },
    );
  });
});

test.each<[string, (address: IpAddress) => boolean, string[], string[]]>([
  ['loopback', isLoopback, ['127.0.0.1', '127.9.9.9', '::1', '::ffff:127.0.0.1'], ['128.0.0.1', '::2', '::', '1::1']],
  ['unspecified', isUnspecified, ['0.0.0.0', '::', '::ffff:0.0.0.0'], ['0.0.0.1', '::1']],
  [
    'link-local',
    isLinkLocal,
    ['169.254.169.254', 'fe80::1', 'febf::1', '::ffff:169.254.1.1'],
    ['169.255.0.1', 'fec0::1'],
  ],
  ['multicast', isMulticast, ['224.0.0.1', '239.1.1.1', 'ff02::1'], ['223.0.0.1', '240.0.0.1', 'fe00::1']],
])('tells %s addresses', (_name, isInRange, inside, outside) => {
  const judge = (text: string) => {
    const address = parseIpAddress(text);
    return address !== null && isInRange(address);
  };
  expect(inside.filter((text) => !judge(text))).toEqual([]);
  expect(outside.filter(judge)).toEqual([]);
});
