// How long to wait before a request is tried again. Pure: attempt, failure and a random number in, milliseconds out.

import type { ApiFailure } from './failure.ts';

const firstMs = 800;
const ceilingMs = 30_000;
/** Roles are changed by people: asking often only fills the audit log of the server. */
const forbiddenFloorMs = 5_000;
/** A server that asks for more than this is not believed: it may have been a proxy with other ideas. */
const maxRetryAfterMs = 120_000;

/**
 * The wait before attempt number `failures + 1`: 0.8 s doubled up to 30 s, as client-go has it, of which a random half
 * falls away, so that the replicas of a Deployment do not come back in one wave. Never less than the server asks for.
 * @param failures How many attempts in a row failed, from 1.
 * @param random From 0 (inclusive) to 1 (exclusive).
 */
export function backOffMs(failures: number, failure: ApiFailure | null, random: number): number {
  const fullMs = Math.min(ceilingMs, firstMs * 2 ** Math.min(failures - 1, 10));
  const floorMs = failure?.kind === 'forbidden' || failure?.kind === 'missing' ? forbiddenFloorMs : 0;
  const jitteredMs = Math.max(floorMs, fullMs) * (0.5 + random / 2);
  return Math.max(jitteredMs, Math.min(failure?.retryAfterMs ?? 0, maxRetryAfterMs));
}
