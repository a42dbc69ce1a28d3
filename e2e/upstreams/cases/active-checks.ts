// Active checks, Sluice's own: endpoints are probed. What is probed, how often, and what the answers do to requests.

import { expect } from '@jest/globals';
import type { CaseTable, Check } from '../annotation-cases.ts';
import { all, bodiesOf, statusesOf, tally } from '../checks.ts';
import type { Answerer, Call, Reply } from '../endpoints.ts';
import type { Site, Surroundings } from '../site.ts';

const often = { 'sluice/active-check-interval': '300ms' };
const http = { 'sluice/active-check': 'http', ...often };
const grpc = { 'sluice/active-check': 'grpc', 'sluice/active-check-port': 'GRPC', ...often };
/** One answer decides. */
const atOnce = { 'sluice/active-check-healthy': '1', 'sluice/active-check-unhealthy': '1' };
/** What requests show is no part of this. */
const alone = { 'sluice/passive-health': 'off', 'proxy-next-upstream': 'off' };

const isProbe = ({ headers, path }: Call) =>
  headers['user-agent'] === 'sluice-health-check' || path === '/grpc.health.v1.Health/Check';

/** The first endpoint answers probes like this; requests, and probes of the others, get 200. */
function probesOfFirst(reply: Reply): Answerer {
  return (call) => (isProbe(call) && call.endpoint === 'web0' ? reply : {});
}

const probes = (site: Site) => site.calls.filter(isProbe);
const probesOfWeb0 = (calls: readonly Call[]) => calls.filter((call) => isProbe(call) && call.endpoint === 'web0');
const requestsOfFirst = (calls: readonly Call[]) => calls.filter((call) => !isProbe(call) && call.endpoint === 'web0');

/** Until now all was well; from now on the first endpoint answers probes like this. Gives the number of calls so far. */
async function turns(site: Site, reply: Reply): Promise<number> {
  await site.askUntil((told) => told.at(-1)?.body === 'web0');
  site.answerWith(probesOfFirst(reply));
  return site.calls.length;
}
/** Requests stay away from the first endpoint sooner or later. */
function leavesOutFor(reply: Reply): Check {
  return async (site) => {
    await turns(site, reply);
    await site.askUntil((told) => told.length >= 20 && told.slice(-20).every(({ body }) => body !== 'web0'));
  };
}
const isLeftOut = leavesOutFor({ status: 503 });
/** Four such answers to probes change nothing. */
function keepsFor(reply: Reply): Check {
  return async (site) => {
    const from = await turns(site, reply);
    await site.came((calls) => probesOfWeb0(calls.slice(from)).length >= 5);
    expect(Object.keys(tally(bodiesOf(await site.askTimes(12))))).toHaveLength(3);
  };
}
/** No probe comes in the time in which many would. */
const isNotProbed: Check = async (site) => {
  await site.askFor(1500);
  expect(probes(site)).toEqual([]);
};
/** So many requests at most fail: those before the probes have found a dead endpoint. */
const hidesDead: Check = async (site) => {
  await site.askUntil((told) => told.length >= 20 && told.slice(-20).every(({ status }) => status === 200));
};
const showsDead: Check = async (site) => {
  await site.askFor(1500);
  expect(tally(statusesOf(await site.askTimes(10)))).toEqual({ 200: 5, 502: 5 });
};

/** Probes look like this. */
function asksFor(expected: Partial<Pick<Call, 'path' | 'body'>>, host?: string): Check {
  return async (site) => {
    await site.came(() => probes(site).length >= 3);
    for (const probe of probes(site)) expect(probe).toMatchObject(expected);
    if (host !== undefined) expect(probes(site)[0]?.headers.host).toBe(host);
  };
}
const hostIsAddress: Check = async (site) => {
  await site.came(() => probes(site).length >= 3);
  for (const { headers } of probes(site)) expect(headers.host).toMatch(/^127\.\d+\.\d+\.\d+:\d+$/);
};

/** Probes of one endpoint are so far apart, give or take a tenth and the time of a turn. */
function comesEvery(ms: number): Check {
  return async (site) => {
    const ofFirst = () => probes(site).filter(({ endpoint }) => endpoint === 'web0');
    await site.came(() => ofFirst().length >= 5);
    const times = ofFirst().map(({ atMs }) => atMs);
    expect(((times[4] as number) - (times[0] as number)) / 4).toBeGreaterThan(ms * 0.85);
  };
}
/** Ten seconds: two probes of an endpoint in three seconds are too many. */
const comesSeldom: Check = async (site) => {
  const from = site.calls.length;
  await site.askFor(3000);
  const seen = site.calls.slice(from).filter(isProbe);
  expect(Math.max(0, ...Object.values(tally(seen.map(({ endpoint }) => endpoint))))).toBeLessThanOrEqual(1);
};

/**
 * Requests go to the first endpoint until so many probes of it in a row were bad, and no longer. Whether some do between the
 * last two of these probes is seen in one of three turns: on a busy machine there may be none. Before a first probe that
 * decides alone there need not be any.
 */
function leavesOutAfter(count: number): Check {
  return async (site) => {
    let isUsed = count === 1;
    let turn = 0;
    do {
      const from = await turns(site, { status: 503 });
      await site.askUntil(() => probesOfWeb0(site.calls.slice(from)).length >= count + 2);
      const since = site.calls.slice(from);
      const at = probesOfWeb0(since).map((probe) => since.indexOf(probe));
      expect(requestsOfFirst(since.slice(at[count]))).toEqual([]);
      isUsed ||= requestsOfFirst(since.slice(at[count - 2], at[count - 1])).length > 0;
      site.answerWith(() => ({}));
    } while (!isUsed && ++turn < 3);
    expect(isUsed).toBe(true);
  };
}
/** So many good probes in a row bring it back. */
function comesBackAfter(count: number): Check {
  return async (site) => {
    await isLeftOut(site);
    const from = site.calls.length;
    site.answerWith(() => ({}));
    await site.askUntil(() => requestsOfFirst(site.calls.slice(from)).length > 0);
    const since = site.calls.slice(from);
    const found = probesOfWeb0(since.slice(0, since.indexOf(requestsOfFirst(since)[0] as Call))).length;
    expect(found).toBeGreaterThanOrEqual(count);
    // One more may be under way at the moment of the change.
    expect(found).toBeLessThanOrEqual(count + 1);
  };
}

/** Probes are never answered; the time from the first of them to the last request of the endpoint. */
async function timeToLeaveOut(site: Site): Promise<number> {
  const from = await turns(site, 'silence');
  await site.askUntil((told) => told.length >= 20 && told.slice(-20).every(({ body }) => body !== 'web0'));
  const since = site.calls.slice(from);
  return (requestsOfFirst(since).at(-1)?.atMs ?? 0) - (probesOfWeb0(since)[0]?.atMs ?? 0);
}
/** Not before that time, at best of three: a machine that is busy makes the first probe arrive late. */
function leavesOutNotBefore(ms: number): Check {
  return async (site) => {
    const times = [await timeToLeaveOut(site)];
    while (times.length < 3 && Math.max(...times) <= ms * 0.7) {
      site.answerWith(() => ({}));
      times.push(await timeToLeaveOut(site));
    }
    expect(Math.max(...times)).toBeGreaterThan(ms * 0.7);
  };
}
/** At best of three times. */
function leavesOutWithin(ms: number): Check {
  return async (site) => {
    const times = [await timeToLeaveOut(site)];
    while (times.length < 3 && Math.min(...times) > ms) {
      site.answerWith(() => ({}));
      times.push(await timeToLeaveOut(site));
    }
    expect(Math.min(...times)).toBeLessThan(ms);
  };
}
/** All are used: either because none is known to fail, or because all do. No probe arrives over HTTP. */
const isUnheard: Check = async (site) => {
  const told = await site.askFor(1000);
  expect(Object.keys(tally(bodiesOf(told)))).toHaveLength(3);
};
/** Nobody has waited long enough to call it a failure. */
const isUsedInSilence: Check = async (site) => {
  const from = await turns(site, 'silence');
  await site.came((calls) => probesOfWeb0(calls.slice(from)).length > 0);
  expect(bodiesOf((await site.askFor(3000)).slice(-6))).toContain('web0');
};
/** Only the first endpoint's probes are good: the others are left out. */
const isUsedAlone: Check = async (site) => {
  await site.askUntil((told) => told.length >= 20 && told.slice(-20).every(({ body }) => body === 'web0'));
};
/** Good probes do not bring it back for now. */
const staysOut: Check = async (site) => {
  await isLeftOut(site);
  site.answerWith(() => ({}));
  const told = await site.askFor(1500);
  expect(bodiesOf(told)).not.toContain('web0');
};

const oneDead: Surroundings = { endpoints: [{ isDead: true }, {}] };
const isNoNumber = 'is not a whole number';
const isNoTime = 'is not a time such as 30s or 1h';
const isNoStatus = 'is not a status code or range from 100 to 599';
const invalidTime = [
  ['0', 'is no time at all'],
  ['soon', isNoTime],
  ['30d', 'is out of range'],
] as const;
const invalidThreshold = [
  ['1.5', isNoNumber],
  ['0', 'is below 1'],
  ['101', 'is above 100'],
  ['few', isNoNumber],
] as const;
const notBasic = 'holds characters that are not allowed (letters, digits and -._~/:)';

export const activeCheckCases: CaseTable = {
  'sluice/active-check': {
    with: { ...often, ...atOnce, ...alone },
    absent: isNotProbed,
    values: [
      ['http', isLeftOut],
      ['tcp', hidesDead, oneDead],
      ['grpc', isLeftOut, { with: { 'sluice/active-check-port': 'GRPC' } }],
      ['off', isNotProbed],
      ['off', showsDead, oneDead],
    ],
    invalid: [
      ['https', 'is not one of off, http, tcp, grpc'],
      ['HTTP', 'is not one of off, http, tcp, grpc'],
    ],
    whenInvalid: { holds: 'off' },
  },
  'sluice/active-check-path': {
    with: http,
    absent: asksFor({ path: '/' }),
    values: [
      ['/healthz', asksFor({ path: '/healthz' })],
      ['/a/b?c=d&e', asksFor({ path: '/a/b?c=d&e' })],
    ],
    invalid: [
      ['healthz', 'holds characters that are not allowed (a path that starts with /)'],
      ['/a b', 'holds characters that are not allowed (a path that starts with /)'],
      ['/a#b', 'holds characters that are not allowed (a path that starts with /)'],
    ],
    whenInvalid: { holds: '/' },
  },
  'sluice/active-check-host': {
    with: http,
    absent: hostIsAddress,
    values: [
      ['probe.test', asksFor({}, 'probe.test')],
      ['probe.test:8080', asksFor({}, 'probe.test:8080')],
    ],
    invalid: [
      ['a/b', 'holds characters that are not allowed (letters, digits and -._:[])'],
      ['a b', 'holds characters that are not allowed (letters, digits and -._:[])'],
    ],
    whenInvalid: { holds: 'unset' },
  },
  'sluice/active-check-status': {
    with: { ...http, ...atOnce },
    absent: all(keepsFor({ status: 399 }), leavesOutFor({ status: 400 })),
    values: [
      ['200', leavesOutFor({ status: 204 })],
      ['200-398', leavesOutFor({ status: 399 })],
      ['200-404', all(keepsFor({ status: 404 }), leavesOutFor({ status: 405 }))],
      ['100-599', keepsFor({ status: 599 })],
      // The others answer 200.
      ['399', isUsedAlone, { answer: probesOfFirst({ status: 399 }) }],
    ],
    invalid: [
      ['600', isNoStatus],
      ['99', isNoStatus],
      ['2xx', isNoStatus],
      ['399-200', 'is a range that ends before it starts'],
    ],
    whenInvalid: { holds: '200-399' },
  },
  'sluice/active-check-grpc-service': {
    with: grpc,
    absent: asksFor({ body: '' }),
    values: [
      ['shop.v1.Cart', asksFor({ body: 'shop.v1.Cart' })],
      ['a', asksFor({ body: 'a' })],
    ],
    invalid: [['a;b', notBasic]],
    whenInvalid: { holds: 'unset' },
  },
  'sluice/active-check-port': {
    with: { ...often, ...atOnce, 'sluice/active-check': 'grpc' },
    // Nobody speaks gRPC at the endpoints' own port: all fail, so that all are used.
    absent: isUnheard,
    values: [
      ['GRPC', all(keepsFor({ status: 200 }), isLeftOut)],
      ['1', isUnheard],
      ['65535', isUnheard],
    ],
    invalid: [
      ['1.5', isNoNumber],
      ['0', 'is below 1'],
      ['65536', 'is above 65535'],
      ['http', isNoNumber],
    ],
    whenInvalid: { holds: 'unset' },
  },
  'sluice/active-check-interval': {
    with: { 'sluice/active-check': 'http' },
    absent: comesSeldom,
    values: [
      ['300ms', comesEvery(300)],
      ['1', comesEvery(1000)],
      ['1h', comesSeldom],
    ],
    invalid: invalidTime,
    whenInvalid: { holds: '10s' },
  },
  'sluice/active-check-timeout': {
    with: { ...http, ...atOnce },
    absent: leavesOutNotBefore(2000),
    values: [
      ['200ms', leavesOutWithin(1400)],
      ['3', leavesOutNotBefore(3000)],
      ['1h', isUsedInSilence],
    ],
    invalid: invalidTime,
    whenInvalid: { holds: '2s' },
  },
  'sluice/active-check-healthy': {
    with: { ...http, 'sluice/active-check-unhealthy': '1' },
    absent: comesBackAfter(2),
    values: [
      ['1', comesBackAfter(1)],
      ['5', comesBackAfter(5)],
      ['100', staysOut],
    ],
    invalid: invalidThreshold,
    whenInvalid: { holds: '2' },
  },
  'sluice/active-check-unhealthy': {
    with: http,
    absent: leavesOutAfter(3),
    values: [
      ['1', leavesOutAfter(1)],
      ['5', leavesOutAfter(5)],
      ['100', keepsFor({ status: 503 })],
    ],
    invalid: invalidThreshold,
    whenInvalid: { holds: '3' },
  },
};
