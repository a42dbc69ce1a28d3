// Annotations that keep a client at one endpoint by a cookie. Annotation reference section 6.

import { annotationFamily } from './define.ts';
import type { AnnotationRecord } from './record.ts';
import { bool, integer, oneOf, oneOfAnyCase, textNamed } from './types.ts';
import { basicChars, urlChars } from './validators.ts';

const affinities = annotationFamily({
  group: 'Session affinity',
  scope: 'service',
  support: 'full',
  dependsOn: ['affinity'],
});

/** Turns affinity on. */
export const affinity: AnnotationRecord<'cookie'> = affinities({
  name: 'affinity',
  type: oneOf(['cookie']),
  risk: 'Low',
  dependsOn: [],
  doc: 'Keeps a client at one endpoint by a cookie. Wins over `upstream-hash-by` and `load-balance`. Routes of other Ingresses to the same Service obey the cookie, and set none.',
});

/** What happens when endpoints change. */
export const affinityMode: AnnotationRecord<'balanced' | 'persistent'> = affinities({
  name: 'affinity-mode',
  type: oneOf(['balanced', 'persistent']),
  default: 'balanced',
  risk: 'Medium',
  doc: '`balanced` moves some clients when endpoints are added; `persistent` moves none.',
});

/** Affinity of clients that a canary took. */
export const affinityCanaryBehavior: AnnotationRecord<'sticky' | 'legacy'> = affinities({
  name: 'affinity-canary-behavior',
  type: oneOf(['sticky', 'legacy']),
  default: 'sticky',
  risk: 'Low',
  dependsOn: ['canary'],
  doc: 'On a canary Ingress: whether clients stay at the side that took them first.',
});

/** Name of the cookie. */
export const sessionCookieName: AnnotationRecord<string> = affinities({
  name: 'session-cookie-name',
  type: textNamed('cookie name'),
  validate: basicChars,
  default: 'INGRESSCOOKIE',
  risk: 'Medium',
  doc: 'Name of the affinity cookie.',
});

/** Path of the cookie. */
export const sessionCookiePath: AnnotationRecord<string> = affinities({
  name: 'session-cookie-path',
  type: textNamed('path'),
  validate: urlChars,
  risk: 'Medium',
  doc: 'Path of the affinity cookie; by default the Ingress path that matched.',
});

/** Domain of the cookie. */
export const sessionCookieDomain: AnnotationRecord<string> = affinities({
  name: 'session-cookie-domain',
  type: textNamed('domain'),
  validate: basicChars,
  risk: 'Medium',
  doc: 'Domain of the affinity cookie.',
});

/** SameSite of the cookie. */
export const sessionCookieSamesite: AnnotationRecord<'None' | 'Lax' | 'Strict'> = affinities({
  name: 'session-cookie-samesite',
  type: oneOfAnyCase(['None', 'Lax', 'Strict']),
  risk: 'Low',
  doc: 'SameSite attribute of the affinity cookie.',
});

/** Leaves SameSite=None out for old browsers. */
export const sessionCookieConditionalSamesiteNone: AnnotationRecord<boolean> = affinities({
  name: 'session-cookie-conditional-samesite-none',
  type: bool,
  default: false,
  risk: 'Low',
  doc: 'Leaves `SameSite=None` out for user agents known to mishandle it.',
});

/** Secure attribute. */
export const sessionCookieSecure: AnnotationRecord<boolean> = affinities({
  name: 'session-cookie-secure',
  type: bool,
  risk: 'Low',
  doc: 'True always sets Secure on the affinity cookie; otherwise only on HTTPS.',
});

/** Expires, seconds from now. */
export const sessionCookieExpires: AnnotationRecord<number> = affinities({
  name: 'session-cookie-expires',
  type: integer,
  risk: 'Medium',
  doc: 'Expires attribute of the affinity cookie, seconds from now.',
});

/** Max-Age, seconds. */
export const sessionCookieMaxAge: AnnotationRecord<number> = affinities({
  name: 'session-cookie-max-age',
  type: integer,
  risk: 'Medium',
  doc: 'Max-Age attribute of the affinity cookie, seconds.',
});

/** Another endpoint after a failed attempt. */
export const sessionCookieChangeOnFailure: AnnotationRecord<boolean> = affinities({
  name: 'session-cookie-change-on-failure',
  type: bool,
  default: false,
  risk: 'Low',
  doc: 'After a failed attempt choose another endpoint and rewrite the cookie.',
});

/** What makes up the cookie, and when it changes. */
export const sessionCookieAnnotations: readonly AnnotationRecord<unknown>[] = [
  sessionCookieName,
  sessionCookiePath,
  sessionCookieDomain,
  sessionCookieSamesite,
  sessionCookieConditionalSamesiteNone,
  sessionCookieSecure,
  sessionCookieExpires,
  sessionCookieMaxAge,
  sessionCookieChangeOnFailure,
];

/** All of this family, in the order of the reference. */
export const affinityAnnotations: readonly AnnotationRecord<unknown>[] = [
  affinity,
  affinityMode,
  affinityCanaryBehavior,
  ...sessionCookieAnnotations,
];
