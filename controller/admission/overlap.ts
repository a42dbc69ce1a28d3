// Check 13 of the webhook: is a host and path of the candidate already served by another Ingress
// (routing-semantics §11; ingress-nginx internal/ingress/controller: checkOverlap)?

import { catchAllHost } from '../compile/host-plan.ts';
import type { CompilerView } from '../compile/incremental/view.ts';
import { compareIngresses } from '../compile/order.ts';
import { canary } from '../compile/settings/canary.ts';
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
 * their type. Two Ingresses may share a place when one of them has the canary annotation, whatever it says. Deviation: two
 * canaries may, too; ingress-nginx refuses the second, of which it would make no use. Linear in the paths of the
 * candidate's hosts.
 */
export function findOverlap(candidate: Ingress, view: OverlapView): Overlap | null {
  const prefix = view.options.annotationsPrefix;
  if (hasCanary(candidate, prefix)) return null;
  const present = view.acceptedVersion(keyOf(candidate.meta));
  for (const host of hostsOf(candidate)) {
    const wanted = placesOn(candidate, host);
    const held = present === null ? noPlaces : placesOn(present, host);
    for (const other of view.claimantsOf(host)) {
      if (isSame(other, candidate)) continue;
      const path = sharedPath(wanted, other, host);
      // After the paths: nearly all of thousands on one host are done with here.
      if (path === null || hasCanary(other, prefix)) continue;
      // What the candidate had before the other came is its own: of two that are both stored, the older may be edited.
      const isFirst = present !== null && compareIngresses(present, other) < 0;
      const contested = isFirst ? sharedPath(without(wanted, held), other, host) : path;
      if (contested !== null) return { host, path: contested, holder: other };
    }
  }
  return null;
}

function isSame(a: Ingress, b: Ingress): boolean {
  return a.meta.name === b.meta.name && a.meta.namespace === b.meta.namespace;
}

function hasCanary({ meta }: Ingress, prefix: string): boolean {
  return Object.hasOwn(meta.annotations, `${prefix}/${canary.name}`);
}

function hostsOf({ rules }: Ingress): ReadonlySet<string> {
  return new Set(rules.map(hostOf));
}

function hostOf({ host }: IngressRule): string {
  return host === '' ? catchAllHost : host;
}

/**
 * What an Ingress asks for on a host. A path is a place by its text and, unless Exact, by its prefix: `/a` and `/a/` are
 * one route. Deviation: ingress-nginx lets these two stand side by side; here the younger would never get a request.
 */
interface Places {
  readonly texts: ReadonlySet<string>;
  /** Prefix without the slash at its end -> path as written. */
  readonly prefixes: ReadonlyMap<string, string>;
}

const noPlaces: Places = { texts: new Set(), prefixes: new Map() };

function placesOn(ingress: Ingress, host: string): Places {
  const paths = [...pathsOn(ingress, host)];
  const prefixes = paths.filter(isPrefix).map((path) => [baseOf(path), textOf(path)] as const);
  return { texts: new Set(paths.map(textOf)), prefixes: new Map(prefixes) };
}

function without(places: Places, others: Places): Places {
  return {
    texts: new Set([...places.texts].filter((text) => !others.texts.has(text))),
    prefixes: new Map([...places.prefixes].filter(([base]) => !others.prefixes.has(base))),
  };
}

/**
 * The first path of `other` that is one of the places, as the candidate writes it. Runs for every Ingress of the host, up
 * to thousands: plain loops, since `pathsOn` takes several times as long.
 */
function sharedPath({ texts, prefixes }: Places, other: Ingress, host: string): string | null {
  for (const rule of other.rules) {
    if (hostOf(rule) !== host || rule.paths === null) continue;
    for (const path of rule.paths) {
      if (path.backend.kind !== 'service') continue;
      const text = textOf(path);
      if (texts.has(text)) return text;
      const twin = isPrefix(path) ? prefixes.get(baseOf(path)) : undefined;
      if (twin !== undefined) return twin;
    }
  }
  return null;
}

/** Only paths to a Service count. */
function* pathsOn({ rules }: Ingress, host: string): Generator<IngressPath> {
  for (const rule of rules) {
    if (hostOf(rule) !== host) continue;
    for (const path of rule.paths ?? []) if (path.backend.kind === 'service') yield path;
  }
}

function isPrefix({ pathType }: IngressPath): boolean {
  return pathType !== 'Exact';
}

function textOf({ path }: IngressPath): string {
  return path === '' ? '/' : path;
}

function baseOf(path: IngressPath): string {
  const text = textOf(path);
  return text.endsWith('/') ? text.slice(0, -1) : text;
}
