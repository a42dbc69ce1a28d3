// Annotations of canaries, affinity, load balancing, further attempts and overload, as users write them: decoded, compiled,
// and shown by what a client gets. Values, defaults and invalid values are those of the annotation reference.

import { describe, expect, test } from '@jest/globals';
import { currentTable } from '#proxy/forward/current-table.ts';
import { DataPath } from '#proxy/forward/testing/data-path.ts';
import { type HttpOrigin, startHttpOrigin } from '#proxy/forward/testing/origin.ts';
import { connectRaw, type RawResponse } from '#proxy/forward/testing/raw-client.ts';
import { indexRoutes } from '#proxy/match/index.ts';
import { compile } from '../compile/compile.ts';
import { emptyMemory } from '../compile/memory.ts';
import { defaultOptions, snapshotOf } from '../compile/testing/golden.ts';
import { configMap, ingress, ingressClass, serviceWith, textOf } from './testing/manifests.ts';

const NOW_MS = Date.parse('2030-01-01T00:00:00Z');

interface Wanted {
  /** With their prefix, but for `nginx.ingress.kubernetes.io/`. */
  readonly annotations?: Readonly<Record<string, string>>;
  /** Of a canary Ingress with the Service `next`; none when left out. */
  readonly canary?: Readonly<Record<string, string>>;
  readonly data?: Readonly<Record<string, string>>;
  /** Origins of the Service `web`. Default 4. */
  readonly origins?: number;
  /** What the first origin of `web` answers, once or always. Default 200. */
  readonly firstStatus?: number;
}

function prefixed(annotations: Readonly<Record<string, string>>): Record<string, string> {
  const name = (short: string) => (short.includes('/') ? short : `nginx.ingress.kubernetes.io/${short}`);
  return Object.fromEntries(Object.entries(annotations).map(([short, value]) => [name(short), value]));
}

/** A running data path, the origins behind it, and what the compiler said. */
class Scene implements AsyncDisposable {
  readonly path: DataPath;
  /** Reasons of the compiler's warnings. */
  readonly complaints: readonly string[];
  readonly #origins: readonly HttpOrigin[];

  private constructor(path: DataPath, complaints: readonly string[], origins: readonly HttpOrigin[]) {
    this.path = path;
    this.complaints = complaints;
    this.#origins = origins;
  }

  static async start(wanted: Wanted): Promise<Scene> {
    const count = wanted.origins ?? 4;
    const started = await Promise.all(Array.from({ length: count + 1 }, startNaming));
    const [next, ...web] = started.toSorted((a, b) => a.origin.port - b.origin.port) as [Naming, ...Naming[]];
    next.name = 'next';
    for (const [at, each] of web.entries()) each.name = `web${at}`;
    if (web[0] !== undefined) web[0].status = wanted.firstStatus ?? 200;
    const canary = wanted.canary === undefined ? [] : [wanted.canary];
    const manifests = textOf(
      ingressClass,
      configMap('settings', wanted.data ?? {}),
      ...serviceWith('web', ...web.map(({ origin }) => origin.port)),
      ...serviceWith('next', next.origin.port),
      ingress('web', { hosts: { a: { '/': 'web' } }, annotations: prefixed(wanted.annotations ?? {}) }),
      ...canary.map((annotations) =>
        ingress('next', { hosts: { a: { '/': 'next' } }, annotations: prefixed({ canary: 'true', ...annotations }) }),
      ),
    );
    const options = { ...defaultOptions, configMap: 'default/settings' };
    const { table, diagnostics } = compile(snapshotOf(manifests), options, emptyMemory, NOW_MS);
    const path = await new DataPath(table, true).listen();
    path.context.current = currentTable(1, indexRoutes(table), table.global);
    const complaints = diagnostics.filter(({ severity }) => severity !== 'info').map(({ reason }) => reason);
    return new Scene(
      path,
      complaints,
      started.map(({ origin }) => origin),
    );
  }

  async ask(target = '/', lines: readonly string[] = [], method = 'GET'): Promise<RawResponse> {
    using client = await connectRaw(this.path.port);
    const head = [`${method} ${target} HTTP/1.1`, 'Host: a', ...lines];
    client.send(`${head.join('\r\n')}\r\n\r\n`);
    return (await client.responses(1))[0] as RawResponse;
  }

  /** Names of the origins that answered `times` such requests, each once, in order of name. */
  async names(times: number, target: (at: number) => string = () => '/', lines: readonly string[] = []) {
    const names = new Set<string>();
    for (let at = 0; at < times; at++) names.add((await this.ask(target(at), lines)).body);
    return [...names].toSorted();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.path[Symbol.asyncDispose]();
    await Promise.all(this.#origins.map((origin) => origin[Symbol.asyncDispose]()));
  }
}

interface Naming {
  origin: HttpOrigin;
  name: string;
  status: number;
}

async function startNaming(): Promise<Naming> {
  const self = { name: '', status: 200 } as Naming;
  self.origin = await startHttpOrigin((_request, response) => response.writeHead(self.status).end(self.name));
  return self;
}

const ALL = ['web0', 'web1', 'web2', 'web3'];

describe('load balancing', () => {
  test.each<[string, Wanted, boolean]>([
    ['default is round robin', {}, true],
    ['load-balance: round_robin', { annotations: { 'load-balance': 'round_robin' } }, true],
    [
      'ConfigMap load-balance, overruled',
      { data: { 'load-balance': 'ewma' }, annotations: { 'load-balance': 'round_robin' } },
      true,
    ],
    [
      'sluice balancer: round-robin wins',
      { annotations: { 'load-balance': 'ewma', 'sluice.ingress.kubernetes.io/balancer': 'round-robin' } },
      true,
    ],
  ])('%s', async (_name, wanted) => {
    await using scene = await Scene.start(wanted);
    expect(scene.complaints).toEqual([]);
    expect(await scene.names(4)).toEqual(ALL);
  });

  test.each([
    'ewma',
    'least-connections',
    'random-two-choices',
    'source-hash',
    'destination-hash',
    'shortest-expected-delay',
    'never-queue',
  ])('sluice balancer: %s answers', async (balancer) => {
    await using scene = await Scene.start({ annotations: { 'sluice.ingress.kubernetes.io/balancer': balancer } });
    expect(scene.complaints).toEqual([]);
    const names = await scene.names(8);
    expect(ALL).toEqual(expect.arrayContaining(names));
    if (balancer.endsWith('-hash')) expect(names).toHaveLength(1);
  });

  test.each([
    ['$request_uri', 1, 4],
    ['$request_uri$host', 1, 4],
    ['$arg_user', 1, 4],
    ['\x24{remote_addr}-text', 1, 1],
  ])('upstream-hash-by: %s', async (key, same, different) => {
    await using scene = await Scene.start({ annotations: { 'upstream-hash-by': key } });
    expect(scene.complaints).toEqual([]);
    expect(await scene.names(20, () => '/same?user=1')).toHaveLength(same);
    expect(await scene.names(60, (at) => `/other/${at}?user=${at}`)).toHaveLength(different);
  });

  test.each([
    [{ 'upstream-hash-by-subset': 'true', 'upstream-hash-by-subset-size': '2' }, 6, 2],
    [{ 'upstream-hash-by-subset': 'true' }, 6, 3],
    [{ 'upstream-hash-by-subset': 'true', 'upstream-hash-by-subset-size': '0' }, 6, 3],
    [{ 'upstream-hash-by-subset': 'false' }, 6, 1],
  ])('groups: %p', async (more, origins, expected) => {
    await using scene = await Scene.start({ origins, annotations: { 'upstream-hash-by': '$request_uri', ...more } });
    // DataPath draws the same number each time: the size of the group is asked of the table.
    const balancer = scene.path.context.endpoints.get('default-web-80')?.settings.balancer;
    expect(balancer).toMatchObject({ kind: 'consistentHash', subsetSize: expected === 1 ? null : expected });
    expect(await scene.names(3)).toHaveLength(1);
  });

  test.each([{ 'load-balance': 'fastest' }, { 'upstream-hash-by': '$request_uri;' }])(
    '%p rejects the Ingress',
    async (annotations) => {
      await using scene = await Scene.start({ annotations });
      expect(scene.complaints).not.toEqual([]);
      expect((await scene.ask()).status).toBe(404);
    },
  );
});

describe('session affinity', () => {
  test.each<[Readonly<Record<string, string>>, RegExp]>([
    [{}, /^INGRESSCOOKIE=[\da-v.]+\|[0-9a-f]{32}; Path=\/; HttpOnly$/],
    [{ 'affinity-mode': 'balanced' }, /^INGRESSCOOKIE=[\da-v.]+\|/],
    [{ 'affinity-mode': 'persistent' }, /^INGRESSCOOKIE=[0-9a-f]{32}\|[0-9a-f]{32}; Path=\/; HttpOnly$/],
    [{ 'session-cookie-name': 'route' }, /^route=/],
    [{ 'session-cookie-path': '/something' }, /; Path=\/something; HttpOnly$/],
    [{ 'session-cookie-domain': 'foo.test' }, /; Domain=foo\.test; Path=\//],
    [{ 'session-cookie-samesite': 'lax' }, /; HttpOnly; SameSite=Lax$/],
    [{ 'session-cookie-samesite': 'None' }, /; SameSite=None$/],
    [{ 'session-cookie-secure': 'true' }, /; Secure; HttpOnly$/],
    [{ 'session-cookie-secure': 'false' }, /; Path=\/; HttpOnly$/],
    [{ 'session-cookie-max-age': '60' }, /; Max-Age=60; Path=/],
    [{ 'session-cookie-expires': '60' }, /; Expires=Thu, 01-Jan-70 00:01:00 GMT; Path=/],
  ])('%p', async (more, line) => {
    await using scene = await Scene.start({ annotations: { affinity: 'cookie', ...more } });
    expect(scene.complaints).toEqual([]);
    const first = await scene.ask();
    expect(first.headers['set-cookie']).toMatch(line);
    const cookie = `Cookie: ${first.headers['set-cookie']?.split(';')[0]}`;
    expect(await scene.names(6, undefined, [cookie])).toEqual([first.body]);
  });

  test.each<[Readonly<Record<string, string>>, RegExp]>([
    [{ 'affinity-mode': 'sticky' }, /^INGRESSCOOKIE=[\da-v.]+\|/],
    [{ 'session-cookie-samesite': 'maybe' }, /; HttpOnly$/],
    [{ 'session-cookie-max-age': 'soon' }, /\|[0-9a-f]{32}; Path=\/; HttpOnly$/],
    [{ 'session-cookie-name': 'a;b' }, /^INGRESSCOOKIE=/],
    [{ 'session-cookie-domain': 'a;b' }, /\|[0-9a-f]{32}; Path=\/; HttpOnly$/],
  ])('invalid %p leaves the default', async (more, line) => {
    await using scene = await Scene.start({ annotations: { affinity: 'cookie', ...more } });
    expect(scene.complaints).not.toEqual([]);
    expect((await scene.ask()).headers['set-cookie']).toMatch(line);
  });

  test('SameSite=None is left out for user agents that mishandle it, if asked for', async () => {
    const annotations = {
      affinity: 'cookie',
      'session-cookie-samesite': 'None',
      'session-cookie-conditional-samesite-none': 'true',
    };
    await using scene = await Scene.start({ annotations });
    expect((await scene.ask('/', ['User-Agent: Chrome/51.0'])).headers['set-cookie']).toMatch(/; HttpOnly$/);
    expect((await scene.ask('/', ['User-Agent: Chrome/120.0'])).headers['set-cookie']).toMatch(/; SameSite=None$/);
  });

  test.each([{}, { affinity: 'header' }])('%p sets no cookie', async (annotations) => {
    await using scene = await Scene.start({ annotations });
    expect((await scene.ask()).headers['set-cookie']).toBeUndefined();
    expect(await scene.names(4)).toEqual(ALL);
  });
});

describe('canaries', () => {
  const header = { 'canary-by-header': 'X-Next' };
  test.each<[string, Readonly<Record<string, string>>, readonly string[], string]>([
    ['nothing set', {}, [], 'web'],
    ['header always', header, ['X-Next: always'], 'next'],
    ['header never, all weight', { ...header, 'canary-weight': '100' }, ['X-Next: never'], 'web'],
    ['header with another word', header, ['X-Next: sure'], 'web'],
    ['header value', { ...header, 'canary-by-header-value': 'eu' }, ['X-Next: eu'], 'next'],
    ['header value, `always` is none', { ...header, 'canary-by-header-value': 'eu' }, ['X-Next: always'], 'web'],
    ['header pattern', { ...header, 'canary-by-header-pattern': '^[a-c]+$' }, ['X-Next: abc'], 'next'],
    ['header pattern that does not fit', { ...header, 'canary-by-header-pattern': '^[a-c]+$' }, ['X-Next: xyz'], 'web'],
    [
      'value wins over pattern',
      { ...header, 'canary-by-header-value': 'v', 'canary-by-header-pattern': '.' },
      ['X-Next: p'],
      'web',
    ],
    ['cookie always', { 'canary-by-cookie': 'next' }, ['Cookie: next=always'], 'next'],
    ['cookie never', { 'canary-by-cookie': 'next', 'canary-weight': '100' }, ['Cookie: next=never'], 'web'],
    ['weight 100', { 'canary-weight': '100' }, [], 'next'],
    ['weight 0', { 'canary-weight': '0' }, [], 'web'],
    ['weight of a larger total', { 'canary-weight': '1000', 'canary-weight-total': '1000' }, [], 'next'],
    ['weight that is none', { 'canary-weight': 'half' }, [], 'web'],
  ])('%s', async (_name, canary, lines, side) => {
    await using scene = await Scene.start({ canary, origins: 1 });
    expect((await scene.ask('/', lines)).body.replace(/\d/, '')).toBe(side);
  });

  test.each([
    ['sticky', 'next'],
    ['legacy', 'web'],
  ])('affinity-canary-behavior: %s', async (behavior, side) => {
    const canary = { ...header, 'affinity-canary-behavior': behavior };
    await using scene = await Scene.start({ annotations: { affinity: 'cookie' }, canary, origins: 1 });
    const first = await scene.ask('/', ['X-Next: always']);
    expect(first.body).toBe('next');
    const cookie = first.headers['set-cookie']?.split(';')[0] ?? 'none=';
    expect((await scene.ask('/', [`Cookie: ${cookie}`])).body.replace(/\d/, '')).toBe(side);
  });
});

describe('further attempts', () => {
  const next = (words: string) => ({ 'proxy-next-upstream': words });
  test.each<[string, Wanted, string, number]>([
    ['default: statuses stand', {}, 'GET', 503],
    ['http_503', { annotations: next('http_503') }, 'GET', 200],
    ['ConfigMap', { data: next('http_503') }, 'GET', 200],
    ['annotation over ConfigMap', { data: next('http_503'), annotations: next('error') }, 'GET', 503],
    ['POST', { annotations: next('http_503') }, 'POST', 503],
    ['POST with non_idempotent', { annotations: next('http_503 non_idempotent') }, 'POST', 200],
    [
      'POST with retry-non-idempotent',
      { annotations: next('http_503'), data: { 'retry-non-idempotent': 'true' } },
      'POST',
      200,
    ],
    ['off', { annotations: next('off http_503') }, 'GET', 503],
    ['one try', { annotations: { ...next('http_503'), 'proxy-next-upstream-tries': '1' } }, 'GET', 503],
    ['tries without limit', { annotations: { ...next('http_503'), 'proxy-next-upstream-tries': '0' } }, 'GET', 200],
    [
      'no budget',
      {
        annotations: {
          ...next('http_503'),
          'sluice.ingress.kubernetes.io/retry-budget': '0',
          'sluice.ingress.kubernetes.io/retry-budget-min': '0',
        },
      },
      'GET',
      503,
    ],
    ['a word that nobody knows', { annotations: next('http_503 http_501') }, 'GET', 503],
  ])('%s', async (_name, wanted, method, status) => {
    await using scene = await Scene.start({ ...wanted, origins: 2, firstStatus: 503 });
    const lines = method === 'POST' ? ['Content-Length: 0'] : [];
    expect((await scene.ask('/', lines, method)).status).toBe(status);
  });
});

test.each([
  ['off', 10],
  ['on', 5],
])('passive-health: %s', async (passive, failures) => {
  const annotations = { 'sluice.ingress.kubernetes.io/passive-health': passive };
  await using scene = await Scene.start({ annotations, origins: 2, firstStatus: 503 });
  let seen = 0;
  for (let at = 0; at < 20; at++) if ((await scene.ask()).status === 503) seen++;
  expect(seen).toBe(failures);
});
