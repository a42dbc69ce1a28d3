import { expect, test } from '@jest/globals';
import { addressList } from './address-list.ts';

test.each<[string, readonly string[], string, boolean]>([
  ['a network', ['10.0.0.0/8'], '10.255.0.1', true],
  ['beside it', ['10.0.0.0/8'], '11.0.0.1', false],
  ['one address', ['192.0.2.7'], '192.0.2.7', true],
  ['everything of IPv4', ['0.0.0.0/0'], '192.0.2.7', true],
  ['IPv6 network', ['2001:db8::/32'], '2001:DB8:0:1::9', true],
  ['IPv6 address with its interface', ['fe80::/10'], 'fe80::1%eth0', true],
  ['all of IPv6 holds no IPv4', ['::/0'], '192.0.2.7', false],
  ['all of IPv4 holds no IPv6', ['0.0.0.0/0'], '2001:db8::1', false],
  ['what is no network is skipped', ['10.0.0.0/99', 'x', '10.0.0.0/8/8'], '10.0.0.1', false],
  ['nothing', [], '10.0.0.1', false],
])('%s', (_name, cidrs, address, expected) => {
  expect(addressList(cidrs)(address)).toBe(expected);
});

test('answers stay right over more addresses than are kept, and when asked again', () => {
  const isListed = addressList(['10.0.0.0/12']);
  for (let round = 0; round < 2; round++) {
    for (let i = 0; i < 3000; i++) {
      const address = `10.${i % 32}.${i % 256}.${round}`;
      expect(isListed(address)).toBe(i % 32 < 16);
      expect(isListed(address)).toBe(i % 32 < 16);
    }
  }
});
