// Annotations that ask who the client is: passwords, an external service, client certificates. Annotation reference
// section 4. None is carried out yet, so each switch closes its paths instead of leaving them open, and values that
// would switch authentication off in ingress-nginx (outcome I) close them too.

import { annotationFamily } from './define.ts';
import type { AnnotationRecord, Parsed } from './record.ts';
import { bool, headerNames, integer, oneOf, rawText, textNamed, trimLines } from './types.ts';
import {
  authType as authTypeValidator,
  basicChars,
  charsWithSpace,
  commonName,
  errorPage,
  extendedChars,
  headerList,
  urlChars,
  urlWithVariables,
  variableChars,
} from './validators.ts';

const UNAUTHENTICATED = 'requests would reach the Service without authentication';

const password = annotationFamily({
  group: 'Password authentication',
  scope: 'path',
  support: 'notYet',
  dependsOn: ['auth-type'],
  note: 'passwords are not checked',
});

/** Turns password authentication on. */
export const authType: AnnotationRecord<string> = password({
  name: 'auth-type',
  type: textNamed('`basic` or `digest`'),
  validate: authTypeValidator,
  risk: 'Low',
  onInvalid: 'rejectIngress',
  dependsOn: [],
  whenUnsupported: 'denyRoutes',
  doc: 'Asks for a user name and password.',
  note: UNAUTHENTICATED,
});

/** Where the passwords are. */
export const authSecret: AnnotationRecord<string> = password({
  name: 'auth-secret',
  type: textNamed('`name` or `namespace/name` of a Secret'),
  validate: basicChars,
  risk: 'Medium',
  onInvalid: 'denyRoutes',
  doc: 'Secret with the password hashes.',
});

/** How the Secret is laid out. */
export const authSecretType: AnnotationRecord<'auth-file' | 'auth-map'> = password({
  name: 'auth-secret-type',
  type: oneOf(['auth-file', 'auth-map']),
  default: 'auth-file',
  risk: 'Low',
  onInvalid: 'rejectIngress',
  doc: 'Layout of the Secret: `auth-file` is htpasswd text in the key `auth`; `auth-map` has one key per user.',
});

/** Realm shown to the user. */
export const authRealm: AnnotationRecord<string> = password({
  name: 'auth-realm',
  type: textNamed('text'),
  validate: charsWithSpace,
  risk: 'Medium',
  onInvalid: 'rejectIngress',
  doc: 'Realm of the password prompt.',
});

const external = annotationFamily({
  group: 'External authentication',
  scope: 'path',
  support: 'notYet',
  dependsOn: ['auth-url'],
  note: 'no authentication service is asked',
});

/** Turns external authentication on. */
export const authUrl: AnnotationRecord<string> = external({
  name: 'auth-url',
  type: { describe: 'URL, variables allowed', parse: parseServiceUrl },
  validate: urlWithVariables,
  risk: 'High',
  onInvalid: 'rejectIngress',
  onUnparsable: 'denyRoutes',
  dependsOn: [],
  whenUnsupported: 'denyRoutes',
  doc: 'Asks this URL about each request; 2xx lets it through. Overrides `global-auth-url`.',
  note: UNAUTHENTICATED,
});

/** Method of the question. */
export const authMethod: AnnotationRecord<string> = external({
  name: 'auth-method',
  type: oneOf(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'CONNECT', 'OPTIONS', 'TRACE']),
  globalKey: 'global-auth-method',
  risk: 'Low',
  onInvalid: 'denyRoutes',
  doc: 'Method of the request to `auth-url`.',
});

/** Sign-in page. */
export const authSignin: AnnotationRecord<string> = external({
  name: 'auth-signin',
  type: textNamed('URL, variables allowed'),
  validate: urlWithVariables,
  globalKey: 'global-auth-signin',
  risk: 'High',
  doc: 'Answers 302 to this URL where `auth-url` says 401.',
});

/** Query parameter of the sign-in page. */
export const authSigninRedirectParam: AnnotationRecord<string> = external({
  name: 'auth-signin-redirect-param',
  type: textNamed('parameter name'),
  validate: urlChars,
  default: 'rd',
  globalKey: 'global-auth-signin-redirect-param',
  risk: 'Medium',
  doc: 'Query parameter of `auth-signin` that holds the original URL.',
});

/** Headers taken over from the answer. */
export const authResponseHeaders: AnnotationRecord<readonly string[]> = external({
  name: 'auth-response-headers',
  type: headerNames,
  validate: headerList,
  globalKey: 'global-auth-response-headers',
  risk: 'Medium',
  onInvalid: 'denyRoutes',
  doc: 'Headers of the answer of `auth-url` that are sent to the upstream.',
});

/** Headers added to the question. */
export const authProxySetHeaders: AnnotationRecord<string> = external({
  name: 'auth-proxy-set-headers',
  type: textNamed('`namespace/name` of a ConfigMap'),
  validate: basicChars,
  risk: 'Medium',
  doc: 'ConfigMap with headers for the request to `auth-url`.',
});

/** Value of X-Auth-Request-Redirect. */
export const authRequestRedirect: AnnotationRecord<string> = external({
  name: 'auth-request-redirect',
  type: textNamed('URL or path'),
  validate: urlChars,
  globalKey: 'global-auth-request-redirect',
  risk: 'Medium',
  onInvalid: 'denyRoutes',
  doc: 'Value of X-Auth-Request-Redirect in the request to `auth-url`.',
});

/** Turns caching of answers on. */
export const authCacheKey: AnnotationRecord<string> = external({
  name: 'auth-cache-key',
  type: textNamed('variables'),
  validate: variableChars,
  globalKey: 'global-auth-cache-key',
  risk: 'Medium',
  doc: 'Caches answers of `auth-url` under this key.',
});

/** How long answers are cached. */
export const authCacheDuration: AnnotationRecord<readonly string[]> = external({
  name: 'auth-cache-duration',
  type: { describe: 'comma list of `[codes] duration`', parse: parseCacheDurations },
  validate: extendedChars,
  default: ['200 202 401 5m'],
  globalKey: 'global-auth-cache-duration',
  risk: 'Medium',
  onInvalid: 'denyRoutes',
  doc: 'How long answers of `auth-url` are cached, by status code.',
});

/** Set-Cookie of the answer on every status. */
export const authAlwaysSetCookie: AnnotationRecord<boolean> = external({
  name: 'auth-always-set-cookie',
  type: bool,
  default: false,
  globalKey: 'global-auth-always-set-cookie',
  risk: 'Low',
  onInvalid: 'denyRoutes',
  doc: 'Passes Set-Cookie of `auth-url` to the client whatever the final status is.',
});

/** Pooled connections to the authentication service. */
export const authKeepalive: AnnotationRecord<number> = external({
  name: 'auth-keepalive',
  type: integer,
  default: 0,
  risk: 'Low',
  doc: 'Idle connections kept to the host of `auth-url`.',
});

/** nginx detail. */
export const authKeepaliveShareVars: AnnotationRecord<boolean> = external({
  name: 'auth-keepalive-share-vars',
  type: bool,
  default: false,
  risk: 'Low',
  support: 'noEffect',
  doc: 'Shares nginx variables with the request to `auth-url`.',
  note: 'there are no nginx variables to share',
});

/** Requests per pooled connection. */
export const authKeepaliveRequests: AnnotationRecord<number> = external({
  name: 'auth-keepalive-requests',
  type: integer,
  default: 1000,
  risk: 'Low',
  doc: 'Requests per pooled connection to `auth-url`.',
});

/** Idle seconds of a pooled connection. */
export const authKeepaliveTimeout: AnnotationRecord<number> = external({
  name: 'auth-keepalive-timeout',
  type: integer,
  default: 60,
  risk: 'Low',
  doc: 'Idle time of a pooled connection to `auth-url`, seconds.',
});

/** Raw nginx text of the question. */
export const authSnippet: AnnotationRecord<string> = external({
  name: 'auth-snippet',
  type: rawText,
  globalKey: 'global-auth-snippet',
  risk: 'Critical',
  support: 'refused',
  doc: 'Raw nginx text for the request to `auth-url`.',
  note: 'Sluice runs no nginx text; the request to auth-url would lack what it adds',
});

/** False exempts the Ingress from `global-auth-url`. */
export const enableGlobalAuth: AnnotationRecord<boolean> = external({
  name: 'enable-global-auth',
  type: bool,
  default: true,
  risk: 'Low',
  dependsOn: [],
  inert: [false],
  doc: 'False exempts this Ingress from the `global-auth-url` of the ConfigMap.',
  note: 'while global-auth-url is set, every Ingress without "false" here answers 503',
});

/** Whether one passed check is enough. */
export const satisfy: AnnotationRecord<'any' | 'all'> = external({
  name: 'satisfy',
  type: oneOf(['any', 'all']),
  default: 'all',
  risk: 'Low',
  dependsOn: ['auth-type', 'auth-url', 'allowlist-source-range', 'denylist-source-range'],
  doc: 'Whether a request must pass all of address list, password and external authentication, or any of them.',
  note: 'the checks it combines are not carried out and close the paths already',
});

const clientCertificate = annotationFamily({
  group: 'Client certificates',
  scope: 'host',
  support: 'notYet',
  dependsOn: ['auth-tls-secret'],
  note: 'client certificates are not checked',
});

/** Turns client certificates on. */
export const authTlsSecret: AnnotationRecord<string> = clientCertificate({
  name: 'auth-tls-secret',
  type: textNamed('`namespace/name` of a Secret'),
  validate: basicChars,
  risk: 'Medium',
  onInvalid: 'rejectIngress',
  dependsOn: [],
  whenUnsupported: 'denyRoutes',
  doc: 'Asks clients of the host for a certificate signed by `ca.crt` of this Secret.',
  note: `${UNAUTHENTICATED}; other Ingresses of the same host are not closed by this one`,
});

/** How strictly. */
export const authTlsVerifyClient: AnnotationRecord<'on' | 'off' | 'optional' | 'optional_no_ca'> = clientCertificate({
  name: 'auth-tls-verify-client',
  type: oneOf(['on', 'off', 'optional', 'optional_no_ca']),
  default: 'on',
  risk: 'Medium',
  doc: 'Whether the certificate is required, optional or not asked for.',
});

/** Chain length. 0 counts as 1. */
export const authTlsVerifyDepth: AnnotationRecord<number> = clientCertificate({
  name: 'auth-tls-verify-depth',
  type: integer,
  default: 1,
  inert: [0],
  risk: 'Low',
  doc: 'Longest chain of a client certificate.',
});

/** Answer instead of 400. */
export const authTlsErrorPage: AnnotationRecord<string> = clientCertificate({
  name: 'auth-tls-error-page',
  type: textNamed('URL, path or `@name`'),
  validate: errorPage,
  risk: 'High',
  onInvalid: 'rejectIngress',
  doc: 'Where clients without a good certificate are redirected, instead of 400.',
});

/** Certificate to the upstream. */
export const authTlsPassCertificateToUpstream: AnnotationRecord<boolean> = clientCertificate({
  name: 'auth-tls-pass-certificate-to-upstream',
  type: bool,
  default: false,
  risk: 'Low',
  onInvalid: 'rejectIngress',
  doc: 'Sends the client certificate to the upstream in `ssl-client-cert`.',
});

/** Expression over the subject. */
export const authTlsMatchCn: AnnotationRecord<string> = clientCertificate({
  name: 'auth-tls-match-cn',
  type: textNamed('`CN=<regex>`'),
  validate: commonName,
  risk: 'High',
  onInvalid: 'rejectIngress',
  doc: 'Regular expression that the subject of the client certificate must match.',
});

/** ingress-nginx `StringToURL`: a scheme and a host, no `..` in the host. */
function parseServiceUrl(value: string): Parsed<string> {
  const url = value.trim();
  const found = /^[a-z][a-z0-9+.-]*:\/\/([^/?#]+)/i.exec(url);
  if (found === null) return { ok: false, why: 'is not a URL with scheme and host' };
  return found[1]?.includes('..') ? { ok: false, why: 'has ".." in its host' } : { ok: true, value: url };
}

/** ingress-nginx `ParseStringToCacheDurations`: each entry is any number of status codes and one duration. */
function parseCacheDurations(value: string): Parsed<readonly string[]> {
  const entries = trimLines(value)
    .split(',')
    .map((entry) => entry.trim())
    .filter((entry) => entry !== '');
  const isGood = entries.every((entry) => /^(?:\d{3}\s+)*\d+(?:ms|[smhdwMy])$/.test(entry));
  return isGood ? { ok: true, value: entries } : { ok: false, why: 'has an entry that is not "[codes] duration"' };
}

/** All of this file, in the order of the reference. */
export const authAnnotations: readonly AnnotationRecord<unknown>[] = [
  authType,
  authSecret,
  authSecretType,
  authRealm,
  authUrl,
  authMethod,
  authSignin,
  authSigninRedirectParam,
  authResponseHeaders,
  authProxySetHeaders,
  authRequestRedirect,
  authCacheKey,
  authCacheDuration,
  authAlwaysSetCookie,
  authKeepalive,
  authKeepaliveShareVars,
  authKeepaliveRequests,
  authKeepaliveTimeout,
  authSnippet,
  enableGlobalAuth,
  satisfy,
  authTlsSecret,
  authTlsVerifyClient,
  authTlsVerifyDepth,
  authTlsErrorPage,
  authTlsPassCertificateToUpstream,
  authTlsMatchCn,
];
