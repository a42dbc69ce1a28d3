// One upstream in one or more workers, by a clock that the test moves: for tests of `UpstreamState`.

import { seededRandom } from '../../balance/testing/endpoints.ts';
import { plainEndpoint, plainUpstream } from '../../table/defaults.ts';
import type { Endpoint, Upstream } from '../../table/types.ts';
import type { EndpointState } from '../endpoint-state.ts';
import { LoadDirectory } from '../load-directory.ts';
import { allocateSharedLoads, SharedLoads } from '../shared-loads.ts';
import { UpstreamState } from '../upstream-state.ts';

/** An endpoint of the address `10.0.0.<n>`. */
export const pod = (n: number, settings: Partial<Endpoint> = {}): Endpoint => ({
  ...plainEndpoint(`10.0.0.${n}`, 80),
  ...settings,
});

/** Upstream `u` in one or more workers that share counters, a clock, and what they tell each other. */
export function startUpstream(settings: Partial<Upstream>, workers = 1) {
  const clock = { nowMs: 1_000_000 };
  const loads = new SharedLoads(allocateSharedLoads(workers, 32));
  const directory = new LoadDirectory(loads);
  const ejected: string[] = [];
  const states = Array.from(
    { length: workers },
    (_, column) =>
      new UpstreamState('u', {
        random: seededRandom(column + 1),
        nowMs: () => clock.nowMs,
        wallMs: () => clock.nowMs,
        loads: { loads, column },
        onEjected: ({ key }, untilMs, reason) => {
          ejected.push(`${key} ${reason}`);
          for (const state of states) state.ejectedElsewhere(key, untilMs);
        },
      }),
  );
  const apply = (change: Partial<Upstream>) => {
    const upstream = { ...plainUpstream('u', []), ...settings, ...change };
    directory.apply([upstream], []);
    for (const state of states) state.apply(upstream);
  };
  apply({});
  const [first] = states;
  if (first === undefined) throw new Error('expected a worker');
  return { clock, states, upstream: first, apply, ejected, loads };
}

export const three = [pod(1), pod(2), pod(3)];

/** Last parts of the addresses that many picks give, each once, sorted. */
export function pickedOf(upstream: UpstreamState, mayProbe = false): string {
  const names = Array.from({ length: 120 }, () => upstream.pick(null, null, mayProbe)?.address.at(-1) ?? '-');
  return [...new Set(names)].sort().join('');
}

export function endpointOf(upstream: UpstreamState, n: number): EndpointState {
  const found = upstream.endpoints.find(({ address }) => address === `10.0.0.${n}`);
  if (found === undefined) throw new Error(`no endpoint ${n}`);
  return found;
}

export function failTimes(upstream: UpstreamState, n: number, times: number): void {
  for (let i = 0; i < times; i++) upstream.onFailed(endpointOf(upstream, n), 1);
}
