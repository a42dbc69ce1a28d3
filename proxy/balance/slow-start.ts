// The share of its weight that an endpoint gets while it warms up: from a twentieth to all of it, linearly.
//
// In steps of a twentieth, so that a balancer takes over new weights twenty times at most.

const steps = 20;

/** Share from 0.05 to 1 for an endpoint that has been used for `ageMs`; 1 when `windowMs` is 0. */
export function slowStartShare(ageMs: number, windowMs: number): number {
  if (ageMs >= windowMs) return 1;
  return Math.max(1, Math.floor((ageMs / windowMs) * steps)) / steps;
}
