import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { EndpointLoad } from './balancer.ts';
import { RoundRobin } from './round-robin.ts';

const pool: readonly EndpointLoad[] = 'abcdef'.split('').map((key) => ({ key, inFlight: 0 }));
const named = (names: string): EndpointLoad[] => pool.filter((endpoint) => names.includes(endpoint.key));

function picks(balancer: RoundRobin, endpoints: readonly EndpointLoad[], count: number): string {
  return Array.from({ length: count }, () => endpoints[balancer.pick(endpoints, null)]?.key ?? '-').join('');
}

describe('pick', () => {
  test.each([
    [0, 'abc', 'abcabc'],
    [1, 'abc', 'bcabca'],
    [7, 'abc', 'bcabca'],
    [5, 'a', 'aaaaaa'],
    [3, '', '------'],
  ])('starting at %d over "%s" gives %s', (start, names, want) => {
    expect(picks(new RoundRobin(start), named(names), 6)).toBe(want);
  });

  test('tried endpoints are passed over; all tried gives -1', () => {
    const balancer = new RoundRobin(0);
    const list = named('abc');
    expect(balancer.pick(list, named('a'))).toBe(1);
    expect(balancer.pick(list, named('c'))).toBe(0);
    expect(balancer.pick(list, named('abc'))).toBe(-1);
    expect(balancer.pick(list, null)).toBe(1);
  });

  test('over whole rounds every endpoint is picked equally often', () => {
    fc.assert(
      fc.property(fc.nat(), fc.integer({ min: 1, max: 6 }), fc.integer({ min: 1, max: 5 }), (start, size, rounds) => {
        const got = picks(new RoundRobin(start), pool.slice(0, size), size * rounds);
        for (const { key } of pool.slice(0, size)) expect(got.split(key)).toHaveLength(rounds + 1);
      }),
    );
  });
});

describe('onEndpointsChanged', () => {
  test.each([
    ['the endpoint in turn stays: it is next', 'abc', 1, 'bc', 'bc'],
    ['the endpoint in turn goes: the next one that stays', 'abcd', 1, 'ad', 'da'],
    ['the last one goes: back to the first', 'abc', 2, 'ab', 'ab'],
    ['one is added before the turn', 'bc', 1, 'abc', 'cab'],
    ['all are replaced: somewhere valid', 'ab', 1, 'cd', 'dc'],
    ['to nothing', 'ab', 1, '', '--'],
  ])('%s', (_name, before, picked, after, want) => {
    const balancer = new RoundRobin(0);
    picks(balancer, named(before), picked);
    balancer.onEndpointsChanged(named(before), named(after));
    expect(picks(balancer, named(after), Math.max(after.length, 2))).toBe(want);
  });

  test('from nothing the random start counts', () => {
    const balancer = new RoundRobin(2);
    balancer.onEndpointsChanged([], named('abc'));
    expect(picks(balancer, named('abc'), 3)).toBe('cab');
  });

  test('endpoints that stay through any change are picked within one round', () => {
    const subset = fc.subarray([...pool], { minLength: 1 });
    fc.assert(
      fc.property(fc.nat(20), fc.nat(20), subset, subset, (start, picked, before, after) => {
        const balancer = new RoundRobin(start);
        picks(balancer, before, picked);
        balancer.onEndpointsChanged(before, after);
        expect(picks(balancer, after, after.length).split('').sort()).toEqual(after.map(({ key }) => key).sort());
      }),
    );
  });
});
