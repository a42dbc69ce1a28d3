// ConfigMap keys about HTTP between client and Sluice, without compression. ConfigMap reference section B.

import { quoteShort } from '../../objects/host-name.ts';
import { parseIpAddress } from '../../objects/ip-address.ts';
import { http2Keys } from './configmap-http2.ts';
import { configMapFamily } from './define.ts';
import type { ConfigMapRecord } from './record.ts';
import {
  type BufferSettings,
  bool,
  buffers,
  integerFrom,
  listNamed,
  seconds,
  secondsFromOne,
  size,
  textNamed,
} from './types.ts';

const http = configMapFamily({ group: 'Client side HTTP', support: 'notYet' });
/** Idle seconds between two requests; 0 closes after each. */
export const keepAlive: ConfigMapRecord<number> = http({
  key: 'keep-alive',
  type: seconds,
  default: 75,
  support: 'full',
  doc: 'Idle time of a client connection between two requests; `0` closes it after each.',
});

/** Requests per client connection. */
export const keepAliveRequests: ConfigMapRecord<number> = http({
  key: 'keep-alive-requests',
  type: integerFrom(0),
  default: 1000,
  support: 'full',
  doc: 'Requests on one client connection before it is closed.',
});

/** Seconds for a whole request head. */
export const clientHeaderTimeout: ConfigMapRecord<number> = http({
  key: 'client-header-timeout',
  type: secondsFromOne,
  default: 60,
  support: 'full',
  doc: 'Time for a whole request head; beyond it 408 is answered.',
});

/** The first buffer of a request head. */
export const clientHeaderBufferSize: ConfigMapRecord<number> = http({
  key: 'client-header-buffer-size',
  type: size,
  default: 1024,
  support: 'full',
  doc: 'Raises the largest request line and header line where it is above the size of large-client-header-buffers, and the largest request head by as much.',
});

/** Most and largest header lines. */
export const largeClientHeaderBuffers: ConfigMapRecord<BufferSettings> = http({
  key: 'large-client-header-buffers',
  type: buffers,
  default: { count: 4, bytes: 8 * 1024 },
  support: 'full',
  doc: 'Largest request line and header line (the size), and largest request head (number times size).',
});

/** Seconds between two reads of a request body. */
export const clientBodyTimeout: ConfigMapRecord<number> = http({
  key: 'client-body-timeout',
  type: secondsFromOne,
  default: 60,
  support: 'full',
  doc: 'Time between two reads of a request body; beyond it 408 is answered.',
});

/** Header names with an underscore. */
export const enableUnderscoresInHeaders: ConfigMapRecord<boolean> = http({
  key: 'enable-underscores-in-headers',
  type: bool,
  default: false,
  support: 'full',
  doc: 'Keeps request headers with `_` in their name; otherwise they are dropped.',
});

/** What nginx calls invalid: names that HTTP allows, but few servers expect. */
export const ignoreInvalidHeaders: ConfigMapRecord<boolean> = http({
  key: 'ignore-invalid-headers',
  type: bool,
  default: true,
  support: 'partial',
  doc: 'Drops request headers whose name has other characters than letters, digits, `-` and, if enabled, `_`; `false` passes them on, with `_` too.',
  note: 'a name that HTTP does not allow (RFC 9110 §5.1) is answered 400, whatever is set here',
});

/** `Server` header of the proxy. */
export const serverTokens: ConfigMapRecord<boolean> = http({
  key: 'server-tokens',
  type: bool,
  default: false,
  support: 'full',
  doc: 'Sends a `Server` header.',
});

/** `Server` header of the upstream. */
export const allowBackendServerHeader: ConfigMapRecord<boolean> = http({
  key: 'allow-backend-server-header',
  type: bool,
  default: false,
  support: 'full',
  doc: 'Passes the `Server` header of the upstream to the client.',
});

/** X-Request-ID where the client sent none. */
export const generateRequestId: ConfigMapRecord<boolean> = http({
  key: 'generate-request-id',
  type: bool,
  default: true,
  support: 'full',
  doc: 'Makes an `X-Request-ID` where the client sent none.',
});

/** Addresses to listen on; what is no address is skipped, as in ingress-nginx. */
export const bindAddress: ConfigMapRecord<readonly string[]> = http({
  key: 'bind-address',
  type: listNamed('comma list of IP addresses'),
  default: [],
  support: 'partial',
  shortfall: (texts) => {
    const wrong = texts.filter((text) => parseIpAddress(text) === null);
    return wrong.length === 0 ? null : `${wrong.map(quoteShort).join(', ')} is no IP address and is skipped`;
  },
  doc: 'Addresses to listen on, unless `--bind-address` says otherwise.',
  note: 'it counts when a listener is opened: at the start of Sluice, or when a TCP or UDP port is added',
});

/** No listeners on IPv6. */
export const disableIpv6: ConfigMapRecord<boolean> = http({
  key: 'disable-ipv6',
  type: bool,
  default: false,
  support: 'partial',
  shortfall: () => null,
  doc: 'Does not listen on IPv6.',
  note: 'it counts when a listener is opened: at the start of Sluice, or when a TCP or UDP port is added',
});

/** All of this file, in the order of the reference. */
export const httpKeys: readonly ConfigMapRecord<unknown>[] = [
  ...http2Keys,
  keepAlive,
  keepAliveRequests,
  clientHeaderTimeout,
  clientHeaderBufferSize,
  largeClientHeaderBuffers,
  clientBodyTimeout,
  http({
    key: 'client-body-buffer-size',
    type: size,
    default: 8 * 1024,
    support: 'partial',
    doc: 'What each request may have of its body in memory, also while `sluice-request-buffer-memory` is used up.',
    shortfall: () => null,
    note: 'what comes on top is held in the memory that all bodies share, not in a file',
  }),
  enableUnderscoresInHeaders,
  ignoreInvalidHeaders,
  http({
    key: 'default-type',
    type: textNamed('media type'),
    default: 'text/html',
    doc: 'Type of answers that the proxy makes.',
    note: 'answers of the proxy keep their own type',
  }),
  serverTokens,
  allowBackendServerHeader,
  generateRequestId,
  http({
    key: 'reuse-port',
    type: bool,
    default: true,
    support: 'noEffect',
    doc: 'Workers listen with SO_REUSEPORT.',
    note: 'workers always share their ports in the best way the system has',
  }),
  bindAddress,
  disableIpv6,
  http({
    key: 'disable-ipv6-dns',
    type: bool,
    default: false,
    doc: 'Does not ask DNS for IPv6 addresses.',
    note: 'IPv6 addresses of ExternalName Services are used too',
  }),
];
