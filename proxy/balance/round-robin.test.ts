import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { RoundRobin } from './round-robin.ts';
import { fakeEndpoints, named, pickMany, shares } from './testing/endpoints.ts';

const pool = fakeEndpoints('abcdef');

function roundRobin(start: number, names: string): RoundRobin<(typeof pool)[number]> {
  const balancer = new RoundRobin<(typeof pool)[number]>(start);
  balancer.update([], named(pool, names));
  return balancer;
}

describe('equal weights', () => {
  test.each([
    [0, 'abc', 'abcabc'],
    [1, 'abc', 'bcabca'],
    [7, 'abc', 'bcabca'],
    [5, 'a', 'aaaaaa'],
    [3, '', '------'],
  ])('starting at %d over "%s" gives %s', (start, names, want) => {
    expect(pickMany(roundRobin(start, names), 6)).toBe(want);
  });

  test('tried endpoints are passed over; all tried gives null', () => {
    const balancer = roundRobin(0, 'abc');
    expect(balancer.pick(named(pool, 'a'))?.key).toBe('b');
    expect(balancer.pick(named(pool, 'c'))?.key).toBe('a');
    expect(balancer.pick(named(pool, 'abc'))).toBeNull();
    expect(balancer.pick(null)?.key).toBe('b');
  });

  test('W workers that each make few picks starve no endpoint: counts differ by at most W', () => {
    fc.assert(
      fc.property(
        fc.array(fc.nat(1000), { minLength: 1, maxLength: 8 }),
        fc.integer({ min: 1, max: 40 }),
        (starts, n) => {
          const got = shares(starts.map((start) => pickMany(roundRobin(start, 'abcd'), n)).join(''));
          const counts = 'abcd'.split('').map((name) => got.get(name) ?? 0);
          expect(Math.max(...counts) - Math.min(...counts)).toBeLessThanOrEqual(starts.length);
        },
      ),
    );
  });
});

describe('unequal weights', () => {
  test.each([
    ['511', 'aabacaa'],
    ['123', 'cbacbc'],
    ['4211', 'abacdaba'],
  ])('weights %s give nginx’s smooth order %s', (weights, want) => {
    const endpoints = fakeEndpoints('abcd'.slice(0, weights.length));
    endpoints.forEach((endpoint, at) => {
      endpoint.weight = Number(weights[at]);
    });
    const balancer = new RoundRobin<(typeof endpoints)[number]>(0);
    balancer.update([], endpoints);
    expect(pickMany(balancer, want.length * 2)).toBe(want + want);
  });

  test('over whole rounds every endpoint gets exactly its weight, from any start and weights', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 6 }),
        fc.nat(50),
        (weights, start) => {
          const endpoints = fakeEndpoints('abcdef'.slice(0, weights.length));
          endpoints.forEach((endpoint, at) => {
            endpoint.weight = weights[at] ?? 1;
          });
          const balancer = new RoundRobin<(typeof endpoints)[number]>(start);
          balancer.update([], endpoints);
          const total = weights.reduce((sum, weight) => sum + weight, 0);
          const got = shares(pickMany(balancer, total * 3));
          const isUniform = weights.every((weight) => weight === weights[0]);
          for (const [at, endpoint] of endpoints.entries()) {
            expect(got.get(endpoint.key)).toBe(isUniform ? 3 * (weights[0] ?? 1) : 3 * (weights[at] ?? 0));
          }
        },
      ),
    );
  });

  test('tried endpoints are passed over and lose nothing', () => {
    const endpoints = fakeEndpoints('abc');
    for (const endpoint of endpoints) if (endpoint.key === 'a') endpoint.weight = 2;
    const balancer = new RoundRobin<(typeof endpoints)[number]>(0);
    balancer.update([], endpoints);
    expect(balancer.pick(named(endpoints, 'a'))?.key).toBe('b');
    expect(balancer.pick(named(endpoints, 'abc'))).toBeNull();
  });
});

describe('the place is kept when endpoints change', () => {
  test.each([
    ['the endpoint in turn stays: it is next', 'abc', 1, 'bc', 'bc'],
    ['the endpoint in turn goes: the next one that stays', 'abcd', 1, 'ad', 'da'],
    ['the last one goes: back to the first', 'abc', 2, 'ab', 'ab'],
    ['one is added before the turn', 'bc', 1, 'abc', 'cab'],
    ['all are replaced: somewhere valid', 'ab', 1, 'cd', 'dc'],
    ['to nothing', 'ab', 1, '', '--'],
  ])('%s', (_name, before, picked, after, want) => {
    const balancer = roundRobin(0, before);
    pickMany(balancer, picked);
    balancer.update([], named(pool, after));
    expect(pickMany(balancer, Math.max(after.length, 2))).toBe(want);
  });

  test('from nothing the random start counts', () => {
    const balancer = roundRobin(2, '');
    balancer.update([], named(pool, 'abc'));
    expect(pickMany(balancer, 3)).toBe('cab');
  });

  test('endpoints that stay through any change are picked within one round', () => {
    const subset = fc.subarray([...pool], { minLength: 1 });
    fc.assert(
      fc.property(fc.nat(20), fc.nat(20), subset, subset, (start, picked, before, after) => {
        const balancer = new RoundRobin<(typeof pool)[number]>(start);
        balancer.update([], before);
        pickMany(balancer, picked);
        balancer.update([], after);
        expect(pickMany(balancer, after.length).split('').sort()).toEqual(after.map(({ key }) => key).sort());
      }),
    );
  });

  test('an endpoint that warms up does not disturb the order of the others', () => {
    const endpoints = fakeEndpoints('abcd');
    const balancer = new RoundRobin<(typeof endpoints)[number]>(0);
    balancer.update([], named(endpoints, 'abc'));
    expect(pickMany(balancer, 4)).toBe('abca');
    for (const endpoint of endpoints) if (endpoint.key === 'd') endpoint.weight = 0.05;
    balancer.update([], endpoints);
    expect(pickMany(balancer, 6).replace('d', '')).toMatch(/^bcabc/);
    for (const endpoint of endpoints) endpoint.weight = 1;
    balancer.update([], endpoints);
    expect(shares(pickMany(balancer, 8))).toEqual(new Map([...'abcd'].map((name) => [name, 2])));
  });
});
