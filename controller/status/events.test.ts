// Events: what is said, how it is counted up, and how much of it may be said.

import { describe, expect, test } from '@jest/globals';
import type { Diagnostic } from '../objects/diagnostic.ts';
import { ScriptedTransport, settle, statusObject } from '../watch/api/testing/scripted-transport.ts';
import { FakeClock } from '../watch/testing/fake-clock.ts';
import { silentLog } from '../watch/testing/watched-folder.ts';
import { EventRecorder } from './event-recorder.ts';
import { type EventNote, noteOfDiagnostic, renderEvent, syncNote, TokenBucket } from './events.ts';

const WALL_MS = Date.UTC(2026, 0, 31, 9, 30, 0, 795);
const writer = { component: 'sluice', instance: 'sluice-1' };
const object = { kind: 'Ingress', namespace: 'a', name: 'one' };

function problem(change: Partial<Diagnostic> = {}): Diagnostic {
  const field = 'spec.rules[0].host';
  const message = 'the host is bad; it is left out';
  return { severity: 'error', reason: 'HostInvalid', object, field, message, source: null, ...change };
}

const noteOf = (change: Partial<Diagnostic> = {}) => noteOfDiagnostic(problem(change), 'uid-1') as EventNote;

describe('notes', () => {
  test('an error is a rejection, with its reason in the message', () => {
    expect(noteOf()).toMatchObject({
      type: 'Warning',
      reason: 'Rejected',
      message: 'HostInvalid: the host is bad; it is left out',
      field: 'spec.rules[0].host',
    });
  });

  test('a warning keeps its reason; information and other kinds say nothing', () => {
    expect(noteOf({ severity: 'warning' })).toMatchObject({ type: 'Warning', reason: 'HostInvalid' });
    expect(noteOf({ severity: 'info' })).toBeNull();
    expect(noteOf({ object: { ...object, kind: 'Service' } })).toBeNull();
  });

  test('a ConfigMap is told as an Ingress is, under its own group', () => {
    const note = noteOf({ object: { ...object, kind: 'ConfigMap' } });
    expect(note).toMatchObject({ type: 'Warning', reason: 'Rejected' });
    expect(renderEvent(note, WALL_MS, writer)).toMatchObject({
      involvedObject: { apiVersion: 'v1', kind: 'ConfigMap', namespace: 'a', name: 'one', uid: 'uid-1' },
    });
  });

  test('the name is the same for the same note only', () => {
    const names = [noteOf(), noteOf({ field: 'x' }), noteOf({ message: 'x' }), noteOf({ severity: 'warning' })];
    expect(new Set(names.map(({ name }) => name)).size).toBe(4);
    expect(noteOf().name).toBe(noteOf().name);
    expect(noteOfDiagnostic(problem(), 'uid-2')?.name).not.toBe(noteOf().name);
    const long = noteOf({ object: { ...object, name: 'x'.repeat(253) } });
    expect(long.name.length).toBeLessThanOrEqual(253);
  });

  test('a message is cut to what the API takes', () => {
    expect(noteOf({ message: 'x'.repeat(5000) }).message).toHaveLength(1024);
  });

  test('the Event, as core v1 has it', () => {
    expect(renderEvent(syncNote(object, 'uid-1'), WALL_MS, writer)).toEqual({
      apiVersion: 'v1',
      kind: 'Event',
      metadata: { name: expect.stringMatching(/^one\.[0-9a-f]{16}$/), namespace: 'a' },
      involvedObject: {
        apiVersion: 'networking.k8s.io/v1',
        kind: 'Ingress',
        namespace: 'a',
        name: 'one',
        uid: 'uid-1',
      },
      type: 'Normal',
      reason: 'Sync',
      message: 'Scheduled for sync',
      count: 1,
      firstTimestamp: '2026-01-31T09:30:00Z',
      lastTimestamp: '2026-01-31T09:30:00Z',
      source: { component: 'sluice', host: 'sluice-1' },
      reportingComponent: 'sluice',
      reportingInstance: 'sluice-1',
    });
  });
});

test('a bucket gives a burst, then its rate, and says how long to wait', () => {
  const bucket = new TokenBucket(2, 5, 0);
  expect([bucket.take(0), bucket.take(0), bucket.take(0)]).toEqual([0, 0, 200]);
  expect([bucket.take(200), bucket.take(200)]).toEqual([0, 200]);
  expect([bucket.take(99_000), bucket.take(99_000), bucket.take(99_000)]).toEqual([0, 0, 200]);
});

class Setup implements AsyncDisposable {
  readonly clock = new FakeClock();
  readonly transport = new ScriptedTransport();
  readonly recorder = new EventRecorder({
    transport: this.transport,
    writer,
    clock: this.clock,
    wallMs: () => WALL_MS,
    random: () => 0.999,
    log: silentLog,
  });

  async [Symbol.asyncDispose](): Promise<void> {
    await this.recorder.close();
  }
}

describe('the recorder', () => {
  test('creates, then counts up', async () => {
    await using setup = new Setup();
    setup.recorder.record(noteOf());
    const create = await setup.transport.take();
    expect([create.method, create.path]).toEqual(['POST', '/api/v1/namespaces/a/events']);
    create.answer(201, { count: 1 });
    await settle();
    setup.recorder.record(noteOf());
    const patch = await setup.transport.take();
    expect([patch.method, patch.path, patch.contentType, patch.body]).toEqual([
      'PATCH',
      `/api/v1/namespaces/a/events/${noteOf().name}`,
      'application/merge-patch+json',
      { lastTimestamp: '2026-01-31T09:30:00Z', count: 2 },
    ]);
  });

  test('an Event of an earlier leader is taken over with its count', async () => {
    await using setup = new Setup();
    setup.recorder.record(noteOf());
    (await setup.transport.take()).answer(409, statusObject(409, 'AlreadyExists', 'exists'));
    const first = await setup.transport.take();
    expect(first.body).toEqual({ lastTimestamp: '2026-01-31T09:30:00Z' });
    first.answer(200, { count: 7 });
    await settle();
    setup.recorder.record(noteOf());
    expect((await setup.transport.take()).body).toMatchObject({ count: 8 });
  });

  test.each([429, 500, 503])(
    'a server that answers %d is asked again, with growing waits, and not for ever',
    async (code) => {
      await using setup = new Setup();
      setup.recorder.record(noteOf());
      // Half a millisecond less than 0.8 s doubled each time, by the random number above.
      for (const waitMs of [800, 1600, 3200, 6400, 12_800]) {
        (await setup.transport.take()).answer(code, statusObject(code, 'Any', 'busy'));
        await settle();
        setup.clock.advance(waitMs - 50);
        expect(await setup.transport.takeIfAny()).toBeNull();
        setup.clock.advance(50);
      }
      (await setup.transport.take()).answer(code, statusObject(code, 'Any', 'busy'));
      await settle();
      expect(setup.clock.pending).toBe(0);
      setup.recorder.record(noteOf({ message: 'the next' }));
      (await setup.transport.take()).answer(201, { count: 1 });
    },
  );

  test('what a server asks to wait is waited', async () => {
    await using setup = new Setup();
    setup.recorder.record(noteOf());
    (await setup.transport.take()).answer(429, statusObject(429, 'TooManyRequests', 'later'), 7);
    await settle();
    setup.clock.advance(6999);
    expect(await setup.transport.takeIfAny()).toBeNull();
    setup.clock.advance(1);
    (await setup.transport.take()).answer(201, { count: 1 });
  });

  test('an Event that is forbidden is lost at once', async () => {
    await using setup = new Setup();
    setup.recorder.record(noteOf());
    (await setup.transport.take()).answer(403, statusObject(403, 'Forbidden', 'no'));
    await settle();
    expect([setup.clock.pending, await setup.transport.takeIfAny()]).toEqual([0, null]);
  });

  test('an Event that the server forgot is made anew', async () => {
    await using setup = new Setup();
    setup.recorder.record(noteOf());
    (await setup.transport.take()).answer(201, { count: 1 });
    await settle();
    setup.recorder.record(noteOf());
    (await setup.transport.take()).answer(404, statusObject(404, 'NotFound', 'gone'));
    await settle();
    setup.recorder.record(noteOf());
    expect((await setup.transport.take()).method).toBe('POST');
  });

  test('ten thousand problems are a burst, then a rate, then a limit', async () => {
    await using setup = new Setup();
    for (let i = 0; i < 10_000; i += 1) setup.recorder.record(noteOf({ message: `problem ${i}` }));
    for (let second = 0; second < 10; second += 1) {
      for (let i = 0; i < 100; i += 1) (await setup.transport.takeIfAny())?.answer(201, { count: 1 });
      setup.clock.advance(1000);
    }
    expect(setup.transport.requests.length).toBeGreaterThan(55);
    expect(setup.transport.requests.length).toBeLessThan(110);
  });

  test('one Event said again and again is soon said rarely', async () => {
    await using setup = new Setup();
    for (let i = 0; i < 200; i += 1) {
      setup.recorder.record(syncNote(object, 'uid-1'));
      (await setup.transport.takeIfAny())?.answer(200, { count: i + 1 });
      await settle();
      setup.clock.advance(1000);
    }
    expect(setup.transport.requests.length).toBeLessThan(28);
  });
});
