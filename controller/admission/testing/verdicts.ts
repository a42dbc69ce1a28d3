// Asks the webhook's decision about one Ingress beside known objects.

import { type AdmissionDecision, type AdmissionOptions, decide } from '../decide.ts';
import { type IngressSpec, type KnownCluster, rawIngress, requestFor, viewWith } from './reviews.ts';

export const fullTest: AdmissionOptions = { disableFullTest: false };

export function judge(candidate: IngressSpec | undefined, cluster: KnownCluster = {}): AdmissionDecision {
  return decide(viewWith(cluster), requestFor(rawIngress(candidate)), fullTest);
}

/** `allow`, `allow unchecked`, or `check: message`. */
export function verdictOf(decision: AdmissionDecision): string {
  if (decision.kind === 'refuse') return `${decision.check}: ${decision.message}`;
  return decision.testedIngresses > 0 ? 'allow' : 'allow unchecked';
}
