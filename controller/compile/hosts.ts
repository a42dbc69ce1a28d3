// Pass: rules of the accepted Ingresses -> virtual hosts and the routes planned in them (routing-semantics §2-§6).
//
// In: accepted Ingresses, oldest first. Out: one plan per host, without endpoints, certificates or policies: later
// passes look those up. A host is created by the first Ingress that names it, which also lends its settings and its
// default backend to the implicit `/` of the host (§6). Cost is linear in the number of paths.

import type { VirtualHostName } from '#proxy/table/types.ts';
import type { Diagnostic } from '../objects/diagnostic.ts';
import { quoteShort } from '../objects/host-name.ts';
import { type IngressPath, type IngressRule, keyOf } from '../objects/types.ts';
import { joinCanaries } from './canaries.ts';
import { catchAllConflict, hostText, pathConflict } from './conflicts.ts';
import {
  type BackendUse,
  type ClaimedRoutes,
  catchAllHost,
  claimKey,
  defaultBackendPlace,
  fieldOfPlace,
  type HostClaim,
  type HostPlan,
  matchOf,
  type PlannedRoute,
  rootMatch,
  serviceBackend,
} from './host-plan.ts';
import { checkPassthrough } from './passthrough.ts';
import { diagnose } from './report.ts';
import type { AcceptedIngress } from './select.ts';

export interface HostsPass {
  /** By host name. Always holds the catch-all host. */
  readonly plans: ReadonlyMap<VirtualHostName, HostPlan>;
  readonly diagnostics: readonly Diagnostic[];
}

export interface PlannedHost {
  /** null: only canaries ask for this host, and they create none. */
  readonly plan: HostPlan | null;
  readonly diagnostics: readonly Diagnostic[];
}

/** Plans all virtual hosts. Takes the Ingresses in conflict order: whoever comes first keeps host and path. */
export function planHosts(ordered: readonly AcceptedIngress[]): HostsPass {
  const claims = new Map<VirtualHostName, HostClaim[]>([[catchAllHost, []]]);
  for (const accepted of ordered) {
    for (const [name, claim] of claimHosts(accepted)) {
      const others = claims.get(name);
      if (others === undefined) claims.set(name, [claim]);
      else others.push(claim);
    }
  }
  const planned = [...claims].map(([name, list]) => planHost(name, list));
  const plans = new Map(planned.flatMap(({ plan }) => (plan === null ? [] : [[plan.name, plan] as const])));
  const diagnostics = planned.flatMap((host) => host.diagnostics);
  for (const accepted of ordered) diagnostics.push(...checkDefaultBackend(accepted, (name) => plans.get(name)));
  return { plans, diagnostics };
}

/** Lists the hosts that an Ingress speaks of, with its rules for each. */
export function claimHosts(accepted: AcceptedIngress): ReadonlyMap<VirtualHostName, HostClaim> {
  const { rules, defaultBackend } = accepted.ingress;
  if (rules.length === 0) {
    const isDefault = serviceBackend(defaultBackend) !== null;
    return new Map(isDefault ? [[catchAllHost, { accepted, rules }]] : []);
  }
  const byHost = Map.groupBy(rules, hostOf);
  return new Map([...byHost].map(([name, ofHost]) => [name, { accepted, rules: ofHost }]));
}

function hostOf(rule: IngressRule): VirtualHostName {
  return rule.host === '' ? catchAllHost : rule.host;
}

/** Plans one host from all claims on it, in conflict order. The catch-all host needs no claim, others at least one. */
export function planHost(name: VirtualHostName, claims: readonly HostClaim[]): PlannedHost {
  const [canaries, primaries] = [claims.filter(isOfCanary), claims.filter((claim) => !isOfCanary(claim))];
  if (primaries.length === 0 && name !== catchAllHost) {
    return { plan: null, diagnostics: joinCanaries(name, canaries, new Map()) };
  }
  const diagnostics: Diagnostic[] = [];
  const routes = openRoutes(name, primaries);
  // Before all rules: a hostless rule for `/` must find the place taken even when its Ingress is older, because
  // ingress-nginx builds the catch-all server first (controller.go, createServers).
  for (const { accepted, rules } of primaries) {
    if (rules.length === 0) diagnostics.push(...claimCatchAll(accepted, routes));
  }
  for (const { accepted, rules } of primaries) {
    for (const rule of rules) {
      for (const path of rule.paths ?? []) diagnostics.push(...claimPath(accepted, rule, path, { name, routes }));
    }
  }
  // After all paths: a canary may be older than the Ingress that it joins.
  diagnostics.push(...joinCanaries(name, canaries, routes));
  const ingresses = primaries.filter(({ rules }) => rules.length > 0).map(({ accepted }) => accepted);
  const plan = { name, ingresses, routes: [...routes.values()] };
  return { plan, diagnostics: [...diagnostics, ...checkPassthrough(plan)] };
}

function isOfCanary({ accepted }: HostClaim): boolean {
  return accepted.isCanary;
}

/** The routes that a host has before any path claims its place. */
function openRoutes(name: VirtualHostName, claims: readonly HostClaim[]): ClaimedRoutes {
  const [creator] = claims;
  if (name === catchAllHost || creator === undefined) {
    return new Map([implicitRoute(null, null), healthzRoute].map((route) => [claimKey(route.match), route]));
  }
  const root = implicitRoute(creator.accepted, serviceBackend(creator.accepted.ingress.defaultBackend));
  return new Map([[claimKey(root.match), root]]);
}

function implicitRoute(owner: AcceptedIngress | null, backend: BackendUse | null): PlannedRoute {
  return {
    origin: 'implicit',
    match: rootMatch,
    owner,
    backend,
    path: '/',
    place: defaultBackendPlace,
    canaries: [],
  };
}

const healthzRoute: PlannedRoute = {
  origin: 'healthz',
  match: { kind: 'prefix', path: '/healthz' },
  owner: null,
  backend: null,
  path: '/healthz',
  place: defaultBackendPlace,
  canaries: [],
};

/** An Ingress without rules answers unknown hosts with its default backend (§5). */
function claimCatchAll(accepted: AcceptedIngress, routes: ClaimedRoutes): Diagnostic[] {
  const holder = routes.get(claimKey(rootMatch));
  if (holder?.origin === 'catchAll') return [catchAllConflict(accepted, holder)];
  const backend = serviceBackend(accepted.ingress.defaultBackend);
  routes.set(claimKey(rootMatch), { ...implicitRoute(accepted, backend), origin: 'catchAll' });
  return [];
}

interface ClaimPlace {
  readonly name: VirtualHostName;
  readonly routes: ClaimedRoutes;
}

function claimPath(
  accepted: AcceptedIngress,
  rule: IngressRule,
  path: IngressPath,
  { name, routes }: ClaimPlace,
): Diagnostic[] {
  const { ingress } = accepted;
  const place = { rule: rule.index, path: path.index };
  const pathField = fieldOfPlace(place);
  const backend = serviceBackend(path.backend);
  if (backend === null) {
    const resource = path.backend.kind === 'resource' ? path.backend.resource : '';
    const message = `backend ${quoteShort(resource)} is not a Service; the path is skipped, and its requests get the next matching path of ${hostText(name)} or the default backend`;
    return [diagnose('error', 'ResourceBackend', ingress, `${pathField}.backend.resource`, message)];
  }
  const text = path.path === '' ? '/' : path.path;
  if (neverMatches.test(text)) {
    const message = `path ${quoteShort(text)} is not an absolute path without empty, "." and ".." elements, so no request can match it; the path is skipped`;
    return [diagnose('error', 'PathNeverMatches', ingress, `${pathField}.path`, message)];
  }
  const match = matchOf(path.pathType, text);
  const holder = routes.get(claimKey(match));
  if (holder?.origin === 'path' || holder?.origin === 'catchAll') {
    return [pathConflict({ owner: accepted, field: `${pathField}.path`, path: text, backend }, name, holder)];
  }
  const route = { match, owner: accepted, backend, path: text, place };
  routes.set(claimKey(match), { origin: 'path', ...route, canaries: [] });
  return literalPathWarning(accepted, text, `${pathField}.path`);
}

/** Request paths are normalised before matching and never look like this; the API server refuses such paths, too. */
const neverMatches = /^[^/]|\/\/|\/\.\.?(?:\/|$)/;
const percentEncoded = /%[0-9A-Fa-f]{2}/;
const regexSyntax = /[()[\]{}*|^$\\]/;

/** Paths that are legal and almost certainly do not do what their author wants. */
function literalPathWarning(accepted: AcceptedIngress, path: string, field: string): Diagnostic[] {
  if (accepted.isDenied) return [];
  if (percentEncoded.test(path)) {
    const message = `path ${quoteShort(path)} is percent-encoded, but is compared with the decoded request path; write it decoded, as it stands ordinary requests do not match it`;
    return [diagnose('warning', 'PathPercentEncoded', accepted.ingress, field, message)];
  }
  if (!regexSyntax.test(path)) return [];
  const message = `path ${quoteShort(path)} looks like a regular expression, but is compared character by character; requests match it only literally`;
  return [diagnose('warning', 'PathLooksLikeRegex', accepted.ingress, field, message)];
}

type PlanOf = (name: VirtualHostName) => HostPlan | undefined;

/** Tells the owner of a default backend that does nothing. Depends on the Ingress and on who created its hosts. */
export function checkDefaultBackend(accepted: AcceptedIngress, planOf: PlanOf): Diagnostic[] {
  const { ingress, isCanary } = accepted;
  // That of a canary is looked at where it joins.
  if (isCanary) return [];
  if (ingress.defaultBackend?.kind !== 'resource') return unusedDefaultBackend(accepted, planOf);
  const what = ingress.rules.length === 0 ? 'unknown hosts' : 'paths without a rule';
  const message = `backend ${quoteShort(ingress.defaultBackend.resource)} is not a Service; it is ignored and ${what} get the controller's default backend`;
  return [diagnose('error', 'ResourceBackend', ingress, 'spec.defaultBackend.resource', message)];
}

/** §5: beside rules, a default backend serves only the hosts that its own Ingress creates. */
function unusedDefaultBackend(accepted: AcceptedIngress, planOf: PlanOf): Diagnostic[] {
  const { ingress } = accepted;
  if (ingress.rules.length === 0 || serviceBackend(ingress.defaultBackend) === null) return [];
  const creators = [...new Set(ingress.rules.map(hostOf))].map((name) => creatorOf(planOf(name)));
  if (creators.includes(accepted)) return [];
  const reason = creators.every((creator) => creator === null)
    ? 'a default backend beside rules does not serve the catch-all host'
    : `its hosts were first named by Ingress ${[...new Set(creators.flatMap((c) => (c === null ? [] : [keyOf(c.ingress.meta)])))].join(', ')}`;
  const message = `the default backend is not used, because ${reason}; unmatched paths do not go to it`;
  return [diagnose('warning', 'DefaultBackendUnused', ingress, 'spec.defaultBackend', message)];
}

/** The Ingress that created the host; null for the catch-all host, which the controller creates. */
export function creatorOf(plan: HostPlan | undefined): AcceptedIngress | null {
  if (plan === undefined || plan.name === catchAllHost) return null;
  const [creator = null] = plan.ingresses;
  return creator;
}
