// The status writer: what it writes, what it leaves alone, and that nothing makes it write without end.

import { expect, test } from '@jest/globals';
import type { PublishedAddress } from '../watch/api/published-addresses.ts';
import {
  type ScriptedRequest,
  ScriptedTransport,
  settle,
  statusObject,
} from '../watch/api/testing/scripted-transport.ts';
import { ApiError } from '../watch/api/transport.ts';
import { FakeClock } from '../watch/testing/fake-clock.ts';
import { silentLog } from '../watch/testing/watched-folder.ts';
import { StatusWriter } from './status-writer.ts';

const here: PublishedAddress = { ip: '192.0.2.1', hostname: '' };
const elsewhere: PublishedAddress = { ip: '192.0.2.99', hostname: '' };

class Setup implements AsyncDisposable {
  readonly clock = new FakeClock();
  readonly transport = new ScriptedTransport();
  readonly published = new Map<string, readonly PublishedAddress[]>();
  readonly keys: string[] = ['a/one'];
  addresses: readonly PublishedAddress[] | Error = [here];
  searches = 0;
  readonly writer = new StatusWriter({
    transport: this.transport,
    ingresses: () => this.keys,
    published: this.published,
    findAddresses: async () => {
      this.searches += 1;
      if (this.addresses instanceof Error) throw this.addresses;
      return this.addresses;
    },
    intervalMs: 60_000,
    fieldManager: 'sluice',
    clock: this.clock,
    random: () => 0.5,
    log: silentLog,
  });

  constructor(change: (setup: Setup) => void = () => {}) {
    change(this);
    this.writer.start();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.writer.stop();
  }
}

const path = (name: string) => `/apis/networking.k8s.io/v1/namespaces/a/ingresses/${name}`;
const describeRequest = ({ method, path: at, contentType, query, body }: ScriptedRequest) => ({
  method,
  path: at,
  contentType,
  query,
  body,
});

test('a patch of the subresource with a field manager, of nothing but the addresses', async () => {
  await using setup = new Setup();
  expect(describeRequest(await setup.transport.take())).toEqual({
    method: 'PATCH',
    path: `${path('one')}/status`,
    contentType: 'application/merge-patch+json',
    query: { fieldManager: 'sluice' },
    body: { status: { loadBalancer: { ingress: [{ ip: '192.0.2.1' }] } } },
  });
});

test('an equal status is not written', async () => {
  await using setup = new Setup(({ published }) => published.set('a/one', [here]));
  expect(await setup.transport.takeIfAny()).toBeNull();
  setup.published.set('a/one', [elsewhere]);
  setup.clock.advance(60_000);
  await settle();
  setup.clock.advance(60_000);
  expect(await setup.transport.takeIfAny()).not.toBeNull();
});

test('a new Ingress is written within a second, not at the next interval', async () => {
  await using setup = new Setup(({ keys }) => {
    keys.length = 0;
  });
  await settle();
  setup.clock.advance(20_000);
  await settle();
  setup.keys.push('a/two');
  setup.writer.kick();
  expect((await setup.transport.take()).path).toBe(`${path('two')}/status`);
});

test('a write whose echo is still on its way is not repeated, one that was undone is', async () => {
  await using setup = new Setup();
  (await setup.transport.take()).answer(200, {});
  await settle();
  setup.clock.advance(1000);
  setup.writer.kick();
  await settle();
  setup.clock.advance(1000);
  expect(await setup.transport.takeIfAny()).toBeNull();
  setup.clock.advance(10_000);
  setup.writer.kick();
  expect(await setup.transport.takeIfAny()).not.toBeNull();
});

test('what was written is forgotten, also of Ingresses that are gone', async () => {
  await using setup = new Setup();
  (await setup.transport.take()).answer(200, {});
  await settle();
  expect(setup.writer.awaitedEchoes).toBe(1);
  setup.keys.length = 0;
  setup.clock.advance(1000);
  await settle();
  setup.clock.advance(60_000);
  await settle();
  expect(setup.searches).toBe(2);
  expect(setup.writer.awaitedEchoes).toBe(0);
});

test('kicks without end do not make passes without end', async () => {
  await using setup = new Setup(({ published }) => published.set('a/one', [here]));
  for (let i = 0; i < 100; i += 1) {
    setup.writer.kick();
    await settle();
    setup.clock.advance(100);
  }
  // 10 s, at most one a second and the first.
  expect(setup.searches).toBeLessThanOrEqual(11);
});

test('failures wait longer and longer', async () => {
  const failure = { kind: 'server', code: 500, message: '500 no', retryAfterMs: null } as const;
  await using setup = new Setup((made) => {
    made.addresses = new ApiError(failure);
  });
  for (let i = 0; i < 600; i += 1) {
    setup.writer.kick();
    await settle();
    setup.clock.advance(100);
  }
  expect(setup.searches).toBeLessThan(9);
});

test('an Ingress that is gone is no failure', async () => {
  await using setup = new Setup();
  (await setup.transport.take()).answer(404, statusObject(404, 'NotFound', 'gone'));
  await settle();
  setup.clock.advance(30_000);
  expect(await setup.transport.takeIfAny()).toBeNull();
});

test('where patches are forbidden it updates instead, as roles of ingress-nginx allow; a conflict is tried again', async () => {
  await using setup = new Setup(({ keys }) => keys.push('a/two'));
  const forbidden = statusObject(403, 'Forbidden', 'cannot patch');
  (await setup.transport.take(({ path: at }) => at.includes('/one/'))).answer(403, forbidden);
  const read = await setup.transport.take(({ method }) => method === 'GET');
  read.answer(200, { metadata: { name: 'one', resourceVersion: '1' }, spec: { kept: true }, status: { old: true } });
  (await setup.transport.take(({ method }) => method === 'PUT')).answer(409, statusObject(409, 'Conflict', 'modified'));
  const again = await setup.transport.take(({ method }) => method === 'GET');
  again.answer(200, { metadata: { name: 'one', resourceVersion: '2' }, spec: { kept: true } });
  const put = await setup.transport.take(({ method }) => method === 'PUT');
  expect(describeRequest(put)).toMatchObject({
    path: `${path('one')}/status`,
    query: { fieldManager: 'sluice' },
    body: {
      metadata: { resourceVersion: '2' },
      spec: { kept: true },
      status: { loadBalancer: { ingress: [{ ip: '192.0.2.1' }] } },
    },
  });
});

test('at most ten writes at a time', async () => {
  await using setup = new Setup(({ keys }) => keys.push(...Array.from({ length: 30 }, (_, i) => `a/more-${i}`)));
  await settle();
  expect(setup.transport.requests).toHaveLength(10);
  (await setup.transport.take()).answer(200, {});
  await settle();
  expect(setup.transport.requests).toHaveLength(11);
});

test('clearing writes an empty list, and only where there is something', async () => {
  await using setup = new Setup(({ keys, published }) => {
    keys.push('a/two');
    for (const key of ['a/one', 'a/two']) published.set(key, [here]);
    published.delete('a/two');
    keys.pop();
  });
  await setup.writer.stop();
  const clearing = setup.writer.clear(new AbortController().signal);
  const request = await setup.transport.take();
  expect(request.body).toEqual({ status: { loadBalancer: { ingress: [] } } });
  request.answer(200, {});
  expect(await clearing).toEqual({ written: 1, failed: 0 });
});
