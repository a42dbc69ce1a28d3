// Two Ingresses (or two paths of one) that ask for the same place: who has it and what the other is told
// (routing-semantics §2). Ingresses arrive oldest first, so the holder is always the one that was there before.

import type { Diagnostic } from '../objects/diagnostic.ts';
import { keyOf } from '../objects/types.ts';
import { type BackendUse, fieldOfPlace, type PlannedRoute } from './host-plan.ts';
import { diagnose } from './report.ts';
import type { AcceptedIngress } from './select.ts';

/**
 * Tells the owner of a path that an earlier one holds the same host, match and path. A warning when both name the same
 * backend, since traffic then arrives where it should; otherwise an error.
 */
export function pathConflict(
  loser: {
    readonly owner: AcceptedIngress;
    readonly field: string;
    readonly path: string;
    readonly backend: BackendUse;
  },
  host: string,
  winner: PlannedRoute,
): Diagnostic {
  const { namespace } = loser.owner.ingress.meta;
  const isSameBackend =
    winner.backend?.service === loser.backend.service &&
    winner.backend.port === loser.backend.port &&
    winner.owner?.ingress.meta.namespace === namespace;
  const holder = holderName(winner, loser.owner);
  const message = `${winner.match.kind} path "${loser.path}" of ${hostText(host)} is already defined by ${holder}; this path is ignored and ${holder} gets its requests`;
  return diagnose(isSameBackend ? 'warning' : 'error', 'PathConflict', loser.owner.ingress, loser.field, message);
}

/** Tells the owner of a rule-less Ingress that another one already is the default backend of all unknown hosts. */
export function catchAllConflict(loser: AcceptedIngress, winner: PlannedRoute): Diagnostic {
  const holder = holderName(winner, loser);
  const message = `the default backend of unknown hosts is already defined by ${holder}; this one is ignored and ${holder} gets the requests`;
  return diagnose('error', 'DefaultBackendConflict', loser.ingress, 'spec.defaultBackend', message);
}

/** Names a virtual host in a sentence. */
export function hostText(host: string): string {
  return host === '_' ? 'the catch-all host' : `host "${host}"`;
}

function holderName(winner: PlannedRoute, loser: AcceptedIngress): string {
  if (winner.owner === null) return 'the controller';
  return winner.owner === loser
    ? `${fieldOfPlace(winner.place)} of this Ingress`
    : `Ingress ${keyOf(winner.owner.ingress.meta)}`;
}
