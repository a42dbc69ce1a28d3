// Settings of TCP and UDP services, of TLS passthrough, and of the PROXY protocol in front of the HTTP listeners.
// PURE. Part of the table contract.

/** Connections that are passed on as they come. Times in milliseconds. */
export interface StreamSettings {
  /** ConfigMap `proxy-stream-timeout`: without a byte in either direction, a connection or UDP session ends. */
  readonly idleTimeoutMs: number;
  /** ConfigMap `sluice-stream-connect-timeout`: for one attempt. */
  readonly connectTimeoutMs: number;
  /** ConfigMap `proxy-stream-next-upstream-tries`, 1 where `proxy-stream-next-upstream` is off; null is no limit. */
  readonly maxAttempts: number | null;
  /** ConfigMap `proxy-stream-next-upstream-timeout`: time in which attempts may start; null is no limit. */
  readonly retryTimeoutMs: number | null;
  /** ConfigMap `proxy-stream-responses`: datagrams that end a session, for each one of the client; 0: it waits for none. */
  readonly udpResponses: number;
  /** ConfigMap `sluice-udp-max-sessions`: of one worker, all services together. */
  readonly maxUdpSessions: number;
  /** ConfigMap `disable-access-log` and `disable-stream-access-log`. */
  readonly accessLog: boolean;
  /** ConfigMap `log-format-stream`. */
  readonly logFormat: string;
}

/** Listeners of HTTP, HTTPS and passthrough. */
export interface ProxyProtocolSettings {
  /** ConfigMap `use-proxy-protocol`: a connection without a PROXY header is closed. */
  readonly isExpected: boolean;
  /** ConfigMap `proxy-protocol-header-timeout`: for the PROXY header, and for the ClientHello of a passthrough listener. */
  readonly headerTimeoutMs: number;
}

/** Addresses to listen on. They count when a listener is opened. */
export interface BindSettings {
  /** ConfigMap `bind-address`; empty is every address. */
  readonly addresses: readonly string[];
  /** ConfigMap `disable-ipv6` turned round. */
  readonly hasIpv6: boolean;
}

export const defaultStreamSettings: StreamSettings = {
  idleTimeoutMs: 600_000,
  connectTimeoutMs: 5_000,
  maxAttempts: 3,
  retryTimeoutMs: 600_000,
  udpResponses: 1,
  maxUdpSessions: 4096,
  accessLog: true,
  logFormat: '[$remote_addr] [$time_local] $protocol $status $bytes_sent $bytes_received $session_time',
};

export const defaultProxyProtocol: ProxyProtocolSettings = { isExpected: false, headerTimeoutMs: 5_000 };

export const defaultBind: BindSettings = { addresses: [], hasIpv6: true };

/** Variables of nginx's stream log that `log-format-stream` may name; any other is written as `-`. */
export const streamLogVariables = [
  'remote_addr',
  'remote_port',
  'server_addr',
  'server_port',
  'time_local',
  'time_iso8601',
  'msec',
  'protocol',
  'status',
  'bytes_sent',
  'bytes_received',
  'session_time',
  'upstream_addr',
  'proxy_upstream_name',
  'ssl_preread_server_name',
] as const;

export type StreamLogVariable = (typeof streamLogVariables)[number];

/** A variable in an nginx format: `$name` or `${name}`. */
export const logVariablePattern = /\$(?:\{(\w+)\}|(\w+))/;
