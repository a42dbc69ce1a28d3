// Policies of routes: made once per Ingress, shared by content.

import type { PolicyId, RoutePolicy } from '#proxy/table/types.ts';
import { compareText } from '../objects/diagnostic.ts';
import type { Ingress } from '../objects/types.ts';
import { canonicalJson, contentId } from './content-id.ts';
import type { AcceptedIngress } from './select.ts';
import { enableAccessLogForDefaultBackend } from './settings/configmap-logging.ts';
import { parseAnnotations } from './settings/parse-annotations.ts';
import type { GlobalValues } from './settings/record.ts';
import { routePolicy } from './settings/route-policy.ts';
import type { CompileOptions } from './types.ts';

/** What a policy depends on besides its Ingress. */
export interface PolicyContext {
  readonly options: CompileOptions;
  readonly global: GlobalValues;
  readonly ids: PolicyIds;
}

export interface NamedPolicy {
  readonly id: PolicyId;
  readonly policy: RoutePolicy;
}

/** Makes the policy for routes of an Ingress; null is the controller's own default backend. */
export function policyOf(owner: AcceptedIngress | null, { options, global, ids }: PolicyContext): NamedPolicy {
  const policy =
    owner === null
      ? { ...defaultPolicy(options, global), accessLog: global.get(enableAccessLogForDefaultBackend) }
      : routePolicy(owner.values, global);
  return ids.nameOf(policy);
}

/** More policies than that are not remembered at a time: edits without end must not fill the memory. */
const maxRemembered = 20_000;

/** Names policies: thousands of Ingresses share a few, which are hashed once and are then one value for all. */
export class PolicyIds {
  readonly #byText = new Map<string, NamedPolicy>();

  nameOf(policy: RoutePolicy): NamedPolicy {
    // Policies are all made by one function, so equal ones print alike. Were one not to, it would only be hashed again.
    const text = JSON.stringify(policy);
    const known = this.#byText.get(text);
    if (known !== undefined) return known;
    if (this.#byText.size >= maxRemembered) this.#byText.clear();
    const named = { id: contentId(canonicalJson(policy)), policy };
    this.#byText.set(text, named);
    return named;
  }
}

/** Collects the policies of one compile run. */
export interface PolicyBook {
  /** Id of the policy for routes of an Ingress; null is the controller's own default backend. */
  idFor(owner: AcceptedIngress | null): PolicyId;
  /** All policies given out so far, sorted by id. */
  all(): Readonly<Record<PolicyId, RoutePolicy>>;
}

/** Opens an empty book. */
export function openPolicyBook(context: PolicyContext): PolicyBook {
  const byOwner = new Map<AcceptedIngress | null, NamedPolicy>();
  return {
    idFor(owner) {
      const named = byOwner.get(owner) ?? policyOf(owner, context);
      byOwner.set(owner, named);
      return named.id;
    },
    all() {
      const named = [...byOwner.values()].map(({ id, policy }) => [id, policy] as const);
      return Object.fromEntries(named.sort(([a], [b]) => compareText(a, b)));
    },
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
