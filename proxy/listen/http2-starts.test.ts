// How requests of one connection are spread over loop turns.

import { expect, test } from '@jest/globals';

import { Http2Starts, type Startable } from './http2-starts.ts';
import type { Flushable } from './loop-turn.ts';

/** Loop turns that end when the test says so. */
class Turns {
  #waiting: Flushable[] = [];

  add(each: Flushable): void {
    this.#waiting.push(each);
  }

  /** False when nothing waited for the end of the turn. */
  end(): boolean {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const each of waiting) each.flush();
    return waiting.length > 0;
  }
}

class Request implements Startable {
  state = 'new';
  readonly #log: number[];
  readonly #id: number;
  onBegin = (): void => {};

  constructor(id: number, log: number[]) {
    this.#id = id;
    this.#log = log;
  }

  begin(): void {
    this.state = 'begun';
    this.#log.push(this.#id);
    this.onBegin();
  }

  wait(): void {
    this.state = 'waiting';
  }
}

function scene(count: number) {
  const turns = new Turns();
  const starts = new Http2Starts(turns);
  const log: number[] = [];
  const requests = Array.from({ length: count }, (_, id) => new Request(id, log));
  for (const request of requests) starts.take(request);
  return { turns, starts, log, requests };
}

const inOrder = (count: number) => Array.from({ length: count }, (_, id) => id);

test('32 begin at once, the others 32 a turn, in order', () => {
  const { turns, log, requests } = scene(70);
  expect(log).toEqual(inOrder(32));
  expect(requests[32]?.state).toBe('waiting');
  turns.end();
  expect(log).toEqual(inOrder(64));
  turns.end();
  expect(log).toEqual(inOrder(70));
});

test('requests that come while others wait stand behind them', () => {
  const { turns, starts, log } = scene(33);
  turns.end();
  const late = new Request(33, log);
  starts.take(late);
  expect(late.state).toBe('begun');
  expect(log).toEqual(inOrder(34));
});

test('turns with few requests are not counted together', () => {
  const turns = new Turns();
  const starts = new Http2Starts(turns);
  const log: number[] = [];
  for (let id = 0; id < 100; id++) {
    starts.take(new Request(id, log));
    turns.end();
  }
  expect(log).toEqual(inOrder(100));
});

test('nothing is asked of turns without requests', () => {
  const { turns } = scene(40);
  turns.end();
  turns.end();
  expect(turns.end()).toBe(false);
});

test('what is removed never begins', () => {
  const { turns, starts, log, requests } = scene(40);
  for (const request of requests.slice(33)) starts.remove(request);
  turns.end();
  expect(log).toEqual(inOrder(33));
});

test('a request whose beginning ends the connection takes all that wait with it', () => {
  const { turns, starts, log, requests } = scene(40);
  const [first, ...rest] = requests.slice(32);
  if (first !== undefined) first.onBegin = () => rest.forEach((request) => void starts.remove(request));
  turns.end();
  turns.end();
  expect(log).toEqual(inOrder(33));
});
