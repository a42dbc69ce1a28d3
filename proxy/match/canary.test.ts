import { describe, expect, test } from '@jest/globals';
import type { CanaryHeader, CanaryMatch } from '../table/route-settings.ts';
import type { Canary } from '../table/types.ts';
import { chooseCanary, compileCanaries } from './canary.ts';

const labels = { namespace: 'a', ingress: 'canary', service: 's', servicePort: '80', path: '/' };

function canary(match: Partial<CanaryMatch>, upstream = 'u'): Canary {
  return {
    match: { header: null, cookie: null, weight: 0, weightTotal: 100, ...match },
    upstream,
    affinityBehavior: 'sticky',
    labels,
  };
}

const header = (rule: CanaryHeader['rule']): CanaryHeader => ({ name: 'x-c', rule });
const words = header({ kind: 'words' });

interface Asked {
  readonly header?: string;
  readonly cookie?: string;
  readonly draw?: number;
  readonly down?: readonly string[];
}

function choose(
  canaries: readonly Canary[],
  { header: value = '', cookie = '', draw = 0.999, down = [] }: Asked,
): number {
  const request = {
    headerValue: (name: string) => (name === 'x-c' ? value : ''),
    cookieValue: (name: string) => (name === 'try' ? cookie : ''),
  };
  return chooseCanary(
    compileCanaries(canaries),
    request,
    (id) => !down.includes(id),
    () => draw,
  );
}

describe('one canary', () => {
  const all = { header: words, cookie: 'try', weight: 50 };
  test.each<[string, Partial<CanaryMatch>, Asked, boolean]>([
    ['no rule', {}, { draw: 0 }, false],
    ['header always', { header: words }, { header: 'always' }, true],
    ['header never beats cookie and weight', all, { header: 'never', cookie: 'always', draw: 0 }, false],
    ['header always beats cookie', all, { header: 'always', cookie: 'never' }, true],
    ['another header value asks the cookie', all, { header: 'yes', cookie: 'always' }, true],
    ['words are case-sensitive', { header: words }, { header: 'Always' }, false],
    ['cookie never beats weight', all, { cookie: 'never', draw: 0 }, false],
    ['another cookie asks the weight', all, { cookie: 'x', draw: 0 }, true],
    ['an equal value', { header: header({ kind: 'value', value: 'de' }) }, { header: 'de' }, true],
    ['always is no value', { header: header({ kind: 'value', value: 'de' }), weight: 0 }, { header: 'always' }, false],
    [
      'never is no value either',
      { header: header({ kind: 'value', value: 'de' }), weight: 1 },
      { header: 'never', draw: 0 },
      true,
    ],
    ['a pattern is searched', { header: header({ kind: 'pattern', pattern: 'e+' }) }, { header: 'deep' }, true],
    [
      'no match asks on',
      { header: header({ kind: 'pattern', pattern: '^e' }), cookie: 'try' },
      { header: 'deep', cookie: 'always' },
      true,
    ],
    [
      'a pattern that cannot run is the primary',
      { header: header({ kind: 'pattern', pattern: '(' }), cookie: 'try' },
      { header: 'x', cookie: 'always' },
      false,
    ],
    [
      'but only when the header is there',
      { header: header({ kind: 'pattern', pattern: '(' }), cookie: 'try' },
      { cookie: 'always' },
      true,
    ],
    [
      'a pattern that takes too long is the primary',
      { header: header({ kind: 'pattern', pattern: '(.*a){60}x' }), cookie: 'try' },
      { header: 'a'.repeat(8000), cookie: 'always' },
      false,
    ],
    ['an empty pattern header asks on', { header: header({ kind: 'pattern', pattern: '' }) }, { header: '' }, false],
    ['weight 0', { weight: 0 }, { draw: 0 }, false],
    ['weight 100', { weight: 100 }, { draw: 0.999 }, true],
    ['just inside', { weight: 30 }, { draw: 0.2999 }, true],
    ['just outside', { weight: 30 }, { draw: 0.3 }, false],
    ['another total', { weight: 30, weightTotal: 1000 }, { draw: 0.03 }, false],
    ['no endpoints', { header: words, weight: 100 }, { header: 'always', down: ['u'] }, false],
  ])('%s', (_, match, asked, want) => {
    expect(choose([canary(match)], asked)).toBe(want ? 0 : -1);
  });
});

describe('several canaries', () => {
  const both = [canary({ weight: 10 }, 'a'), canary({ header: words, weight: 20 }, 'b')];

  test.each([
    [{ draw: 0.05 }, 0],
    [{ draw: 0.1 }, 1],
    [{ draw: 0.299 }, 1],
    [{ draw: 0.3 }, -1],
    // The share of one that is down is the primary's, not that of the others.
    [{ draw: 0.19, down: ['a'] }, 1],
    [{ draw: 0.2, down: ['a'] }, -1],
    [{ draw: 0.09, header: 'never' }, 0],
    [{ draw: 0.2, header: 'never' }, -1],
    [{ draw: 0.9, header: 'always' }, 1],
  ])('%j goes to %d', (asked, want) => {
    expect(choose(both, asked)).toBe(want);
  });

  test.each([
    [0.09, 1],
    [0.1, -1],
  ])('one that refuses leaves its requests to the next, and takes no share: %d goes to %d', (draw, want) => {
    expect(choose(both.toReversed(), { header: 'never', draw })).toBe(want);
  });

  test('the draw is made once, and not at all when no weight asks', () => {
    let draws = 0;
    const random = () => {
      draws++;
      return 0.99;
    };
    const request = { headerValue: () => '', cookieValue: () => '' };
    chooseCanary(compileCanaries(both), request, () => true, random);
    chooseCanary(compileCanaries([canary({ header: words })]), request, () => true, random);
    expect(draws).toBe(1);
  });
});
