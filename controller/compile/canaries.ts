// Canary Ingresses: they make no host and no route, but join the routes that other Ingresses make of the same host, path
// and path type (annotation reference section 5, routing-semantics section 9).
//
// Deviations: every canary of a route is asked in turn (ingress-nginx: the first alone), and it joins routes, not their
// upstream, so that other hosts and paths of the same Service are left alone (ingress-nginx #4692).

import type { Diagnostic } from '../objects/diagnostic.ts';
import { quoteShort } from '../objects/host-name.ts';
import { keyOf } from '../objects/types.ts';
import { hostText } from './conflicts.ts';
import {
  type ClaimedRoutes,
  claimKey,
  defaultBackendPlace,
  fieldOfPlace,
  type HostClaim,
  matchOf,
  type PlannedCanary,
  type PlannedRoute,
  rootMatch,
  serviceBackend,
} from './host-plan.ts';
import { diagnose } from './report.ts';

/** Adds the canaries to the routes of one host. `claims` are those of canary Ingresses in conflict order. */
export function joinCanaries(name: string, claims: readonly HostClaim[], routes: ClaimedRoutes): Diagnostic[] {
  return claims.flatMap((claim) =>
    claim.rules.length === 0 ? joinCatchAll(claim, routes) : joinPaths(name, claim, routes),
  );
}

/** A canary without rules joins the Ingress whose default backend answers unknown hosts. */
function joinCatchAll({ accepted }: HostClaim, routes: ClaimedRoutes): Diagnostic[] {
  const backend = serviceBackend(accepted.ingress.defaultBackend);
  const route = routes.get(claimKey(rootMatch));
  if (backend === null) return [];
  if (route?.origin === 'catchAll') {
    const joining = { owner: accepted, backend, path: '/', place: defaultBackendPlace };
    return join(route, joining, 'spec.defaultBackend', routes);
  }
  const message = 'no other Ingress has the default backend of unknown hosts; this canary takes no requests';
  return [diagnose('warning', 'CanaryWithoutPrimary', accepted.ingress, 'spec.defaultBackend', message)];
}

function joinPaths(name: string, { accepted, rules }: HostClaim, routes: ClaimedRoutes): Diagnostic[] {
  const diagnostics: Diagnostic[] = [];
  for (const rule of rules) {
    for (const path of rule.paths ?? []) {
      const place = { rule: rule.index, path: path.index };
      const field = fieldOfPlace(place);
      const text = path.path === '' ? '/' : path.path;
      const backend = serviceBackend(path.backend);
      if (backend === null) {
        const message = 'the backend is not a Service; this path of the canary takes no requests';
        diagnostics.push(diagnose('error', 'ResourceBackend', accepted.ingress, `${field}.backend.resource`, message));
        continue;
      }
      const match = matchOf(path.pathType, text);
      const route = routes.get(claimKey(match));
      if (route?.origin !== 'path') {
        const message = `no other Ingress has ${match.kind} path ${quoteShort(text)} of ${hostText(name)}; this path of the canary takes no requests`;
        diagnostics.push(diagnose('warning', 'CanaryWithoutPrimary', accepted.ingress, `${field}.path`, message));
        continue;
      }
      const joining = { owner: accepted, backend, path: text, place };
      diagnostics.push(...join(route, joining, `${field}.path`, routes));
    }
  }
  return diagnostics;
}

function join(route: PlannedRoute, canary: PlannedCanary, field: string, routes: ClaimedRoutes): Diagnostic[] {
  if (route.canaries.some(({ owner }) => owner === canary.owner)) {
    const message = `this canary already joins the route of Ingress ${keyOf(route.owner?.ingress.meta ?? canary.owner.ingress.meta)} with an earlier path; this path takes no requests`;
    return [diagnose('warning', 'CanaryRepeated', canary.owner.ingress, field, message)];
  }
  routes.set(claimKey(route.match), { ...route, canaries: [...route.canaries, canary] });
  return [];
}
