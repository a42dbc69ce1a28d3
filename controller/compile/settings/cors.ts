// Annotations that let pages of other origins call the host (Fetch Standard, "CORS protocol"). Annotation reference
// section 9. Not carried out yet: browsers refuse such calls, other clients are not affected.

import { annotationFamily } from './define.ts';
import type { AnnotationRecord, Parsed } from './record.ts';
import { bool, integer, listNamed, textNamed } from './types.ts';
import { exposedHeaders, headerList, methodList } from './validators.ts';

const cors = annotationFamily({
  group: 'CORS',
  scope: 'path',
  support: 'notYet',
  dependsOn: ['enable-cors'],
  note: 'CORS headers are not added, and preflight requests go to the upstream',
});

/** Turns CORS on. */
export const enableCors: AnnotationRecord<boolean> = cors({
  name: 'enable-cors',
  type: bool,
  default: false,
  risk: 'Low',
  dependsOn: [],
  doc: 'Adds CORS headers to responses and answers preflight requests.',
});

/**
 * Origins that may call.
 * Deviation: a value ingress-nginx cannot read means `*` there; here it closes the paths, since nobody asked for `*`.
 */
export const corsAllowOrigin: AnnotationRecord<readonly string[]> = cors({
  name: 'cors-allow-origin',
  type: { describe: 'comma list of origins', parse: parseOrigins },
  default: ['*'],
  risk: 'Medium',
  onInvalid: 'denyRoutes',
  doc: 'Origins that may call: `scheme://host[:port]`, one leading `*.` label, `null`, or `*` for all.',
});

/** Methods. */
export const corsAllowMethods: AnnotationRecord<string> = cors({
  name: 'cors-allow-methods',
  type: textNamed('comma list of methods'),
  validate: methodList,
  default: 'GET, PUT, POST, DELETE, PATCH, OPTIONS',
  risk: 'Medium',
  doc: 'Value of Access-Control-Allow-Methods.',
});

/** Request headers. */
export const corsAllowHeaders: AnnotationRecord<string> = cors({
  name: 'cors-allow-headers',
  type: textNamed('comma list of header names'),
  validate: headerList,
  default:
    'DNT,Keep-Alive,User-Agent,X-Requested-With,If-Modified-Since,Cache-Control,Content-Type,Range,Authorization',
  risk: 'Medium',
  doc: 'Value of Access-Control-Allow-Headers.',
});

/** Response headers. */
export const corsExposeHeaders: AnnotationRecord<readonly string[]> = cors({
  name: 'cors-expose-headers',
  type: listNamed('comma list of header names or `*`'),
  validate: exposedHeaders,
  risk: 'Medium',
  doc: 'Value of Access-Control-Expose-Headers; absent when empty.',
});

/** Cookies and passwords. */
export const corsAllowCredentials: AnnotationRecord<boolean> = cors({
  name: 'cors-allow-credentials',
  type: bool,
  default: true,
  risk: 'Low',
  doc: 'Whether Access-Control-Allow-Credentials is sent.',
});

/** Lifetime of a preflight answer, seconds. */
export const corsMaxAge: AnnotationRecord<number> = cors({
  name: 'cors-max-age',
  type: integer,
  default: 1_728_000,
  risk: 'Low',
  doc: 'Value of Access-Control-Max-Age, seconds.',
});

const ORIGIN = /^(?:[a-z]+:\/\/(?:\*\.)?[A-Za-z0-9.-]+(?::\d+)?|null)$/;

/** Single bad entries are skipped, as in ingress-nginx; a list with none left is refused. `*` anywhere is `*` alone. */
function parseOrigins(value: string): Parsed<readonly string[]> {
  const entries = value
    .split(',')
    .map((entry) => entry.trim())
    .filter((entry) => entry !== '');
  if (entries.includes('*')) return { ok: true, value: ['*'] };
  const origins = entries.filter((entry) => ORIGIN.test(entry));
  return origins.length > 0 ? { ok: true, value: origins } : { ok: false, why: 'names no origin' };
}

/** All of this family, in the order of the reference. */
export const corsAnnotations: readonly AnnotationRecord<unknown>[] = [
  enableCors,
  corsAllowOrigin,
  corsAllowMethods,
  corsAllowHeaders,
  corsExposeHeaders,
  corsAllowCredentials,
  corsMaxAge,
];
