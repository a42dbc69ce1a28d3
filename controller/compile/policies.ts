// Policies of routes: made once per Ingress, shared by content.

import type { PolicyId, RoutePolicy } from '#proxy/table/types.ts';
import { compareText } from '../objects/diagnostic.ts';
import type { Ingress } from '../objects/types.ts';
import { canonicalJson, contentId } from './content-id.ts';
import type { AcceptedIngress } from './select.ts';
import { parseAnnotations } from './settings/parse-annotations.ts';
import type { GlobalValues } from './settings/record.ts';
import { routePolicy } from './settings/route-policy.ts';
import type { CompileOptions } from './types.ts';

/** Collects the policies of one compile run. */
export interface PolicyBook {
  /** Id of the policy for routes of an Ingress; null is the controller's own default backend. */
  idFor(owner: AcceptedIngress | null): PolicyId;
  /** All policies given out so far, sorted by id. */
  all(): Readonly<Record<PolicyId, RoutePolicy>>;
}

/** Opens an empty book. `accessLogForDefaultBackend` is ConfigMap `enable-access-log-for-default-backend`. */
export function openPolicyBook(
  options: CompileOptions,
  global: GlobalValues,
  accessLogForDefaultBackend: boolean,
): PolicyBook {
  const byOwner = new Map<AcceptedIngress | null, PolicyId>();
  const policies = new Map<PolicyId, RoutePolicy>();
  return {
    idFor(owner) {
      const known = byOwner.get(owner);
      if (known !== undefined) return known;
      const policy =
        owner === null
          ? { ...defaultPolicy(options, global), accessLog: accessLogForDefaultBackend }
          : routePolicy(owner.values, global);
      const id = contentId(canonicalJson(policy));
      byOwner.set(owner, id);
      policies.set(id, policy);
      return id;
    },
    all: () => Object.fromEntries([...policies].sort(([a], [b]) => compareText(a, b))),
  };
}

/** The policy of an Ingress without annotations: only the ConfigMap speaks. */
export function defaultPolicy(options: CompileOptions, global: GlobalValues): RoutePolicy {
  const { values } = parseAnnotations(bareIngress, {
    prefix: options.annotationsPrefix,
    validation: options.enableAnnotationValidation,
    global,
  });
  return routePolicy(values, global);
}

const bareIngress: Ingress = {
  kind: 'Ingress',
  meta: { namespace: '', name: '', uid: '', creationTimestampMs: 0, annotations: {}, labels: {} },
  ingressClassName: null,
  defaultBackend: null,
  rules: [],
  tls: [],
};
