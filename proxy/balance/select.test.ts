import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { type Candidate, selectEndpoints } from './select.ts';
import { slowStartShare } from './slow-start.ts';

type Named = Candidate & { readonly name: string };

/** `a` ready, `a~` terminating, `a!` out, `a@z` hinted for zone z. */
function candidates(text: string): Named[] {
  return text.split(' ').flatMap((word) => {
    const [name = '', zone] = word.replace(/[~!]/g, '').split('@');
    if (name === '') return [];
    const zones = zone === undefined ? [] : zone.split('+');
    return [{ name, zones, isTerminating: word.includes('~'), isOut: word.includes('!') }];
  });
}

const names = (list: readonly Named[]) => list.map(({ name }) => name).join('');
const here = { zone: 'z', minUsablePercent: 50 };

describe('selectEndpoints', () => {
  test.each([
    ['all are fine', 'a b c', 'abc', 'abc', false],
    ['one is out', 'a b! c', 'abc', 'ac', false],
    ['terminating ones are the last resort', 'a b~', 'a', 'a', false],
    ['a terminating one serves while there is no other', 'a~ b~', 'ab', 'ab', false],
    ['all are out: panic uses all', 'a! b!', 'ab', 'ab', true],
    ['all ready ones are out: panic uses these, not what is going', 'a! b~', 'a', 'a', true],
    ['nothing', '', '', '', false],
  ])('%s', (_, text, members, available, isPanic) => {
    const got = selectEndpoints(candidates(text), null);
    expect([names(got.members), names(got.available), got.isPanic]).toEqual([members, available, isPanic]);
  });

  test.each([
    ['near ones only', 'a@z b@y c@z', 'ac', 'ac'],
    ['exactly the share that is asked for is left', 'a@z b@z! c@z d@z! e@y', 'abcd', 'ac'],
    ['an endpoint without hints: hints are ignored', 'a@z b c@y', 'abc', 'abc'],
    ['hints of several zones', 'a@y+z b@y', 'a', 'a'],
    ['none is near: all', 'a@x b@y', 'ab', 'ab'],
    ['half of the near ones is left: still near', 'a@z b@z! c@y', 'ab', 'a'],
    ['less than half is left: the others help', 'a@z b@z! c@z! d@y', 'abcd', 'ad'],
    ['no near one is left: the others, no panic', 'a@z! b@y', 'ab', 'b'],
    ['a terminating endpoint without hints does not matter', 'a@z b@y c~', 'a', 'a'],
  ])('zone: %s', (_, text, members, available) => {
    const got = selectEndpoints(candidates(text), here);
    expect([names(got.members), names(got.available)]).toEqual([members, available]);
  });

  test('clients may be bound to ready endpoints of any zone', () => {
    const got = selectEndpoints(candidates('a@z b@y c@z! d@y~'), here);
    expect([names(got.bindable), names(got.members), names(got.available)]).toEqual(['abc', 'ac', 'a']);
  });

  test('whatever the endpoints: something is available unless there is none, and it is a part of the members', () => {
    const candidate = fc.record({
      name: fc.string(),
      zones: fc.subarray(['x', 'y', 'z']),
      isTerminating: fc.boolean(),
      isOut: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(candidate), fc.option(fc.constant(here)), (endpoints, zone) => {
        const { members, available } = selectEndpoints(endpoints, zone);
        expect(available.length > 0).toBe(endpoints.length > 0);
        expect(members).toEqual(expect.arrayContaining([...available]));
        expect(endpoints).toEqual(expect.arrayContaining([...members]));
      }),
    );
  });
});

test.each([
  [0, 10_000, 0.05],
  [499, 10_000, 0.05],
  [5000, 10_000, 0.5],
  [9999, 10_000, 0.95],
  [10_000, 10_000, 1],
  [0, 0, 1],
  [Number.POSITIVE_INFINITY, 10_000, 1],
])('after %d ms of %d ms slow start the share is %d', (ageMs, windowMs, want) => {
  expect(slowStartShare(ageMs, windowMs)).toBe(want);
});
