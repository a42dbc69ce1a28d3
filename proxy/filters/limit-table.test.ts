import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { createLimitMemory, LimitTable, REFUSED, UNCOUNTED } from './limit-table.ts';
import type { FloodJob } from './testing/limit-flood.ts';
import type { HammerJob } from './testing/limit-hammer.ts';

function open(entries = 64, columns = 2): LimitTable {
  return new LimitTable(createLimitMemory({ entries, columns }, 7), 0);
}

/** nginx's own reckoning (ngx_http_limit_req_lookup), in thousandths of a request; null before the first one. */
class NginxBucket {
  #state: { excess: number; lastMs: number } | null = null;

  take(nowMs: number, perSecond: number, burst: number): boolean {
    const before = this.#state;
    const excess = before === null ? 0 : Math.max(0, before.excess - perSecond * (nowMs - before.lastMs) + 1000);
    if (excess > burst * 1000) return false;
    this.#state = { excess, lastMs: nowMs };
    return true;
  }
}

describe('rate', () => {
  test('burst and one at once, then one in each interval', () => {
    const table = open();
    const take = (nowMs: number) => table.takeRequest('z', 'c', nowMs, 100, 2);
    expect([0, 0, 0, 0].map(take)).toEqual([true, true, true, false]);
    expect([99, 100, 100, 199, 200].map(take)).toEqual([false, true, false, false, true]);
    expect([10_000, 10_000, 10_000, 10_000].map(take)).toEqual([true, true, true, false]);
  });

  test('as nginx reckons, for any times', () => {
    // Rates whose interval is whole milliseconds: nginx's own rounding is no part of the promise.
    const rate = fc.constantFrom(1, 2, 4, 5, 10, 100, 1000);
    const steps = fc.array(fc.constantFrom(0, 0, 0, 1, 9, 10, 100, 999, 1000, 5000), { maxLength: 60 });
    fc.assert(
      fc.property(rate, fc.nat(20), steps, (perSecond, burst, waits) => {
        const [table, nginx] = [open(), new NginxBucket()];
        let nowMs = 0;
        for (const wait of waits) {
          nowMs += wait;
          expect(table.takeRequest('z', 'c', nowMs, 1000 / perSecond, burst)).toBe(nginx.take(nowMs, perSecond, burst));
        }
      }),
    );
  });

  test.each([
    [3, 299, 10_000_000.3],
    [3, 49, 5],
    [6, 35, 5],
    [7, 99, 5],
  ])('%d per second: fractions add up to whole requests of a burst of %d', (perSecond, burst, nowMs) => {
    const table = open();
    const taken = Array.from({ length: 400 }, () => table.takeRequest('z', 'c', nowMs, 1000 / perSecond, burst));
    expect(taken.filter(Boolean)).toHaveLength(burst + 1);
  });

  test('clients and zones are told apart', () => {
    const table = open(1024);
    for (const [zone, client] of [
      ['z', 'a'],
      ['z', 'b'],
      ['y', 'a'],
      ['za', ''],
      ['', 'za'],
    ] as const) {
      expect(table.takeRequest(zone, client, 0, 100, 0)).toBe(true);
      expect(table.takeRequest(zone, client, 0, 100, 0)).toBe(false);
    }
  });

  test('a limit that was lowered holds from the next interval on, whatever the client has sent before', () => {
    const table = open();
    for (let i = 0; i < 10; i++) expect(table.takeRequest('z', 'c', 0, 60_000, 9)).toBe(true);
    const lowered = (nowMs: number) => table.takeRequest('z', 'c', nowMs, 1000, 2);
    expect([0, 999, 1000, 1000, 2000].map(lowered)).toEqual([false, false, true, false, true]);
  });

  test('what another limit turns away is given back', () => {
    const table = open();
    expect(table.takeRequest('z', 'c', 0, 100, 0)).toBe(true);
    table.returnRequest('z', 'c', 100);
    expect(table.takeRequest('z', 'c', 0, 100, 0)).toBe(true);
    expect(table.takeRequest('z', 'c', 0, 100, 0)).toBe(false);
  });
});

describe('connections', () => {
  test('up to the limit, and again when one has ended', () => {
    const table = open();
    const begin = () => table.openConnection('z', 'c', 0, 2);
    const first = begin();
    expect(begin()).toBe(first);
    expect(begin()).toBe(REFUSED);
    table.closeConnection(first);
    expect([begin(), begin()]).toEqual([first, REFUSED]);
    expect(table.connectionCount('z', 'c')).toBe(2);
  });

  test('none is taken off that was not counted', () => {
    const table = open();
    const place = table.openConnection('z', 'c', 0, 2);
    for (const each of [place, place, REFUSED, UNCOUNTED]) table.closeConnection(each);
    expect(table.connectionCount('z', 'c')).toBe(0);
    expect([0, 1, 2].map(() => table.openConnection('z', 'c', 0, 2) === REFUSED)).toEqual([false, false, true]);
  });

  test('those of a worker that died are taken off, the others stay', () => {
    const memory = createLimitMemory({ entries: 64, columns: 2 }, 1);
    const [first, second] = [new LimitTable(memory, 0), new LimitTable(memory, 1)];
    for (const table of [first, second, second]) {
      expect(table.openConnection('z', 'c', 0, 3)).toBeGreaterThanOrEqual(0);
    }
    expect(first.openConnection('z', 'c', 0, 3)).toBe(REFUSED);
    first.clearColumn(1);
    expect(first.connectionCount('z', 'c')).toBe(1);
  });
});

describe('a full table', () => {
  test('forgets clients at rest without loss', () => {
    const table = open(8);
    for (let i = 0; i < 1000; i++) expect(table.takeRequest('z', `c${i}`, i * 1000, 100, 0)).toBe(true);
    expect(table.givenUp).toBe(0);
  });

  test('gives up the one nearest to rest, and says so', () => {
    const table = open(8);
    for (let i = 0; i < 8; i++) table.takeRequest('z', `c${i}`, i, 1000, 0);
    expect(table.takeRequest('z', 'new', 10, 1000, 0)).toBe(true);
    expect(table.givenUp).toBe(0);
    // The first request leaves a bucket at rest; the second of a burst does not.
    for (let i = 0; i < 8; i++) for (let n = 0; n < 3; n++) table.takeRequest('y', `c${i}`, 20 + i, 1000, 5);
    expect(table.takeRequest('y', 'new', 30, 1000, 0)).toBe(true);
    expect(table.givenUp).toBe(1);
    expect(table.takeRequest('y', 'c7', 30, 1000, 2)).toBe(false);
  });

  test('never gives up open connections, lets others pass, and counts them', () => {
    const table = open(8);
    const places = Array.from({ length: 8 }, (_, i) => table.openConnection('z', `c${i}`, 0, 1));
    expect(new Set(places).size).toBe(8);
    expect(Math.min(...places)).toBeGreaterThanOrEqual(0);
    expect(table.givenUp).toBe(0);
    for (let i = 0; i < 2; i++) expect(table.takeRequest('z', 'new', 0, 100, 0)).toBe(true);
    for (let i = 0; i < 2; i++) expect(table.openConnection('z', 'new', 0, 1)).toBe(UNCOUNTED);
    expect([table.givenUp, table.ownGivenUp]).toEqual([4, 4]);
    // What was never counted takes nothing off those that are.
    for (let i = 0; i < 2; i++) table.closeConnection(UNCOUNTED);
    for (let i = 0; i < 8; i++) expect(table.openConnection('z', `c${i}`, 0, 1)).toBe(REFUSED);
    table.closeConnection(places[3] as number);
    expect(table.openConnection('z', 'new', 0, 1)).toBe(places[3]);
    expect(table.openConnection('z', 'new', 0, 1)).toBe(REFUSED);
  });

  test('closed when full: refuses who finds no entry, counts them, and never those that have one', () => {
    const table = new LimitTable(createLimitMemory({ entries: 8, columns: 2, isClosedWhenFull: true }, 7), 1);
    expect(table.takeRequest('z', 'c0', 0, 100, 0)).toBe(true);
    const places = Array.from({ length: 8 }, (_, i) => table.openConnection('z', `c${i}`, 0, 2));
    expect(Math.min(...places)).toBeGreaterThanOrEqual(0);
    expect([table.openConnection('z', 'new', 0, 2), table.takeRequest('z', 'new', 0, 100, 0)]).toEqual([
      REFUSED,
      false,
    ]);
    expect([table.ownGivenUp, table.openConnection('z', 'c0', 0, 2)]).toEqual([2, places[0]]);
    expect([table.takeRequest('z', 'c0', 50, 100, 0), table.takeRequest('z', 'c0', 100, 100, 0)]).toEqual([
      false,
      true,
    ]);
    table.closeConnection(places[3] as number);
    expect(table.openConnection('z', 'new', 0, 2)).toBe(places[3]);
  });

  test('a million other addresses free nobody who is over the limit', async () => {
    const memory = createLimitMemory({ entries: 65_536, columns: 1 }, 7);
    const table = new LimitTable(memory, 0);
    const limit = { zone: 'z', intervalMs: 100, burst: 50 };
    const isOver = (nowMs: number, client: string) => !table.takeRequest('z', client, nowMs, 100, 50);
    const greedy = Array.from({ length: 200 }, (_, at) => `192.0.2.${at}`);
    for (const client of greedy) while (!isOver(0, client));
    // Meanwhile greedy clients earn 40 requests of their burst of 50.
    const flood: FloodJob = { memory, ...limit, clients: 1_000_000, durationMs: 4000 };
    expect(await inWorker('limit-flood.ts', flood)).toBe(1_000_000);
    for (const client of greedy) {
      let passed = 0;
      while (!isOver(4000, client)) passed++;
      expect(passed).toBe(40);
    }
    expect(table.givenUp).toBe(0);
  });
});

/** What a worker of `testing` says. */
async function inWorker(name: string, workerData: HammerJob | FloodJob): Promise<number> {
  const thread = new Worker(new URL(`./testing/${name}`, import.meta.url), { workerData });
  const [said] = await once(thread, 'message');
  await thread.terminate();
  return said as number;
}

test('a lock that nobody gives back is broken', () => {
  const memory = createLimitMemory({ entries: 8, columns: 1 }, 1);
  new Int32Array(memory)[4] = 1;
  const table = new LimitTable(memory, 0);
  expect(table.takeRequest('z', 'c', 0, 100, 0)).toBe(true);
  expect(table.takeRequest('z', 'c', 0, 100, 0)).toBe(false);
});

test('a column that is not there is a mistake', () => {
  expect(() => new LimitTable(createLimitMemory({ entries: 8, columns: 1 }, 1), 1)).toThrow('no column 1');
});

test('workers that ask one limit at the same time get exactly what it allows', async () => {
  const workers = 3;
  const memory = createLimitMemory({ entries: 8, columns: workers }, 99);
  const board = new SharedArrayBuffer(12);
  const job = { memory, board, workers, rounds: 20_000, burst: 12_345, max: 2 };
  const columns = Array.from({ length: workers }, (_, column) => column);
  const taken = await Promise.all(columns.map((column) => inWorker('limit-hammer.ts', { ...job, column })));
  expect(taken.reduce((sum, one) => sum + one, 0)).toBe(12_346);
  const [, openNow, mostOpen] = new Int32Array(board);
  expect(openNow).toBe(0);
  expect(mostOpen).toBeLessThanOrEqual(2);
  expect(new LimitTable(memory, 0).connectionCount('connections', 'client')).toBe(0);
});
