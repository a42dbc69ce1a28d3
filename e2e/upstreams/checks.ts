// What many annotations are asked: where requests went.

import { expect } from '@jest/globals';
import type { Check } from './annotation-cases.ts';
import type { Asked } from './client.ts';
import type { Site } from './site.ts';

/** Each name with how often it occurs, in order of name. */
export function tally(names: readonly string[]): Record<string, number> {
  const counts = new Map<string, number>();
  for (const name of names.toSorted()) counts.set(name, (counts.get(name) ?? 0) + 1);
  return Object.fromEntries(counts);
}

/** Names of the endpoints that answered. */
export function bodiesOf(told: readonly { readonly body: string }[]): readonly string[] {
  return told.map(({ body }) => body);
}

/** Requests of one connection go to three endpoints in turn. */
export const takesTurns: Check = async (site) => {
  expect(tally(bodiesOf(await site.askTimes(9)))).toEqual({ web0: 3, web1: 3, web2: 3 });
};

/** Of the endpoints, exactly so many answer such requests. */
export function reaches(count: number, asked: Asked | ((at: number) => Asked) = {}, times = 40): Check {
  return async (site) => {
    expect(Object.keys(tally(bodiesOf(await site.askTimes(times, asked))))).toHaveLength(count);
  };
}

/** Sends requests that stay at their endpoints, each when the one before has arrived; gives how many are at each. */
export async function heldAtEach(site: Site, times: number, asked: Asked = {}): Promise<Record<string, number>> {
  site.answerWith((call) => site.hold(call));
  const answers: Promise<unknown>[] = [];
  for (let at = 1; at <= times; at++) {
    answers.push(site.ask({ ...asked, fresh: true }));
    await site.held(at);
  }
  const where = tally(await site.held(times));
  site.release();
  await Promise.all(answers);
  return where;
}

/** Requests that stay are spread evenly: `each` for every one of the endpoints. */
export function balancesHeld(endpoints: number, each: number): Check {
  return async (site) => {
    const names = Array.from({ length: endpoints }, (_, at) => [`web${at}`, each] as const);
    expect(await heldAtEach(site, endpoints * each)).toEqual(Object.fromEntries(names));
  };
}

/** All these checks, one after the other. */
export function all(...checks: readonly Check[]): Check {
  return async (site) => {
    for (const check of checks) await check(site);
  };
}

/** Statuses as text, for `tally`. */
export function statusesOf(told: readonly { readonly status: number }[]): readonly string[] {
  return told.map(({ status }) => `${status}`);
}
