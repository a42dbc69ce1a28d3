// What becomes of log lines that nobody takes: bounded memory, a count, and no exception.

import { closeSync, openSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { expect, test } from '@jest/globals';
import { FileSink, LogOutput, StreamSink } from './log-output.ts';

/** A reader that takes a line when told to. */
class SlowReader extends Writable {
  readonly taken: string[] = [];
  #next: (() => void) | null = null;

  constructor() {
    super({ decodeStrings: false });
  }

  override _write(chunk: unknown, _: string, done: () => void): void {
    this.taken.push(String(chunk));
    this.#next = done;
  }

  /** Takes all that waits. */
  catchUp(): void {
    while (this.#next !== null) {
      const next = this.#next;
      this.#next = null;
      next();
    }
  }
}

const line = `${'x'.repeat(99)}\n`;

test('beyond the bound lines are dropped and counted, and told once until the reader has caught up', () => {
  const reader = new SlowReader();
  const output = new LogOutput(new StreamSink(reader), 1000);
  const told: string[] = [];
  output.onTrouble((why) => told.push(why));
  for (let i = 0; i < 50; i++) output.write(line);
  expect(reader.writableLength).toBe(1100);
  expect(output.droppedLines).toBe(39);
  expect(told).toEqual(['its reader is too slow']);
  reader.catchUp();
  output.write(line);
  reader.catchUp();
  expect(reader.taken).toHaveLength(12);
  for (let i = 0; i < 50; i++) output.write(line);
  expect(told).toHaveLength(2);
});

test('each line of a dropped batch is counted', () => {
  const output = new LogOutput(new StreamSink(new SlowReader()), 0);
  output.write(line);
  output.write('one\ntwo\nthree\n');
  expect(output.droppedLines).toBe(3);
});

test('a stream that fails does not throw, now or later', async () => {
  const failing = new Writable({ write: (_chunk, _encoding, done) => done(new Error('EPIPE')) });
  const output = new LogOutput(new StreamSink(failing));
  const told: string[] = [];
  output.onTrouble((why) => told.push(why));
  const failed = new Promise((resolve) => failing.once('error', resolve));
  output.write('first\n');
  await failed;
  output.write('second\n');
  output.write('third\n');
  expect(output.droppedLines).toBe(2);
  expect(told).toEqual(['EPIPE']);
  await output.settled(60_000);
});

test('a full disk loses lines, and lines go on when it has room again', async () => {
  const full = openSync('/dev/full', 'w');
  const output = new LogOutput(new FileSink(full));
  const told: string[] = [];
  output.onTrouble((why) => told.push(why));
  output.write('one\n');
  output.write('two\n');
  expect(output.droppedLines).toBe(2);
  expect(told).toEqual([expect.stringMatching(/^ENOSPC/)]);
  closeSync(full);

  const folder = await mkdtemp(join(tmpdir(), 'sluice-log-'));
  const file = join(folder, 'log');
  // The lowest free descriptor is the one just closed: the same sink has another file now.
  const fd = openSync(file, 'w');
  expect(fd).toBe(full);
  output.write('three\n');
  closeSync(fd);
  expect(readFileSync(file, 'utf8')).toBe('three\n');
  expect(output.droppedLines).toBe(2);
  await rm(folder, { recursive: true });
});

test('settled waits for the reader, but not for one that never comes', async () => {
  const reader = new SlowReader();
  const output = new LogOutput(new StreamSink(reader));
  output.write(line);
  await output.settled(1);
  const settled = output.settled(60_000);
  reader.catchUp();
  await settled;
  expect(reader.writableLength).toBe(0);
});
