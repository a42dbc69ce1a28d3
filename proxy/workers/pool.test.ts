import { once } from 'node:events';
import { createConnection, createServer, type Server } from 'node:net';
import { describe, expect, test } from '@jest/globals';
import { createLimitMemory, LimitTable } from '../filters/limit-table.ts';
import { defaultRequestMetricsSettings } from '../observe/request-metrics.ts';
import { encodeUpdate } from '../table/codec.ts';
import { buildParts, buildTable } from '../table/testing/build.ts';
import type { ListenerSettings } from './messages.ts';
import { type WorkerCrash, WorkerPool, type WorkerPoolOptions } from './pool.ts';
import type { TableBroadcast } from './rollout.ts';
import type { FakeWorkerStart, Misbehaviour } from './testing/fake-worker.ts';
import { ManualTimers } from './testing/manual-timers.ts';

const table = buildTable([]);
const http: ListenerSettings = { name: 'http', protocol: 'http', host: '127.0.0.1', port: 0 };

function fullOf(revision: number): SharedArrayBuffer {
  return encodeUpdate({ kind: 'full', revision, table, material: [] });
}

function full(revision: number): TableBroadcast {
  return { revision, bytes: fullOf(revision), encodeFull: () => fullOf(revision) };
}

function parts(revision: number, baseRevision = revision - 1): TableBroadcast {
  const update = buildParts({ revision, baseRevision });
  return { revision, bytes: encodeUpdate(update), encodeFull: () => fullOf(revision) };
}

interface Recorded {
  readonly crashes: WorkerCrash[];
  readonly logs: string[];
  readonly problems: number[];
  accessLog: string;
}

function startWith(listener: ListenerSettings, misbehaviour: Misbehaviour): Omit<FakeWorkerStart, 'id'> {
  const limitMemory = createLimitMemory({ entries: 8, columns: 8 }, 1);
  const rest = {
    ticketKeys: new Uint8Array(48),
    maxConnections: 100,
    staticReadBuffer: false,
    requestMetrics: defaultRequestMetricsSettings,
    limitMemory,
    limitStore: null,
    loads: null,
  };
  return { ...rest, listeners: [listener], misbehaviour };
}

/** A pool of fake workers with a clock that stands still, and what it reported. */
function createPool(misbehaviour: Misbehaviour, size: number, more: Partial<WorkerPoolOptions> = {}) {
  const timers = new ManualTimers();
  const recorded: Recorded = { crashes: [], logs: [], problems: [], accessLog: '' };
  const changes = new EventTarget();
  const changed = () => changes.dispatchEvent(new Event('change'));
  const pool = new WorkerPool({
    workerUrl: new URL('./testing/fake-worker.ts', import.meta.url),
    size,
    start: startWith(http, misbehaviour),
    timers,
    events: {
      onLog: (_id, entry) => recorded.logs.push(entry.message),
      onAccessLog: (lines) => {
        recorded.accessLog += lines;
      },
      onCrash: (crash) => {
        recorded.crashes.push(crash);
        changed();
      },
      onProblem: (id) => recorded.problems.push(id),
    },
    ...more,
  });
  const nextCrash = () => new Promise((resolve) => changes.addEventListener('change', resolve, { once: true }));
  return { pool, timers, recorded, nextCrash };
}

/** Sends a word to the pool's port and gives the answer: worker id, revision, full and parts updates seen. */
async function ask(pool: WorkerPool, word = 'hello'): Promise<readonly number[]> {
  const socket = createConnection({ port: pool.listeners?.[0]?.port ?? 0, host: '127.0.0.1' });
  socket.on('error', () => undefined);
  socket.write(word);
  let answer = '';
  for await (const chunk of socket) answer += String(chunk);
  return answer.trim().split(' ').map(Number);
}

async function crashOne(pool: WorkerPool, nextCrash: () => Promise<unknown>): Promise<void> {
  const crash = nextCrash();
  await ask(pool, 'crash').catch(() => undefined);
  await crash;
}

const phases = (pool: WorkerPool) => pool.workers.map(({ phase }) => phase);

describe('start', () => {
  test('is ready when all workers have the table and listen on one port', async () => {
    const { pool, recorded } = createPool({}, 3);
    await using _ = pool;
    await pool.start();
    expect(pool.isReady).toBe(false);
    const report = await pool.publish(full(1));
    expect(report).toEqual({ kind: 'acknowledged', revision: 1, workers: 3, slowestMs: 3, problems: [] });
    await pool.ready;
    expect(pool.isReady).toBe(true);
    expect(pool.listeners?.[0]?.port).toBeGreaterThan(0);
    expect(pool.workers.map(({ phase, revision }) => [phase, revision])).toEqual(Array(3).fill(['serving', 1]));
    expect((await ask(pool))[1]).toBe(1);
    expect(recorded.logs).toEqual(['started', 'started', 'started']);
  });

  test('a taken port is a clear error before anything is started', async () => {
    await using taken = await occupyPort();
    const { pool } = createPool({}, 2, {
      start: startWith({ ...http, port: taken.port }, {}),
    });
    await using _ = pool;
    await expect(pool.start()).rejects.toMatchObject({ name: 'ListenError', code: 'EADDRINUSE' });
    await expect(pool.start()).rejects.toThrow(
      `listener http cannot use 127.0.0.1:${taken.port}: the port is in use by another process (EADDRINUSE)`,
    );
    expect(phases(pool)).toEqual(['down', 'down']);
  });

  test('a worker that cannot listen makes `ready` fail', async () => {
    const { pool } = createPool({ failListen: [0, 1] }, 2);
    await using _ = pool;
    await pool.start();
    void pool.publish(full(1));
    await expect(pool.ready).rejects.toMatchObject({ name: 'ListenError', code: 'EACCES' });
  });

  test('closing a pool that never became ready rejects `ready` and ends waits for acks', async () => {
    const { pool } = createPool({ mute: [0] }, 1);
    await pool.start();
    const published = pool.publish(full(1));
    await pool.close();
    await expect(pool.ready).rejects.toThrow('stopped before it was ready');
    await expect(published).resolves.toMatchObject({ kind: 'closed', workers: 0 });
    await pool.close();
  });
});

describe('publish', () => {
  test('workers with the base apply parts; a worker that cannot asks for the whole table', async () => {
    const { pool } = createPool({ refuseParts: [0] }, 1);
    await using _ = pool;
    await pool.start();
    await pool.publish(full(1));
    expect(await pool.publish(parts(2))).toMatchObject({ revision: 2, workers: 1 });
    await pool.ready;
    // Full for the start, parts refused, full again.
    expect(await ask(pool)).toEqual([0, 2, 2, 1]);
  });

  test('parts on a revision the worker does not have lead to a full table', async () => {
    const { pool } = createPool({}, 1);
    await using _ = pool;
    await pool.start();
    await pool.publish(full(1));
    await pool.publish(parts(7, 6));
    await pool.ready;
    expect(await ask(pool)).toEqual([0, 7, 2, 1]);
  });

  test('parts published before a worker has started reach it as a full table', async () => {
    const { pool } = createPool({}, 1);
    await using _ = pool;
    await pool.start();
    const both = [pool.publish(full(1)), pool.publish(parts(2))];
    await Promise.all(both);
    await pool.ready;
    expect(await ask(pool)).toEqual([0, 2, 1, 0]);
  });

  test('problems are reported once each, and to the events for every worker', async () => {
    const { pool, recorded } = createPool({ problem: [0, 1] }, 2);
    await using _ = pool;
    await pool.start();
    const report = await pool.publish(full(1));
    expect(report.problems).toEqual([{ certificate: 'c0', message: 'key values mismatch' }]);
    expect(recorded.problems.sort()).toEqual([0, 1]);
  });

  test('a worker that does not acknowledge in time is ended and replaced; the others count', async () => {
    const { pool, timers, recorded, nextCrash } = createPool({ muteParts: [1] }, 2, { responseTimeoutMs: 5000 });
    await using _ = pool;
    await pool.start();
    await pool.publish(full(1));
    await pool.ready;
    const published = pool.publish(parts(2));
    const crash = nextCrash();
    await waitFor(() => pool.workers[0]?.revision === 2);
    timers.advance(5000);
    await crash;
    expect(await published).toMatchObject({ kind: 'acknowledged', revision: 2, workers: 1 });
    expect(recorded.logs).toContain('worker ended: did not acknowledge revision 2 within 5000 ms');
    expect(recorded.crashes).toMatchObject([{ workerId: 1, restartInMs: 100 }]);
  });
});

describe('connection limits', () => {
  test('what a crashed worker held is given back, what the others hold is not', async () => {
    const limitMemory = createLimitMemory({ entries: 8, columns: 2 }, 1);
    const held = [0, 1].map((column) => new LimitTable(limitMemory, column));
    const { pool, nextCrash } = createPool({}, 2, { start: { ...startWith(http, {}), limitMemory } });
    await using _ = pool;
    await pool.start();
    await pool.publish(full(1));
    await pool.ready;
    for (const table of held) expect(table.openConnection('zone', 'client', 0, 10)).toBeGreaterThanOrEqual(0);
    await crashOne(pool, nextCrash);
    expect(held[0]?.connectionCount('zone', 'client')).toBe(1);
  });
});

describe('a table that kills workers', () => {
  test('is given up after two deaths of the one worker that tries it; the others never see it', async () => {
    const { pool, timers, recorded, nextCrash } = createPool({ poison: { revision: 2, workers: [0, 1] } }, 2);
    await using _ = pool;
    await pool.start();
    await pool.publish(full(1));
    await pool.ready;
    let crash = nextCrash();
    const published = pool.publish(parts(2));
    await crash;
    crash = nextCrash();
    timers.advance(100);
    await crash;
    expect(await published).toMatchObject({ kind: 'rejected', revision: 2, workers: 0 });
    expect(recorded.crashes.map(({ workerId }) => workerId)).toEqual([0, 0]);
    expect(pool.workers[1]).toEqual({ id: 1, phase: 'serving', revision: 1, restarts: 0 });
    expect(recorded.logs.at(-1)).toBe(
      'routing table 2 is given up, workers died while they applied it; revision 1 serves on',
    );

    // The next table builds on the one that serves, also for the worker that comes back.
    expect(await pool.publish(parts(3, 1))).toMatchObject({ kind: 'acknowledged', workers: 1 });
    timers.advance(200);
    await waitFor(() => pool.workers.every(({ phase, revision }) => phase === 'serving' && revision === 3));
  });

  test('one worker that dies by chance is no reason to give it up: another tries', async () => {
    const { pool, recorded } = createPool({ poison: { revision: 2, workers: [0] } }, 3);
    await using _ = pool;
    await pool.start();
    await pool.publish(full(1));
    await pool.ready;
    expect(await pool.publish(parts(2))).toMatchObject({ kind: 'acknowledged', revision: 2, workers: 2 });
    expect(recorded.crashes.map(({ workerId }) => workerId)).toEqual([0]);
  });

  test('as the first table it leaves the workers waiting for a better one', async () => {
    const { pool, timers } = createPool({ poison: { revision: 1, workers: [0, 1] } }, 2);
    await using _ = pool;
    await pool.start();
    expect(await pool.publish(full(1))).toMatchObject({ kind: 'rejected' });
    timers.advance(10_000);
    expect(await pool.publish(full(2))).toMatchObject({ kind: 'acknowledged', revision: 2 });
    await pool.ready;
  });

  test('with a single worker it goes back to the table before', async () => {
    const { pool, timers, nextCrash } = createPool({ poison: { revision: 2, workers: [0] } }, 1);
    await using _ = pool;
    await pool.start();
    await pool.publish(full(1));
    await pool.ready;
    let crash = nextCrash();
    const published = pool.publish(parts(2));
    await crash;
    crash = nextCrash();
    timers.advance(100);
    await crash;
    expect(await published).toMatchObject({ kind: 'rejected' });
    timers.advance(200);
    await waitFor(() => phases(pool)[0] === 'serving');
    expect((await ask(pool))[1]).toBe(1);
  });
});

describe('crashes', () => {
  test('the others serve on; the new worker gets the newest table in full and the same port', async () => {
    const { pool, timers, recorded, nextCrash } = createPool({}, 2);
    await using _ = pool;
    await pool.start();
    await pool.publish(full(1));
    await pool.ready;
    const port = pool.listeners?.[0]?.port;
    await crashOne(pool, nextCrash);

    const dead = recorded.crashes[0]?.workerId ?? -1;
    expect(recorded.crashes[0]).toMatchObject({ restartInMs: 100, exitCode: 1 });
    expect(recorded.crashes[0]?.error?.message).toBe(`worker ${dead} was told to crash`);
    expect(pool.isReady).toBe(true);
    // Not waiting for the dead one: it will begin with this table.
    expect(await pool.publish(parts(2))).toMatchObject({ workers: 1 });
    expect((await ask(pool)).slice(0, 2)).toEqual([1 - dead, 2]);

    timers.advance(100);
    await waitFor(() => pool.workers.every(({ phase }) => phase === 'serving'));
    expect(pool.workers[dead]).toEqual({ id: dead, phase: 'serving', revision: 2, restarts: 1 });
    expect(pool.listeners?.[0]?.port).toBe(port);
  });

  test('restarts back off, also for a worker that cannot even start', async () => {
    const { pool, timers, recorded, nextCrash } = createPool({ crashOnStart: [0] }, 1);
    await using _ = pool;
    let crash = nextCrash();
    await pool.start();
    for (const delayMs of [100, 200, 400]) {
      await crash;
      expect(recorded.crashes.at(-1)?.restartInMs).toBe(delayMs);
      crash = nextCrash();
      timers.advance(delayMs);
    }
    await crash;
    expect(recorded.crashes).toHaveLength(4);
    expect(pool.isReady).toBe(false);
  });

  test('after a minute of service the back-off starts anew', async () => {
    const { pool, timers, recorded, nextCrash } = createPool({}, 1);
    await using _ = pool;
    await pool.start();
    await pool.publish(full(1));
    await pool.ready;
    for (const servedMs of [0, 0, 60_000]) {
      timers.advance(servedMs);
      await crashOne(pool, nextCrash);
      timers.advance(recorded.crashes.at(-1)?.restartInMs ?? 0);
      await waitFor(() => phases(pool)[0] === 'serving');
    }
    expect(recorded.crashes.map(({ restartInMs }) => restartInMs)).toEqual([100, 200, 100]);
  });
});

describe('news of endpoints', () => {
  test('reach the worker they are for; what one worker ejects, all others hear', async () => {
    const { pool, recorded } = createPool({}, 3);
    await using _ = pool;
    await pool.start();
    await pool.publish(full(1));
    await pool.ready;
    const failing = { type: 'probed', upstream: 'u', endpoint: '10.0.0.1:80', isFailing: true } as const;
    pool.tell(failing, 1);
    // Answers come in order: after the first round the pool knows of the ejection, after the second all others do.
    await pool.sample(5000);
    await pool.sample(5000);
    const heard = recorded.logs.filter((line) => line.includes('heard')).toSorted();
    expect(heard).toEqual(['0 heard ejected 10.0.0.1:80', '1 heard probed 10.0.0.1:80', '2 heard ejected 10.0.0.1:80']);
    expect(recorded.logs).toContain('an endpoint is left out for a while');
    pool.tell({ ...failing, isFailing: false }, null);
    await pool.sample(5000);
    expect(recorded.logs.filter((line) => line.includes('heard probed'))).toHaveLength(4);
  });
});

describe('sample', () => {
  test('adds up all workers, and what dead ones had counted', async () => {
    const { pool, recorded, nextCrash } = createPool({}, 2);
    await using _ = pool;
    await pool.start();
    await pool.publish(full(1));
    await pool.ready;
    for (let i = 0; i < 4; i++) await ask(pool);
    const before = await pool.sample(1000);
    expect(before.counters).toEqual([{ name: 'connections_total', labels: {}, value: 4 }]);
    expect(before.gauges).toEqual([{ name: 'workers_alive', labels: {}, value: 2 }]);
    expect(before.histograms).toEqual([
      { name: 'size', labels: { a: 'b' }, bounds: [1, 10], counts: [4, 0, 2], sum: 4 },
    ]);
    expect(recorded.accessLog.match(/worker [01]\n/g)).toHaveLength(4);

    await crashOne(pool, nextCrash);
    const after = await pool.sample(1000);
    expect(after.counters[0]?.value).toBeGreaterThanOrEqual(4);
    expect(after.gauges).toEqual([{ name: 'workers_alive', labels: {}, value: 1 }]);
    expect(after.histograms[0]?.counts[2]).toBe(2);
  });

  test('forgets what dead workers had counted in series that are gone, and only that', async () => {
    const { pool, nextCrash } = createPool({}, 1);
    await using _ = pool;
    await pool.start();
    await pool.publish(full(1));
    await pool.ready;
    for (let i = 0; i < 3; i++) await ask(pool);
    await pool.sample(1000);
    await crashOne(pool, nextCrash);
    pool.retain(() => true);
    expect((await pool.sample(1000)).histograms[0]?.sum).toBeGreaterThanOrEqual(3);
    pool.retain(({ a }) => a !== 'b');
    const after = await pool.sample(1000);
    expect(after.counters[0]?.value).toBeGreaterThanOrEqual(3);
    expect(after.histograms.map(({ sum }) => sum).filter((sum) => sum > 0)).toEqual([]);
  });

  test('does not wait longer than told for a worker that does not answer', async () => {
    const { pool, timers } = createPool({ slowSample: [1] }, 2);
    await using _ = pool;
    await pool.start();
    await pool.publish(full(1));
    const sampled = pool.sample(1000);
    timers.advance(1000);
    expect((await sampled).gauges.length).toBeLessThanOrEqual(1);
  });

  test('without workers it is empty', async () => {
    const { pool } = createPool({}, 1);
    await using _ = pool;
    expect(await pool.sample(1000)).toEqual({ counters: [], gauges: [], histograms: [] });
  });
});

describe('drain', () => {
  test('adds up what the workers cut, and crashed workers are not replaced any more', async () => {
    const { pool } = createPool({}, 2);
    await using _ = pool;
    await pool.start();
    await pool.publish(full(1));
    await pool.ready;
    expect(await pool.drain(1000)).toEqual({ cutConnections: 1 + 2, unresponsive: 0 });
    expect(pool.isReady).toBe(false);
    expect(phases(pool)).toEqual(['drained', 'drained']);
  });

  test('a worker that does not answer is given up after the deadline', async () => {
    const { pool, timers } = createPool({ mute: [0] }, 2);
    await using _ = pool;
    await pool.start();
    await waitFor(() => phases(pool).every((phase) => phase !== 'starting'));
    const drained = pool.drain(1000);
    await waitFor(() => phases(pool)[1] === 'drained');
    timers.advance(2000);
    expect(await drained).toEqual({ cutConnections: 2, unresponsive: 1 });
  });
});

async function occupyPort(): Promise<{ readonly port: number } & AsyncDisposable> {
  const server: Server = createServer();
  // As another Sluice would hold it: with reusePort, which a plain bind still collides with.
  server.listen({ port: 0, host: '127.0.0.1', reusePort: true });
  await once(server, 'listening');
  const address = server.address();
  if (typeof address !== 'object' || address === null) throw new Error('expected a port');
  return {
    port: address.port,
    [Symbol.asyncDispose]: async () => {
      server.close();
      await once(server, 'close');
    },
  };
}

/** Yields to the event loop until `condition` holds; the test's own time limit ends it otherwise. */
async function waitFor(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setImmediate(resolve));
}
