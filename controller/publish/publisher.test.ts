import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { applyUpdate, canApply } from '#proxy/table/apply.ts';
import { decodeUpdate } from '#proxy/table/codec.ts';
import { plainEndpoint, plainUpstream } from '#proxy/table/defaults.ts';
import { arbitraryTable } from '#proxy/table/testing/arbitrary.ts';
import { buildHost, buildTable, testGlobal } from '#proxy/table/testing/build.ts';
import type { RoutingTable } from '#proxy/table/types.ts';
import type { FullUpdate, TableUpdate } from '#proxy/table/update.ts';
import type { AckReport, TableBroadcast } from '#proxy/workers/pool.ts';
import { tableOf } from '../compile/table-version.ts';
import { Publisher } from './publisher.ts';
import { versionOf } from './testing/version-of.ts';

/** A sink that holds every broadcast until the test acknowledges it. */
class Sink {
  readonly sent: TableBroadcast[] = [];
  readonly #resolve: ((report: AckReport) => void)[] = [];

  readonly send = (broadcast: TableBroadcast): Promise<AckReport> => {
    this.sent.push(broadcast);
    const { promise, resolve } = Promise.withResolvers<AckReport>();
    this.#resolve.push(resolve);
    return promise;
  };

  ack(kind: AckReport['kind'] = 'acknowledged'): void {
    const revision = this.sent.at(-1)?.revision ?? 0;
    this.#resolve.at(-1)?.({ kind, revision, workers: 2, slowestMs: 1, problems: [] });
  }
}

function start() {
  const sink = new Sink();
  const clock = { nowMs: 1000 };
  /** What the follower heard, beside the broadcasts sent by then. */
  const followed: string[] = [];
  const follower = {
    onUpdate: ({ kind, revision }: TableUpdate) => followed.push(`${kind} ${revision} after ${sink.sent.length}`),
    onGivenUp: ({ revision }: FullUpdate) => followed.push(`${revision} stays, after ${sink.sent.length}`),
    onAcknowledged: () => followed.push('acknowledged'),
  };
  const publisher = new Publisher({ send: sink.send, follower, nowMs: () => clock.nowMs, turn: async () => undefined });
  return { sink, clock, publisher, followed };
}

const input = (table: RoutingTable) => ({ version: versionOf(table) });
const withPath = (path: string) => buildTable([buildHost('a.test', [{ kind: 'prefix', path }])]);
const movedEndpoint: RoutingTable = {
  ...withPath(''),
  upstreams: [plainUpstream('default-web-80', [plainEndpoint('10.0.0.2', 80)])],
};

describe('publish', () => {
  test('the follower hears of an update before the workers, of acks, and of the table in force after a rejection', async () => {
    const { sink, publisher, followed } = start();
    const first = publisher.publish(input(withPath('')));
    expect(followed).toEqual(['full 1 after 0']);
    sink.ack();
    await first;
    const second = publisher.publish(input(movedEndpoint));
    sink.ack('rejected');
    await second;
    expect(followed).toEqual(['full 1 after 0', 'acknowledged', 'parts 2 after 1', '1 stays, after 2']);
  });

  test('the first table goes out whole and counts when it is acknowledged', async () => {
    const { sink, clock, publisher } = start();
    expect(publisher).toMatchObject({ currentRevision: 0, acknowledgedRevision: 0, published: null });
    const outcome = publisher.publish(input(withPath('')));
    expect(publisher).toMatchObject({ currentRevision: 1, acknowledgedRevision: 0 });
    // Several workers that start at once share the bytes.
    expect(sink.sent[0]?.encodeFull()).toBe(sink.sent[0]?.bytes);
    clock.nowMs += 12;
    sink.ack();
    expect(await outcome).toEqual({
      kind: 'published',
      revision: 1,
      form: 'full',
      bytes: sink.sent[0]?.bytes.byteLength,
      latencyMs: 12,
      workers: 2,
      changesConfiguration: true,
      problems: [],
    });
    expect(publisher.acknowledgedRevision).toBe(1);
  });

  test('what is acknowledged is not held in memory, but made again for a worker that restarts', async () => {
    const { sink, publisher } = start();
    const outcome = publisher.publish(input(withPath('')));
    sink.ack();
    await outcome;
    const again = sink.sent[0]?.encodeFull();
    expect(again).toEqual(sink.sent[0]?.bytes);
    expect(again).not.toBe(sink.sent[0]?.bytes);
    expect(sink.sent[0]?.encodeFull()).not.toBe(again);
  });

  test('an equal table is not sent', async () => {
    const { sink, publisher } = start();
    const first = publisher.publish(input(withPath('')));
    sink.ack();
    await first;
    expect(await publisher.publish(input(withPath('')))).toEqual({ kind: 'unchanged', revision: 1 });
    expect(sink.sent).toHaveLength(1);
  });

  test('later tables go out as parts, with the whole table at hand for workers without a base', async () => {
    const { sink, publisher } = start();
    const first = publisher.publish(input(withPath('')));
    sink.ack();
    await first;
    const second = publisher.publish(input(movedEndpoint));
    const [, broadcast] = sink.sent;
    if (broadcast === undefined) throw new Error('expected a second broadcast');
    expect(broadcast.encodeFull()).toBe(broadcast.encodeFull());
    sink.ack();
    expect(await second).toMatchObject({ revision: 2, form: 'parts', changesConfiguration: false });
    expect(decodeUpdate(broadcast.bytes)).toMatchObject({ kind: 'parts', baseRevision: 1, revision: 2 });
    expect(decodeUpdate(broadcast.encodeFull())).toMatchObject({ kind: 'full', revision: 2, table: movedEndpoint });
  });

  test('while one is on its way only the newest waits, and its latency counts from its own call', async () => {
    const { sink, clock, publisher } = start();
    const first = publisher.publish(input(withPath('/1')));
    const second = publisher.publish(input(withPath('/2')));
    clock.nowMs += 5;
    const third = publisher.publish(input(withPath('/3')));
    expect(await second).toEqual({ kind: 'superseded' });
    expect(sink.sent).toHaveLength(1);
    sink.ack();
    await first;
    await Promise.resolve();
    clock.nowMs += 10;
    sink.ack();
    expect(await third).toMatchObject({ kind: 'published', revision: 2, latencyMs: 10 });
    expect(publisher.published && tableOf(publisher.published.version)).toEqual(withPath('/3'));
  });

  test('a rejected table does not count: the next one is built on the table before, under a new number', async () => {
    const { sink, publisher } = start();
    const first = publisher.publish(input(withPath('/1')));
    sink.ack();
    await first;
    const second = publisher.publish(input(withPath('/2')));
    sink.ack('rejected');
    expect(await second).toEqual({ kind: 'rejected', revision: 2 });
    expect(publisher).toMatchObject({ currentRevision: 1, acknowledgedRevision: 1 });
    expect(await publisher.publish(input(withPath('/1')))).toEqual({ kind: 'unchanged', revision: 1 });
    const third = publisher.publish(input(withPath('/3')));
    sink.ack();
    expect(await third).toMatchObject({ kind: 'published', revision: 3 });
    expect(decodeUpdate((sink.sent[2] as TableBroadcast).bytes)).toMatchObject({ revision: 3, baseRevision: 1 });
  });

  test('a long update is encoded in turns with others, and what comes meanwhile waits', async () => {
    const sink = new Sink();
    const turns: (() => void)[] = [];
    const turn = () => new Promise<void>((resolve) => turns.push(resolve));
    const publisher = new Publisher({ send: sink.send, nowMs: () => 0, turn });
    const many = buildTable(
      Array.from({ length: 150 }, (_, i) => buildHost(`h${1000 + i}.test`, [{ kind: 'prefix', path: '' }])),
    );
    const long = publisher.publish(input(many));
    const short = publisher.publish(input(withPath('/later')));
    let taken = 0;
    for (let next = turns.shift(); next !== undefined; next = turns.shift()) {
      expect(sink.sent).toEqual([]);
      taken++;
      next();
      await new Promise(setImmediate);
    }
    expect(taken).toBeGreaterThan(1);
    expect(sink.sent.map(({ revision }) => revision)).toEqual([1]);
    sink.ack();
    expect(await long).toMatchObject({ kind: 'published', revision: 1, form: 'full' });
    sink.ack();
    expect(await short).toMatchObject({ kind: 'published', revision: 2 });
  });

  test('stopped workers leave it abandoned', async () => {
    const { sink, publisher } = start();
    const outcome = publisher.publish(input(withPath('')));
    sink.ack('closed');
    expect(await outcome).toEqual({ kind: 'abandoned', revision: 1 });
    expect(publisher.acknowledgedRevision).toBe(0);
  });

  test('a table that cannot be encoded is refused, and the next one goes out', async () => {
    const { sink, publisher } = start();
    const broken = { ...withPath(''), global: { ...testGlobal, clientKeepAliveMs: Number.NaN } };
    await expect(publisher.publish(input(broken))).rejects.toThrow('not a JSON value');
    expect(publisher.published).toBeNull();
    const next = publisher.publish(input(withPath('')));
    sink.ack();
    expect(await next).toMatchObject({ kind: 'published', revision: 1 });
  });

  test('whatever is published, a worker that applies every broadcast ends with the last table', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(arbitraryTable, { minLength: 1, maxLength: 6 }), async (tables) => {
        let table: RoutingTable | null = null;
        let revision: number | null = null;
        const publisher = new Publisher({
          nowMs: () => 0,
          turn: async () => undefined,
          send: async (broadcast) => {
            const update = decodeUpdate(broadcast.bytes);
            expect(canApply(update, revision)).toBe(true);
            table = applyUpdate(table, update);
            revision = update.revision;
            return { kind: 'acknowledged', revision, workers: 1, slowestMs: 0, problems: [] };
          },
        });
        await Promise.all(tables.map((each) => publisher.publish(input(each))));
        expect(table).toEqual(tables.at(-1));
        expect(publisher.acknowledgedRevision).toBe(revision);
      }),
    );
  });
});
