// Pass: rules of the accepted Ingresses -> virtual hosts and the routes planned in them (routing-semantics §2-§6).
//
// In: accepted Ingresses, oldest first. Out: one plan per host, without endpoints, certificates or policies: later
// passes look those up. A host is created by the first Ingress that names it, which also lends its settings and its
// default backend to the implicit `/` of the host (§6). Cost is linear in the number of paths.

import type { PathMatch, VirtualHostName } from '#proxy/table/types.ts';
import type { Diagnostic } from '../objects/diagnostic.ts';
import { quoteShort } from '../objects/host-name.ts';
import { type IngressPath, type IngressRule, keyOf } from '../objects/types.ts';
import { catchAllConflict, hostText, pathConflict } from './conflicts.ts';
import { type BackendUse, catchAllHost, type HostPlan, type PlannedRoute, serviceBackend } from './host-plan.ts';
import { diagnose } from './report.ts';
import type { AcceptedIngress } from './select.ts';

export interface HostsPass {
  /** By host name. Always holds the catch-all host. */
  readonly plans: ReadonlyMap<VirtualHostName, HostPlan>;
  readonly diagnostics: readonly Diagnostic[];
}

/** A host while its rules are collected. `claims` is keyed by match, so that equal matches meet. */
interface HostDraft {
  readonly name: VirtualHostName;
  readonly ingresses: Set<AcceptedIngress>;
  readonly claims: Map<string, PlannedRoute>;
}

/** Plans all virtual hosts. Takes the Ingresses in conflict order: whoever comes first keeps host and path. */
export function planHosts(ordered: readonly AcceptedIngress[]): HostsPass {
  const diagnostics: Diagnostic[] = [];
  const drafts = new Map<VirtualHostName, HostDraft>();
  const catchAll = openDraft(drafts, catchAllHost, implicitRoute(null, null));
  catchAll.claims.set(claimKey(healthzRoute.match), healthzRoute);
  // Before all rules: a hostless rule for `/` must find the place taken even when its Ingress is older, because
  // ingress-nginx builds the catch-all server first (controller.go, createServers).
  for (const accepted of ordered) diagnostics.push(...claimCatchAll(accepted, catchAll));
  for (const accepted of ordered) {
    for (const rule of accepted.ingress.rules) {
      const draft = draftFor(rule, accepted, drafts);
      draft.ingresses.add(accepted);
      for (const path of rule.paths ?? []) diagnostics.push(...claimPath(accepted, rule, path, draft));
    }
    diagnostics.push(...unusedDefaultBackend(accepted, drafts));
  }
  return { plans: new Map([...drafts].map(([name, draft]) => [name, planOf(draft)])), diagnostics };
}

function planOf(draft: HostDraft): HostPlan {
  return { name: draft.name, ingresses: [...draft.ingresses], routes: [...draft.claims.values()] };
}

function openDraft(drafts: Map<VirtualHostName, HostDraft>, name: VirtualHostName, root: PlannedRoute): HostDraft {
  const draft = { name, ingresses: new Set<AcceptedIngress>(), claims: new Map([[claimKey(root.match), root]]) };
  drafts.set(name, draft);
  return draft;
}

function draftFor(rule: IngressRule, accepted: AcceptedIngress, drafts: Map<VirtualHostName, HostDraft>): HostDraft {
  const name = rule.host === '' ? catchAllHost : rule.host;
  return (
    drafts.get(name) ??
    openDraft(drafts, name, implicitRoute(accepted, serviceBackend(accepted.ingress.defaultBackend)))
  );
}

function implicitRoute(owner: AcceptedIngress | null, backend: BackendUse | null): PlannedRoute {
  return { origin: 'implicit', match: rootMatch, owner, backend, path: '/', field: 'spec.defaultBackend' };
}

const healthzRoute: PlannedRoute = {
  origin: 'healthz',
  match: { kind: 'prefix', path: '/healthz' },
  owner: null,
  backend: null,
  path: '/healthz',
  field: '',
};

/** An Ingress without rules answers unknown hosts with its default backend (§5). */
function claimCatchAll(accepted: AcceptedIngress, catchAll: HostDraft): Diagnostic[] {
  const { ingress } = accepted;
  const backend = serviceBackend(ingress.defaultBackend);
  if (ingress.defaultBackend?.kind === 'resource') {
    const what = ingress.rules.length === 0 ? 'unknown hosts' : 'paths without a rule';
    const message = `backend ${quoteShort(ingress.defaultBackend.resource)} is not a Service; it is ignored and ${what} get the controller's default backend`;
    return [diagnose('error', 'ResourceBackend', ingress, 'spec.defaultBackend.resource', message)];
  }
  if (backend === null || ingress.rules.length > 0) return [];
  const holder = catchAll.claims.get(claimKey(rootMatch));
  if (holder?.origin === 'catchAll') return [catchAllConflict(accepted, holder)];
  const route: PlannedRoute = { ...implicitRoute(accepted, backend), origin: 'catchAll' };
  catchAll.claims.set(claimKey(rootMatch), route);
  return [];
}

function claimPath(accepted: AcceptedIngress, rule: IngressRule, path: IngressPath, draft: HostDraft): Diagnostic[] {
  const { ingress } = accepted;
  const pathField = `spec.rules[${rule.index}].http.paths[${path.index}]`;
  const backend = serviceBackend(path.backend);
  if (backend === null) {
    const resource = path.backend.kind === 'resource' ? path.backend.resource : '';
    const message = `backend ${quoteShort(resource)} is not a Service; the path is skipped, and its requests get the next matching path of ${hostText(draft.name)} or the default backend`;
    return [diagnose('error', 'ResourceBackend', ingress, `${pathField}.backend.resource`, message)];
  }
  const text = path.path === '' ? '/' : path.path;
  if (neverMatches.test(text)) {
    const message = `path ${quoteShort(text)} is not an absolute path without empty, "." and ".." elements, so no request can match it; the path is skipped`;
    return [diagnose('error', 'PathNeverMatches', ingress, `${pathField}.path`, message)];
  }
  const match = matchOf(path.pathType, text);
  const holder = draft.claims.get(claimKey(match));
  if (holder?.origin === 'path' || holder?.origin === 'catchAll') {
    return [pathConflict({ owner: accepted, field: `${pathField}.path`, path: text, backend }, draft.name, holder)];
  }
  draft.claims.set(claimKey(match), { origin: 'path', match, owner: accepted, backend, path: text, field: pathField });
  return literalPathWarning(accepted, text, `${pathField}.path`);
}

const rootMatch: PathMatch = { kind: 'prefix', path: '' };

/** ImplementationSpecific is Prefix (§4). Prefix is element-wise, so `/a` and `/a/` are one match. */
function matchOf(pathType: IngressPath['pathType'], path: string): PathMatch {
  if (pathType === 'Exact') return { kind: 'exact', path };
  return { kind: 'prefix', path: path.endsWith('/') ? path.slice(0, -1) : path };
}

function claimKey(match: PathMatch): string {
  return match.kind === 'regex' ? `regex ${match.pattern}` : `${match.kind} ${match.path}`;
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

/** §5: beside rules, a default backend serves only the hosts that its own Ingress creates. */
function unusedDefaultBackend(
  accepted: AcceptedIngress,
  drafts: ReadonlyMap<VirtualHostName, HostDraft>,
): Diagnostic[] {
  const { ingress } = accepted;
  if (ingress.rules.length === 0 || serviceBackend(ingress.defaultBackend) === null) return [];
  const hosts = [...new Set(ingress.rules.map((rule) => (rule.host === '' ? catchAllHost : rule.host)))];
  const creators = hosts.map((host) => creatorOf(drafts.get(host)));
  if (creators.includes(accepted)) return [];
  const reason = creators.every((creator) => creator === null)
    ? 'a default backend beside rules does not serve the catch-all host'
    : `its hosts were first named by Ingress ${[...new Set(creators.flatMap((c) => (c === null ? [] : [keyOf(c.ingress.meta)])))].join(', ')}`;
  const message = `the default backend is not used, because ${reason}; unmatched paths do not go to it`;
  return [diagnose('warning', 'DefaultBackendUnused', ingress, 'spec.defaultBackend', message)];
}

/** The Ingress that created the host; null for the catch-all host, which the controller creates. */
function creatorOf(draft: HostDraft | undefined): AcceptedIngress | null {
  if (draft === undefined || draft.name === catchAllHost) return null;
  const [creator = null] = draft.ingresses;
  return creator;
}
