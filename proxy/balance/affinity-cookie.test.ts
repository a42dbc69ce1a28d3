import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { AffinityCookie } from '../table/route-settings.ts';
import { plainCookie } from '../table/testing/build.ts';
import {
  AffinityCookieLines,
  affinityTag,
  mishandlesSameSiteNone,
  persistentKey,
  readAffinityCookie,
} from './affinity-cookie.ts';

const request = { isHttps: false, userAgent: '', nowMs: Date.UTC(2026, 0, 2, 15, 4, 5) };
const begin = 'Set-Cookie: ';

/** The value of the first line that is rendered with these settings. */
function render(settings: Partial<AffinityCookie>, facts: Partial<typeof request> = {}): string {
  return cookieOf(new AffinityCookieLines({ ...plainCookie, ...settings }, 't').line('k', { ...request, ...facts }));
}

function cookieOf(line: string): string {
  expect(line.startsWith(begin) && line.endsWith('\r\n')).toBe(true);
  return line.slice(begin.length, -2);
}

describe('pinned: changing these moves users', () => {
  // Computed with md5sum.
  test('affinityTag', () => expect(affinityTag('default-web-80')).toBe('6cde5721ec2c7e2bce07cff7d0e4ac37'));
  test('persistentKey', () =>
    expect(persistentKey('default-web-80', '10.0.0.1:8080')).toBe('0aa3b49d3795ad62718deaa56ec75fae'));
});

describe('readAffinityCookie', () => {
  test.each([
    ['no header', '', null],
    ['other cookies', 'a=1; b=2', null],
    ['alone', 'INGRESSCOOKIE=k|t', 'k t'],
    ['among others', 'a=1; INGRESSCOOKIE=k|t; b=2', 'k t'],
    ['without blanks', 'a=1;INGRESSCOOKIE=k|t;b=2', 'k t'],
    ['without a tag', 'INGRESSCOOKIE=k', 'k '],
    ['empty', 'INGRESSCOOKIE=', ' '],
    ['more parts than two', 'INGRESSCOOKIE=k|t|x', 'k t'],
    ['a name that ends alike', 'MYINGRESSCOOKIE=x|y', null],
    ['a name that begins alike', 'INGRESSCOOKIE2=x|y', null],
    ['names are case-sensitive', 'ingresscookie=x|y', null],
    ['the name inside another value', 'a=INGRESSCOOKIE=x|y', null],
    ['two of them: the last', 'INGRESSCOOKIE=a|1; INGRESSCOOKIE=b|2', 'b 2'],
    ['two of them: the one of this upstream', 'INGRESSCOOKIE=a|t; INGRESSCOOKIE=b|2', 'a t'],
    ['garbage', ';;; =; INGRESSCOOKIE', null],
  ])('%s', (_, header, want) => {
    const got = readAffinityCookie(header, 'INGRESSCOOKIE', 't');
    expect(got === null ? null : `${got.key} ${got.tag}`).toBe(want);
  });

  test('what is rendered is read back, whatever stands around it', () => {
    const word = fc.stringMatching(/^[A-Za-z0-9.]{1,20}$/);
    const other = fc.stringMatching(/^x[a-z]{0,3}=[a-z|]{0,5}$/);
    fc.assert(
      fc.property(word, word, fc.array(other), fc.array(other), (key, tag, before, after) => {
        const [pair = ''] = cookieOf(new AffinityCookieLines(plainCookie, tag).line(key, request)).split(';');
        const header = [...before, pair, ...after].join('; ');
        expect(readAffinityCookie(header, plainCookie.name, tag)).toEqual({ key, tag });
      }),
    );
  });

  test('no header makes it throw', () => {
    fc.assert(
      fc.property(fc.string(), (header) => {
        expect(() => readAffinityCookie(header, 'a', 't')).not.toThrow();
      }),
    );
  });
});

describe('AffinityCookieLines', () => {
  const none = { sameSite: 'None', conditionalSameSiteNone: true } as const;
  const oldChrome = 'Mozilla/5.0 (X11; Linux) AppleWebKit/537.36 Chrome/51.0.2704.103 Safari/537.36';

  test.each<[string, Partial<AffinityCookie>, Partial<typeof request>, string]>([
    ['nothing set', {}, {}, 'INGRESSCOOKIE=k|t; Path=/; HttpOnly'],
    ['name and path', { name: 'route', path: '/foo' }, {}, 'route=k|t; Path=/foo; HttpOnly'],
    ['domain', { domain: 'foo.com' }, {}, 'INGRESSCOOKIE=k|t; Domain=foo.com; Path=/; HttpOnly'],
    ['Secure on HTTPS', {}, { isHttps: true }, 'INGRESSCOOKIE=k|t; Path=/; Secure; HttpOnly'],
    ['Secure always', { secure: true }, {}, 'INGRESSCOOKIE=k|t; Path=/; Secure; HttpOnly'],
    [
      'times',
      { expiresSeconds: 60, maxAgeSeconds: 90 },
      {},
      'INGRESSCOOKIE=k|t; Expires=Fri, 02-Jan-26 15:05:05 GMT; Max-Age=90; Path=/; HttpOnly',
    ],
    [
      'a year beyond 2037 has four digits',
      { expiresSeconds: 20 * 365 * 86_400 },
      {},
      'INGRESSCOOKIE=k|t; Expires=Thu, 28-Dec-2045 15:04:05 GMT; Path=/; HttpOnly',
    ],
    ['SameSite', { sameSite: 'Lax' }, {}, 'INGRESSCOOKIE=k|t; Path=/; HttpOnly; SameSite=Lax'],
    ['None for a browser that knows it', none, {}, 'INGRESSCOOKIE=k|t; Path=/; HttpOnly; SameSite=None'],
    ['None left out for one that does not', none, { userAgent: oldChrome }, 'INGRESSCOOKIE=k|t; Path=/; HttpOnly'],
    [
      'None unconditionally',
      { sameSite: 'None' },
      { userAgent: oldChrome },
      'INGRESSCOOKIE=k|t; Path=/; HttpOnly; SameSite=None',
    ],
    [
      'Strict for an old browser too',
      { sameSite: 'Strict', conditionalSameSiteNone: true },
      { userAgent: oldChrome },
      'INGRESSCOOKIE=k|t; Path=/; HttpOnly; SameSite=Strict',
    ],
  ])('%s', (_, settings, facts, want) => {
    expect(render(settings, facts)).toBe(want);
  });

  test.each([
    ['after', Number.MAX_SAFE_INTEGER, 'Expires=Sat, 13-Sep-275760 00:00:00 GMT'],
    ['before', Number.MIN_SAFE_INTEGER, 'Expires=Thu, 01-Jan-70 00:00:00 GMT'],
    // Two digits of the year would be read as 2066.
    ['before Unix', -60 * 365 * 86_400, 'Expires=Thu, 01-Jan-70 00:00:00 GMT'],
  ])('a time %s all dates is the last or first of them', (_, expiresSeconds, date) => {
    expect(render({ expiresSeconds })).toContain(date);
  });
});

describe('what is rendered once', () => {
  const all = { ...plainCookie, sameSite: 'None', conditionalSameSiteNone: true, expiresSeconds: 60 } as const;
  const facts = fc.record({
    isHttps: fc.boolean(),
    userAgent: fc.constantFrom('', 'Chrome/51.0', 'Chrome/120.0'),
    nowMs: fc.constantFrom(0, 400, 999, 1000, 1999, 2000, 90_000),
  });

  test('each request gets the line that it would get as the first', () => {
    const word = fc.stringMatching(/^[a-z0-9]{1,4}$/);
    fc.assert(
      fc.property(fc.array(fc.tuple(word, facts)), (requests) => {
        const lines = new AffinityCookieLines(all, 't');
        for (const [key, each] of requests) {
          expect(lines.line(key, each)).toBe(new AffinityCookieLines(all, 't').line(key, each));
        }
      }),
    );
  });

  test('the date moves with the seconds', () => {
    const lines = new AffinityCookieLines(all, 't');
    const expires = (nowMs: number) => /Expires=[^;]*/.exec(lines.line('k', { ...request, nowMs }))?.[0];
    expect([0, 999, 1000, 0].map(expires)).toEqual([
      'Expires=Thu, 01-Jan-70 00:01:00 GMT',
      'Expires=Thu, 01-Jan-70 00:01:00 GMT',
      'Expires=Thu, 01-Jan-70 00:01:01 GMT',
      'Expires=Thu, 01-Jan-70 00:01:00 GMT',
    ]);
  });
});

test.each([
  ['Chrome/51.0.2704.103', true],
  ['Chrome/66.0', true],
  ['Chrome/80.0.3987.87', false],
  ['Chrome/120.0.0.0', false],
  ['Chrome/450.0.0.0', false],
  ['Mozilla/5.0 (iPhone; CPU iPhone OS 12_4 like Mac OS X)', true],
  ['Mozilla/5.0 (iPad; CPU OS 12_0 like Mac OS X)', true],
  ['Mozilla/5.0 (iPhone; CPU iPhone OS 13_1 like Mac OS X)', false],
  ['Mozilla/5.0 (Macintosh; Intel Mac OS X 10_14_6) Version/12.1 Safari/605.1.15', true],
  ['Mozilla/5.0 (Macintosh; Intel Mac OS X 10_14_6) Chrome/90.0 Safari/537.36', false],
  ['Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_1) Version/13.0 Safari/605.1.15', false],
  ['', false],
])('mishandlesSameSiteNone(%s) is %s', (userAgent, want) => expect(mishandlesSameSiteNone(userAgent)).toBe(want));
