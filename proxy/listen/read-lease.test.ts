import { expect, test } from '@jest/globals';
import { BULK_BUFFER_BYTES, READ_BUFFER_BYTES, ReadBuffers } from './read-buffers.ts';
import { ReadLease } from './read-lease.ts';

const bytes = (text: string): Buffer => Buffer.from(text, 'latin1');

test('a lease goes back only when the socket asks for its next buffer', () => {
  const buffers = new ReadBuffers();
  const lease = new ReadLease(buffers);
  const first = lease.nextBuffer(true, false);
  expect(lease.nextBuffer(true, false)).toBe(first);
  expect(buffers.lease(false)).not.toBe(first);
  expect(lease.nextBuffer(false, false)).toBe(buffers.shared);
  expect(buffers.lease(false)).toBe(first);
});

test('a lease behind an unfinished write is never handed on', () => {
  const buffers = new ReadBuffers();
  const lease = new ReadLease(buffers);
  const placed = lease.place(bytes('abc'), 0, 3);
  lease.isPending = true;
  expect(lease.nextBuffer(false, false)).toBe(buffers.shared);
  expect(buffers.lease(false)).not.toBe(placed);
  expect(lease.isHeld).toBe(false);
});

test('a dropped lease is never handed on: its socket may still read into it', () => {
  const buffers = new ReadBuffers();
  const lease = new ReadLease(buffers);
  const first = lease.nextBuffer(true, false);
  lease.drop();
  expect(lease.nextBuffer(false, false)).toBe(buffers.shared);
  expect(buffers.lease(false)).not.toBe(first);
});

test('parts of one read lie behind each other, what does not fit is copied elsewhere, and a new read begins in front', () => {
  const lease = new ReadLease(new ReadBuffers());
  const first = lease.place(bytes('abc'), 0, 3);
  expect([lease.start, lease.owns(first)]).toEqual([0, true]);
  expect([lease.place(bytes('xdefx'), 1, 4), lease.start]).toEqual([first, 3]);
  const large = Buffer.alloc(first.length, 'z');
  const elsewhere = lease.place(large, 0, large.length);
  expect([lease.owns(elsewhere), lease.start, elsewhere.equals(large)]).toEqual([false, 0, true]);
  expect(first.toString('latin1', 0, 6)).toBe('abcdef');
  lease.beginRead();
  lease.place(bytes('xyz'), 0, 3);
  expect(lease.start).toBe(0);
});

test('a long transfer goes on in a small buffer, once what lies in the large one is written', () => {
  const buffers = new ReadBuffers();
  const lease = new ReadLease(buffers);
  const large = lease.place(bytes('abc'), 0, 3);
  lease.isPending = true;
  expect(lease.nextBuffer(true, true)).toBe(large);
  lease.isPending = false;
  const small = lease.nextBuffer(true, true);
  expect([large.length, small.length]).toEqual([READ_BUFFER_BYTES, BULK_BUFFER_BYTES]);
  expect(lease.nextBuffer(true, true)).toBe(small);
  expect(buffers.lease(false)).toBe(large);
  lease.nextBuffer(false, false);
  expect(buffers.lease(true)).toBe(small);
});

test('while many large writes wait for slow receivers, only small buffers are given out', () => {
  const buffers = new ReadBuffers();
  expect(buffers.shared).toHaveLength(READ_BUFFER_BYTES);
  buffers.waitingBytes = 5 * 1024 * 1024;
  expect([buffers.shared.length, buffers.lease(false).length]).toEqual([BULK_BUFFER_BYTES, BULK_BUFFER_BYTES]);
  buffers.waitingBytes = 0;
  expect(buffers.shared).toHaveLength(READ_BUFFER_BYTES);
});
