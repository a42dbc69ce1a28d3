// Canaries as users have them: several of one route, beside other paths, hosts and ports, with and without what they join,
// and what happens to their clients when they come, change and go. Values of the annotations: annotations-canary.test.ts.

import { once } from 'node:events';
import { connect } from 'node:http2';
import { describe, expect, test } from '@jest/globals';
import { until } from '../harness/wait.ts';
import { tally } from '../upstreams/checks.ts';
import type { Told } from '../upstreams/client.ts';
import { canary, type IngressParts, ingress, Layout } from '../upstreams/layout.ts';

const services = ['main', 'next', 'beta'];
const primary = ingress('primary', { paths: { '/': 'main' } });
const byHeader = (value: string) => ({ 'canary-by-header': 'X-Side', 'canary-by-header-value': value });
const toNext = canary('next', { paths: { '/': 'next' }, annotations: byHeader('next') });
const next = { 'x-side': 'next' };

function cookieOf({ headers }: Told): Record<string, string> {
  return { cookie: headers['set-cookie']?.[0]?.split(';')[0] ?? '' };
}

/** Who answers so many requests. */
async function shares(layout: Layout, times: number): Promise<Record<string, number>> {
  const bodies: string[] = [];
  for (let at = 0; at < times; at++) bodies.push(String(await layout.ask()));
  return tally(bodies);
}

describe('several canaries of a route', () => {
  test('each has its header; the older is asked first', async () => {
    const both = { 'canary-by-header': 'X-Both' };
    await using layout = await Layout.start(services, {
      primary,
      beta: canary('beta', { paths: { '/': 'beta' }, annotations: { ...both, ...byHeader('beta') }, youth: 3 }),
      next: canary('next', { paths: { '/': 'next' }, annotations: byHeader('next'), youth: 2 }),
      older: canary('older', { paths: { '/': 'beta' }, annotations: { 'canary-by-cookie': 'ask' }, youth: 1 }),
    });
    expect(await layout.ask()).toBe('main');
    expect(await layout.ask(next)).toBe('next');
    expect(await layout.ask({ 'x-side': 'beta' })).toBe('beta');
    expect(await layout.ask({ ...next, cookie: 'ask=always' })).toBe('beta');
    // Who refuses leaves the request to the others.
    expect(await layout.ask({ ...next, cookie: 'ask=never' })).toBe('next');
  }, 60_000);

  test('weights share one draw, and headers go before', async () => {
    const weigh = (weight: string) => ({ 'canary-weight': weight, 'canary-by-header': 'X-All' });
    await using layout = await Layout.start(services, {
      primary,
      next: canary('next', { paths: { '/': 'next' }, annotations: weigh('25') }),
      beta: canary('beta', { paths: { '/': 'beta' }, annotations: weigh('50'), youth: 2 }),
    });
    // Five standard deviations on each side.
    const { main = 0, next: ofNext = 0, beta = 0 } = await shares(layout, 800);
    expect(Math.abs(main - 200)).toBeLessThan(62);
    expect(Math.abs(ofNext - 200)).toBeLessThan(62);
    expect(Math.abs(beta - 400)).toBeLessThan(71);
    for (let at = 0; at < 5; at++) expect(await layout.ask({ 'x-all': 'always' })).toBe('next');
    for (let at = 0; at < 5; at++) expect(await layout.ask({ 'x-all': 'never' })).toBe('main');
  }, 60_000);
});

describe('what a canary joins', () => {
  const always = { 'canary-weight': '100' };
  const alone = 'this path of the canary takes no requests';

  test.each<[string, IngressParts, readonly (readonly [host: string, path: string, who: string])[], RegExp | null]>([
    [
      'its path, and no other',
      { paths: { '/a': 'next' } },
      [
        ['a.test', '/a', 'next'],
        ['a.test', '/a/b', 'next'],
        ['a.test', '/ab', 'main'],
        ['own.test', '/', 'next'],
        ['a.test', '/', 'main'],
      ],
      null,
    ],
    [
      'not one of another type',
      { paths: { '/a': 'next' }, pathType: 'Exact' },
      [['a.test', '/a', 'main']],
      new RegExp(`no other Ingress has exact path "/a" of .*a\\.test.*; ${alone}`),
    ],
    [
      'not one that nobody has',
      { paths: { '/nobody': 'next' } },
      [['a.test', '/nobody', 'main']],
      new RegExp(`no other Ingress has prefix path "/nobody" .*; ${alone}`),
    ],
    [
      'its host, not others of the same Service',
      { paths: { '/': 'next' }, host: 'b.test' },
      [
        ['b.test', '/', 'next'],
        ['a.test', '/', 'main'],
        ['x.wild.test', '/', 'main'],
      ],
      null,
    ],
    [
      'a wildcard host',
      { paths: { '/': 'next' }, host: '*.wild.test' },
      [
        ['x.wild.test', '/', 'next'],
        ['y.wild.test', '/', 'next'],
        ['a.test', '/', 'main'],
      ],
      null,
    ],
    [
      'no host of a wildcard, which stays that of the wildcard',
      { paths: { '/': 'next' }, host: 'x.wild.test' },
      [['x.wild.test', '/', 'main']],
      new RegExp(`no other Ingress has prefix path "/" of .*x\\.wild\\.test.*; ${alone}`),
    ],
    ['with another port of its own', { paths: { '/a': 'next:other' } }, [['a.test', '/a', 'next:other']], null],
    [
      'with another port of the same Service',
      { paths: { '/a': 'main:other' } },
      [['a.test', '/a', 'main:other']],
      null,
    ],
    [
      'several paths with one Service each',
      { paths: { '/': 'next', '/a': 'beta' } },
      [
        ['a.test', '/', 'next'],
        ['a.test', '/a', 'beta'],
      ],
      null,
    ],
  ])(
    '%s',
    async (_name, parts, places, complaint) => {
      await using layout = await Layout.start(services, {
        primary: ingress('primary', { paths: { '/': 'main', '/a': 'main' } }),
        other: ingress('other', { paths: { '/': 'main' }, host: 'b.test' }),
        // The canary's Service serves requests of its own as well.
        own: ingress('own', { paths: { '/': 'next' }, host: 'own.test' }),
        wild: ingress('wild', { paths: { '/': 'main' }, host: '*.wild.test' }),
        canary: canary('canary', { ...parts, annotations: always }),
      });
      for (const [host, path, who] of places) {
        expect([host, path, await layout.ask({}, { host, path })]).toEqual([host, path, who]);
      }
      const complaints = layout.complaintsOf('canary');
      if (complaint === null) expect(complaints).toEqual([]);
      else expect(complaints).toEqual([expect.stringMatching(complaint)]);
    },
    60_000,
  );

  test('nothing while it is alone, whichever of them comes and goes', async () => {
    await using layout = await Layout.start(services, {
      next: canary('next', { paths: { '/': 'next' }, annotations: always, youth: 0 }),
    });
    expect(await layout.ask()).toBe(404);
    expect(layout.complaintsOf('next')).toEqual([expect.stringMatching(/^warning .* takes no requests$/)]);
    await layout.change('primary', ingress('primary', { paths: { '/': 'main' }, youth: 9 }));
    expect(await layout.ask()).toBe('next');
    await layout.change('next', null);
    expect(await layout.ask()).toBe('main');
    await layout.change('next', toNext);
    expect([await layout.ask(), await layout.ask(next)]).toEqual(['main', 'next']);
    await layout.change('primary', null);
    expect([await layout.ask(), await layout.ask(next)]).toEqual([404, 404]);
  }, 60_000);
});

test('without endpoints: of the canary all stay at the primary, of the primary all get 503', async () => {
  const sticky = { affinity: 'cookie' };
  await using layout = await Layout.start(services, {
    primary: ingress('primary', { paths: { '/': 'main' }, annotations: sticky }),
    next: toNext,
  });
  const bound = cookieOf(await layout.client().ask({ headers: next }));
  expect(await layout.ask(bound)).toBe('next');
  await layout.endpointsOf('next', 'gone');
  expect([await layout.ask(next), await layout.ask(bound)]).toEqual(['main', 'main']);
  await layout.endpointsOf('next', 'there');
  expect([await layout.ask(next), await layout.ask(bound)]).toEqual(['next', 'next']);
  await layout.endpointsOf('main', 'gone');
  expect([await layout.ask(), await layout.ask(next), await layout.ask(bound)]).toEqual([503, 503, 503]);
}, 60_000);

test('clients stay at their side while weights change, and move when their canary is gone', async () => {
  const weighing = (weight: string) =>
    canary('next', { paths: { '/': 'next' }, annotations: { 'canary-weight': weight } });
  await using layout = await Layout.start(services, {
    primary: ingress('primary', { paths: { '/': 'main' }, annotations: { affinity: 'cookie' } }),
    next: weighing('100'),
  });
  const ofNext = cookieOf(await layout.client().ask());
  await layout.change('next', weighing('0'));
  const ofMain = cookieOf(await layout.client().ask());
  expect([await layout.ask(ofNext), await layout.ask(ofMain), await layout.ask()]).toEqual(['next', 'main', 'main']);
  await layout.change('next', weighing('100'));
  expect([await layout.ask(ofNext), await layout.ask(ofMain), await layout.ask()]).toEqual(['next', 'main', 'next']);
  await layout.change('next', null);
  const moved = await layout.client().ask({ headers: ofNext });
  expect(moved.body).toBe('main');
  const anew = cookieOf(moved);
  expect(anew['cookie']).toMatch(/^INGRESSCOOKIE=/);
  await layout.change('next', weighing('100'));
  expect(await layout.ask(anew)).toBe('main');
}, 60_000);

test('what else stands on a canary has no effect', async () => {
  await using layout = await Layout.start(services, {
    primary,
    next: canary('next', {
      paths: { '/': 'next' },
      tls: 'a.test',
      annotations: {
        ...byHeader('next'),
        'server-alias': 'alias.test',
        'app-root': '/elsewhere',
        'permanent-redirect': 'https://elsewhere.test',
        'limit-rpm': '1',
        'allowlist-source-range': '192.0.2.1',
        affinity: 'cookie',
        'mirror-target': 'http://127.0.0.1:1/',
        'proxy-body-size': '1',
      },
    }),
  });
  const told = [];
  for (let at = 0; at < 9; at++) told.push(await layout.client().ask({ method: 'POST', body: 'long', headers: next }));
  expect(tally(told.map(({ status, body }) => `${status} ${body}`))).toEqual({ '200 next': 9 });
  expect(told.flatMap(({ headers }) => headers['set-cookie'] ?? [])).toEqual([]);
  expect(await layout.ask()).toBe('main');
  expect(await layout.ask({}, { host: 'alias.test' })).toBe(404);
  expect(await layout.edge.metric('sluice_mirrored_requests_total')).toBe(0);
}, 60_000);

test('what a canary may say of its own Service has its effect', async () => {
  const annotations = { ...byHeader('next'), 'upstream-hash-by': '$arg_key', 'sluice/max-requests': '1' };
  const held = Promise.withResolvers<void>();
  await using layout = await Layout.start(
    services,
    { primary, next: canary('next', { paths: { '/': 'next' }, annotations }) },
    { answer: ({ path }) => (path === '/held' ? held.promise.then(() => ({})) : {}) },
  );
  const first = layout.client().ask({ path: '/held', headers: next, fresh: true });
  const second = () => layout.client().ask({ headers: next, fresh: true });
  await until(
    'a refusal',
    async () => (await second()).status,
    (status) => status === 503,
  );
  expect(await layout.ask()).toBe('main');
  held.resolve();
  expect((await first).body).toBe('next');
}, 60_000);

test('HTTP/2 clients: cookies on several lines, headers in lower case', async () => {
  await using layout = await Layout.start(services, {
    primary,
    next: canary('next', {
      paths: { '/': 'next' },
      annotations: { 'canary-by-header': 'X_Side', 'canary-by-cookie': 'try' },
    }),
  });
  const session = connect(`https://127.0.0.1:${layout.edge.ports.https}`, { rejectUnauthorized: false });
  const ask = async (headers: Record<string, string | string[]>): Promise<string> => {
    const stream = session.request({ ':authority': 'a.test', ...headers });
    stream.setEncoding('utf8');
    return (await stream.toArray()).join('');
  };
  expect(await ask({})).toBe('main');
  expect(await ask({ cookie: ['a=1', 'try=always', 'b=2'] })).toBe('next');
  expect(await ask({ 'x-side': 'always' })).toBe('next');
  expect(await ask({ 'x-side': 'never', cookie: ['try=always'] })).toBe('main');
  session.close();
  await once(session, 'close');
}, 60_000);

test('metrics name the canary beside the Ingress and Service of the primary', async () => {
  await using layout = await Layout.start(services, { primary, next: toNext });
  await layout.ask(next);
  await layout.ask(next);
  await layout.ask();
  const requests = (canaryLabel: string) =>
    layout.edge.metric('nginx_ingress_controller_requests', {
      ingress: 'primary',
      service: 'main',
      canary: canaryLabel,
      status: '200',
    });
  expect([await requests('default-next-http'), await requests('')]).toEqual([2, 1]);
}, 60_000);
