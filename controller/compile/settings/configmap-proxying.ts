// ConfigMap keys that are the defaults of annotations about the exchange with the upstream, and the upstream
// connection pool. ConfigMap reference section E, first half.

import { configMapFamily } from './define.ts';
import { balancerName } from './load-balancing.ts';
import type { ConfigMapRecord } from './record.ts';
import { type NextUpstreamWord, nextUpstreamWords } from './retry-words.ts';
import {
  bool,
  integer,
  integerFrom,
  nginxTime,
  oneOf,
  onOff,
  optional,
  seconds,
  secondsFromOne,
  size,
  textNamed,
} from './types.ts';

const proxying = configMapFamily({ group: 'Proxying', support: 'notYet' });
const unread = configMapFamily({
  group: 'Proxying',
  support: 'noEffect',
  note: 'ingress-nginx does not read it as a default either; set the annotation',
});
const unbuffered = configMapFamily({ group: 'Proxying', support: 'notYet', note: 'bodies are sent on as they arrive' });
const cookiesAndLocation = configMapFamily({
  group: 'Proxying',
  support: 'notYet',
  note: 'headers of the upstream reach the client unchanged',
});

/** Default of the annotation, seconds. */
export const globalProxyConnectTimeout: ConfigMapRecord<number> = proxying({
  key: 'proxy-connect-timeout',
  type: secondsFromOne,
  default: 5,
  support: 'full',
  doc: 'Time to connect to an endpoint.',
});

/** Default of the annotation, seconds. */
export const globalProxyReadTimeout: ConfigMapRecord<number> = proxying({
  key: 'proxy-read-timeout',
  type: secondsFromOne,
  default: 60,
  support: 'full',
  doc: 'Time between two reads from the upstream.',
});

/** Default of the annotation, seconds. */
export const globalProxySendTimeout: ConfigMapRecord<number> = proxying({
  key: 'proxy-send-timeout',
  type: secondsFromOne,
  default: 60,
  support: 'full',
  doc: 'Time between two writes to the upstream.',
});

/** Default of the annotation, bytes. */
export const globalProxyBodySize: ConfigMapRecord<number> = proxying({
  key: 'proxy-body-size',
  type: size,
  default: 1024 ** 2,
  support: 'full',
  doc: 'Largest request body, `0` is unlimited.',
});

/** Default of the annotation. */
export const globalProxyNextUpstream: ConfigMapRecord<readonly NextUpstreamWord[]> = proxying({
  key: 'proxy-next-upstream',
  type: nextUpstreamWords,
  default: ['error', 'timeout'],
  support: 'full',
  doc: 'When another endpoint is tried.',
});

/** Default of the annotation, seconds; 0 is no limit. */
export const globalProxyNextUpstreamTimeout: ConfigMapRecord<number> = proxying({
  key: 'proxy-next-upstream-timeout',
  type: seconds,
  default: 0,
  support: 'full',
  doc: 'Time in which another attempt may start, `0` is no limit.',
});

/** Default of the annotation; 0 is no limit. */
export const globalProxyNextUpstreamTries: ConfigMapRecord<number> = proxying({
  key: 'proxy-next-upstream-tries',
  type: integerFrom(0),
  default: 3,
  support: 'full',
  doc: 'Attempts in total, `0` is no limit.',
});

/** Lets POST, LOCK and PATCH be sent again, on every path. */
export const retryNonIdempotent: ConfigMapRecord<boolean> = proxying({
  key: 'retry-non-idempotent',
  type: bool,
  default: false,
  support: 'full',
  doc: 'Lets POST, LOCK and PATCH be sent again, as `non_idempotent` in every `proxy-next-upstream`.',
});

/** Default of the annotation. */
export const globalServiceUpstream: ConfigMapRecord<boolean> = proxying({
  key: 'service-upstream',
  type: bool,
  default: false,
  support: 'full',
  doc: 'Sends requests to cluster IPs instead of to pods.',
});

/** Idle upstream connections per worker and upstream; 0 turns the pool off. */
export const upstreamKeepaliveConnections: ConfigMapRecord<number> = proxying({
  key: 'upstream-keepalive-connections',
  type: integerFrom(0),
  default: 320,
  support: 'full',
  doc: 'Idle upstream connections that each worker keeps, `0` keeps none.',
});

/** Idle seconds of a pooled connection. */
export const upstreamKeepaliveTimeout: ConfigMapRecord<number> = proxying({
  key: 'upstream-keepalive-timeout',
  type: secondsFromOne,
  default: 60,
  support: 'full',
  doc: 'Idle time after which a pooled upstream connection is closed.',
});

/** Requests per pooled connection. */
export const upstreamKeepaliveRequests: ConfigMapRecord<number> = proxying({
  key: 'upstream-keepalive-requests',
  type: integerFrom(1),
  default: 10_000,
  support: 'full',
  doc: 'Requests on one upstream connection before it is closed.',
});

/** Longest life of a pooled connection, milliseconds. */
export const upstreamKeepaliveTime: ConfigMapRecord<number> = proxying({
  key: 'upstream-keepalive-time',
  type: nginxTime,
  default: 3_600_000,
  support: 'full',
  doc: 'Longest life of a pooled upstream connection.',
});

/** All of this file, in the order of the reference. */
export const proxyingKeys: readonly ConfigMapRecord<unknown>[] = [
  globalProxyConnectTimeout,
  globalProxyReadTimeout,
  globalProxySendTimeout,
  globalProxyBodySize,
  unbuffered({
    key: 'proxy-buffering',
    type: onOff,
    default: 'off',
    doc: 'Whether a response is read faster than the client takes it.',
  }),
  proxying({
    key: 'proxy-buffer-size',
    type: size,
    default: 4 * 1024,
    support: 'full',
    doc: 'Largest head of an upstream response over HTTP/1.1.',
  }),
  unbuffered({ key: 'proxy-buffers-number', type: integer, default: 4, doc: 'Number of response buffers.' }),
  unbuffered({
    key: 'proxy-busy-buffers-size',
    type: optional(size),
    default: null,
    support: 'noEffect',
    doc: 'Response buffers that may be busy sending.',
  }),
  unbuffered({
    key: 'proxy-max-temp-file-size',
    type: size,
    default: 1024 ** 3,
    inert: [0],
    support: 'noEffect',
    doc: 'Largest temporary file of a buffered response.',
  }),
  unbuffered({
    key: 'proxy-request-buffering',
    type: onOff,
    default: 'on',
    support: 'partial',
    shortfall: () => null,
    doc: 'Whether a request body is read before an endpoint is picked, so that slow clients hold none.',
    note: 'up to `sluice-request-buffer-size` (1m); a longer body is sent on from there, where ingress-nginx would write a file',
  }),
  proxying({
    key: 'proxy-http-version',
    type: oneOf(['1.0', '1.1']),
    default: '1.1',
    doc: 'HTTP version towards the upstream.',
    note: 'HTTP/1.1 is used',
  }),
  cookiesAndLocation({
    key: 'proxy-cookie-domain',
    type: textNamed('`off` or `from to`'),
    default: 'off',
    doc: 'Rewrites Domain in Set-Cookie of the upstream.',
  }),
  cookiesAndLocation({
    key: 'proxy-cookie-path',
    type: textNamed('`off` or `from to`'),
    default: 'off',
    doc: 'Rewrites Path in Set-Cookie of the upstream.',
  }),
  cookiesAndLocation({
    key: 'proxy-redirect-from',
    type: textNamed('`off`, `default` or URL'),
    default: 'off',
    doc: 'Text to replace in Location and Refresh headers of the upstream.',
  }),
  cookiesAndLocation({
    key: 'proxy-redirect-to',
    type: textNamed('URL'),
    default: 'off',
    doc: 'Replacement for the text of `proxy-redirect-from`.',
  }),
  globalProxyNextUpstream,
  globalProxyNextUpstreamTimeout,
  globalProxyNextUpstreamTries,
  retryNonIdempotent,
  proxying({
    key: 'load-balance',
    type: optional(balancerName),
    default: null,
    inert: ['round_robin'],
    support: 'full',
    doc: 'How an endpoint is picked; empty is `round_robin`.',
  }),
  globalServiceUpstream,
  unread({ key: 'upstream-hash-by', type: textNamed('variables and text'), default: '', doc: 'Key of the hash.' }),
  unread({ key: 'upstream-hash-by-subset', type: bool, default: false, doc: 'Hashes to groups of endpoints.' }),
  unread({ key: 'upstream-hash-by-subset-size', type: integer, default: 0, doc: 'Endpoints in a group.' }),
  unread({ key: 'app-root', type: textNamed('absolute path'), default: '', doc: 'Redirect of `/`.' }),
  upstreamKeepaliveConnections,
  upstreamKeepaliveTimeout,
  upstreamKeepaliveRequests,
  upstreamKeepaliveTime,
  proxying({
    key: 'grpc-buffer-size-kb',
    type: integer,
    default: 0,
    support: 'noEffect',
    doc: 'Response buffer for gRPC.',
    note: 'responses are not buffered',
  }),
];
