import { expect, test } from '@jest/globals';
import { ReadBuffers } from './read-buffers.ts';
import { ReadLease } from './read-lease.ts';

const bytes = (text: string): Buffer => Buffer.from(text, 'latin1');

test('a lease goes back only when the socket asks for its next buffer', () => {
  const buffers = new ReadBuffers();
  const lease = new ReadLease(buffers);
  const first = lease.nextBuffer(true);
  expect(lease.nextBuffer(true)).toBe(first);
  expect(buffers.lease()).not.toBe(first);
  expect(lease.nextBuffer(false)).toBe(buffers.shared);
  expect(buffers.lease()).toBe(first);
});

test('a lease behind an unfinished write is never handed on', () => {
  const buffers = new ReadBuffers();
  const lease = new ReadLease(buffers);
  const placed = lease.place(bytes('abc'), 0, 3);
  lease.isPending = true;
  expect(lease.nextBuffer(false)).toBe(buffers.shared);
  expect(buffers.lease()).not.toBe(placed);
  expect(lease.isHeld).toBe(false);
});

test('a dropped lease is never handed on: its socket may still read into it', () => {
  const buffers = new ReadBuffers();
  const lease = new ReadLease(buffers);
  const first = lease.nextBuffer(true);
  lease.drop();
  expect(lease.nextBuffer(false)).toBe(buffers.shared);
  expect(buffers.lease()).not.toBe(first);
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
