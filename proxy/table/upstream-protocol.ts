// How an upstream is spoken to: the protocol, TLS, and the limits of HTTP/2 connections to it.
//
// Data, as everything in the table, and what the protocols' names say.

/**
 * `backend-protocol`. `auto` is HTTP or HTTPS, as the client's request came. `http2` is HTTP/2 without TLS by prior
 * knowledge; `grpc` is that with what gRPC needs, `grpcs` the same over TLS.
 */
export type UpstreamProtocol = 'http' | 'https' | 'auto' | 'http2' | 'grpc' | 'grpcs';

/** Requests are gRPC calls: deadlines, trailers and statuses of their own. */
export function isGrpc(protocol: UpstreamProtocol): boolean {
  return protocol === 'grpc' || protocol === 'grpcs';
}

/** Connections are made over TLS whatever the client came over; those of `auto` may be. */
export function isOverTls(protocol: UpstreamProtocol): boolean {
  return protocol === 'https' || protocol === 'grpcs';
}

/** TLS to an upstream (ingress-nginx `proxy-ssl-*`). A policy without it has nginx's: no name is sent, nothing verified. */
export interface UpstreamTls {
  /** Sent as SNI (`proxy-ssl-server-name`, `proxy-ssl-name`); null: none is. */
  readonly serverName: string | null;
  /** The upstream's certificate must come from one of these and be for `name` (`proxy-ssl-verify`); null: any will do. */
  readonly verify: { readonly caPem: string; readonly name: string } | null;
  readonly minVersion: 'TLSv1.2' | 'TLSv1.3';
  readonly maxVersion: 'TLSv1.2' | 'TLSv1.3';
  /** OpenSSL cipher string for TLS 1.2; null is the built-in list. */
  readonly ciphers: string | null;
}

/** HTTP/2 connections to upstreams. New connections use them. */
export interface UpstreamHttp2Settings {
  /** ConfigMap `sluice-upstream-http2-max-streams`: requests at one time on a connection; the upstream may allow fewer. */
  readonly maxConcurrentStreams: number;
  /** ConfigMap `sluice-upstream-http2-stream-window`: response payload that waits for one slow client at most. */
  readonly streamWindowBytes: number;
  /** ConfigMap `sluice-upstream-http2-ping-interval`: silence with requests running before a PING asks who is there. */
  readonly pingIntervalMs: number;
  /** ConfigMap `sluice-upstream-http2-ping-timeout`: an upstream that does not answer it for so long is gone. */
  readonly pingTimeoutMs: number;
}

export const defaultUpstreamHttp2: UpstreamHttp2Settings = {
  maxConcurrentStreams: 128,
  streamWindowBytes: 65_536,
  pingIntervalMs: 20_000,
  pingTimeoutMs: 10_000,
};
