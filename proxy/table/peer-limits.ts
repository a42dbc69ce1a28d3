// Limits on slow and greedy peers that ingress-nginx has no ConfigMap key for, or none that a worker could use as it is.
// PURE. Part of the table contract.

/** Times in milliseconds, sizes in bytes. All of them apply to what is open already, unless said otherwise. */
export interface PeerLimits {
  /** ConfigMap `max-worker-connections`: client connections of one worker; null leaves it to `--max-connections`. */
  readonly maxConnections: number | null;
  /** ConfigMap `sluice-max-tls-handshakes`: under way in one worker; more are refused. */
  readonly maxHandshakes: number;
  /** ConfigMap `sluice-tls-handshake-timeout`; new handshakes use it. */
  readonly handshakeTimeoutMs: number;
  /** ConfigMap `sluice-client-body-min-rate`, bytes per second on average; 0 is no limit. New bodies use it. */
  readonly minBodyRate: number;
  /** ConfigMap `sluice-client-send-timeout`: a client that takes no byte of a waiting response for so long is cut. */
  readonly clientSendTimeoutMs: number;
  /** ConfigMap `sluice-tunnel-idle-timeout`; null is the route's `proxy-read-timeout`, as in nginx. */
  readonly tunnelIdleTimeoutMs: number | null;
  /** ConfigMap `sluice-tunnel-max-duration`; null is no limit. New tunnels use it. */
  readonly tunnelMaxDurationMs: number | null;
}

export const defaultPeerLimits: PeerLimits = {
  maxConnections: 16_384,
  maxHandshakes: 1024,
  handshakeTimeoutMs: 10_000,
  minBodyRate: 240,
  clientSendTimeoutMs: 60_000,
  tunnelIdleTimeoutMs: null,
  tunnelMaxDurationMs: null,
};
