// The order in which Ingresses are taken: who comes first wins every conflict (routing-semantics §2).

import { compareText } from '../objects/diagnostic.ts';
import { type Ingress, keyOf } from '../objects/types.ts';

/**
 * Older first; at equal age `namespace/name` descending, as ingress-nginx breaks ties
 * (internal/ingress/controller/store: sortIngresses). creationTimestamp has whole seconds, so ties are common; objects
 * of a manifest folder usually carry none and all tie.
 */
export function compareIngresses(a: Ingress, b: Ingress): number {
  return a.meta.creationTimestampMs - b.meta.creationTimestampMs || compareText(keyOf(b.meta), keyOf(a.meta));
}

/** Sorts by the Ingress inside each item; the input is left as it is. */
export function orderIngresses<T extends { readonly ingress: Ingress }>(items: readonly T[]): T[] {
  return [...items].sort((a, b) => compareIngresses(a.ingress, b.ingress));
}
