// ConfigMap keys about one external authentication service for all paths. ConfigMap reference section F. Not carried
// out yet: while `global-auth-url` is set, every Ingress that is not exempt answers 503.

import { configMapFamily } from './define.ts';
import type { ConfigMapRecord } from './record.ts';
import { bool, headerNames, listNamed, oneOf, optional, rawText, textNamed } from './types.ts';

const auth = configMapFamily({
  group: 'Global external authentication',
  support: 'notYet',
  note: 'no authentication service is asked',
});

/** Turns it on. An Ingress with `enable-global-auth: "false"` is exempt. */
export const globalAuthUrl: ConfigMapRecord<string | null> = auth({
  key: 'global-auth-url',
  type: optional({
    describe: 'URL',
    parse: (value) =>
      /^[a-z][a-z0-9+.-]*:\/\/[^/?#]+/i.test(value.trim())
        ? { ok: true, value: value.trim() }
        : { ok: false, why: 'is not a URL with scheme and host' },
  }),
  default: null,
  whenUnsupported: 'denyRoutes',
  doc: 'Asks this URL about each request of every path without an `auth-url` of its own.',
  note: 'requests would reach Services without authentication',
});

/** All of this family, in the order of the reference. */
export const globalAuthKeys: readonly ConfigMapRecord<unknown>[] = [
  globalAuthUrl,
  auth({
    key: 'global-auth-method',
    type: optional(oneOf(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'CONNECT', 'OPTIONS', 'TRACE'])),
    default: null,
    doc: 'Method of the request to `global-auth-url`.',
  }),
  auth({ key: 'global-auth-signin', type: textNamed('URL'), default: '', doc: 'Answers 302 to this URL on 401.' }),
  auth({
    key: 'global-auth-signin-redirect-param',
    type: textNamed('parameter name'),
    default: 'rd',
    doc: 'Query parameter of `global-auth-signin` that holds the original URL.',
  }),
  auth({
    key: 'global-auth-response-headers',
    type: headerNames,
    default: [],
    doc: 'Headers of the answer that are sent to the upstream.',
  }),
  auth({
    key: 'global-auth-request-redirect',
    type: textNamed('text'),
    default: '',
    doc: 'Value of X-Auth-Request-Redirect.',
  }),
  auth({ key: 'global-auth-cache-key', type: textNamed('variables'), default: '', doc: 'Caches answers by this key.' }),
  auth({
    key: 'global-auth-cache-duration',
    type: listNamed('comma list of `[codes] duration`'),
    default: ['200 202 401 5m'],
    doc: 'How long answers are cached, by status code.',
  }),
  auth({
    key: 'global-auth-always-set-cookie',
    type: bool,
    default: false,
    doc: 'Passes Set-Cookie of the answer whatever the final status is.',
  }),
  auth({
    key: 'global-auth-snippet',
    type: rawText,
    default: '',
    support: 'refused',
    doc: 'Raw nginx text for the request to `global-auth-url`.',
    note: 'Sluice runs no nginx text',
  }),
  auth({
    key: 'no-auth-locations',
    type: listNamed('comma list of path prefixes'),
    default: ['/.well-known/acme-challenge'],
    doc: 'Ingress paths without password and external authentication.',
    note: 'paths that ask for authentication are closed anyway',
  }),
];
