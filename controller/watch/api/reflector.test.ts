// The list/watch loop against each behaviour of a real API server that was recorded (reference: api-server.md).

import { expect, test } from '@jest/globals';
import { FakeClock } from '../testing/fake-clock.ts';
import { silentLog } from '../testing/watched-folder.ts';
import type { ApiFailure } from './failure.ts';
import { Reflector } from './reflector.ts';
import { type ScriptedRequest, ScriptedTransport, settle, statusObject } from './testing/scripted-transport.ts';

const PATH = '/api/v1/configmaps';

/** A copy of the collection as the sink sees it: name -> version. */
class Copy {
  readonly objects = new Map<string, string>();
  readonly steps: { upserts: readonly string[]; deletes: readonly string[] }[] = [];
  readonly failures: ApiFailure[] = [];
  decoded = 0;

  readonly sink = {
    decode: (raw: { readonly key: string; readonly resourceVersion: string }) => {
      this.decoded += 1;
      return raw.key.endsWith('/unwanted') ? null : `${raw.key}@${raw.resourceVersion}`;
    },
    apply: (step: { readonly upserts: readonly string[]; readonly deletes: readonly string[] }) => {
      if (step.upserts.length + step.deletes.length > 0) this.steps.push(step);
      for (const key of step.deletes) this.objects.delete(key);
      for (const text of step.upserts) {
        const [key = '', version = ''] = text.split('@');
        this.objects.set(key, version);
      }
    },
    onFailure: (failure: ApiFailure) => {
      this.failures.push(failure);
    },
    onContact: () => {},
  };
}

class Setup implements AsyncDisposable {
  readonly clock = new FakeClock();
  readonly transport = new ScriptedTransport();
  readonly copy = new Copy();
  readonly reflector: Reflector<string>;

  constructor(options: { readonly relistMs?: number } = {}) {
    const { clock, transport, copy } = this;
    const fixed = {
      name: 'configmaps',
      resource: 'configmaps',
      path: PATH,
      relistMs: 0,
      random: () => 0.5,
      log: silentLog,
    };
    this.reflector = new Reflector({ ...fixed, ...options, clock, transport, sink: copy.sink });
    this.reflector.start();
  }

  /** Refuses the streaming list, as servers without it do; from then on pages are read. */
  async refuseStreaming(): Promise<void> {
    const request = await this.transport.take();
    expect(request.query['sendInitialEvents']).toBe('true');
    request.answer(422, statusObject(422, 'Invalid', 'sendInitialEvents: Forbidden: is forbidden for watch'));
    await settle();
    // A watch that was refused at once: the wait is that of any failure.
    this.clock.advance(1000);
  }

  /** Gets to the first watch with these objects at version 10. */
  async synced(names: readonly string[]): Promise<ScriptedRequest> {
    const request = await this.transport.take();
    request.open().push(...names.map((name) => added(name, '10')), initialEnd('10'));
    await settle();
    expect([...this.copy.objects.keys()]).toEqual(names.map((name) => `a/${name}`));
    return request;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.reflector.close();
  }
}

function object(name: string, resourceVersion: string) {
  return { metadata: { namespace: 'a', name, resourceVersion } };
}

const added = (name: string, version: string) => ({ type: 'ADDED', object: object(name, version) });
const modified = (name: string, version: string) => ({ type: 'MODIFIED', object: object(name, version) });
const deleted = (name: string, version: string) => ({ type: 'DELETED', object: object(name, version) });
const bookmark = (resourceVersion: string) => ({ type: 'BOOKMARK', object: { metadata: { resourceVersion } } });
const initialEnd = (resourceVersion: string) => ({
  type: 'BOOKMARK',
  object: { metadata: { resourceVersion, annotations: { 'k8s.io/initial-events-end': 'true' } } },
});
const errorEvent = (code: number, reason: string) => ({ type: 'ERROR', object: statusObject(code, reason, 'too old') });

function page(names: readonly string[], resourceVersion: string, next?: string) {
  const items = names.map((name) => object(name, '5'));
  return { kind: 'ConfigMapList', metadata: { resourceVersion, ...(next ? { continue: next } : {}) }, items };
}

test('a streaming list is applied as one step, when its bookmark has come', async () => {
  await using setup = new Setup();
  const request = await setup.transport.take();
  expect(request.query).toEqual({
    watch: 'true',
    allowWatchBookmarks: 'true',
    sendInitialEvents: 'true',
    resourceVersionMatch: 'NotOlderThan',
    timeoutSeconds: '450',
  });
  request.open().push(added('one', '7'), added('two', '8'), bookmark('8'));
  await settle();
  expect(setup.copy.steps).toEqual([]);
  expect(setup.reflector.state.isSynced).toBe(false);

  request.push(initialEnd('9'), added('three', '10'));
  await setup.reflector.synced;
  await settle();
  expect(setup.copy.steps).toEqual([
    { upserts: ['a/one@7', 'a/two@8'], deletes: [] },
    { upserts: ['a/three@10'], deletes: [] },
  ]);
});

test('a server without streaming lists is read in pages, then watched from the version of the list', async () => {
  await using setup = new Setup();
  await setup.refuseStreaming();
  const first = await setup.transport.take();
  expect([first.path, first.query]).toEqual([PATH, { limit: '500' }]);
  first.answer(200, page(['one', 'two'], '20', 'token'));
  const second = await setup.transport.take();
  expect(second.query).toEqual({ limit: '500', continue: 'token' });
  expect(setup.copy.steps).toEqual([]);
  second.answer(200, page(['three'], '20'));
  const watch = await setup.transport.take();
  expect(watch.query['resourceVersion']).toBe('20');
  expect(setup.copy.steps).toEqual([{ upserts: ['a/one@5', 'a/two@5', 'a/three@5'], deletes: [] }]);
});

test('an empty collection may come as null', async () => {
  await using setup = new Setup();
  await setup.refuseStreaming();
  (await setup.transport.take()).answer(200, { metadata: { resourceVersion: '4' }, items: null });
  await setup.reflector.synced;
  expect((await setup.transport.take()).query['resourceVersion']).toBe('4');
});

test.each([
  ['a Status', statusObject(500, 'InternalError', 'not now')],
  ['a page of a stranger', { metadata: {}, message: 'hello' }],
  ['items that are no list', { metadata: { resourceVersion: '6' }, items: {} }],
])('%s with status 200 is no empty list: nothing is taken away', async (_, answer) => {
  await using setup = new Setup();
  await setup.refuseStreaming();
  (await setup.transport.take()).answer(200, page(['one', 'two'], '5'));
  (await setup.transport.take()).answer(410, statusObject(410, 'Expired', 'too old'));
  await settle();
  setup.clock.advance(1000);
  (await setup.transport.take()).answer(200, answer);
  await settle();
  expect([...setup.copy.objects.keys()]).toEqual(['a/one', 'a/two']);
  expect(setup.reflector.state).toMatchObject({ objects: 2, failure: { kind: 'server' } });
});

test('events of a watch: added, modified, deleted, and bookmarks move the version', async () => {
  await using setup = new Setup();
  const watch = await setup.synced(['one', 'two']);
  watch.push(modified('one', '11'), deleted('two', '12'), added('three', '13'));
  await settle();
  expect(Object.fromEntries(setup.copy.objects)).toEqual({ 'a/one': '11', 'a/three': '13' });
  watch.push(bookmark('99'));
  await settle();
  setup.clock.advance(60_000);
  watch.end();
  expect((await setup.transport.take()).query['resourceVersion']).toBe('99');
});

test('an event may come in pieces', async () => {
  await using setup = new Setup();
  const watch = await setup.synced(['one']);
  const line = `${JSON.stringify(modified('one', '11'))}\n`;
  watch.pushText(line.slice(0, 20));
  await settle();
  watch.pushText(line.slice(20));
  await settle();
  expect(setup.copy.objects.get('a/one')).toBe('11');
});

test('an object deleted and made again within one piece is an update', async () => {
  await using setup = new Setup();
  const watch = await setup.synced(['one']);
  watch.push(deleted('one', '11'), added('one', '12'));
  await settle();
  expect(setup.copy.steps.at(-1)).toEqual({ upserts: ['a/one@12'], deletes: [] });
});

test('a broken connection takes nothing away and goes on from the last version', async () => {
  await using setup = new Setup();
  const watch = await setup.synced(['one', 'two']);
  watch.push(modified('one', '11'));
  await settle();
  watch.fail();
  await settle();
  expect(setup.transport.requests).toHaveLength(1);
  setup.clock.advance(800);
  expect((await setup.transport.take()).query['resourceVersion']).toBe('11');
  expect([...setup.copy.objects.keys()]).toEqual(['a/one', 'a/two']);
});

test.each([
  ['an ERROR event in the stream', (request: ScriptedRequest) => request.open().push(errorEvent(410, 'Expired')).end()],
  ['an ERROR event without 410', (request: ScriptedRequest) => request.open().push(errorEvent(500, 'Expired')).end()],
  ['a status code', (request: ScriptedRequest) => request.answer(410, statusObject(410, 'Expired', 'too old'))],
])('410 on a watch, as %s: everything is read again, nothing is lost meanwhile', async (_, expire) => {
  await using setup = new Setup();
  const watch = await setup.synced(['one', 'two']);
  setup.clock.advance(20_000);
  watch.end();
  expire(await setup.transport.take());
  await settle();
  expect([...setup.copy.objects.keys()]).toEqual(['a/one', 'a/two']);
  setup.clock.advance(1000);
  const again = await setup.transport.take();
  expect(again.query['sendInitialEvents']).toBe('true');
  again.open().push(added('one', '10'), added('three', '30'), initialEnd('31'));
  await settle();
  // `one` is unchanged, so it is neither decoded nor told again.
  expect(setup.copy.steps.at(-1)).toEqual({ upserts: ['a/three@30'], deletes: ['a/two'] });
  expect(setup.reflector.state).toMatchObject({ relists: 1, objects: 2, failure: null });
});

test('an expired continue token starts the list anew, without pages', async () => {
  await using setup = new Setup();
  await setup.refuseStreaming();
  (await setup.transport.take()).answer(200, page(['one'], '20', 'old-token'));
  const body = { ...statusObject(410, 'Expired', 'too old'), metadata: { continue: 'inconsistent' } };
  (await setup.transport.take()).answer(410, body);
  const whole = await setup.transport.take();
  expect(whole.query).toEqual({});
  whole.answer(200, page(['two'], '40'));
  expect((await setup.transport.take()).query['resourceVersion']).toBe('40');
  // `one` was of the first try: it must not be left over from it.
  expect([...setup.copy.objects.keys()]).toEqual(['a/two']);
});

test('a relist without news publishes and decodes nothing', async () => {
  await using setup = new Setup({ relistMs: 30_000 });
  const watch = await setup.synced(['one', 'two']);
  expect(watch.query['timeoutSeconds']).toBe('30');
  const { decoded } = setup.copy;
  setup.clock.advance(30_000);
  watch.end();
  const again = await setup.transport.take();
  expect(again.query['sendInitialEvents']).toBe('true');
  again.open().push(added('one', '10'), added('two', '10'), initialEnd('50'));
  await settle();
  expect(setup.copy.steps).toHaveLength(1);
  expect(setup.copy.decoded).toBe(decoded);
});

test('a watch that hangs without a word is ended, and everything read again: its version may be from the future', async () => {
  await using setup = new Setup();
  const first = await setup.synced(['one']);
  setup.clock.advance(20_000);
  first.end();
  const silent = await setup.transport.take();
  silent.open();
  await settle();
  setup.clock.advance(99_000);
  expect(silent.isAborted).toBe(false);
  setup.clock.advance(1000);
  await settle();
  expect(silent.isAborted).toBe(true);
  setup.clock.advance(1000);
  expect((await setup.transport.take()).query['sendInitialEvents']).toBe('true');
});

test('a watch that is not answered at all is tried again from the same version', async () => {
  await using setup = new Setup();
  const first = await setup.synced(['one']);
  setup.clock.advance(20_000);
  first.end();
  const unanswered = await setup.transport.take();
  setup.clock.advance(30_000);
  await settle();
  expect(unanswered.isAborted).toBe(true);
  setup.clock.advance(1000);
  expect((await setup.transport.take()).query['resourceVersion']).toBe('10');
});

test('a watch that falls silent after it spoke goes on from where it was', async () => {
  await using setup = new Setup();
  const watch = await setup.synced(['one']);
  setup.clock.advance(60_000);
  watch.push(bookmark('42'));
  await settle();
  setup.clock.advance(100_000);
  await settle();
  setup.clock.advance(1000);
  expect((await setup.transport.take()).query['resourceVersion']).toBe('42');
});

test('a streaming list that never ends its initial events falls back to pages', async () => {
  await using setup = new Setup();
  for (let attempt = 0; attempt < 2; attempt += 1) {
    const request = await setup.transport.take();
    expect(request.query['sendInitialEvents']).toBe('true');
    request.open().push(added('one', '1'));
    await settle();
    setup.clock.advance(100_000);
    await settle();
    setup.clock.advance(2000);
  }
  expect((await setup.transport.take()).query).toEqual({ limit: '500' });
  expect(setup.copy.steps).toEqual([]);
});

test('watches that end at once are no busy loop', async () => {
  await using setup = new Setup();
  (await setup.synced(['one'])).end();
  for (let attempt = 0; attempt < 200; attempt += 1) {
    (await setup.transport.takeIfAny())?.open().end();
    await settle();
    setup.clock.advance(500);
  }
  // In 100 s: 0.6, 1.2, 2.4, ... 22.5 s with random 0.5.
  expect(setup.transport.requests.length).toBeLessThan(12);
});

test('401 renews the credentials before the next attempt', async () => {
  await using setup = new Setup();
  const watch = await setup.synced(['one']);
  setup.clock.advance(20_000);
  watch.end();
  (await setup.transport.take()).answer(401, statusObject(401, 'Unauthorized', 'Unauthorized'));
  await settle();
  expect(setup.transport.renewals).toBe(1);
  setup.clock.advance(1000);
  expect((await setup.transport.take()).query['resourceVersion']).toBe('10');
});

test('429 waits as long as the server asks', async () => {
  await using setup = new Setup();
  (await setup.transport.take()).answer(429, statusObject(429, 'TooManyRequests', 'slow down'), 17);
  await settle();
  setup.clock.advance(16_000);
  expect(await setup.transport.takeIfAny()).toBeNull();
  setup.clock.advance(1000);
  expect(await setup.transport.takeIfAny()).not.toBeNull();
});

test('403 is told, asked for rarely, and takes nothing away', async () => {
  await using setup = new Setup();
  const watch = await setup.synced(['one']);
  watch.end();
  await settle();
  setup.clock.advance(1000);
  (await setup.transport.take()).answer(403, statusObject(403, 'Forbidden', 'configmaps is forbidden'));
  await settle();
  expect(setup.copy.failures.at(-1)).toMatchObject({ kind: 'forbidden', message: '403 configmaps is forbidden' });
  setup.clock.advance(2400);
  expect(await setup.transport.takeIfAny()).toBeNull();
  expect(setup.copy.objects.size).toBe(1);
  setup.clock.advance(5000);
  expect(await setup.transport.takeIfAny()).not.toBeNull();
});

test('a watch that sends no JSON starts again', async () => {
  await using setup = new Setup();
  const watch = await setup.synced(['one']);
  watch.pushText('<html>gateway timeout</html>\n');
  await settle();
  setup.clock.advance(1000);
  expect((await setup.transport.take()).query['resourceVersion']).toBe('10');
});

test('unwanted objects are not kept, adopted ones are missed when they go', async () => {
  await using setup = new Setup();
  const watch = await setup.synced(['one']);
  watch.push(added('unwanted', '11'));
  await settle();
  expect(setup.reflector.has('a/unwanted')).toBe(false);
  setup.reflector.adopt('a/unwanted', '11');
  watch.push(deleted('unwanted', '12'));
  await settle();
  expect(setup.copy.steps.at(-1)).toEqual({ upserts: [], deletes: ['a/unwanted'] });
});

test('closing ends the running request and nothing follows', async () => {
  const setup = new Setup();
  const watch = await setup.synced(['one']);
  await setup.reflector.close();
  expect(watch.isAborted).toBe(true);
  setup.clock.advance(1_000_000);
  expect(await setup.transport.takeIfAny()).toBeNull();
  expect(setup.clock.pending).toBe(0);
});
