// Annotations that change which requests an Ingress takes and where they go: rewriting, extra names, the Host sent
// upstream, the fallback Service. Annotation reference section 1.

import type { Ingress } from '../../objects/types.ts';
import { annotationFamily } from './define.ts';
import type { AnnotationRecord, Parsed } from './record.ts';
import { bool, listNamed, textNamed } from './types.ts';
import { pathWithCaptures, serverName, serverNames, serviceName } from './validators.ts';

const routing = annotationFamily({ group: 'Routing and rewrites', scope: 'path', support: 'notYet' });

const REWRITE_NOTE =
  'paths are not rewritten and not read as regular expressions, so requests would reach the upstream under a wrong path';

/** Template of the path sent upstream. Equal to every path of the Ingress it does nothing, in ingress-nginx too. */
export const rewriteTarget: AnnotationRecord<string> = routing({
  name: 'rewrite-target',
  type: textNamed('path with captures'),
  validate: pathWithCaptures,
  risk: 'Medium',
  whenUnsupported: 'denyRoutes',
  shortfall: (target, ingress) => (isEveryPath(target, ingress) ? null : REWRITE_NOTE),
  doc: 'Replaces the request path by this template; `$1`, `$2` are captures of the Ingress path. Puts the whole host into regex mode.',
  note: REWRITE_NOTE,
});

function isEveryPath(target: string, ingress: Ingress): boolean {
  const paths = ingress.rules.flatMap((rule) => rule.paths ?? []).map(({ path }) => (path === '' ? '/' : path));
  return paths.length > 0 && paths.every((path) => path === target);
}

/** Marks paths as regular expressions. */
export const useRegex: AnnotationRecord<boolean> = routing({
  name: 'use-regex',
  type: bool,
  default: false,
  risk: 'Low',
  whenUnsupported: 'denyRoutes',
  doc: 'Paths are case-insensitive regular expressions anchored at the start; puts the whole host into regex mode.',
  note: 'paths are not read as regular expressions, so requests would reach the wrong route',
});

/** Redirect of exactly `/`. */
export const appRoot: AnnotationRecord<string> = routing({
  name: 'app-root',
  type: { describe: 'absolute path', parse: parseAppRoot },
  validate: pathWithCaptures,
  scope: 'host',
  risk: 'Medium',
  doc: 'Answers 302 to this path for the request path `/`.',
  note: 'requests for / are not redirected and go to the upstream; all other paths are not affected',
});

function parseAppRoot(value: string): Parsed<string> {
  const path = value.trim();
  return path.startsWith('/') ? { ok: true, value: path } : { ok: false, why: 'is not an absolute path' };
}

/** Extra names of the host. */
export const serverAlias: AnnotationRecord<readonly string[]> = routing({
  name: 'server-alias',
  type: listNamed('comma list of host names'),
  validate: serverNames,
  scope: 'host',
  risk: 'High',
  onInvalid: 'rejectIngress',
  doc: 'More names for the host. The paths of all its Ingresses answer on them.',
  note: 'requests for the extra names are answered as for an unknown host',
});

/** Host header sent upstream. */
export const upstreamVhost: AnnotationRecord<string> = routing({
  name: 'upstream-vhost',
  type: textNamed('host name'),
  validate: serverName,
  risk: 'Low',
  onInvalid: 'rejectIngress',
  whenUnsupported: 'denyRoutes',
  doc: 'Host header sent to the upstream instead of the one of the client.',
  note: 'the upstream would get the Host of the client and could answer with another site',
});

/** X-Forwarded-Prefix towards the upstream. */
export const xForwardedPrefix: AnnotationRecord<string> = routing({
  name: 'x-forwarded-prefix',
  type: textNamed('path'),
  validate: pathWithCaptures,
  risk: 'Medium',
  onInvalid: 'rejectIngress',
  doc: 'Adds X-Forwarded-Prefix to requests, when a rewrite-target is in effect.',
  note: 'the header is not sent',
});

/** Service that takes over when the rule's Service has no endpoints. */
export const defaultBackend: AnnotationRecord<string> = routing({
  name: 'default-backend',
  type: textNamed('Service name'),
  validate: serviceName,
  risk: 'Low',
  onInvalid: 'rejectIngress',
  doc: 'Service that answers when the Service of the rule has no endpoints, and for the codes of `custom-http-errors`.',
  note: 'paths whose Service has no endpoints answer 503',
});

/** One endpoint, the cluster IP, instead of the pods. */
export const serviceUpstream: AnnotationRecord<boolean> = routing({
  name: 'service-upstream',
  type: bool,
  default: false,
  globalKey: 'service-upstream',
  scope: 'service',
  risk: 'Low',
  onInvalid: 'useBuiltIn',
  support: 'full',
  doc: 'Sends requests to the cluster IP of the Service instead of to its pods.',
});

/** All of this family, in the order of the reference. */
export const routingAnnotations: readonly AnnotationRecord<unknown>[] = [
  rewriteTarget,
  useRegex,
  appRoot,
  serverAlias,
  upstreamVhost,
  xForwardedPrefix,
  defaultBackend,
  serviceUpstream,
];
