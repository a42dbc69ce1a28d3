// Chooses the certificate of a TLS handshake from its server name (RFC 6066 §3), as ingress-nginx's certificate.lua does.
//
// In: the route index, whose hosts carry their certificate, and the name as the client sent it. Out: a certificate id.
// There is no second map to keep: hosts and their certificates always change together.

import type { UpstreamId } from '../table/types.ts';
import { findHost, type HostIndex, type RouteIndex } from './index.ts';

/**
 * Finds the certificate for a server name: the exact host, else the wildcard that replaces the first label. Case and one
 * trailing dot do not matter. null: the host exists and uses the default certificate. `undefined`: no virtual host has
 * the name (or it is ''); the default certificate is used, or the handshake refused with `ssl-reject-handshake`.
 *
 * Unlike for requests, the label under a wildcard may hold any character but a dot.
 */
export function matchSni(index: RouteIndex, serverName: string): string | null | undefined {
  return findSniHost(index, serverName)?.certificate;
}

/**
 * Finds the upstream that TLS connections with this server name go to as they are, by the same rule. null: TLS ends here. A
 * host without passthrough hides a wildcard host with one.
 */
export function matchPassthrough(index: RouteIndex, serverName: string): UpstreamId | null {
  return findSniHost(index, serverName)?.passthrough ?? null;
}

function findSniHost(index: RouteIndex, serverName: string): HostIndex | undefined {
  const name = normalise(serverName);
  // `_` and `*.` are our own names for things, not what a client may ask for.
  if (name === '' || name === '_' || name.startsWith('*.')) return undefined;
  const exact = findHost(index, name);
  if (exact !== undefined) return exact;
  const labelEnd = name.indexOf('.');
  return labelEnd <= 0 ? undefined : findHost(index, `*${name.slice(labelEnd)}`);
}

function normalise(serverName: string): string {
  const lower = serverName.toLowerCase();
  return lower.endsWith('.') ? lower.slice(0, -1) : lower;
}
