// Check 13 of the webhook: is a host and path of the candidate already served by another Ingress
// (routing-semantics §11; ingress-nginx internal/ingress/controller: checkOverlap)?

import { catchAllHost } from '../compile/host-plan.ts';
import type { CompilerView } from '../compile/incremental/view.ts';
import { compareIngresses } from '../compile/order.ts';
import { canary } from '../compile/settings/canary.ts';
import { bool } from '../compile/settings/types.ts';
import { type Ingress, type IngressPath, type IngressRule, keyOf } from '../objects/types.ts';

export interface Overlap {
  /** As in messages of ingress-nginx: `_` for the catch-all host. */
  readonly host: string;
  readonly path: string;
  /** The Ingress that has it. */
  readonly holder: Ingress;
}

/** Asked of a `CompilerView`. */
export type OverlapView = Pick<CompilerView, 'acceptedVersion' | 'claimantsOf' | 'options'>;

/**
 * Gives one place that the candidate asks for and another Ingress has, or null. Paths are compared as text, whatever
 * their type. Two Ingresses may share a place when exactly one has the canary annotation, or one says `canary: "false"`.
 * Linear in the paths of the candidate's hosts.
 */
export function findOverlap(candidate: Ingress, view: OverlapView): Overlap | null {
  const key = keyOf(candidate.meta);
  const prefix = view.options.annotationsPrefix;
  const role = roleOf(candidate, prefix);
  const present = view.acceptedVersion(key);
  for (const host of hostsOf(candidate)) {
    const wanted = placesOn(candidate, host);
    const held = present === null ? new Map<string, string>() : placesOn(present, host);
    for (const other of view.claimantsOf(host)) {
      if (keyOf(other.meta) === key || !exclude(role, roleOf(other, prefix))) continue;
      // What the candidate had before the other came is its own: of two that are both stored, the older may be edited.
      const isFirst = present !== null && compareIngresses(present, other) < 0;
      for (const place of placesOn(other, host).keys()) {
        const path = wanted.get(place);
        if (path !== undefined && !(isFirst && held.has(place))) return { host, path, holder: other };
      }
    }
  }
  return null;
}

/** `none`: without the annotation. `other`: it is there, and says something else than true. */
type CanaryRole = 'none' | 'canary' | 'other';

function roleOf({ meta }: Ingress, prefix: string): CanaryRole {
  const key = `${prefix}/${canary.name}`;
  if (!Object.hasOwn(meta.annotations, key)) return 'none';
  const parsed = bool.parse(meta.annotations[key] ?? '');
  return parsed.ok && parsed.value ? 'canary' : 'other';
}

function exclude(a: CanaryRole, b: CanaryRole): boolean {
  return a === b && a !== 'other';
}

function hostsOf({ rules }: Ingress): ReadonlySet<string> {
  return new Set(rules.map(hostOf));
}

function hostOf({ host }: IngressRule): string {
  return host === '' ? catchAllHost : host;
}

/** The places that the Ingress asks for on a host, each with its path as written. Only paths to a Service count. */
function placesOn({ rules }: Ingress, host: string): ReadonlyMap<string, string> {
  const places = new Map<string, string>();
  for (const rule of rules) {
    if (hostOf(rule) !== host) continue;
    for (const path of rule.paths ?? []) {
      if (path.backend.kind === 'service') for (const place of placesOf(path)) places.set(place, textOf(path));
    }
  }
  return places;
}

/**
 * A path is a place by its text and, unless Exact, by its prefix: `/a` and `/a/` are one route. Deviation: ingress-nginx
 * lets these two stand side by side; here the younger one would never get a request.
 */
function placesOf(path: IngressPath): readonly string[] {
  const text = textOf(path);
  if (path.pathType === 'Exact') return [`text ${text}`];
  return [`text ${text}`, `prefix ${text.endsWith('/') ? text.slice(0, -1) : text}`];
}

function textOf({ path }: IngressPath): string {
  return path === '' ? '/' : path;
}
