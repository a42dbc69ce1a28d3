import { describe, expect, test } from '@jest/globals';
import type { AddressRecord, NameLookup } from './name-lookup.ts';
import { NameResolver, type NameResolverOptions } from './resolve-names.ts';
import { ObjectStore } from './store.ts';
import { FakeClock } from './testing/fake-clock.ts';
import { silentLog } from './testing/watched-folder.ts';

/** Answers from tables; what is not in a table fails with ENOTFOUND. */
class FakeLookup implements NameLookup {
  readonly a: Record<string, readonly AddressRecord[]> = {};
  readonly aaaa: Record<string, readonly AddressRecord[]> = {};
  readonly system: Record<string, readonly string[]> = {};
  readonly asked: string[] = [];
  failure = 'ENOTFOUND';

  resolve4(name: string): Promise<readonly AddressRecord[]> {
    return this.#answer('A', name, this.a[name]);
  }

  resolve6(name: string): Promise<readonly AddressRecord[]> {
    return this.#answer('AAAA', name, this.aaaa[name]);
  }

  lookupAll(name: string): Promise<readonly string[]> {
    return this.#answer('system', name, this.system[name]);
  }

  #answer<T>(question: string, name: string, answer: T | undefined): Promise<T> {
    this.asked.push(`${question} ${name}`);
    if (answer !== undefined) return Promise.resolve(answer);
    return Promise.reject(Object.assign(new Error(), { code: this.failure }));
  }
}

class Setup {
  readonly clock = new FakeClock();
  readonly lookup = new FakeLookup();
  readonly store = new ObjectStore();
  readonly resolver: NameResolver;
  applies = 0;
  #waiting: (() => void)[] = [];

  constructor(options: Partial<NameResolverOptions> = {}) {
    const { clock, lookup } = this;
    const apply: NameResolverOptions['apply'] = (changes) => {
      this.store.apply(changes);
      this.applies += 1;
      for (const wake of this.#waiting.splice(0)) wake();
    };
    this.resolver = new NameResolver({ apply, log: silentLog, lookup, clock, ...options });
  }

  /** Waits until the store was told that many times in all. */
  async told(times: number): Promise<void> {
    while (this.applies < times) await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  addressesOf(name: string): readonly string[] | undefined {
    return this.store.snapshot().resolvedNames.get(name);
  }

  get diagnostics(): string[] {
    return this.store
      .snapshot()
      .sourceDiagnostics.map(({ severity, reason, message }) => `${severity} ${reason} ${message}`);
  }
}

const records = (ttlSeconds: number, ...addresses: string[]) => addresses.map((address) => ({ address, ttlSeconds }));

describe('an answer', () => {
  test('holds A and AAAA records', async () => {
    const setup = new Setup();
    setup.lookup.a['a.test'] = records(60, '10.0.0.2', '10.0.0.1');
    setup.lookup.aaaa['a.test'] = records(60, '2001:db8::1');
    setup.resolver.want(['a.test']);
    await setup.told(1);
    expect(setup.addressesOf('a.test')).toEqual(['10.0.0.1', '10.0.0.2', '2001:db8::1']);
    expect(setup.lookup.asked).not.toContain('system a.test');
  });

  test('of one family is enough', async () => {
    const setup = new Setup();
    setup.lookup.aaaa['a.test'] = records(60, '2001:db8::1');
    setup.resolver.want(['a.test']);
    await setup.told(1);
    expect([setup.addressesOf('a.test'), setup.diagnostics]).toEqual([['2001:db8::1'], []]);
  });

  test('of the system counts when DNS knows nothing: hosts file, search domains', async () => {
    const setup = new Setup();
    setup.lookup.system['web.shop'] = ['10.0.0.1'];
    setup.resolver.want(['web.shop']);
    await setup.told(1);
    expect(setup.addressesOf('web.shop')).toEqual(['10.0.0.1']);
  });

  test.each(['10.0.0.1', '2001:db8::1'])('for the address %s is itself, and nobody is asked', async (address) => {
    const setup = new Setup();
    setup.resolver.want([address]);
    await setup.told(1);
    expect([setup.addressesOf(address), setup.lookup.asked]).toEqual([[address], []]);
  });
});

describe('refresh', () => {
  test.each([
    [0, 1000],
    [5, 5000],
    [86400, 30_000],
  ])('a TTL of %d s is asked again after %d ms', async (ttlSeconds, delayMs) => {
    const setup = new Setup();
    setup.lookup.a['a.test'] = records(ttlSeconds, '10.0.0.1');
    setup.resolver.want(['a.test']);
    await setup.told(1);
    setup.lookup.a['a.test'] = records(ttlSeconds, '10.0.0.2');
    const asked = setup.lookup.asked.length;
    setup.clock.advance(delayMs - 1);
    expect(setup.lookup.asked).toHaveLength(asked);
    setup.clock.advance(1);
    await setup.told(2);
    expect(setup.addressesOf('a.test')).toEqual(['10.0.0.2']);
  });

  test('the smallest TTL counts', async () => {
    const setup = new Setup();
    setup.lookup.a['a.test'] = [...records(20, '10.0.0.1'), ...records(3, '10.0.0.2')];
    setup.resolver.want(['a.test']);
    await setup.told(1);
    setup.clock.advance(3000);
    await setup.told(2);
  });

  test('wanting a name again asks nothing anew', async () => {
    const setup = new Setup();
    setup.lookup.a['a.test'] = records(60, '10.0.0.1');
    setup.resolver.want(['a.test', 'a.test']);
    setup.resolver.want(['a.test']);
    await setup.told(1);
    setup.resolver.want(['a.test']);
    expect(setup.lookup.asked).toEqual(['A a.test', 'AAAA a.test']);
  });

  test('a name that nobody wants is forgotten, with its timer and its diagnostics', async () => {
    const setup = new Setup();
    setup.resolver.want(['a.test']);
    await setup.told(1);
    expect(setup.diagnostics).toHaveLength(1);
    setup.resolver.want([]);
    expect([setup.addressesOf('a.test'), setup.diagnostics, setup.clock.pending]).toEqual([undefined, [], 0]);
  });

  test('an answer that comes after its name was forgotten is dropped', async () => {
    const setup = new Setup();
    const { promise, resolve } = Promise.withResolvers<readonly AddressRecord[]>();
    setup.lookup.resolve4 = () => promise;
    setup.resolver.want(['a.test']);
    setup.resolver.want(['b.test']);
    resolve(records(60, '10.0.0.1'));
    setup.lookup.system['c.test'] = ['10.0.0.3'];
    await setup.told(2);
    setup.resolver.want(['c.test']);
    await setup.told(4);
    expect([...setup.store.snapshot().resolvedNames.keys()]).toEqual(['c.test']);
  });

  test('close stops everything', async () => {
    const setup = new Setup();
    setup.lookup.a['a.test'] = records(60, '10.0.0.1');
    setup.resolver.want(['a.test']);
    await setup.told(1);
    setup.resolver.close();
    expect(setup.clock.pending).toBe(0);
  });
});

describe('a failure', () => {
  test('before any answer means no addresses, and says so', async () => {
    const setup = new Setup();
    setup.resolver.want(['a.test']);
    await setup.told(1);
    expect(setup.addressesOf('a.test')).toEqual([]);
    expect(setup.diagnostics).toEqual([
      'error NameNotResolved the name a.test cannot be resolved (ENOTFOUND); Services with this externalName answer 503 until it can',
    ]);
  });

  test('keeps the last good addresses, backs off, and is over with the next answer', async () => {
    const setup = new Setup();
    setup.lookup.a['a.test'] = records(1, '10.0.0.1');
    setup.resolver.want(['a.test']);
    await setup.told(1);
    delete setup.lookup.a['a.test'];
    setup.lookup.failure = 'ESERVFAIL';
    let told = 1;
    for (const delayMs of [1000, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000]) {
      setup.clock.advance(delayMs - 1);
      expect(setup.applies).toBe(told);
      setup.clock.advance(1);
      await setup.told(++told);
      expect(setup.addressesOf('a.test')).toEqual(['10.0.0.1']);
    }
    expect(setup.diagnostics).toEqual([
      'warning NameNotResolved the name a.test cannot be resolved (ESERVFAIL); its last known addresses stay in use: 10.0.0.1',
    ]);
    setup.lookup.a['a.test'] = records(60, '10.0.0.9');
    setup.clock.advance(30_000);
    await setup.told(++told);
    expect([setup.addressesOf('a.test'), setup.diagnostics]).toEqual([['10.0.0.9'], []]);
    // The next failure backs off from the beginning.
    delete setup.lookup.a['a.test'];
    setup.clock.advance(30_000);
    await setup.told(++told);
    setup.clock.advance(1000);
    await setup.told(++told);
  });

  test('is also an answer that never comes', async () => {
    const setup = new Setup();
    const asked = new Promise<void>((resolve) => {
      setup.lookup.lookupAll = () => {
        resolve();
        return new Promise(() => {});
      };
    });
    setup.resolver.want(['a.test']);
    await asked;
    setup.clock.advance(10_000);
    await setup.told(1);
    expect(setup.diagnostics[0]).toContain('(ETIMEOUT)');
  });
});

describe('addresses that must not be reached', () => {
  test.each([
    '127.0.0.1',
    '127.1.2.3',
    '::1',
    '::ffff:127.0.0.1',
    '0.0.0.0',
    '::',
    '169.254.169.254',
    'fe80::1',
    '224.0.0.1',
  ])('%s is refused, as an answer and as a literal', async (address) => {
    const setup = new Setup();
    setup.lookup.system['a.test'] = [address];
    setup.resolver.want(['a.test', address]);
    await setup.told(2);
    expect([setup.addressesOf('a.test'), setup.addressesOf(address)]).toEqual([[], []]);
    expect(setup.diagnostics).toEqual([
      expect.stringContaining(`resolves to ${address}`),
      expect.stringContaining(`resolves to ${address}`),
    ]);
  });

  test.each(['localhost', 'x.localhost'])('%s is refused without a question', async (name) => {
    const setup = new Setup();
    setup.lookup.a[name] = records(60, '10.0.0.1');
    setup.resolver.want([name]);
    await setup.told(1);
    expect([setup.addressesOf(name), setup.lookup.asked]).toEqual([[], []]);
  });

  test('are dropped from an answer that holds others', async () => {
    const setup = new Setup();
    setup.lookup.a['a.test'] = records(60, '10.0.0.1', '127.0.0.1');
    setup.resolver.want(['a.test']);
    await setup.told(1);
    expect(setup.addressesOf('a.test')).toEqual(['10.0.0.1']);
    expect(setup.diagnostics).toEqual([expect.stringMatching(/^warning AddressRefused .* resolves to 127\.0\.0\.1, /)]);
  });

  test('replace the last good ones: a name that turned to loopback must not be served from memory', async () => {
    const setup = new Setup();
    setup.lookup.a['a.test'] = records(1, '10.0.0.1');
    setup.resolver.want(['a.test']);
    await setup.told(1);
    setup.lookup.a['a.test'] = records(1, '127.0.0.1');
    setup.clock.advance(1000);
    await setup.told(2);
    expect(setup.addressesOf('a.test')).toEqual([]);
  });

  test('loopback is accepted when that is allowed, link-local never', async () => {
    const setup = new Setup({ allowLoopback: true });
    setup.lookup.a['a.test'] = records(60, '127.0.0.5', '169.254.169.254', '0.0.0.0');
    setup.resolver.want(['a.test', 'localhost']);
    await setup.told(2);
    expect([setup.addressesOf('a.test'), setup.addressesOf('localhost')]).toEqual([
      ['127.0.0.5'],
      ['127.0.0.1', '::1'],
    ]);
  });
});
