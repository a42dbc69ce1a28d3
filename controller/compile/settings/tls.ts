// Annotations about TLS on both sides: passthrough and ciphers towards clients, certificates towards upstreams.
// Annotation reference section 3.

import { annotationFamily } from './define.ts';
import type { AnnotationRecord } from './record.ts';
import { bool, integer, type OnOff, onOff, textNamed, wordList } from './types.ts';
import { basicChars, cipherString, serverName, upstreamCipherString } from './validators.ts';

const tls = annotationFamily({ group: 'TLS', scope: 'host', support: 'notYet' });

/** TLS ends in the pod, not here. */
export const sslPassthrough: AnnotationRecord<boolean> = tls({
  name: 'ssl-passthrough',
  type: bool,
  default: false,
  risk: 'Low',
  onInvalid: 'rejectIngress',
  support: 'full',
  doc: 'Hands TLS connections for the host to the endpoints of its path `/` untouched; needs `--enable-ssl-passthrough`. Other paths and annotations hold for plain HTTP only.',
});

/** Ciphers of TLS 1.2 for the host. */
export const sslCiphers: AnnotationRecord<string> = tls({
  name: 'ssl-ciphers',
  type: textNamed('OpenSSL cipher string'),
  validate: cipherString,
  globalKey: 'ssl-ciphers',
  risk: 'Low',
  onInvalid: 'rejectIngress',
  doc: 'Ciphers of TLS 1.2 for the host.',
  note: 'the host uses the ciphers of the ConfigMap',
});

/** Whose cipher order counts. */
export const sslPreferServerCiphers: AnnotationRecord<boolean> = tls({
  name: 'ssl-prefer-server-ciphers',
  type: bool,
  risk: 'Low',
  doc: 'Whether the cipher order of the server counts for the host.',
  note: 'the order of the server counts for every host',
  inert: [true],
});

const upstreamTls = annotationFamily({
  group: 'TLS towards upstreams',
  scope: 'path',
  support: 'notYet',
  dependsOn: ['proxy-ssl-secret'],
  note: 'TLS to upstreams sends no name and verifies nothing, see backend-protocol',
});

/** Client certificate and CA for HTTPS upstreams. */
export const proxySslSecret: AnnotationRecord<string> = upstreamTls({
  name: 'proxy-ssl-secret',
  type: textNamed('`namespace/name` of a Secret'),
  validate: basicChars,
  risk: 'Medium',
  onInvalid: 'rejectIngress',
  dependsOn: [],
  doc: 'Client certificate (`tls.crt`, `tls.key`) and CA (`ca.crt`) towards HTTPS upstreams. The other proxy-ssl annotations need it.',
});

/** Ciphers towards the upstream. */
export const proxySslCiphers: AnnotationRecord<string> = upstreamTls({
  name: 'proxy-ssl-ciphers',
  type: textNamed('OpenSSL cipher string'),
  validate: upstreamCipherString,
  default: 'DEFAULT',
  risk: 'Medium',
  doc: 'Ciphers towards HTTPS upstreams.',
});

/** TLS versions towards the upstream. */
export const proxySslProtocols: AnnotationRecord<readonly ('TLSv1.2' | 'TLSv1.3')[]> = upstreamTls({
  name: 'proxy-ssl-protocols',
  type: wordList(['TLSv1.2', 'TLSv1.3']),
  default: ['TLSv1.2'],
  risk: 'Low',
  doc: 'TLS versions towards HTTPS upstreams.',
});

/** Name in the certificate of the upstream. */
export const proxySslName: AnnotationRecord<string> = upstreamTls({
  name: 'proxy-ssl-name',
  type: textNamed('host name'),
  validate: serverName,
  risk: 'High',
  doc: 'Name checked against the certificate of the upstream and sent as SNI.',
});

/** SNI towards the upstream. */
export const proxySslServerName: AnnotationRecord<OnOff> = upstreamTls({
  name: 'proxy-ssl-server-name',
  type: onOff,
  default: 'off',
  risk: 'Low',
  doc: 'Whether SNI is sent to the upstream.',
});

/** Verification of the upstream. */
export const proxySslVerify: AnnotationRecord<OnOff> = upstreamTls({
  name: 'proxy-ssl-verify',
  type: onOff,
  default: 'off',
  risk: 'Low',
  doc: 'Whether the certificate of the upstream is verified with `ca.crt`.',
});

/** Chain length. 0 counts as 1. */
export const proxySslVerifyDepth: AnnotationRecord<number> = upstreamTls({
  name: 'proxy-ssl-verify-depth',
  type: integer,
  default: 1,
  inert: [0],
  risk: 'Low',
  doc: 'Longest chain of the certificate of the upstream.',
});

/** All of this file, in the order of the reference. */
export const tlsAnnotations: readonly AnnotationRecord<unknown>[] = [
  sslPassthrough,
  sslCiphers,
  sslPreferServerCiphers,
  proxySslSecret,
  proxySslCiphers,
  proxySslProtocols,
  proxySslName,
  proxySslServerName,
  proxySslVerify,
  proxySslVerifyDepth,
];
