// ConfigMap keys of Sluice's own about slow and greedy peers: limits that ingress-nginx leaves to nginx's fixed values, or
// does not have.

import { configMapFamily } from './define.ts';
import type { ConfigMapRecord } from './record.ts';
import { integerFrom, seconds, secondsFromOne } from './types.ts';

const own = configMapFamily({ group: 'Slow and greedy peers', support: 'full' });

/** Header lines in one request head. */
export const maxHeaderCount: ConfigMapRecord<number> = own({
  key: 'sluice-max-header-count',
  type: integerFrom(1),
  default: 100,
  doc: 'Header lines in one request; more are answered 431.',
});

/** Seconds for a TLS handshake. */
export const tlsHandshakeTimeout: ConfigMapRecord<number> = own({
  key: 'sluice-tls-handshake-timeout',
  type: secondsFromOne,
  default: 10,
  doc: 'Time for a TLS handshake; beyond it the connection is closed.',
});

/** TLS handshakes under way. */
export const maxTlsHandshakes: ConfigMapRecord<number> = own({
  key: 'sluice-max-tls-handshakes',
  type: integerFrom(1),
  default: 1024,
  doc: 'TLS handshakes under way in one worker; further connections are closed as they come.',
});

/** Bytes per second of a request body. */
export const clientBodyMinRate: ConfigMapRecord<number> = own({
  key: 'sluice-client-body-min-rate',
  type: integerFrom(0),
  default: 240,
  doc: 'Bytes per second that a request body must bring on average, after its first minute (or `client-body-timeout`, if longer); a slower one is answered 408. Not over gRPC, nor once the response has begun. `0` is no limit.',
});

/** Seconds between two reads of a response by the client. */
export const clientSendTimeout: ConfigMapRecord<number> = own({
  key: 'sluice-client-send-timeout',
  type: secondsFromOne,
  default: 60,
  doc: 'Time in which a client must take something of a waiting response, or of what waits in an upgraded connection; beyond it the connection is closed.',
});

/** Idle seconds of an upgraded connection; 0 is `proxy-read-timeout`. */
export const tunnelIdleTimeout: ConfigMapRecord<number> = own({
  key: 'sluice-tunnel-idle-timeout',
  type: seconds,
  default: 0,
  doc: 'Time without a byte in either direction after which an upgraded connection (WebSocket) is closed; `0` is `proxy-read-timeout`, as in nginx.',
});

/** Longest life of an upgraded connection, seconds; 0 is no limit. */
export const tunnelMaxDuration: ConfigMapRecord<number> = own({
  key: 'sluice-tunnel-max-duration',
  type: seconds,
  default: 0,
  doc: 'Longest life of an upgraded connection; `0` is no limit.',
});

/** All of this file, in the order of the documentation. */
export const ownPeerKeys: readonly ConfigMapRecord<unknown>[] = [
  maxHeaderCount,
  tlsHandshakeTimeout,
  maxTlsHandshakes,
  clientBodyMinRate,
  clientSendTimeout,
  tunnelIdleTimeout,
  tunnelMaxDuration,
];
