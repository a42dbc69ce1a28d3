import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { LinearPattern } from './linear-pattern.ts';
import { parsePattern } from './pattern.ts';

describe('what is found', () => {
  test.each([
    ['^(de|fr)$', 'de', true],
    ['^(de|fr)$', 'den', false],
    ['a|', '', true],
    ['b+', 'aabb', true],
    ['[a-c]{2}x', 'dabx', true],
    ['^[^a-c]+$', 'xyz', true],
    ['^[]a]$', ']', true],
    ['^[a-]$', '-', true],
    ['\\d{3}', 'ab12', false],
    ['\\bend\\b', 'the end.', true],
    ['\\Bnd', 'end', true],
    ['a.c', 'a\xffc', true],
    ['(a*)*b', 'aaab', true],
    ['(?:ab){2,}$', 'xabab', true],
    ['x{0}y', 'y', true],
    ['a??b', 'b', true],
    ['', 'anything', true],
    ['(?i)^beta-[x-z]$', 'BeTa-Y', true],
    ['(?i)[^a]', 'A', false],
    ['(?i)^[@-Z]$', 'm', true],
    ['(?i)^[@-Z]$', '`', false],
    ['(?i)\\.', 'A', false],
    ['a', 'A', false],
  ])('%s in %j: %s', (pattern, text, want) => {
    expect(LinearPattern.compile(pattern)?.test(text)).toBe(want);
  });

  test('as JavaScript finds it, for any expression and text', () => {
    const atom = fc.constantFrom('a', 'b', '.', '[ab]', '[^a]', '\\w', '\\d', '\\b', '^', '$', '(?:a|b)', '(ab|)');
    const repeated = fc.tuple(atom, fc.constantFrom('', '', '*', '+', '?', '{2}', '{1,3}', '{0,}', '*?'));
    const repeatable = repeated.map(([base, times]) => (['^', '$', '\\b'].includes(base) ? base : base + times));
    const pattern = fc.array(fc.array(repeatable, { maxLength: 4 }), { minLength: 1, maxLength: 3 });
    const text = fc.array(fc.constantFrom('a', 'b', '1', '-'), { maxLength: 8 }).map((signs) => signs.join(''));
    fc.assert(
      fc.property(pattern, fc.array(text, { minLength: 1, maxLength: 4 }), (branches, texts) => {
        const source = branches.map((branch) => branch.join('')).join('|');
        const compiled = LinearPattern.compile(source);
        // One object for all texts: a run must leave nothing behind.
        for (const one of texts) {
          expect([source, one, compiled?.test(one)]).toEqual([source, one, new RegExp(source).test(one)]);
        }
      }),
      { numRuns: 2000 },
    );
  });
});

test.each([
  ['(', 'has a ( without )'],
  ['a)', 'has a ) without ('],
  ['[a', 'has a [ without ]'],
  ['*a', 'nothing in front of *'],
  ['a**', 'repeats a repetition'],
  ['a++', 'repeats a repetition'],
  ['(a)\\1', 'the escape \\1'],
  ['(?=a)', 'back-tracking'],
  ['a(?i)b', 'back-tracking'],
  ['a{x}', 'is not {n}'],
  ['a{3,2}', 'end is below its start'],
  ['[b-a]', 'end is below its start'],
  ['[\\d-z]', 'from or to a class'],
  ['a{1000}', 'more than 255 times'],
  ['((a{200}){200})', 'is too large'],
  ['a\\', 'ends with a \\'],
  ['\u20ac', 'beyond latin1'],
  ['('.repeat(60) + ')'.repeat(60), 'nests too deep'],
])('%s is refused', (pattern, why) => {
  expect(parsePattern(pattern)).toEqual({ ok: false, why: expect.stringContaining(why) });
});

test('parsing never throws', () => {
  const sign = fc.constantFrom(...'ab^$.[](){}*+?|\\-,19:');
  fc.assert(
    fc.property(fc.array(sign, { maxLength: 20 }), (signs) => {
      const parsed = parsePattern(signs.join(''));
      if (parsed.ok) expect(parsed.program.length).toBeLessThan(1000);
    }),
    { numRuns: 2000 },
  );
});

// With a back-tracking engine these end after the sun.
describe('hostile expressions and texts', () => {
  test.each<[string, number, boolean | null]>([
    ['(a*)*$', 5000, true],
    ['(a|a)*b', 5000, false],
    ['(a+)+b', 5000, false],
    ['(.*a){20}x', 500, false],
    ['(.*a){20}x', 5000, null],
    ['(a?){50}a{50}b', 5000, null],
    ['(a?){120}b', 32_768, null],
  ])('%s on %d signs', (pattern, length, want) => {
    const compiled = LinearPattern.compile(pattern);
    expect(compiled?.test(`${'a'.repeat(length)}c`)).toBe(want);
    // What was given up leaves nothing behind.
    expect(compiled?.test('-')).toBe(pattern === '(a*)*$');
  });

  test('what people write has room in the longest header line', () => {
    const line = 'x'.repeat(8 * 1024);
    for (const pattern of ['eu|us|asia|beta|test', '^[a-z]+-[0-9]{1,3}$', '\\bstaff\\b', '.*canary.*', 'x+y']) {
      expect([pattern, LinearPattern.compile(pattern)?.test(line)]).toEqual([pattern, false]);
    }
  });
});
