import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { defaultHealth, defaultOutliers } from '../table/defaults.ts';
import { noLimits, noPassiveHealth } from '../table/testing/build.ts';
import type { Upstream } from '../table/types.ts';
import type { BalancerSettings } from '../table/upstream-settings.ts';
import { FULL } from './endpoint-room.ts';
import type { EndpointState } from './endpoint-state.ts';
import { rowKey } from './shared-loads.ts';
import { endpointOf, failTimes, pickedOf, pod, startUpstream, three } from './testing/upstream-scene.ts';
import type { UpstreamState } from './upstream-state.ts';

describe('what may be picked', () => {
  test('terminating endpoints only without any other', () => {
    const { upstream, apply } = startUpstream({ endpoints: [pod(1), pod(2, { state: 'terminating' })] });
    expect(pickedOf(upstream)).toBe('1');
    apply({ endpoints: [pod(2, { state: 'terminating' })] });
    expect(pickedOf(upstream)).toBe('2');
  });

  test('near endpoints while enough of them are well', () => {
    const endpoints = [pod(1, { zones: ['a'] }), pod(2, { zones: ['a'] }), pod(3, { zones: ['b'] })];
    const { upstream } = startUpstream({ endpoints, zone: { zone: 'a', minUsablePercent: 60 } });
    expect(pickedOf(upstream)).toBe('12');
    upstream.probed('10.0.0.1:80', true);
    expect(pickedOf(upstream)).toBe('23');
  });

  test('who has been to all near endpoints goes to a far one: to any that is well, has room and was not tried', () => {
    const endpoints = [1, 2, 3, 4, 5, 6].map((n) => pod(n, { zones: [n < 3 ? 'a' : 'b'] }));
    const limits = { ...noLimits, maxRequestsPerEndpoint: 1 };
    const { upstream } = startUpstream({ endpoints, limits, zone: { zone: 'a', minUsablePercent: 50 } });
    const [one, two, three, four, five] = upstream.endpoints as [EndpointState, EndpointState, ...EndpointState[]];
    const far = (...more: (EndpointState | undefined)[]) => {
      const tried = [one, two, ...more.flatMap((each) => each ?? [])];
      const got = Array.from({ length: 100 }, () => upstream.pick(tried)?.address.at(-1) ?? '-');
      return [...new Set(got)].sort().join('');
    };
    expect([pickedOf(upstream), far()]).toEqual(['12', '3456']);
    upstream.probed('10.0.0.3:80', true);
    expect(far()).toBe('456');
    four?.begin();
    expect(far()).toBe('56');
    expect(far(five)).toBe('6');
    expect(far(three, four, five, upstream.endpoints[5])).toBe('-');
  });

  test('full endpoints are passed over, in all workers; null when all are full', () => {
    const limits = { ...noLimits, maxRequestsPerEndpoint: 1 };
    const { states, upstream } = startUpstream({ endpoints: [pod(1), pod(2)], limits }, 2);
    const rooms = () => states.map(({ hasRoom }) => hasRoom);
    expect(rooms()).toEqual([true, true]);
    endpointOf(upstream, 1).begin();
    expect(states.map((state) => pickedOf(state))).toEqual(['2', '2']);
    expect(rooms()).toEqual([true, true]);
    endpointOf(upstream, 2).begin();
    expect(states.map((state) => state.pick(null))).toEqual([null, null]);
    expect(rooms()).toEqual([false, false]);
    const other = endpointOf(states[1] as UpstreamState, 2);
    // Picked before the other worker took it.
    expect([states[1]?.begin(other), other.inFlight, other.load]).toEqual([FULL, 0, 1]);
    endpointOf(upstream, 1).end(0);
    expect(states.map((state) => pickedOf(state))).toEqual(['1', '1']);
    expect(rooms()).toEqual([true, true]);
  });

  test('requests at endpoints that left or are out take no room of the others', () => {
    const limits = { ...noLimits, maxRequestsPerEndpoint: 1 };
    const { upstream, apply } = startUpstream({ endpoints: three, limits });
    for (const n of [1, 2]) endpointOf(upstream, n).begin();
    apply({ endpoints: [pod(2), pod(3)] });
    upstream.probed('10.0.0.2:80', true);
    expect([upstream.hasRoom, upstream.pick(null)?.address]).toEqual([true, '10.0.0.3']);
    endpointOf(upstream, 3).begin();
    expect([upstream.hasRoom, upstream.pick(null)]).toEqual([false, null]);
    apply({ endpoints: [] });
    // Nobody waits for a Service that has nothing at all.
    expect(upstream.hasRoom).toBe(true);
  });

  test.each<[string, BalancerSettings]>([
    ['turns', { kind: 'roundRobin' }],
    ['a ring', { kind: 'sourceHash' }],
    ['the least loaded', { kind: 'leastConnections' }],
  ])('by %s: of many full endpoints the one with room is found, and not the one that was tried', (_, balancer) => {
    const limits = { ...noLimits, maxRequestsPerEndpoint: 2 };
    const endpoints = Array.from({ length: 60 }, (_unused, at) => pod(at + 1));
    const { upstream } = startUpstream({ endpoints, limits, balancer });
    for (const endpoint of upstream.endpoints) {
      endpoint.begin();
      if (endpoint.address !== '10.0.0.44' && endpoint.address !== '10.0.0.7') endpoint.begin();
    }
    for (let times = 0; times < 20; times++) {
      expect(upstream.pick([endpointOf(upstream, 7)], `key ${times}`)?.address).toBe('10.0.0.44');
    }
    endpointOf(upstream, 44).begin();
    expect(upstream.pick([endpointOf(upstream, 7)], 'key')).toBeNull();
  });
});

describe('live load over workers', () => {
  test('a balancer sees what the other worker has under way; a removed endpoint takes its count along', () => {
    const { states, upstream, apply, loads } = startUpstream(
      { endpoints: three, balancer: { kind: 'leastConnections' } },
      2,
    );
    const [, other] = states;
    const busy = endpointOf(upstream, 1);
    busy.begin();
    busy.begin();
    endpointOf(upstream, 2).begin();
    expect(other === undefined ? '' : pickedOf(other)).toBe('3');
    expect(other?.load).toBe(3);
    const row = loads.find(rowKey('u', '10.0.0.1:80'));
    apply({ endpoints: [pod(2), pod(3)] });
    expect([loads.sum(row), other?.load]).toEqual([0, 1]);
    // The row may be another endpoint's by now: what still runs at the old one is no longer counted in it.
    busy.end(0);
    expect(loads.sum(row)).toBe(0);
    busy.end(0);
    apply({ endpoints: three });
    expect([endpointOf(upstream, 1).load, other?.load]).toEqual([0, 1]);
    expect(endpointOf(upstream, 1)).not.toBe(busy);
  });

  test('an endpoint that comes back before its requests are over still has them, and nothing else of before', () => {
    const { states, upstream, apply } = startUpstream({ endpoints: three, balancer: { kind: 'leastConnections' } }, 2);
    const [, other] = states as [UpstreamState, UpstreamState];
    const busy = endpointOf(upstream, 1);
    busy.begin();
    busy.begin();
    failTimes(upstream, 1, 5);
    expect(busy.isOut).toBe(true);
    apply({ endpoints: [pod(2), pod(3)] });
    busy.end(0);
    expect([upstream.load, other.load]).toEqual([0, 0]);
    apply({ endpoints: three });
    expect([endpointOf(upstream, 1).isOut, pickedOf(upstream), pickedOf(other)]).toEqual([false, '23', '23']);
    expect([endpointOf(upstream, 1).load, upstream.load, endpointOf(other, 1).load]).toEqual([1, 1, 1]);
    busy.end(0);
    expect([endpointOf(upstream, 1).load, upstream.load, other.load]).toEqual([0, 0, 0]);
  });

  test('after any coming and going of endpoints, balancers and requests all counts end at zero', () => {
    const step = fc.record({
      kind: fc.constantFrom('begin', 'end', 'endpoints', 'balancer'),
      worker: fc.nat(1),
      pods: fc.subarray([1, 2, 3]),
      balancer: fc.constantFrom('leastConnections' as const, 'roundRobin' as const),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const { states, apply, loads } = startUpstream({ endpoints: three, balancer: { kind: 'leastConnections' } }, 2);
        let upstream: Partial<Upstream> = {};
        const underWay: EndpointState[] = [];
        for (const { kind, worker, pods, balancer } of steps) {
          if (kind === 'begin') {
            const endpoint = states[worker]?.pick(null) ?? null;
            if (endpoint === null) continue;
            endpoint.begin();
            underWay.push(endpoint);
          } else if (kind === 'end') underWay.shift()?.end(0);
          else
            upstream = {
              ...upstream,
              ...(kind === 'endpoints' ? { endpoints: pods.map((n) => pod(n)) } : { balancer: { kind: balancer } }),
            };
          apply(upstream);
        }
        for (const endpoint of underWay) endpoint.end(0);
        apply({ endpoints: three, balancer: { kind: 'leastConnections' } });
        for (const state of states) {
          expect([state.load, ...state.endpoints.map(({ load }) => load)]).toEqual([0, 0, 0, 0]);
        }
        for (let row = 0; row < loads.rows; row++) expect(loads.sum(row)).toBe(0);
      }),
    );
  });

  test('round robin counts in its own worker: nobody reads more', () => {
    const { states, upstream } = startUpstream({ endpoints: three }, 2);
    endpointOf(upstream, 1).begin();
    expect(endpointOf(upstream, 1).load).toBe(1);
    expect(states[1]?.endpoints.map(({ load }) => load)).toEqual([0, 0, 0]);
  });

  test('a change of limits keeps those who hold a place and those who wait', () => {
    const limits = { ...noLimits, maxRequests: 1, maxPending: 5, pendingTimeoutMs: 1000 };
    const { upstream, apply, clock } = startUpstream({ endpoints: three, limits }, 2);
    const { gate } = upstream;
    const told: string[] = [];
    const waiter = { onAdmitted: () => told.push('in'), onTimedOut: () => told.push('late') };
    gate?.enter(waiter, clock.nowMs);
    expect(gate?.enter(waiter, clock.nowMs)).toBe('waiting');
    apply({ limits: { ...limits, retryAfterSeconds: 9 } });
    expect([upstream.gate === gate, gate?.requests, gate?.pending, told]).toEqual([true, 1, 1, []]);
    apply({ limits: { ...limits, maxRequests: 2 } });
    expect([gate?.requests, gate?.pending, told]).toEqual([2, 0, ['in']]);
  });

  test('counts are exact while limits hold them, also those of endpoints that were there before', () => {
    const scene = startUpstream({ endpoints: [pod(1)], balancer: { kind: 'leastConnections' } }, 2);
    const areExact = () => scene.states.flatMap(({ endpoints }) => endpoints.map(({ cell }) => cell?.isExact));
    expect(areExact()).toEqual([false, false]);
    scene.apply({ endpoints: [pod(1), pod(2)], limits: { ...noLimits, maxRequestsPerEndpoint: 1 } });
    expect(areExact()).toEqual([true, true, true, true]);
    scene.apply({ endpoints: [pod(1), pod(2)], limits: null });
    expect(areExact()).toEqual([false, false, false, false]);
  });

  test('a change of balancer while requests run keeps the counts', () => {
    const { upstream, apply, loads } = startUpstream({ endpoints: three });
    const busy = endpointOf(upstream, 2);
    busy.begin();
    apply({ balancer: { kind: 'leastConnections' } });
    expect(pickedOf(upstream)).toBe('13');
    const row = loads.find(rowKey('u', '10.0.0.2:80'));
    expect(loads.sum(row)).toBe(1);
    apply({ balancer: { kind: 'roundRobin' } });
    // The row may be another endpoint's from now on.
    expect(loads.sum(row)).toBe(0);
    busy.end(0);
    expect(busy.inFlight).toBe(0);
    expect(pickedOf(upstream)).toBe('123');
  });

  test('ewma: response times are shared, and a new endpoint starts with their average', () => {
    const { states, upstream, apply, clock } = startUpstream({ endpoints: three, balancer: { kind: 'ewma' } }, 2);
    for (const [n, ms] of [100, 200, 600].entries()) upstream.onAnswered(endpointOf(upstream, n + 1), ms);
    const other = states[1] as UpstreamState;
    expect(other.endpoints.map((endpoint) => endpoint.scoreMs(clock.nowMs))).toEqual([100, 200, 600]);
    apply({ endpoints: [...three, pod(4)] });
    expect(endpointOf(other, 4).scoreMs(clock.nowMs)).toBeCloseTo(300);
    expect(pickedOf(other)).not.toContain('3');
  });
});

describe('a change of settings resets no balancer', () => {
  const next = (upstream: UpstreamState, count: number) =>
    Array.from({ length: count }, () => upstream.pick(null)?.address.at(-1)).join('');

  test.each<[string, Partial<Upstream>]>([
    ['nothing', {}],
    ['equal settings, written anew', { balancer: { kind: 'roundRobin' }, endpoints: [...three] }],
    ['passive health', { health: noPassiveHealth }],
    ['slow start', { health: { ...defaultHealth, slowStartMs: 5000 } }],
    ['limits', { limits: { ...noLimits, maxRequests: 100 } }],
    ['zone', { zone: { zone: 'a', minUsablePercent: 50 } }],
  ])('%s: the turn goes on', (_name, change) => {
    const { upstream, apply } = startUpstream({ endpoints: three });
    const turn = next(upstream, 3);
    for (let times = 0; times < 5; times++) {
      expect(next(upstream, 1)).toBe(turn[times % 3]);
      apply(change);
    }
  });

  test('the list of members is the same while it holds the same: no ring is built again', () => {
    const { upstream, apply, clock } = startUpstream({ endpoints: three, balancer: { kind: 'sourceHash' } });
    const { members } = upstream;
    apply({ limits: { ...noLimits, maxRequests: 100 } });
    failTimes(upstream, 1, 5);
    clock.nowMs += defaultOutliers.ejectionMs;
    upstream.tick();
    expect(upstream.members).toBe(members);
    apply({ endpoints: [...three, pod(4)] });
    expect(upstream.members).not.toBe(members);
  });
});

describe('keys and cookies', () => {
  const hash: BalancerSettings = { kind: 'sourceHash' };

  test('a key sticks; callers without one are spread', () => {
    const { upstream } = startUpstream({ endpoints: three, balancer: hash });
    expect(upstream.keySource).toBe('clientAddress');
    const picks = new Set(Array.from({ length: 50 }, () => upstream.pick(null, '192.0.2.1')));
    expect(picks.size).toBe(1);
    expect(pickedOf(upstream)).toBe('123');
  });

  test('keys of new clients begin with the time', () => {
    const { upstream } = startUpstream({ endpoints: three });
    expect(upstream.affinity('balanced').pick(null, null)?.newKey).toMatch(/^1000\.\d{3}\./);
  });

  test('an endpoint of another zone that was left out is tried again where clients may be bound to it', () => {
    const endpoints = [pod(1, { zones: ['a'] }), pod(2, { zones: ['b'] }), pod(3, { zones: ['b'] })];
    const { upstream, clock } = startUpstream({ endpoints, zone: { zone: 'a', minUsablePercent: 50 } });
    failTimes(upstream, 2, 5);
    clock.nowMs += defaultOutliers.ejectionMs;
    upstream.tick();
    expect([endpointOf(upstream, 2).outlierPhase, upstream.isRecovering]).toEqual(['halfOpen', false]);
    upstream.affinity('persistent');
    const probe = upstream.pickProbe(null);
    const turn = probe?.begin() ?? 0;
    if (probe) upstream.onAnswered(probe, 1);
    probe?.end(turn);
    expect([probe?.address, endpointOf(upstream, 2).isAvailable]).toEqual(['10.0.0.2', true]);
    expect(pickedOf(upstream, true)).toBe('1');
  });

  test('a client is bound over zones: replicas of other zones agree', () => {
    const zoned = [pod(1, { zones: ['a'] }), pod(2, { zones: ['b'] })];
    const replicaIn = (zone: string) => {
      const { upstream, apply } = startUpstream({ endpoints: zoned, zone: { zone, minUsablePercent: 50 } });
      const pick = (key: string | null) => upstream.affinity('persistent').pick(key, null);
      return { pick, apply };
    };
    const [here, there] = [replicaIn('a'), replicaIn('b')];
    const first = here.pick(null);
    expect(first?.endpoint.address).toBe('10.0.0.1');
    expect(there.pick(first?.newKey ?? '')?.endpoint.address).toBe('10.0.0.1');
    there.apply({ endpoints: [...zoned, pod(3, { zones: ['b'] })] });
    expect(there.pick(first?.newKey ?? '')?.endpoint.address).toBe('10.0.0.1');
  });

  test('affinity follows the endpoints and their health', () => {
    const { upstream, apply } = startUpstream({ endpoints: three });
    const first = upstream.affinity('persistent').pick(null, null);
    const key = first?.newKey ?? '';
    expect(upstream.affinity('persistent').pick(key, null)?.endpoint).toBe(first?.endpoint);
    upstream.probed(first?.endpoint.key ?? '', true);
    expect(upstream.affinity('persistent').pick(key, null)?.endpoint).not.toBe(first?.endpoint);
    apply({ endpoints: [] });
    expect(upstream.affinity('persistent').pick(key, null)).toBeNull();
  });
});
