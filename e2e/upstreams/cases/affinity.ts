// Session affinity: annotation reference section 6.

import { expect } from '@jest/globals';
import type { CaseTable, Check } from '../annotation-cases.ts';
import { all, bodiesOf, takesTurns } from '../checks.ts';
import type { Asked, Told } from '../client.ts';
import type { Answerer } from '../endpoints.ts';
import type { Site, Surroundings } from '../site.ts';

const sticky: Surroundings = { with: { affinity: 'cookie' } };

/** The Set-Cookie line of an answer; '' without one. */
function setCookie({ headers }: Told): string {
  return headers['set-cookie']?.join('\n') ?? '';
}

/** Sends back what the answer set. */
function withCookieOf(told: Told): Asked {
  return { headers: { cookie: setCookie(told).split(';')[0] ?? '' } };
}

/** The client is kept: it goes where it went first, and gets no further cookie. */
async function isKept(site: Site, first: Told): Promise<void> {
  const later = await site.askTimes(6, withCookieOf(first));
  expect(new Set(bodiesOf(later))).toEqual(new Set([first.body]));
  expect(later.map(setCookie).join('')).toBe('');
}

/** Clients without a cookie get this one, and stay. */
function sets(line: RegExp, asked: Asked = {}): Check {
  return async (site) => {
    const first = await site.ask(asked);
    expect(setCookie(first)).toMatch(line);
    await isKept(site, first);
  };
}

/** Without affinity. */
const setsNone: Check = async (site) => {
  expect(setCookie(await site.ask())).toBe('');
  // The turn goes on behind that request.
  await takesTurns(site);
};

const value = String.raw`[\da-v.]+\|[0-9a-f]{32}`;
const plain = sets(new RegExp(`^INGRESSCOOKIE=${value}; Path=/; HttpOnly$`));
const https: Asked = { scheme: 'https' };
const oldBrowser: Asked = { headers: { 'user-agent': 'Mozilla/5.0 Chrome/51.0.2704.63 Safari/537.36' } };
const newBrowser: Asked = { headers: { 'user-agent': 'Mozilla/5.0 Chrome/120.0.0.0 Safari/537.36' } };
const crossSite: Surroundings = { with: { affinity: 'cookie', 'session-cookie-samesite': 'None' } };
const isNoBool = 'is not a bool (true or false)';
const isNoNumber = 'is not a whole number';
const notUrl = 'holds characters that are not allowed (letters, digits and -._~/:,?&=)';
const notBasic = 'holds characters that are not allowed (letters, digits and -._~/:)';

/** `Expires` so many seconds from now, give or take the time of the test. */
function expiresIn(seconds: number): Check {
  return async (site) => {
    const [, date = ''] = /; Expires=(\w{3}, \d{2}-\w{3}-\d{2} [\d:]{8} GMT);/.exec(setCookie(await site.ask())) ?? [];
    expect(Math.abs(Date.parse(date.replaceAll('-', ' ')) - Date.now() - seconds * 1000)).toBeLessThan(15_000);
  };
}

/** Seen from the client, an old date as any. */
const expiresInThePast = sets(/; Expires=Thu, 01-Jan-70 /);

/** The endpoint of the first answer fails from now on; the request is repeated where the setting says. */
const failsAfterwards: Surroundings = {
  with: { affinity: 'cookie', 'proxy-next-upstream': 'http_503', 'sluice/passive-health': 'off' },
};

async function failingEndpoint(site: Site): Promise<Told> {
  const first = await site.ask();
  const failing: Answerer = ({ endpoint }) => (endpoint === first.body ? { status: 503 } : {});
  site.answerWith(failing);
  return first;
}

/** All three attempts go to the endpoint of the cookie. */
const staysOnFailure: Check = async (site) => {
  const first = await failingEndpoint(site);
  const told = await site.ask(withCookieOf(first));
  expect({ status: told.status, cookie: setCookie(told) }).toEqual({ status: 503, cookie: '' });
  expect(new Set(site.seen)).toEqual(new Set([first.body]));
  expect(site.calls).toHaveLength(4);
};

const movesOnFailure: Check = async (site) => {
  const first = await failingEndpoint(site);
  const told = await site.ask(withCookieOf(first));
  expect(told.status).toBe(200);
  expect(told.body).not.toBe(first.body);
  expect(setCookie(told)).toMatch(/^INGRESSCOOKIE=/);
  await isKept(site, told);
};

const canary: Surroundings = {
  with: { affinity: 'cookie' },
  isOnCanary: true,
  canary: { canary: 'true', 'canary-by-header': 'x-next' },
};
const toCanary: Asked = { headers: { 'x-next': 'always' } };

/** Who was taken by the canary stays there without the header; and who is at the primary stays there with it. */
const staysAtItsSide: Check = async (site) => {
  const next = await site.ask(toCanary);
  expect(next.body).toBe('next0');
  await isKept(site, next);
  const web = await site.ask();
  expect(web.body).toMatch(/^web/);
  const asked = { headers: { ...withCookieOf(web).headers, ...toCanary.headers } };
  expect((await site.ask(asked)).body).toBe(web.body);
};

/** The rules are asked each time, and the canary sets no cookie. */
const isAskedEachTime: Check = async (site) => {
  const next = await site.ask(toCanary);
  expect({ body: next.body, cookie: setCookie(next) }).toEqual({ body: 'next0', cookie: '' });
  const web = await site.ask();
  const asked = { headers: { ...withCookieOf(web).headers, ...toCanary.headers } };
  expect((await site.ask(asked)).body).toBe('next0');
  expect((await site.ask(withCookieOf(web))).body).toBe(web.body);
};

export const affinityCases: CaseTable = {
  affinity: {
    absent: setsNone,
    values: [
      ['cookie', plain],
      ['cookie', plain, { with: { 'upstream-hash-by': '$request_uri' } }],
      ['cookie', plain, { with: { 'load-balance': 'ewma' } }],
    ],
    invalid: [
      ['header', 'is not one of cookie'],
      ['Cookie', 'is not one of cookie'],
    ],
    whenInvalid: { holds: 'unset' },
  },
  'affinity-mode': {
    ...sticky,
    absent: plain,
    values: [
      ['balanced', plain],
      ['persistent', sets(/^INGRESSCOOKIE=[0-9a-f]{32}\|[0-9a-f]{32}; Path=\/; HttpOnly$/)],
    ],
    invalid: [['sticky', 'is not one of balanced, persistent']],
    whenInvalid: { holds: 'balanced' },
  },
  'affinity-canary-behavior': {
    ...canary,
    absent: staysAtItsSide,
    values: [
      ['sticky', staysAtItsSide],
      ['legacy', isAskedEachTime],
    ],
    invalid: [['STICKY', 'is not one of sticky, legacy']],
    whenInvalid: { holds: 'sticky' },
  },
  'session-cookie-name': {
    ...sticky,
    absent: plain,
    values: [
      ['route', sets(/^route=/)],
      ['a.b-c_d', sets(/^a\.b-c_d=/)],
    ],
    invalid: [
      ['a;b', notBasic],
      ['a=b', notBasic],
    ],
    whenInvalid: { holds: 'INGRESSCOOKIE' },
  },
  'session-cookie-path': {
    ...sticky,
    absent: plain,
    values: [
      ['/something', sets(/; Path=\/something; HttpOnly$/)],
      ['/a?b=c&d', sets(/; Path=\/a\?b=c&d; HttpOnly$/)],
    ],
    invalid: [
      ['/a;b', notUrl],
      ['/(a|b)', notUrl],
    ],
    whenInvalid: { holds: 'unset' },
  },
  'session-cookie-domain': {
    ...sticky,
    absent: plain,
    values: [
      ['foo.test', sets(/; Domain=foo\.test; Path=\/; HttpOnly$/)],
      ['.foo.test', sets(/; Domain=\.foo\.test; Path=/)],
    ],
    invalid: [['a;b', notBasic]],
    whenInvalid: { holds: 'unset' },
  },
  'session-cookie-samesite': {
    ...sticky,
    absent: plain,
    values: [
      ['None', sets(/; HttpOnly; SameSite=None$/)],
      ['Lax', sets(/; HttpOnly; SameSite=Lax$/)],
      ['Strict', sets(/; HttpOnly; SameSite=Strict$/)],
      ['lax', sets(/; SameSite=Lax$/)],
      ['STRICT', sets(/; SameSite=Strict$/)],
    ],
    invalid: [['maybe', 'is not one of None, Lax, Strict']],
    whenInvalid: { holds: 'unset' },
  },
  'session-cookie-conditional-samesite-none': {
    ...crossSite,
    absent: all(sets(/; SameSite=None$/, oldBrowser), sets(/; SameSite=None$/, newBrowser)),
    values: [
      ['true', all(sets(/; HttpOnly$/, oldBrowser), sets(/; SameSite=None$/, newBrowser))],
      ['false', sets(/; SameSite=None$/, oldBrowser)],
    ],
    invalid: [['yes', isNoBool]],
    whenInvalid: { holds: 'false' },
  },
  'session-cookie-secure': {
    ...sticky,
    absent: all(plain, sets(/; Path=\/; Secure; HttpOnly$/, https)),
    values: [
      ['true', all(sets(/; Path=\/; Secure; HttpOnly$/), sets(/; Secure; HttpOnly$/, https))],
      ['false', all(plain, sets(/; Path=\/; Secure; HttpOnly$/, https))],
    ],
    invalid: [['on', isNoBool]],
    whenInvalid: { holds: 'unset' },
  },
  'session-cookie-expires': {
    ...sticky,
    absent: plain,
    values: [
      ['60', expiresIn(60)],
      ['172800', expiresIn(172_800)],
      ['0', expiresIn(0)],
      ['-60', expiresIn(-60)],
      // Seconds since the birth of Unix time and more: the oldest date there is, not one of before.
      ['-9007199254740991', expiresInThePast],
    ],
    invalid: [
      ['soon', isNoNumber],
      ['1.5', isNoNumber],
      ['60s', isNoNumber],
    ],
    whenInvalid: { holds: 'unset' },
  },
  'session-cookie-max-age': {
    ...sticky,
    absent: plain,
    values: [
      ['60', sets(/; Max-Age=60; Path=\//)],
      ['0', sets(/; Max-Age=0; Path=\//)],
      ['+5', sets(/; Max-Age=5; Path=\//)],
      ['-5', sets(/; Max-Age=-5; Path=\//)],
    ],
    invalid: [
      ['soon', isNoNumber],
      ['1.5', isNoNumber],
      [' 5', isNoNumber],
    ],
    whenInvalid: { holds: 'unset' },
  },
  'session-cookie-change-on-failure': {
    ...failsAfterwards,
    absent: staysOnFailure,
    values: [
      ['true', movesOnFailure],
      ['false', staysOnFailure],
    ],
    invalid: [['maybe', isNoBool]],
    whenInvalid: { holds: 'false' },
  },
};
