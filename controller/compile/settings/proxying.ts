// Annotations about one exchange with the upstream: time limits, body size, buffers, retries, cookies. Annotation
// reference section 10. Every default falls back to the ConfigMap key of the same name.

import { annotationFamily } from './define.ts';
import type { AnnotationRecord } from './record.ts';
import { type NextUpstreamWord, nextUpstreamWords } from './retry-words.ts';
import {
  integer,
  integerFrom,
  type OnOff,
  oneOf,
  onOff,
  optional,
  seconds,
  secondsFromOne,
  size,
  textNamed,
} from './types.ts';
import { cookieDomainPair, sizeGrammar, urlChars } from './validators.ts';

const proxying = annotationFamily({ group: 'Proxying', scope: 'path', support: 'notYet' });

/** Seconds to connect. */
export const proxyConnectTimeout: AnnotationRecord<number> = proxying({
  name: 'proxy-connect-timeout',
  type: secondsFromOne,
  default: 5,
  globalKey: 'proxy-connect-timeout',
  risk: 'Low',
  support: 'full',
  doc: 'Time to connect to an endpoint; beyond it the next one is tried, finally 504 is answered.',
});

/** Seconds between two writes. */
export const proxySendTimeout: AnnotationRecord<number> = proxying({
  name: 'proxy-send-timeout',
  type: secondsFromOne,
  default: 60,
  globalKey: 'proxy-send-timeout',
  risk: 'Low',
  support: 'full',
  doc: 'Time between two writes to the upstream.',
});

/** Seconds between two reads. */
export const proxyReadTimeout: AnnotationRecord<number> = proxying({
  name: 'proxy-read-timeout',
  type: secondsFromOne,
  default: 60,
  globalKey: 'proxy-read-timeout',
  risk: 'Low',
  support: 'full',
  doc: 'Time between two reads from the upstream; also the idle limit of WebSocket connections.',
});

/** Bytes; 0 is unlimited. */
export const proxyBodySize: AnnotationRecord<number> = proxying({
  name: 'proxy-body-size',
  type: size,
  default: 1024 ** 2,
  globalKey: 'proxy-body-size',
  risk: 'Medium',
  support: 'full',
  doc: 'Largest request body; a larger one is answered 413. `0` is unlimited.',
});

/** Whether a body is read before it is sent on. */
export const proxyRequestBuffering: AnnotationRecord<OnOff> = proxying({
  name: 'proxy-request-buffering',
  type: onOff,
  default: 'on',
  globalKey: 'proxy-request-buffering',
  risk: 'Low',
  support: 'partial',
  doc: 'Whether a request body is read before an endpoint is picked, so that slow clients hold none.',
  shortfall: () => null,
  note: 'up to `sluice-request-buffer-size` (1m); a longer body is sent on from there, where ingress-nginx would write a file',
});

/** Whether a response is read ahead of the client. */
export const proxyBuffering: AnnotationRecord<OnOff> = proxying({
  name: 'proxy-buffering',
  type: onOff,
  default: 'off',
  globalKey: 'proxy-buffering',
  risk: 'Low',
  doc: 'Whether a response is read faster than the client takes it.',
  note: 'responses are always sent on as they arrive',
});

/** How many response buffers. */
export const proxyBuffersNumber: AnnotationRecord<number> = proxying({
  name: 'proxy-buffers-number',
  type: integer,
  default: 4,
  globalKey: 'proxy-buffers-number',
  risk: 'Low',
  doc: 'Number of response buffers.',
  note: 'responses are not buffered',
});

/** Bytes of the response head. */
export const proxyBufferSize: AnnotationRecord<number> = proxying({
  name: 'proxy-buffer-size',
  type: size,
  default: 4 * 1024,
  globalKey: 'proxy-buffer-size',
  risk: 'Low',
  support: 'full',
  doc: 'Largest head of an upstream response over HTTP/1.1, status line and empty line included; a larger one is answered 502.',
});

/** nginx buffer detail. */
export const proxyBusyBuffersSize: AnnotationRecord<number | null> = proxying({
  name: 'proxy-busy-buffers-size',
  type: optional(size),
  globalKey: 'proxy-busy-buffers-size',
  risk: 'Low',
  support: 'noEffect',
  doc: 'Response buffers that may be busy sending.',
  note: 'responses are not buffered',
});

/** Temporary files. */
export const proxyMaxTempFileSize: AnnotationRecord<number> = proxying({
  name: 'proxy-max-temp-file-size',
  type: size,
  default: 1024 ** 3,
  inert: [0],
  globalKey: 'proxy-max-temp-file-size',
  risk: 'Low',
  support: 'noEffect',
  doc: 'Largest temporary file of a buffered response.',
  note: 'no temporary files are written',
});

/** Bytes before nginx writes a body to disk. */
export const clientBodyBufferSize: AnnotationRecord<number> = proxying({
  name: 'client-body-buffer-size',
  type: size,
  validate: sizeGrammar,
  default: 8 * 1024,
  globalKey: 'client-body-buffer-size',
  risk: 'Low',
  onInvalid: 'rejectIngress',
  onUnparsable: 'useDefault',
  support: 'partial',
  doc: 'What each request may have of its body in memory, also while `sluice-request-buffer-memory` is used up.',
  shortfall: () => null,
  note: 'what comes on top is held in the memory that all bodies share, not in a file',
});

/** HTTP version towards the upstream. */
export const proxyHttpVersion: AnnotationRecord<'1.0' | '1.1'> = proxying({
  name: 'proxy-http-version',
  type: oneOf(['1.0', '1.1']),
  default: '1.1',
  globalKey: 'proxy-http-version',
  risk: 'Low',
  doc: 'HTTP version towards the upstream.',
  note: 'HTTP/1.1 is used',
});

/** When another endpoint is tried. */
export const proxyNextUpstream: AnnotationRecord<readonly NextUpstreamWord[]> = proxying({
  name: 'proxy-next-upstream',
  type: nextUpstreamWords,
  default: ['error', 'timeout'],
  globalKey: 'proxy-next-upstream',
  risk: 'Medium',
  support: 'full',
  doc: 'When another endpoint is tried. POST, LOCK and PATCH only with `non_idempotent`.',
});

/** Attempts in total; 0 is no limit. */
export const proxyNextUpstreamTries: AnnotationRecord<number> = proxying({
  name: 'proxy-next-upstream-tries',
  type: integerFrom(0),
  default: 3,
  globalKey: 'proxy-next-upstream-tries',
  risk: 'Low',
  support: 'full',
  doc: 'Attempts in total, `0` is no limit.',
});

/** Seconds in which attempts may start; 0 is no limit. */
export const proxyNextUpstreamTimeout: AnnotationRecord<number> = proxying({
  name: 'proxy-next-upstream-timeout',
  type: seconds,
  default: 0,
  globalKey: 'proxy-next-upstream-timeout',
  risk: 'Low',
  support: 'full',
  doc: 'Time in which another attempt may start, `0` is no limit.',
});

/** Domain of cookies of the upstream. */
export const proxyCookieDomain: AnnotationRecord<string> = proxying({
  name: 'proxy-cookie-domain',
  type: textNamed('`off` or `from to`'),
  validate: cookieDomainPair,
  default: 'off',
  globalKey: 'proxy-cookie-domain',
  risk: 'Medium',
  doc: 'Rewrites Domain in Set-Cookie of the upstream.',
  note: 'cookies of the upstream reach the client unchanged',
});

/** Path of cookies of the upstream. */
export const proxyCookiePath: AnnotationRecord<string> = proxying({
  name: 'proxy-cookie-path',
  type: textNamed('`off` or `from to`'),
  validate: urlChars,
  default: 'off',
  globalKey: 'proxy-cookie-path',
  risk: 'Medium',
  doc: 'Rewrites Path in Set-Cookie of the upstream.',
  note: 'cookies of the upstream reach the client unchanged',
});

/** Fixed Connection header. */
export const connectionProxyHeader: AnnotationRecord<'close' | 'keep-alive'> = proxying({
  name: 'connection-proxy-header',
  type: oneOf(['close', 'keep-alive']),
  risk: 'Low',
  onInvalid: 'rejectIngress',
  doc: 'Fixed Connection header towards the upstream; turns WebSocket off for the path.',
  note: 'connections to the upstream are kept or upgraded as each request asks',
});

/** All of this family, in the order of the reference. */
export const proxyingAnnotations: readonly AnnotationRecord<unknown>[] = [
  proxyConnectTimeout,
  proxySendTimeout,
  proxyReadTimeout,
  proxyBodySize,
  proxyRequestBuffering,
  proxyBuffering,
  proxyBuffersNumber,
  proxyBufferSize,
  proxyBusyBuffersSize,
  proxyMaxTempFileSize,
  clientBodyBufferSize,
  proxyHttpVersion,
  proxyNextUpstream,
  proxyNextUpstreamTries,
  proxyNextUpstreamTimeout,
  proxyCookieDomain,
  proxyCookiePath,
  connectionProxyHeader,
];
