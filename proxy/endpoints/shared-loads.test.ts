import { Worker } from 'node:worker_threads';
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { plainEndpoint, plainUpstream } from '../table/defaults.ts';
import type { Upstream } from '../table/types.ts';
import { findCell } from './load-cell.ts';
import { LoadDirectory } from './load-directory.ts';
import { allocateSharedLoads, rowKey, SharedLoads } from './shared-loads.ts';

function upstream(id: string, addresses: readonly string[], kind: 'ewma' | 'roundRobin' = 'ewma'): Upstream {
  const endpoints = addresses.map((address) => plainEndpoint(address, 80));
  return { ...plainUpstream(id, endpoints), balancer: { kind } };
}

function startDirectory(capacity = 64, columns = 3) {
  const loads = new SharedLoads(allocateSharedLoads(columns, capacity));
  return { loads, directory: new LoadDirectory(loads) };
}

describe('SharedLoads', () => {
  test('the sum is that of all columns; a dead worker’s column is given back', () => {
    const { loads, directory } = startDirectory();
    directory.apply([upstream('u', ['10.0.0.1'])], []);
    const cells = [0, 1, 2].map((column) => findCell({ loads, column }, 'u', '10.0.0.1:80'));
    for (const [at, cell] of cells.entries()) cell?.set(at + 1);
    expect(cells[0]?.sum()).toBe(6);
    directory.forgetWorker(1);
    expect(cells[0]?.sum()).toBe(4);
  });

  test('rows are found as long as they are claimed, through any claims and releases', () => {
    const step = fc.record({ key: fc.nat(40), kind: fc.constantFrom('claim', 'release') });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 300 }), (steps) => {
        const loads = new SharedLoads(allocateSharedLoads(1, 20));
        const rows = new Map<number, number>();
        for (const { key, kind } of steps) {
          const row = rows.get(key);
          if (kind === 'release' && row !== undefined) {
            loads.release(row);
            rows.delete(key);
          } else if (kind === 'claim' && row === undefined) {
            const got = loads.claim(rowKey('u', `${key}`));
            expect(got === -1).toBe(rows.size === loads.rows);
            if (got !== -1) rows.set(key, got);
          }
          for (let each = 0; each <= 40; each++) expect(loads.find(rowKey('u', `${each}`))).toBe(rows.get(each) ?? -1);
        }
        expect(new Set(rows.values()).size).toBe(rows.size);
      }),
      { numRuns: 50 },
    );
  });

  test('keys tell upstream and endpoint apart', () => {
    expect(rowKey('a', 'b:1')).toEqual(rowKey('a', 'b:1'));
    expect(rowKey('a', 'b:1')).not.toEqual(rowKey('ab', ':1'));
    expect(rowKey('a', '')).not.toEqual(rowKey('', 'a'));
  });
});

describe('LoadDirectory', () => {
  const rowOf = (loads: SharedLoads, endpoint: string) => loads.find(rowKey('u', endpoint));

  test('only upstreams that ask for it get rows', () => {
    const { loads, directory } = startDirectory();
    directory.apply([upstream('u', ['10.0.0.1'], 'roundRobin')], []);
    expect(rowOf(loads, '10.0.0.1:80')).toBe(-1);
    directory.apply([upstream('u', ['10.0.0.1'])], []);
    expect(rowOf(loads, '10.0.0.1:80')).not.toBe(-1);
    expect(rowOf(loads, '')).not.toBe(-1);
  });

  test('a row of a removed endpoint is free only when all workers are past it', () => {
    const { loads, directory } = startDirectory();
    directory.apply([upstream('u', ['10.0.0.1', '10.0.0.2'])], []);
    directory.apply([upstream('u', ['10.0.0.2'])], []);
    expect(rowOf(loads, '10.0.0.1:80')).not.toBe(-1);
    directory.settle();
    expect(rowOf(loads, '10.0.0.1:80')).toBe(-1);
    expect(rowOf(loads, '10.0.0.2:80')).not.toBe(-1);
  });

  test('an endpoint that comes back before that keeps its row', () => {
    const { loads, directory } = startDirectory();
    directory.apply([upstream('u', ['10.0.0.1'])], []);
    const row = rowOf(loads, '10.0.0.1:80');
    directory.apply([], ['u']);
    directory.apply([upstream('u', ['10.0.0.1'])], []);
    directory.settle();
    expect(rowOf(loads, '10.0.0.1:80')).toBe(row);
  });

  test('a claimed row starts at zero', () => {
    const { loads, directory } = startDirectory(1);
    directory.apply([upstream('u', ['10.0.0.1'])], []);
    findCell({ loads, column: 2 }, 'u', '10.0.0.1:80')?.set(7);
    findCell({ loads, column: 2 }, 'u', '10.0.0.1:80')?.score().observe(50, 1000);
    directory.replace([]);
    directory.settle();
    directory.apply([upstream('v', ['10.0.0.9'])], []);
    const cell = findCell({ loads, column: 0 }, 'v', '10.0.0.9:80');
    expect([cell?.sum(), cell?.score().isUnknown]).toEqual([0, true]);
  });

  test('beyond the capacity endpoints are counted per worker, and the number of these is known', () => {
    const { directory } = startDirectory(2);
    directory.apply([upstream('u', ['10.0.0.1', '10.0.0.2', '10.0.0.3', '10.0.0.4'])], []);
    expect(directory.missing).toBe(1);
    directory.apply([upstream('u', ['10.0.0.1'])], []);
    directory.settle();
    expect(directory.missing).toBe(0);
  });
});

/** Counts up and down at two rows, ends 5 above zero at the first, and tells. */
const counter = `
  const { workerData, parentPort } = require('node:worker_threads');
  import(workerData.module).then(({ SharedLoads }) => {
    const loads = new SharedLoads(workerData.memory);
    let count = 0;
    for (let i = 0; i < 200000; i++) {
      count += i % 2 === 0 ? 1 : -1;
      loads.set(workerData.column, workerData.rows[i % 3 === 0 ? 0 : 1], count);
    }
    loads.set(workerData.column, workerData.rows[0], 5);
    loads.set(workerData.column, workerData.rows[1], 0);
    parentPort.postMessage('done');
  });`;

test('three real threads count at once: the sums are exact, and one that is killed gives its share back', async () => {
  const memory = allocateSharedLoads(3, 16);
  const loads = new SharedLoads(memory);
  const rows = ['a', 'b'].map((name) => loads.claim(rowKey('u', name)));
  const module = new URL('./shared-loads.ts', import.meta.url).href;
  const workers = [0, 1, 2].map(
    (column) => new Worker(counter, { eval: true, workerData: { memory, column, rows, module } }),
  );
  const done = workers.map((worker) => {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    worker.once('message', () => resolve());
    worker.once('error', reject);
    return promise;
  });
  await Promise.all(done);
  expect(rows.map((row) => loads.sum(row))).toEqual([15, 0]);
  await Promise.all(workers.map((worker) => worker.terminate()));
  loads.clearColumn(1);
  expect(rows.map((row) => loads.sum(row))).toEqual([10, 0]);
});
