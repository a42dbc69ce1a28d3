// TLS passthrough of a host (annotation `ssl-passthrough`): which of its routes says where connections go.
//
// As in ingress-nginx any Ingress of a host may ask for it, and the path `/` decides for all connections. Deviations: they go to
// the endpoints of the Service rather than to its ClusterIP, and wildcard hosts can be passed through.

import type { Diagnostic } from '../objects/diagnostic.ts';
import { hostText } from './conflicts.ts';
import { catchAllHost, claimKey, type HostPlan, type PlannedRoute, rootMatch } from './host-plan.ts';
import { diagnose } from './report.ts';
import type { AcceptedIngress } from './select.ts';
import { sslPassthrough } from './settings/tls.ts';

/** The route whose backend gets the TLS connections of a host; null when TLS ends here. */
export function passthroughRoute(plan: HostPlan): PlannedRoute | null {
  return askers(plan).length === 0 ? null : rootRoute(plan);
}

/** Tells those who ask for passthrough of a host that cannot have it. */
export function checkPassthrough(plan: HostPlan): Diagnostic[] {
  if (rootRoute(plan) !== null) return [];
  const why =
    plan.name === catchAllHost
      ? 'connections are told apart by their server name, and rules without host have none'
      : `${hostText(plan.name)} has no path "/" with a Service`;
  const message = `ssl-passthrough has no effect: ${why}; TLS ends at Sluice`;
  return askers(plan).map(({ ingress }) =>
    diagnose('warning', 'PassthroughImpossible', ingress, 'metadata.annotations', message),
  );
}

function askers({ ingresses }: HostPlan): readonly AcceptedIngress[] {
  return ingresses.filter(({ values, isDenied }) => !isDenied && values.get(sslPassthrough) === true);
}

function rootRoute({ name, routes }: HostPlan): PlannedRoute | null {
  if (name === catchAllHost) return null;
  const root = routes.find(({ match }) => claimKey(match) === claimKey(rootMatch));
  return root === undefined || root.backend === null || root.owner?.isDenied === true ? null : root;
}
