// What one request tells the upstream about its client: trusted or not, Host, X-Request-ID, Upgrade.

import net from 'node:net';
import { parseAuthority } from '../http/authority.ts';
import {
  type ConnectionFacts,
  type ForwardedValues,
  firstEntry,
  renderForwardedLines,
  trustedValues,
} from '../http/forwarded.ts';
import type { RequestHead } from '../http/request-head.ts';
import type { CurrentTable } from './context.ts';
import type { RequestTextParts } from './request-text.ts';

/** A client connection as this file sees it. */
export interface ForwardingClient extends ConnectionFacts {
  /** Forwarding lines for an untrusted peer, rendered once per connection. */
  readonly forwardedLines: string;
}

/** Collects the parts of the upstream request head that are not the client's own lines. `believed`: see `believedValues`. */
export function forwardingParts(
  head: RequestHead,
  client: ForwardingClient,
  current: CurrentTable,
  believed: ForwardedValues | null,
  nextRequestId: () => string,
): RequestTextParts {
  return {
    host: hostSentUpstream(head, client, current),
    forwardedLines: believed === null ? client.forwardedLines : renderForwardedLines(believed),
    requestId: requestId(head, current, nextRequestId),
    upgrade: upgradeToken(head),
    isTrustedPeer: believed !== null,
  };
}

/** What a trusted peer says about the client; null when the peer is not trusted, which is the default. */
export function believedValues(
  head: RequestHead,
  client: ConnectionFacts,
  current: CurrentTable,
): ForwardedValues | null {
  const { isTrusted, global } = current;
  if (isTrusted === null || !isTrusted(client.remoteAddress)) return null;
  const said = {
    forwardedFor: head.forwardedFor,
    proto: head.textOf(head.xForwardedProto),
    port: head.textOf(head.xForwardedPort),
  };
  return trustedValues(client, said, { isTrusted, isAddress }, global.computeFullForwardedFor);
}

function isAddress(text: string): boolean {
  return net.isIP(text) !== 0;
}

/** The client's Host, or the first X-Forwarded-Host entry of a trusted peer. */
export function hostSentUpstream(head: RequestHead, client: ConnectionFacts, current: CurrentTable): string {
  const { isTrusted } = current;
  if (isTrusted !== null && head.xForwardedHost.start !== -1 && isTrusted(client.remoteAddress)) {
    const first = firstEntry(head.textOf(head.xForwardedHost));
    // It becomes a Host and part of a Location: what is no authority must not get there.
    if (first !== '' && parseAuthority(first) !== null) return first;
  }
  // A client without Host (HTTP/1.0): ingress-nginx sends the name of its catch-all server.
  return head.rawHost === '' ? '_' : head.rawHost;
}

/** The protocol an upgrade asks for, '' for none. `h2c` is not passed on: it would tunnel requests past every route. */
export function upgradeToken(head: RequestHead): string {
  if (!head.connection.upgrade || head.upgrade.start === -1 || head.minorVersion === 0) return '';
  const token = head.textOf(head.upgrade);
  return /(^|,)\s*h2c?\b/i.test(token) ? '' : token;
}

/** Value of X-Request-ID: the client's, else one of ours, '' where that is switched off. */
export function requestId(head: RequestHead, current: CurrentTable, nextRequestId: () => string): string {
  // An empty one counts as none, as in ingress-nginx.
  const { start, end } = head.xRequestId;
  if (end > start && start !== -1) return head.textOf(head.xRequestId);
  return current.global.generateRequestId ? nextRequestId() : '';
}
