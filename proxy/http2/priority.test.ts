// Priorities: the field (RFC 9218 §4, RFC 8941) and the order of the send queue (§10).

import { describe, expect, test } from '@jest/globals';
import { readPriority, type Schedulable, SendQueue } from './priority.ts';

describe('the Priority field', () => {
  test.each([
    ['', 3, false],
    ['u=0', 0, false],
    ['u=7, i', 7, true],
    ['i', 3, true],
    ['i=?1,u=5', 5, true],
    ['i=?0', 3, false],
    ['u=2, u=4', 4, false],
    ['u=1;x=2, i;a', 1, true],
    ['u=8', 3, false],
    ['u=-1', 3, false],
    ['u="0"', 3, false],
    ['u=10', 3, false],
    ['unknown=1, i', 3, true],
    [', ,', 3, false],
  ])('%j', (value, urgency, isIncremental) => {
    const priority = { urgency: 6, isIncremental: true };
    readPriority(value, priority);
    expect(priority).toEqual({ urgency, isIncremental });
  });
});

describe('the send queue', () => {
  const stream = (id: number, urgency = 3, isIncremental = false): Schedulable => ({
    id,
    urgency,
    isIncremental,
    isQueued: false,
  });

  function drain(queue: SendQueue<Schedulable>): number[] {
    const order: number[] = [];
    for (let next = queue.next(); next !== null; next = queue.next()) order.push(next.id);
    return order;
  }

  test('the most urgent first, then by number, incremental ones in the order they came', () => {
    const queue = new SendQueue<Schedulable>();
    for (const each of [stream(9, 3, true), stream(5), stream(3), stream(7, 0), stream(1, 3, true)]) queue.add(each);
    expect(drain(queue)).toEqual([7, 3, 5, 9, 1]);
    expect(queue.isEmpty).toBe(true);
  });

  test('incremental streams take turns', () => {
    const queue = new SendQueue<Schedulable>();
    queue.add(stream(1, 3, true));
    queue.add(stream(3, 3, true));
    const first = queue.next() as Schedulable;
    queue.add(first);
    expect(drain(queue)).toEqual([3, 1]);
  });

  test('a stream is queued once, can be taken out, and moves with its priority', () => {
    const queue = new SendQueue<Schedulable>();
    const [one, three, five] = [stream(1), stream(3), stream(5)];
    for (const each of [one, three, five, one]) queue.add(each);
    queue.remove(three);
    queue.reprioritize(five, { urgency: 1, isIncremental: false });
    expect(drain(queue)).toEqual([5, 1]);
  });
});
