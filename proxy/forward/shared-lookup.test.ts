import type { LookupAddress, LookupOptions } from 'node:dns';
import { expect, test } from '@jest/globals';
import { sharedLookup } from './shared-lookup.ts';

type Answer = (error: Error | null, address: string | LookupAddress[], family?: number) => void;

/** A system resolver that answers when it is told to. */
class Resolver {
  readonly asked: { readonly name: string; readonly options: LookupOptions; readonly answer: Answer }[] = [];
  readonly lookup = (name: string, options: LookupOptions, answer: Answer): void => {
    this.asked.push({ name, options, answer });
  };

  get names(): readonly string[] {
    return this.asked.map(({ name }) => name);
  }
}

const all = { all: true };

test('equal questions are put once, and all get the answer', () => {
  const system = new Resolver();
  const lookup = sharedLookup(system.lookup, 4);
  const got: unknown[] = [];
  for (let i = 0; i < 3; i++) lookup('a.test', all, (error, address) => got.push([i, error, address]));
  expect(system.names).toEqual(['a.test']);
  expect(got).toEqual([]);
  const address = [{ address: '192.0.2.1', family: 4 }];
  system.asked[0]?.answer(null, address);
  expect(got).toEqual([0, 1, 2].map((i) => [i, null, address]));
  // What was answered is asked again.
  lookup('a.test', all, () => {});
  expect(system.names).toEqual(['a.test', 'a.test']);
});

test('a failure is for all, too', () => {
  const system = new Resolver();
  const lookup = sharedLookup(system.lookup, 4);
  const got: unknown[] = [];
  for (let i = 0; i < 2; i++) lookup('a.test', all, (error) => got.push(error?.code));
  system.asked[0]?.answer(Object.assign(new Error('no'), { code: 'ENOTFOUND' }), '');
  expect(got).toEqual(['ENOTFOUND', 'ENOTFOUND']);
});

test('questions of other kinds and names are their own', () => {
  const system = new Resolver();
  const lookup = sharedLookup(system.lookup, 4);
  for (const options of [all, {}, { family: 6 }, { ...all, hints: 32 }]) lookup('a.test', options, () => {});
  expect(system.asked.map(({ options }) => options)).toEqual([all, {}, { family: 6 }, { ...all, hints: 32 }]);
});

test('no more names than the limit are asked for at a time', async () => {
  const system = new Resolver();
  const lookup = sharedLookup(system.lookup, 2);
  for (const name of ['a.test', 'b.test']) lookup(name, all, () => {});
  let isWithin = true;
  const refused = new Promise((resolve) => {
    lookup('c.test', all, (error) => resolve([isWithin, error?.code]));
  });
  isWithin = false;
  expect(await refused).toEqual([false, 'EBUSY']);
  // Who waits for one of them is no further name.
  lookup('b.test', all, () => {});
  system.asked[0]?.answer(null, '192.0.2.1', 4);
  lookup('c.test', all, () => {});
  expect(system.names).toEqual(['a.test', 'b.test', 'c.test']);
});
