// ConfigMap keys about TLS towards clients and the redirect to HTTPS. ConfigMap reference section C.

import { configMapFamily } from './define.ts';
import type { ConfigMapRecord } from './record.ts';
import { bool, integer, listNamed, nginxTime, seconds, secretText, size, textNamed } from './types.ts';
import { cipherString } from './validators.ts';

const tls = configMapFamily({ group: 'TLS', support: 'notYet' });

/** Suites of ingress-nginx: forward secrecy and authenticated encryption only. */
const DEFAULT_CIPHERS =
  'ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305:DHE-RSA-AES256-GCM-SHA384:DHE-RSA-AES128-GCM-SHA256';

/** The versions nginx knows, oldest first. Sluice accepts the last two. */
export type TlsProtocol = 'SSLv2' | 'SSLv3' | 'TLSv1' | 'TLSv1.1' | 'TLSv1.2' | 'TLSv1.3';
const TLS_PROTOCOLS: readonly TlsProtocol[] = ['SSLv2', 'SSLv3', 'TLSv1', 'TLSv1.1', 'TLSv1.2', 'TLSv1.3'];
const ACCEPTED_PROTOCOLS: ReadonlySet<string> = new Set(['TLSv1.2', 'TLSv1.3']);

/** Accepted TLS versions. At least one of 1.2 and 1.3 must be named. */
export const sslProtocols: ConfigMapRecord<readonly TlsProtocol[]> = tls({
  key: 'ssl-protocols',
  type: {
    describe: 'words: TLSv1.2 TLSv1.3',
    parse: (value) => {
      const given = new Set(value.split(/[\s,]+/).filter((word) => word !== ''));
      const found = TLS_PROTOCOLS.filter((protocol) => given.has(protocol));
      if (found.length !== given.size)
        return { ok: false, why: `names a version that is not one of ${TLS_PROTOCOLS.join(', ')}` };
      if (!found.some((protocol) => ACCEPTED_PROTOCOLS.has(protocol))) {
        return { ok: false, why: 'names neither TLSv1.2 nor TLSv1.3' };
      }
      return { ok: true, value: found };
    },
  },
  default: ['TLSv1.2', 'TLSv1.3'],
  support: 'partial',
  shortfall: (protocols) => {
    const old = protocols.filter((protocol) => !ACCEPTED_PROTOCOLS.has(protocol));
    return old.length === 0 ? null : `clients that speak only ${old.join(' or ')} are turned away`;
  },
  doc: 'TLS versions that clients may use.',
  note: 'TLS 1.2 and 1.3 only; older versions are never accepted',
});

/** OpenSSL cipher string for TLS 1.2. Checked for its characters only: which names exist is known to OpenSSL alone. */
export const sslCiphers: ConfigMapRecord<string> = tls({
  key: 'ssl-ciphers',
  type: {
    describe: 'OpenSSL cipher string',
    parse: (value) => {
      const ciphers = value.trim();
      const why = cipherString(ciphers);
      return why === null ? { ok: true, value: ciphers } : { ok: false, why };
    },
  },
  default: DEFAULT_CIPHERS,
  support: 'full',
  doc: 'Ciphers of TLS 1.2; the order of the server counts.',
});

/** What happens to unknown names. */
export const sslRejectHandshake: ConfigMapRecord<boolean> = tls({
  key: 'ssl-reject-handshake',
  type: bool,
  default: false,
  support: 'full',
  doc: 'Aborts TLS handshakes for names that no Ingress has.',
});

/** Strict-Transport-Security on HTTPS responses (RFC 6797). */
export const hsts: ConfigMapRecord<boolean> = tls({
  key: 'hsts',
  type: bool,
  default: true,
  support: 'full',
  doc: 'Sends Strict-Transport-Security on HTTPS responses.',
});

/** `max-age`, seconds. */
export const hstsMaxAge: ConfigMapRecord<number> = tls({
  key: 'hsts-max-age',
  type: seconds,
  default: 31_536_000,
  support: 'full',
  doc: '`max-age` of Strict-Transport-Security, seconds.',
});

/** `includeSubDomains`. */
export const hstsIncludeSubdomains: ConfigMapRecord<boolean> = tls({
  key: 'hsts-include-subdomains',
  type: bool,
  default: true,
  support: 'full',
  doc: 'Adds `includeSubDomains` to Strict-Transport-Security.',
});

/** `preload`. */
export const hstsPreload: ConfigMapRecord<boolean> = tls({
  key: 'hsts-preload',
  type: bool,
  default: false,
  support: 'full',
  doc: 'Adds `preload` to Strict-Transport-Security.',
});

const redirects = configMapFamily({ group: 'Redirects', support: 'full' });

/** Default of the annotation. */
export const globalSslRedirect: ConfigMapRecord<boolean> = redirects({
  key: 'ssl-redirect',
  type: bool,
  default: true,
  doc: 'Default of the annotation `ssl-redirect`.',
});

/** Default of the annotation. */
export const globalForceSslRedirect: ConfigMapRecord<boolean> = redirects({
  key: 'force-ssl-redirect',
  type: bool,
  default: false,
  doc: 'Default of the annotation `force-ssl-redirect`.',
});

/** Default of the annotation. */
export const globalPreserveTrailingSlash: ConfigMapRecord<boolean> = redirects({
  key: 'preserve-trailing-slash',
  type: bool,
  default: false,
  doc: 'Default of the annotation `preserve-trailing-slash`.',
});

const REDIRECT_CODES: readonly number[] = [301, 302, 307, 308];

/** Status of the HTTPS redirect. */
export const httpRedirectCode: ConfigMapRecord<number> = redirects({
  key: 'http-redirect-code',
  type: {
    describe: '301, 302, 307 or 308',
    parse: (value) => {
      const parsed = integer.parse(value);
      if (!parsed.ok || REDIRECT_CODES.includes(parsed.value)) return parsed;
      return { ok: false, why: `is not one of ${REDIRECT_CODES.join(', ')}` };
    },
  },
  default: 308,
  doc: 'Status of the redirect to HTTPS.',
});

/** Ingress path prefixes without redirect. */
export const noTlsRedirectLocations: ConfigMapRecord<readonly string[]> = redirects({
  key: 'no-tls-redirect-locations',
  type: listNamed('comma list of path prefixes'),
  default: ['/.well-known/acme-challenge'],
  doc: 'Ingress paths starting with one of these are not redirected to HTTPS.',
});

/** Default of the annotation. */
export const globalUsePortInRedirects: ConfigMapRecord<boolean> = redirects({
  key: 'use-port-in-redirects',
  type: bool,
  default: false,
  doc: 'Default of the annotation `use-port-in-redirects`.',
});

/** All of this file, in the order of the reference. */
export const tlsKeys: readonly ConfigMapRecord<unknown>[] = [
  sslProtocols,
  sslCiphers,
  tls({
    key: 'ssl-ecdh-curve',
    type: textNamed('curve names or `auto`'),
    default: 'auto',
    doc: 'Curves of the key exchange.',
    note: 'the built-in curves are used',
  }),
  tls({
    key: 'ssl-dh-param',
    type: textNamed('`namespace/name` of a Secret'),
    default: '',
    doc: 'Secret with Diffie-Hellman parameters (`dhparam.pem`).',
    note: 'DHE ciphers are not offered, ECDHE ciphers are',
  }),
  tls({
    key: 'ssl-early-data',
    type: bool,
    default: false,
    support: 'noEffect',
    doc: 'TLS 1.3 early data.',
    note: 'Node.js has no early data on servers; clients send their request after the handshake',
  }),
  tls({
    key: 'ssl-session-cache',
    type: bool,
    default: true,
    doc: 'Resumes TLS sessions from a cache.',
    note: 'there is no session cache to switch',
  }),
  tls({
    key: 'ssl-session-cache-size',
    type: size,
    default: 10 * 1024 ** 2,
    support: 'noEffect',
    doc: 'Size of the session cache.',
    note: 'there is no shared memory for sessions',
  }),
  tls({
    key: 'ssl-session-tickets',
    type: bool,
    default: false,
    doc: 'Resumes TLS sessions with tickets.',
    note: 'tickets follow the built-in setting',
  }),
  tls({
    key: 'ssl-session-ticket-key',
    type: secretText,
    default: '',
    doc: 'Key of session tickets, 48 or 80 bytes in base64, shared by replicas.',
    note: 'each process makes its own key, so sessions do not resume on another replica',
  }),
  tls({
    key: 'ssl-session-timeout',
    type: nginxTime,
    default: 600_000,
    doc: 'Lifetime of a TLS session.',
    note: 'the built-in lifetime holds',
  }),
  tls({
    key: 'ssl-buffer-size',
    type: size,
    default: 4 * 1024,
    support: 'noEffect',
    doc: 'TLS record buffer of nginx.',
    note: 'Node.js sizes TLS records itself',
  }),
  sslRejectHandshake,
  tls({
    key: 'enable-ocsp',
    type: bool,
    default: false,
    doc: 'Staples OCSP answers to certificates.',
    note: 'certificates are sent without an OCSP answer',
  }),
  hsts,
  hstsMaxAge,
  hstsIncludeSubdomains,
  hstsPreload,
  globalSslRedirect,
  globalForceSslRedirect,
  globalPreserveTrailingSlash,
  httpRedirectCode,
  noTlsRedirectLocations,
  tls({
    key: 'proxy-ssl-location-only',
    type: bool,
    default: false,
    doc: 'Keeps `proxy-ssl-*` annotations from reaching other Ingresses of the host.',
    note: 'proxy-ssl annotations are not carried out',
  }),
  globalUsePortInRedirects,
  redirects({
    key: 'relative-redirects',
    type: bool,
    default: false,
    support: 'notYet',
    doc: 'Redirects made by the proxy carry a relative Location.',
    note: 'redirects carry an absolute Location',
  }),
];
