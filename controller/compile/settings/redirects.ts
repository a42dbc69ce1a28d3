// Annotations that answer with a redirect, and those that rewrite redirects of the upstream. Annotation reference
// section 2. Three groups, because `ignoreGroup` of one must not touch the others.

import { annotationFamily } from './define.ts';
import type { AnnotationRecord, Parsed } from './record.ts';
import { bool, integer, textNamed } from './types.ts';
import { integerText, urlChars, urlCharsNoSpace } from './validators.ts';

const https = annotationFamily({ group: 'HTTPS redirects', scope: 'path', support: 'full' });

/** HTTP to HTTPS where the host has a certificate. */
export const sslRedirect: AnnotationRecord<boolean> = https({
  name: 'ssl-redirect',
  type: bool,
  default: true,
  globalKey: 'ssl-redirect',
  risk: 'Low',
  doc: 'Redirects plain HTTP to HTTPS when the host has a TLS section. Status and exceptions: `http-redirect-code`, `no-tls-redirect-locations`.',
});

/** HTTP to HTTPS without needing a certificate. */
export const forceSslRedirect: AnnotationRecord<boolean> = https({
  name: 'force-ssl-redirect',
  type: bool,
  default: false,
  globalKey: 'force-ssl-redirect',
  risk: 'Medium',
  doc: 'Redirects plain HTTP to HTTPS even when the host has no TLS section (TLS ends in front of Sluice).',
});

/** Keeps the trailing slash of the URI in the HTTPS redirect. */
export const preserveTrailingSlash: AnnotationRecord<boolean> = https({
  name: 'preserve-trailing-slash',
  type: bool,
  default: false,
  globalKey: 'preserve-trailing-slash',
  risk: 'Medium',
  doc: 'Keeps the trailing slash in the HTTPS redirect; otherwise one is removed.',
});

/** Names the HTTPS port in redirects. */
export const usePortInRedirects: AnnotationRecord<boolean> = https({
  name: 'use-port-in-redirects',
  type: bool,
  default: false,
  globalKey: 'use-port-in-redirects',
  risk: 'Low',
  doc: 'Adds the HTTPS port of the controller to the HTTPS redirect.',
});

const redirects = annotationFamily({ group: 'Redirects', scope: 'path', support: 'notYet' });

/** Relative Location in redirects that the proxy makes. */
export const relativeRedirects: AnnotationRecord<boolean> = redirects({
  name: 'relative-redirects',
  type: bool,
  default: false,
  risk: 'Low',
  onInvalid: 'rejectIngress',
  doc: 'Redirects made by the proxy carry a relative Location.',
  note: 'redirects carry an absolute Location',
});

const FIXED_REDIRECT_NOTE = 'requests are not redirected and would go to the Service of the rule, often a placeholder';

/** Fixed redirect, 301 unless told otherwise. */
export const permanentRedirect: AnnotationRecord<string> = redirects({
  name: 'permanent-redirect',
  type: textNamed('URL or path'),
  validate: urlCharsNoSpace,
  risk: 'Medium',
  onInvalid: 'rejectIngress',
  whenUnsupported: 'denyRoutes',
  doc: 'Answers every request with a redirect to this URL; path and query of the request are not appended.',
  note: FIXED_REDIRECT_NOTE,
});

/** Status of `permanent-redirect`; outside 300 to 308 it counts as 301. */
export const permanentRedirectCode: AnnotationRecord<number> = redirects({
  name: 'permanent-redirect-code',
  type: codeOr(301, 308),
  validate: integerText,
  default: 301,
  risk: 'Low',
  onInvalid: 'rejectIngress',
  doc: 'Status of `permanent-redirect`. Values outside 300 to 308 count as 301.',
  note: 'there is no redirect to give the status to',
});

/** Fixed redirect, 302 unless told otherwise; wins over `permanent-redirect`. */
export const temporalRedirect: AnnotationRecord<string> = redirects({
  name: 'temporal-redirect',
  type: { describe: 'URL', parse: parseHttpUrl },
  validate: urlCharsNoSpace,
  risk: 'Medium',
  onInvalid: 'rejectIngress',
  onUnparsable: 'ignoreGroup',
  whenUnsupported: 'denyRoutes',
  doc: 'Answers every request with a temporary redirect to this http or https URL. Wins over `permanent-redirect`.',
  note: FIXED_REDIRECT_NOTE,
});

/** Status of `temporal-redirect`; outside 300 to 307 it counts as 302. */
export const temporalRedirectCode: AnnotationRecord<number> = redirects({
  name: 'temporal-redirect-code',
  type: codeOr(302, 307),
  validate: integerText,
  default: 302,
  risk: 'Low',
  onInvalid: 'rejectIngress',
  dependsOn: ['temporal-redirect'],
  doc: 'Status of `temporal-redirect`. Values outside 300 to 307 count as 302.',
  note: 'there is no redirect to give the status to',
});

/** Redirect between `www.host` and `host`. */
export const fromToWwwRedirect: AnnotationRecord<boolean> = redirects({
  name: 'from-to-www-redirect',
  type: bool,
  default: false,
  scope: 'host',
  risk: 'Low',
  onInvalid: 'rejectIngress',
  doc: 'Creates the host with (or without) `www.` and redirects it to this one.',
  note: 'requests for the other name are answered as for an unknown host',
});

const location = annotationFamily({
  group: 'Redirects of the upstream',
  scope: 'path',
  support: 'notYet',
  note: 'Location and Refresh of the upstream reach the client unchanged',
});

/** What to replace in `Location` of the upstream. */
export const proxyRedirectFrom: AnnotationRecord<string> = location({
  name: 'proxy-redirect-from',
  type: textNamed('`off`, `default` or URL'),
  validate: urlChars,
  default: 'off',
  globalKey: 'proxy-redirect-from',
  risk: 'Medium',
  doc: 'Text to replace in Location and Refresh headers of the upstream.',
});

/** Replacement for `proxy-redirect-from`. */
export const proxyRedirectTo: AnnotationRecord<string> = location({
  name: 'proxy-redirect-to',
  type: textNamed('URL'),
  validate: urlChars,
  default: 'off',
  globalKey: 'proxy-redirect-to',
  risk: 'Medium',
  doc: 'Replacement for the text of `proxy-redirect-from`.',
});

/** An integer that counts as `fallback` outside 300..max, as ingress-nginx reads redirect codes. */
function codeOr(fallback: number, max: number): { describe: string; parse: (text: string) => Parsed<number> } {
  return {
    describe: `status code 300 to ${max}`,
    parse: (value) => {
      const parsed = integer.parse(value);
      return parsed.ok && (parsed.value < 300 || parsed.value > max) ? { ok: true, value: fallback } : parsed;
    },
  };
}

function parseHttpUrl(value: string): Parsed<string> {
  const url = value.trim();
  return /^https?:/i.test(url) ? { ok: true, value: url } : { ok: false, why: 'is not an http or https URL' };
}

/** All of this file, in the order of the reference. */
export const redirectAnnotations: readonly AnnotationRecord<unknown>[] = [
  sslRedirect,
  forceSslRedirect,
  preserveTrailingSlash,
  usePortInRedirects,
  relativeRedirects,
  permanentRedirect,
  permanentRedirectCode,
  temporalRedirect,
  temporalRedirectCode,
  fromToWwwRedirect,
  proxyRedirectFrom,
  proxyRedirectTo,
];
