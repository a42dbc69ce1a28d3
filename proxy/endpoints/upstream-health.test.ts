// What keeps endpoints of an upstream away from requests, and brings them back: failures, probes, slow start.

import { describe, expect, test } from '@jest/globals';
import { defaultHealth, defaultOutliers } from '../table/defaults.ts';
import { noLimits, noPassiveHealth } from '../table/testing/build.ts';
import type { ActiveCheck } from '../table/upstream-settings.ts';
import type { EndpointState } from './endpoint-state.ts';
import { endpointOf, failTimes, pickedOf, pod, startUpstream, three } from './testing/upstream-scene.ts';
import { isFailureStatus } from './upstream-state.ts';

describe('passive health, on by default', () => {
  test('five failures leave an endpoint out in every worker; one probe after the time brings it back', () => {
    const { states, upstream, clock, ejected } = startUpstream({ endpoints: three }, 2);
    failTimes(upstream, 2, 5);
    expect(ejected).toEqual(['10.0.0.2:80 consecutiveErrors']);
    expect(states.map((state) => pickedOf(state, true))).toEqual(['13', '13']);
    clock.nowMs += defaultOutliers.ejectionMs;
    upstream.tick();
    expect(pickedOf(upstream, false)).toBe('13');
    const probe = upstream.pick(null);
    expect(probe?.address).toBe('10.0.0.2');
    const turn = probe?.begin() ?? 0;
    expect(pickedOf(upstream, true)).toBe('13');
    if (probe) upstream.onAnswered(probe, 5);
    probe?.end(turn);
    expect(pickedOf(upstream)).toBe('123');
  });

  test('a probe whose client went away leaves the next request to try', () => {
    const { upstream, clock } = startUpstream({ endpoints: three });
    failTimes(upstream, 1, 5);
    clock.nowMs += defaultOutliers.ejectionMs;
    upstream.tick();
    const probe = upstream.pick(null);
    probe?.end(probe.begin());
    expect(upstream.pick(null)).toBe(probe);
  });

  test('one probe at a time: neither an old request nor an earlier probe that ends lets a second one through', () => {
    const { upstream, clock } = startUpstream({ endpoints: three });
    const endpoint = endpointOf(upstream, 2);
    const expire = () => {
      clock.nowMs += defaultOutliers.maxEjectionMs;
      upstream.tick();
    };
    const oldTurn = endpoint.begin();
    failTimes(upstream, 2, 5);
    expire();
    const firstTurn = endpoint.begin();
    endpoint.end(oldTurn);
    expect(pickedOf(upstream, true)).toBe('13');
    // Its head was a failure, its body goes on over the next ejection.
    failTimes(upstream, 2, 1);
    expire();
    const secondTurn = endpoint.begin();
    endpoint.end(firstTurn);
    expect(pickedOf(upstream, true)).toBe('13');
    endpoint.end(secondTurn);
    expect(upstream.pick(null)).toBe(endpoint);
    expect(endpoint.inFlight).toBe(0);
  });

  test('one that may not be tried holds up no other: its checks fail, or it is full', () => {
    const limits = { ...noLimits, maxRequestsPerEndpoint: 1 };
    const { upstream, clock } = startUpstream({ endpoints: [...three, pod(4), pod(5), pod(6)], limits });
    for (const n of [1, 2, 3]) failTimes(upstream, n, 5);
    clock.nowMs += defaultOutliers.ejectionMs;
    upstream.probed('10.0.0.1:80', true);
    const stillRuns = endpointOf(upstream, 2);
    stillRuns.begin();
    upstream.tick();
    expect(upstream.isRecovering).toBe(true);
    expect(upstream.pick(null)).toBe(endpointOf(upstream, 3));
  });

  test('only those are tried that requests are for: not the terminating, nor far ones while near ones do', () => {
    const endpoints = [pod(1), pod(2), pod(3), pod(4)];
    const { upstream, apply, clock } = startUpstream({ endpoints });
    for (const n of [1, 2]) failTimes(upstream, n, 5);
    clock.nowMs += defaultOutliers.ejectionMs;
    apply({ endpoints: [pod(1, { state: 'terminating' }), ...endpoints.slice(1)] });
    upstream.tick();
    expect(upstream.pick(null)).toBe(endpointOf(upstream, 2));
    const near = endpoints.map((each, at) => ({ ...each, zones: [at > 1 ? 'a' : 'b'] }));
    apply({ endpoints: near, zone: { zone: 'a', minUsablePercent: 50 } });
    upstream.tick();
    expect([upstream.isRecovering, pickedOf(upstream, true)]).toEqual([false, '34']);
  });

  test('the share that may be out is one of the ready endpoints', () => {
    const leaving = [3, 4, 5, 6].map((n) => pod(n, { state: 'terminating' }));
    const { upstream } = startUpstream({ endpoints: [pod(1), pod(2), ...leaving] });
    failTimes(upstream, 1, 5);
    failTimes(upstream, 2, 5);
    expect([pickedOf(upstream), upstream.isPanic]).toEqual(['2', false]);
  });

  test('for a request that failed everywhere else, what is left out is better than nothing', () => {
    const limits = { ...noLimits, maxRequestsPerEndpoint: 1 };
    const { upstream } = startUpstream({ endpoints: [...three, pod(4)], limits });
    const [a, b, c, d] = [1, 2, 3, 4].map((n) => endpointOf(upstream, n)) as [
      EndpointState,
      EndpointState,
      EndpointState,
      EndpointState,
    ];
    expect(upstream.pickLeftOut([a])).toBeNull();
    upstream.probed(a.key, true);
    failTimes(upstream, 2, 5);
    failTimes(upstream, 3, 5);
    expect(upstream.pickLeftOut([d])).toBe(b);
    expect(upstream.pickLeftOut([d, b])).toBe(c);
    b.begin();
    expect(upstream.pickLeftOut([d])).toBe(c);
    expect(upstream.pickLeftOut([d, c])).toBe(a);
    expect(upstream.pickLeftOut([d, c, a])).toBeNull();
  });

  test('while all are out and one of them is tried, what else goes there is no trial', () => {
    const { upstream, clock } = startUpstream({ endpoints: three });
    for (const n of [2, 3]) upstream.probed(`10.0.0.${n}:80`, true);
    const endpoint = endpointOf(upstream, 1);
    endpoint.outlier.takeOver(defaultOutliers, clock.nowMs + 1, clock.nowMs);
    clock.nowMs += 1;
    upstream.tick();
    const turn = endpoint.begin();
    expect([turn > 0, endpoint.begin()]).toEqual([true, 0]);
    endpoint.end(0);
    expect(endpoint.outlier.isProbing).toBe(true);
    endpoint.end(turn);
    expect(endpoint.outlier.isProbing).toBe(false);
  });

  test('updates in the middle of a window do not put its end off', () => {
    const passive = { ...defaultOutliers, errorRatePercent: 50, windowMs: 1000, minRequests: 4 };
    const { upstream, apply, clock, ejected } = startUpstream({
      endpoints: three,
      health: { ...defaultHealth, passive },
    });
    for (let i = 0; i < 4; i++) {
      failTimes(upstream, 1, 1);
      upstream.onAnswered(endpointOf(upstream, 1), 5);
      clock.nowMs += 250;
      apply({ endpoints: i % 2 === 0 ? [...three, pod(4)] : three });
      upstream.tick();
    }
    expect(ejected).toEqual(['10.0.0.1:80 errorRate']);
  });

  test('off: nothing is ejected; turned off later, what is out comes back', () => {
    const { upstream, apply } = startUpstream({ endpoints: three });
    failTimes(upstream, 1, 5);
    apply({ health: noPassiveHealth });
    expect(pickedOf(upstream)).toBe('123');
    failTimes(upstream, 1, 50);
    expect(pickedOf(upstream)).toBe('123');
  });

  test('an ejection survives a change of the other endpoints', () => {
    const { upstream, apply } = startUpstream({ endpoints: three });
    failTimes(upstream, 1, 5);
    apply({ endpoints: [...three, pod(4)] });
    expect(pickedOf(upstream)).toBe('234');
  });
});

describe('probes of active checks', () => {
  test('an endpoint that fails them is left out; when all do, all are used', () => {
    const { upstream } = startUpstream({ endpoints: three });
    upstream.probed('10.0.0.1:80', true);
    upstream.probed('10.0.0.9:80', true);
    expect([pickedOf(upstream), upstream.isPanic]).toEqual(['23', false]);
    upstream.probed('10.0.0.2:80', true);
    upstream.probed('10.0.0.3:80', true);
    expect([pickedOf(upstream), upstream.isPanic]).toEqual(['123', true]);
    upstream.probed('10.0.0.3:80', false);
    expect([pickedOf(upstream), upstream.isPanic]).toEqual(['3', false]);
  });

  test('an endpoint that passes them again starts slowly', () => {
    const { upstream } = startUpstream({ endpoints: three, health: { ...defaultHealth, slowStartMs: 10_000 } });
    upstream.probed('10.0.0.1:80', true);
    upstream.probed('10.0.0.1:80', false);
    expect(endpointOf(upstream, 1).weight).toBe(0.05);
  });

  test('what they said is forgotten with the check', () => {
    const active: ActiveCheck = {
      probe: { kind: 'tcp' },
      port: null,
      intervalMs: 1000,
      timeoutMs: 500,
      healthyThreshold: 2,
      unhealthyThreshold: 3,
    };
    const { upstream, apply } = startUpstream({ endpoints: three, health: { ...defaultHealth, active } });
    upstream.probed('10.0.0.1:80', true);
    apply({ health: { ...defaultHealth, active: { ...active, intervalMs: 2000 } } });
    expect(pickedOf(upstream)).toBe('23');
    apply({ health: defaultHealth });
    expect(pickedOf(upstream)).toBe('123');
  });
});

describe('slow start', () => {
  const health = { ...defaultHealth, slowStartMs: 10_000 };

  test('one that joins gets little and then all; the first ones of an upstream get all at once', () => {
    const { upstream, apply, clock } = startUpstream({ endpoints: [pod(1), pod(2)], health });
    expect(upstream.endpoints.map(({ weight }) => weight)).toEqual([1, 1]);
    apply({ endpoints: three });
    expect([endpointOf(upstream, 3).weight, upstream.isRestless]).toEqual([0.05, true]);
    clock.nowMs += 5_000;
    upstream.tick();
    expect(endpointOf(upstream, 3).weight).toBe(0.5);
    clock.nowMs += 5_000;
    upstream.tick();
    expect([endpointOf(upstream, 3).weight, upstream.isRestless]).toEqual([1, false]);
  });

  test('a heavy one gets a share of its own weight', () => {
    const heavy = pod(3, { weight: 4 });
    const { upstream, apply, clock } = startUpstream({ endpoints: [pod(1), pod(2)], health });
    apply({ endpoints: [pod(1), pod(2), heavy] });
    expect(endpointOf(upstream, 3).weight).toBe(0.2);
    clock.nowMs += 5_000;
    upstream.tick();
    expect([1, 3].map((n) => endpointOf(upstream, n).weight)).toEqual([1, 2]);
  });

  test('also after an ejection', () => {
    const { upstream, clock } = startUpstream({ endpoints: three, health });
    failTimes(upstream, 1, 5);
    clock.nowMs += defaultOutliers.ejectionMs;
    upstream.tick();
    upstream.onAnswered(endpointOf(upstream, 1), 5);
    expect(endpointOf(upstream, 1).weight).toBe(0.05);
  });
});

test.each([
  [200, false],
  [404, false],
  [500, false],
  [502, true],
  [503, true],
  [504, true],
])('isFailureStatus(%d) is %s', (status, want) => expect(isFailureStatus(status)).toBe(want));
