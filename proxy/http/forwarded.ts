// The forwarding headers sent upstream, as ingress-nginx sends them by default (annotations.md §0).
//
// PURE. What a client says about itself is not believed unless the operator turned `use-forwarded-headers` on and the
// peer is trusted. The part that depends only on the connection is rendered once per connection.

/** Facts of one client connection. */
export interface ConnectionFacts {
  /** Peer address, IPv4-mapped IPv6 already shown as IPv4. */
  readonly remoteAddress: string;
  readonly isTls: boolean;
  /** Port the connection came in on. */
  readonly localPort: number;
}

/** What the forwarding headers of one request say. */
export interface ForwardedValues {
  readonly realIp: string;
  /** Value of X-Forwarded-For. */
  readonly forwardedFor: string;
  readonly scheme: string;
  readonly port: string;
}

/** Values for a peer that is not trusted: only what we see ourselves. TLS counts as port 443 whatever it listens on. */
export function untrustedValues(facts: ConnectionFacts): ForwardedValues {
  return {
    realIp: facts.remoteAddress,
    forwardedFor: facts.remoteAddress,
    scheme: facts.isTls ? 'https' : 'http',
    port: facts.isTls ? '443' : String(facts.localPort),
  };
}

/** Renders the lines that do not depend on the request's Host and id. */
export function renderForwardedLines(values: ForwardedValues): string {
  return (
    `X-Real-IP: ${values.realIp}\r\nX-Forwarded-For: ${values.forwardedFor}\r\n` +
    `X-Forwarded-Port: ${values.port}\r\nX-Forwarded-Proto: ${values.scheme}\r\n` +
    `X-Forwarded-Scheme: ${values.scheme}\r\nX-Scheme: ${values.scheme}\r\n`
  );
}

/** What a trusted peer told us; '' for a header that is absent. Each may be a list, one entry for each proxy. */
export interface ClientForwarding {
  readonly forwardedFor: string;
  readonly proto: string;
  readonly port: string;
}

/** What the caller knows about addresses; this file imports nothing that could tell. */
export interface Peers {
  /** Believes the peer at this address. */
  isTrusted(address: string): boolean;
  /** An IPv4 or IPv6 address, without port and brackets. */
  isAddress(text: string): boolean;
}

/**
 * Values for a trusted peer (`use-forwarded-headers: "true"`). The client address is the right-most X-Forwarded-For
 * entry that is not trusted itself (nginx `real_ip_recursive`), or the left-most when all are.
 */
export function trustedValues(
  facts: ConnectionFacts,
  client: ClientForwarding,
  peers: Peers,
  appendToForwardedFor: boolean,
): ForwardedValues {
  const own = untrustedValues(facts);
  const realIp = realAddress(facts.remoteAddress, client.forwardedFor, peers);
  const appended = client.forwardedFor === '' ? facts.remoteAddress : `${client.forwardedFor}, ${facts.remoteAddress}`;
  return {
    realIp,
    forwardedFor: appendToForwardedFor ? appended : realIp,
    scheme: schemeOf(client.proto) ?? own.scheme,
    port: portOf(client.port) ?? own.port,
  };
}

/**
 * The scheme the client used, null when none is named. In a chain of proxies each may append its own (`https,http`): the
 * first entry is the client's. `ws` and `wss` are what Traefik names WebSockets; a redirect to HTTPS would break them.
 */
function schemeOf(proto: string): string | null {
  const first = firstEntry(proto).toLowerCase();
  return /^(https?|wss?)$/.test(first) ? first : null;
}

function portOf(port: string): string | null {
  const first = firstEntry(port);
  return /^\d{1,5}$/.test(first) ? first : null;
}

/** The first entry of a comma list: what the proxy nearest to the client has said. */
export function firstEntry(list: string): string {
  const comma = list.indexOf(',');
  return (comma === -1 ? list : list.slice(0, comma)).trim();
}

function realAddress(peer: string, forwardedFor: string, peers: Peers): string {
  if (forwardedFor === '' || !peers.isTrusted(peer)) return peer;
  const entries = forwardedFor.split(',');
  let address = peer;
  for (let i = entries.length - 1; i >= 0; i--) {
    const entry = stripPort((entries[i] as string).trim());
    // An empty element says nothing (RFC 9110 §5.6.1.2), and nginx skips it too.
    if (entry === '') continue;
    // What is no address ends the walk: the entries before it cannot be vouched for.
    if (!peers.isAddress(entry)) return address;
    address = entry;
    if (!peers.isTrusted(entry)) return entry;
  }
  return address;
}

/** `1.2.3.4:5` and `[v6]:5` occur in X-Forwarded-For of some balancers. */
function stripPort(entry: string): string {
  const close = entry.indexOf(']');
  if (close > 0 && entry.startsWith('[')) return entry.slice(1, close);
  const colon = entry.indexOf(':');
  return colon !== -1 && colon === entry.lastIndexOf(':') ? entry.slice(0, colon) : entry;
}
