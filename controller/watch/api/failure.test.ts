// Failures are sorted by what must be done about them, and waits grow, with jitter.

import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { backOffMs } from './back-off.ts';
import { type ApiFailure, failureOf, failureOfEvent, noAnswer } from './failure.ts';
import { statusObject } from './testing/scripted-transport.ts';

test.each([
  [410, 'Expired', 'expired'],
  [403, 'Forbidden', 'forbidden'],
  [404, 'NotFound', 'missing'],
  [401, 'Unauthorized', 'unauthorized'],
  [409, 'Conflict', 'conflict'],
  [409, 'AlreadyExists', 'conflict'],
  [429, 'TooManyRequests', 'throttled'],
  [422, 'Invalid', 'invalid'],
  [400, 'BadRequest', 'invalid'],
  [500, 'InternalError', 'server'],
  [504, 'Timeout', 'server'],
  [500, 'Expired', 'expired'],
])('%i %s', (code, reason, kind) => {
  const status = statusObject(code, reason, 'words of the server');
  const want = { kind, code, message: `${code} words of the server`, retryAfterMs: null };
  expect(failureOf(code, JSON.stringify(status), null)).toEqual(want);
  expect(failureOfEvent(status)).toEqual(want);
});

test('what a load balancer answers is a failure too', () => {
  expect(failureOf(502, '<html>bad gateway</html>', null)).toMatchObject({
    kind: 'server',
    message: '502 no reason given',
  });
  expect(failureOfEvent(null)).toMatchObject({ kind: 'server', code: 500 });
});

test('the wait that the server asks for, in header or details', () => {
  expect(failureOf(429, '', 7).retryAfterMs).toBe(7000);
  const status = { ...statusObject(429, 'TooManyRequests', 'later'), details: { retryAfterSeconds: 9 } };
  expect(failureOf(429, JSON.stringify(status), null).retryAfterMs).toBe(9000);
});

test('messages are cut short', () => {
  expect(failureOf(500, JSON.stringify({ message: 'x'.repeat(5000) }), null).message).toHaveLength(300);
});

const failure = (change: Partial<ApiFailure> = {}): ApiFailure => ({ ...noAnswer('network', 'ECONNRESET'), ...change });

test.each([
  [1, 800],
  [2, 1600],
  [3, 3200],
  [6, 25_600],
  [7, 30_000],
  [1000, 30_000],
])('after %i failures: between half of %i ms and all of it', (failures, fullMs) => {
  expect(backOffMs(failures, failure(), 0)).toBe(fullMs / 2);
  expect(backOffMs(failures, failure(), 0.999_999)).toBeCloseTo(fullMs, 0);
});

test('forbidden things are asked for rarely from the start', () => {
  expect(backOffMs(1, failure({ kind: 'forbidden' }), 0)).toBe(2500);
});

test('never less than the server asks for, never more than two minutes for it', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 50 }),
      fc.double({ min: 0, max: 0.99, noNaN: true }),
      fc.nat(1e9),
      (n, random, ms) => {
        const waitMs = backOffMs(n, failure({ kind: 'throttled', retryAfterMs: ms }), random);
        expect(waitMs).toBeGreaterThanOrEqual(Math.min(ms, 120_000));
        expect(waitMs).toBeLessThanOrEqual(120_000);
      },
    ),
  );
});
