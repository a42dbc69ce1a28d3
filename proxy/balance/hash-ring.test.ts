import { crc32 as zlibCrc32 } from 'node:zlib';
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { crc32 } from './crc32.ts';
import { HashRing, type RingNode } from './hash-ring.ts';

const nodesOf = (names: readonly string[], weight = 1): RingNode[] => names.map((name) => ({ name, weight }));
const pods = (count: number) => Array.from({ length: count }, (_, i) => `10.0.${i >> 8}.${i & 255}:8080`);
const lookUp = (ring: HashRing, names: readonly string[], key: string) => names[ring.nodeAt(ring.find(key))];

test('crc32 is zlib’s, over bytes', () => {
  expect(crc32('123456789')).toBe(0xcbf43926);
  expect(crc32('')).toBe(0);
  const bytes = fc.uint8Array().map((array) => Buffer.from(array).toString('latin1'));
  fc.assert(fc.property(bytes, (text) => expect(crc32(text)).toBe(zlibCrc32(Buffer.from(text, 'latin1')))));
});

describe('HashRing', () => {
  /** The figures that lua-resty-balancer's own test (t/chash.t, TEST 1) expects: the ring is the same, point for point. */
  test('gives 100,000 keys to weights 10:2:1 exactly as ingress-nginx’s library does', () => {
    const names = ['server1', 'server2', 'server3'];
    const ring = new HashRing(names.map((name, at) => ({ name, weight: [10, 2, 1][at] ?? 0 })));
    const counts = [0, 0, 0];
    for (let key = 1; key <= 100_000; key++) {
      const node = ring.nodeAt(ring.find(`${key}`));
      counts[node] = (counts[node] ?? 0) + 1;
    }
    expect(counts).toEqual([77_075, 14_743, 8_182]);
    expect(ring.pointCount).toBe(2080);
  });

  // Computed once by other code (Python's zlib): changing them moves users.
  test.each([
    ['/', '10.0.0.6:8080'],
    ['/cart', '10.0.0.4:8080'],
    ['/product/42', '10.0.0.2:8080'],
    ['192.0.2.17', '10.0.0.0:8080'],
    ['1700000000.123.42.7', '10.0.0.5:8080'],
    ['', '10.0.0.1:8080'],
  ])('pinned: among ten pods the key "%s" belongs to %s', (key, want) => {
    const names = pods(10);
    expect(lookUp(new HashRing(nodesOf(names)), names, key)).toBe(want);
  });

  test('a key whose hash is that of a point belongs to it', () => {
    // The first point of a node is the checksum of its name and four zero bytes.
    const names = pods(10);
    const ring = new HashRing(nodesOf(names));
    for (const name of names) expect(lookUp(ring, names, `${name}\0\0\0\0`)).toBe(name);
  });

  test('no node: no point', () => {
    expect(new HashRing([]).find('x')).toBe(-1);
  });

  test('find gives the first point at or after the hash, around the end; the order of nodes does not matter', () => {
    const names = fc.uniqueArray(fc.string({ minLength: 1 }), { minLength: 1, maxLength: 8 });
    fc.assert(
      fc.property(names, fc.string(), (list, key) => {
        const reversed = list.toReversed();
        const found = lookUp(new HashRing(nodesOf(list)), list, key);
        expect(lookUp(new HashRing(nodesOf(reversed)), reversed, key)).toBe(found);
      }),
    );
  });

  test('a node that goes gives away its own keys only; one that comes takes about 1/n', () => {
    const names = pods(10);
    const keys = Array.from({ length: 5000 }, (_, i) => `key-${i}`);
    const full = new HashRing(nodesOf(names));
    for (const gone of names) {
      const rest = names.filter((name) => name !== gone);
      const ring = new HashRing(nodesOf(rest));
      let moved = 0;
      for (const key of keys) {
        const before = lookUp(full, names, key);
        const after = lookUp(ring, rest, key);
        if (before === gone) moved++;
        else expect(after).toBe(before);
      }
      expect(moved / keys.length).toBeGreaterThan(0.06);
      expect(moved / keys.length).toBeLessThan(0.15);
    }
  });

  test('weights that would need too many points are scaled, and shares stay', () => {
    const ring = new HashRing([
      { name: 'a', weight: 30_000 },
      { name: 'b', weight: 10_000 },
    ]);
    expect(ring.pointCount).toBe(2 ** 20);
    let ofA = 0;
    for (let key = 0; key < 20_000; key++) if (ring.nodeAt(ring.find(`${key}`)) === 0) ofA++;
    expect(ofA / 20_000).toBeCloseTo(0.75, 1);
  });
});
