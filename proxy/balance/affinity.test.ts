import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { type AffinityIndex, AffinityKeys, BalancedAffinity, PersistentAffinity } from './affinity.ts';
import { crc32 } from './crc32.ts';
import { type FakeEndpoint, fakeEndpoints, named, seededRandom, shares } from './testing/endpoints.ts';

type Index = AffinityIndex<FakeEndpoint>;

const modes = ['balanced', 'persistent'] as const;

function indexOf(mode: (typeof modes)[number], endpoints: readonly FakeEndpoint[], seed = 1): Index {
  const random = seededRandom(seed);
  const index =
    mode === 'balanced'
      ? new BalancedAffinity<FakeEndpoint>(new AffinityKeys({ wallMs: () => 1_700_000_000_123, random }))
      : new PersistentAffinity<FakeEndpoint>('default-web-80', random);
  index.update(
    endpoints,
    endpoints.filter(({ isAvailable }) => isAvailable),
  );
  return index;
}

/** `count` clients that come without cookie: the key each is given, and its endpoint. */
function newClients(index: Index, count: number): readonly { readonly key: string; readonly at: string }[] {
  return Array.from({ length: count }, () => {
    const pick = index.pick(null, null);
    return { key: pick?.newKey ?? '-', at: pick?.endpoint.key ?? '-' };
  });
}

const placeOf = (index: Index, key: string) => index.pick(key, null)?.endpoint.key;

describe.each(modes)('%s', (mode) => {
  test('a new client gets a cookie that leads back to its endpoint and is not set again', () => {
    const index = indexOf(mode, fakeEndpoints('abcde'));
    for (const { key, at } of newClients(index, 200)) {
      expect(index.pick(key, null)).toMatchObject({ endpoint: { key: at }, newKey: null });
    }
  });

  test('new clients are spread over all endpoints', () => {
    const got = shares(newClients(indexOf(mode, fakeEndpoints('abcde')), 5000).map(({ at }) => at));
    expect([...got.keys()].join('')).toBe('abcde');
    for (const count of got.values()) expect(count / 5000).toBeGreaterThan(0.14);
  });

  test('a restarted or second replica sends every cookie to the same endpoint', () => {
    const clients = newClients(indexOf(mode, fakeEndpoints('abcde'), 1), 200);
    const other = indexOf(mode, fakeEndpoints('abcde'), 99);
    for (const { key, at } of clients) expect(placeOf(other, key)).toBe(at);
  });

  test('a removed endpoint moves its own clients only, in any list', () => {
    const letters = fc.uniqueArray(fc.constantFrom(...'abcdefgh'), { minLength: 2, maxLength: 8 });
    fc.assert(
      fc.property(letters, fc.integer(), (list, seed) => {
        const all = fakeEndpoints(list.join(''));
        const clients = newClients(indexOf(mode, all, seed), 40);
        const [gone, ...rest] = all;
        const smaller = indexOf(mode, rest, seed);
        for (const { key, at } of clients) {
          if (at === gone?.key) expect(placeOf(smaller, key)).not.toBe(at);
          else expect(placeOf(smaller, key)).toBe(at);
        }
      }),
    );
  });

  test('an endpoint that is out for a while lends its clients without a new cookie and gets them back', () => {
    const endpoints = fakeEndpoints('abcde');
    const clients = newClients(indexOf(mode, endpoints), 300);
    const [out] = named(endpoints, 'c');
    if (out === undefined) throw new Error('expected c');
    out.isAvailable = false;
    const meanwhile = indexOf(mode, endpoints);
    for (const { key, at } of clients) {
      const pick = meanwhile.pick(key, null);
      expect(pick?.newKey).toBeNull();
      if (at === 'c') expect(pick?.endpoint.key).not.toBe('c');
      else expect(pick?.endpoint.key).toBe(at);
      expect(meanwhile.pick(key, null)?.endpoint).toBe(pick?.endpoint);
    }
    expect(newClients(meanwhile, 200).map(({ at }) => at)).not.toContain('c');
    out.isAvailable = true;
    for (const { key, at } of clients) expect(placeOf(indexOf(mode, endpoints), key)).toBe(at);
  });

  describe('with a zone preferred', () => {
    const endpoints = fakeEndpoints('abcdef');
    /** A replica of Sluice whose zone has these. */
    const replica = (near: string) => {
      const index = indexOf(mode, endpoints);
      index.update(endpoints, named(endpoints, near));
      return index;
    };

    test('new clients get near endpoints, and every replica sends them there', () => {
      const [here, there] = [replica('ab'), replica('ef')];
      const clients = newClients(here, 200);
      expect(shares(clients.map(({ at }) => at)).size).toBe(2);
      for (const { key, at } of clients) {
        expect('ab').toContain(at);
        expect([placeOf(here, key), placeOf(there, key)]).toEqual([at, at]);
      }
    });

    test('change-on-failure: a far endpoint and its cookie when the near ones have failed', () => {
      const index = replica('a');
      const [client] = newClients(index, 1);
      const pick = index.pick(client?.key ?? '', named(endpoints, 'a'));
      expect(pick?.newKey).toEqual(expect.any(String));
      expect('bcdef').toContain(pick?.endpoint.key);
      expect(placeOf(replica('f'), pick?.newKey ?? '')).toBe(pick?.endpoint.key);
    });
  });

  test('change-on-failure: another endpoint and a new cookie for it', () => {
    const endpoints = fakeEndpoints('abc');
    const index = indexOf(mode, endpoints);
    const [client] = newClients(index, 1);
    const failed = named(endpoints, client?.at ?? '');
    const pick = index.pick(client?.key ?? '', failed);
    expect(failed).not.toContain(pick?.endpoint);
    expect(placeOf(index, pick?.newKey ?? '')).toBe(pick?.endpoint.key);
  });

  test('without change-on-failure the same endpoint is asked again', () => {
    const index = indexOf(mode, fakeEndpoints('abc'));
    const [client] = newClients(index, 1);
    expect(placeOf(index, client?.key ?? '')).toBe(client?.at);
  });

  test('no endpoint, or all failed: null', () => {
    expect(indexOf(mode, []).pick(null, null)).toBeNull();
    expect(indexOf(mode, []).pick('key', null)).toBeNull();
    const endpoints = fakeEndpoints('ab');
    expect(indexOf(mode, endpoints).pick('key', endpoints)).toBeNull();
  });
});

test('balanced: a new endpoint takes its share; persistent: it takes nobody', () => {
  for (const [mode, least, most] of [
    ['balanced', 0.08, 0.26],
    ['persistent', 0, 0],
  ] as const) {
    const clients = newClients(indexOf(mode, fakeEndpoints('abcde')), 1000);
    const grown = indexOf(mode, fakeEndpoints('abcdef'));
    const moved = clients.filter(({ key, at }) => placeOf(grown, key) !== at).length / clients.length;
    expect(moved).toBeGreaterThanOrEqual(least);
    expect(moved).toBeLessThanOrEqual(most);
  }
});

test('balanced: any text is a key, so a cookie of ingress-nginx or of another upstream is kept', () => {
  const index = indexOf('balanced', fakeEndpoints('abc'));
  expect(index.pick('1700000000.123.42.700000', null)?.newKey).toBeNull();
  expect(index.pick('', null)?.newKey).toBeNull();
});

test('balanced: when no key leads to an open endpoint, the client is served and stays unbound', () => {
  const endpoints = fakeEndpoints('abcd');
  const index = indexOf('balanced', endpoints);
  // All keys alike: each draw leads to the endpoint that is out.
  const same = new BalancedAffinity<FakeEndpoint>(new AffinityKeys({ wallMs: () => 0, random: () => 0 }));
  same.update(endpoints, endpoints);
  const only = same.pick(null, null);
  for (const endpoint of named(endpoints, only?.endpoint.key ?? '')) endpoint.isAvailable = false;
  same.update(
    endpoints,
    endpoints.filter(({ isAvailable }) => isAvailable),
  );
  const pick = same.pick(null, null);
  expect(pick?.newKey).toBeNull();
  expect(pick?.endpoint).not.toBe(only?.endpoint);
  expect(index.pick(only?.newKey ?? '', null)?.endpoint).not.toBe(only?.endpoint);
});

test('persistent: a key that names no endpoint gets a new one and its cookie', () => {
  const index = indexOf('persistent', fakeEndpoints('abc'));
  const pick = index.pick('0123456789abcdef0123456789abcdef', null);
  expect(placeOf(index, pick?.newKey ?? '')).toBe(pick?.endpoint.key);
});

describe('AffinityKeys', () => {
  test('have the form of ingress-nginx, and the hash of their text', () => {
    const keys = new AffinityKeys({ wallMs: () => 1_700_000_000_123, random: seededRandom(4) });
    for (let i = 0; i < 3000; i++) {
      const key = keys.draw();
      expect(key).toMatch(/^1700000000\.123\.[0-9a-v]{4}\.[0-9a-v]{4}$/);
      expect(keys.hash).toBe(crc32(key));
    }
  });

  test('nearly all differ, and the time goes on', () => {
    let nowMs = 1_700_000_000_000;
    const keys = new AffinityKeys({ wallMs: () => nowMs++, random: seededRandom(4) });
    const drawn = Array.from({ length: 5000 }, () => keys.draw());
    expect(new Set(drawn).size).toBeGreaterThan(4980);
    expect(new Set(drawn.map((key) => key.slice(0, 14))).size).toBe(5);
  });

  test('lie evenly on the ring, also those that begin alike', () => {
    const keys = new AffinityKeys({ wallMs: () => 0, random: seededRandom(4) });
    const places = Array.from({ length: 16 }, () => 0);
    for (let i = 0; i < 1024; i++) {
      keys.draw();
      const place = Math.floor((keys.hash / 2 ** 32) * 16);
      places[place] = (places[place] as number) + 1;
    }
    // 64 each; a fair draw leaves 30 to 100 once in a million times.
    expect(Math.min(...places)).toBeGreaterThan(30);
    expect(Math.max(...places)).toBeLessThan(100);
  });
});
