// Adaptive concurrency in virtual time: gates of one or four workers before a server that gets slower under load.

import { describe, expect, test } from '@jest/globals';
import type { AdaptiveLimitSettings, UpstreamLimits } from '../table/upstream-settings.ts';
import { OverloadSimulation, type Second, type Weather } from './testing/overload-simulation.ts';

const adaptive: AdaptiveLimitSettings = {
  minRequests: 5,
  maxRequests: 1000,
  tolerancePercent: 50,
  measureEveryMs: 60_000,
};
const limits: UpstreamLimits = {
  maxConnections: null,
  maxRequests: null,
  maxConnectionsPerEndpoint: null,
  maxRequestsPerEndpoint: null,
  maxPending: 20,
  pendingTimeoutMs: 200,
  retryAfterSeconds: 1,
  adaptive,
};

/** 400 requests per second at most. */
const server = { cores: 20, workMs: 50 };
const CAPACITY = 400;
const at = (share: number, changed: Partial<Weather> = {}): Weather => ({
  ...server,
  requestsPerSecond: CAPACITY * share,
  ...changed,
});

const mean = (seconds: readonly Second[], of: (second: Second) => number) =>
  seconds.reduce((sum, second) => sum + of(second), 0) / seconds.length;
const answered = (seconds: readonly Second[]) => mean(seconds, (second) => second.answered);
const medianMs = (seconds: readonly Second[]) => mean(seconds, (second) => second.medianMs);

describe.each([1, 4])('%i workers', (workers) => {
  const start = (changed: Partial<AdaptiveLimitSettings> = {}, seed = 1) =>
    new OverloadSimulation({ ...limits, adaptive: { ...adaptive, ...changed } }, workers, seed);

  test.each([1, 2, 3])('three times too much: throughput stays, response times are bounded (seed %i)', (seed) => {
    const simulation = start({}, seed);
    simulation.run(2, at(0.5));
    const seconds = simulation.run(20, at(3)).slice(2);
    expect(answered(seconds)).toBeGreaterThan(0.97 * CAPACITY);
    expect(medianMs(seconds)).toBeLessThan(2.3 * server.workMs);
    for (const { p99Ms } of seconds) expect(p99Ms).toBeLessThan(4.5 * server.workMs);
  });

  test('an overload that lasts does not become the measure of itself', () => {
    const simulation = start({ measureEveryMs: 2000 });
    const seconds = simulation.run(120, at(3)).slice(-30);
    expect(medianMs(seconds)).toBeLessThan(2.5 * server.workMs);
    expect(mean(seconds, ({ limit }) => limit)).toBeLessThan(3 * server.cores);
    expect(answered(seconds)).toBeGreaterThan(0.95 * CAPACITY);
  });

  test('nothing is refused below the capacity, also while the baseline is measured', () => {
    const simulation = start({ measureEveryMs: 2000 });
    const seconds = simulation.run(20, at(0.8));
    expect(mean(seconds.slice(3), ({ refused }) => refused)).toBe(0);
  });

  test('a server that becomes three times slower is not throttled for it', () => {
    const simulation = start();
    simulation.run(5, at(0.25));
    const seconds = simulation.run(10, at(0.25, { workMs: 150 }));
    expect(seconds.reduce((sum, { refused }) => sum + refused, 0)).toBeLessThan(CAPACITY / 4);
    for (const { refused } of seconds.slice(4)) expect(refused).toBe(0);
  });

  test('a server that grows is used in full', () => {
    const simulation = start();
    simulation.run(10, at(3));
    const seconds = simulation.run(10, at(3, { cores: 40 })).slice(5);
    expect(answered(seconds)).toBeGreaterThan(0.97 * 2 * CAPACITY);
  });

  test('the bounds hold, also against better knowledge', () => {
    const high = start({ minRequests: 60, maxRequests: 80 }).run(10, at(3));
    expect(Math.min(...high.slice(2).map(({ limit }) => limit))).toBeGreaterThanOrEqual(60);
    const low = start({ minRequests: 1, maxRequests: 10 }).run(10, at(3));
    expect(Math.max(...low.map(({ limit }) => limit))).toBeLessThanOrEqual(10);
    // The first measurement is made with one place, which the workers share.
    expect(answered(low.slice(4))).toBeGreaterThan(0.45 * CAPACITY);
  });
});

test('without it the same load makes every request slower and slower', () => {
  const simulation = new OverloadSimulation({ ...limits, adaptive: null }, 1, 1);
  const seconds = simulation.run(10, at(1.5));
  expect(seconds.at(-1)?.medianMs).toBeGreaterThan(20 * server.workMs);
});

test('all workers see one limit', () => {
  const simulation = new OverloadSimulation(limits, 4, 1);
  simulation.run(5, at(3));
  const found = simulation.gates.map((gate) => gate.adaptive?.baselineMs);
  expect(new Set(found).size).toBe(1);
  expect(simulation.gates.every((gate) => gate.isShared)).toBe(true);
});
