// What a listener knows of its clients' addresses, rendered once per address instead of once per connection.
//
// Behind a load balancer thousands of connections come from a few addresses: they share one Peer, and an idle connection
// costs no text of its own.

import type net from 'node:net';
import { type ConnectionFacts, renderForwardedLines, untrustedValues } from '../http/forwarded.ts';

/** Addresses remembered per listener; all are forgotten when there are more. Connections keep the Peer they have. */
const MAX_REMEMBERED = 4096;

export interface Peer extends ConnectionFacts {
  /** Forwarding lines for an untrusted peer. */
  readonly forwardedLines: string;
  /** The client's port as a PROXY header names it; null: the socket's. */
  readonly remotePort: number | null;
}

export class Peers {
  readonly #isTls: boolean;
  readonly #localPort: number;
  readonly #known = new Map<string, Peer>();

  constructor(isTls: boolean, localPort: number) {
    this.#isTls = isTls;
    this.#localPort = localPort;
  }

  /** `address` as the system gives it; an IPv4 peer on a dual-stack listener shows as `::ffff:1.2.3.4`. */
  of(address: string, remotePort: number | null = null): Peer {
    const peer = this.#of(address);
    return remotePort === null ? peer : { ...peer, remotePort };
  }

  #of(address: string): Peer {
    const known = this.#known.get(address);
    if (known !== undefined) return known;
    const remoteAddress = address.startsWith('::ffff:') ? address.slice(7) : address;
    const facts = { remoteAddress, isTls: this.#isTls, localPort: this.#localPort };
    // Flat text: a rope would be walked again for each request that it becomes part of.
    const forwardedLines = Buffer.from(renderForwardedLines(untrustedValues(facts)), 'latin1').latin1Slice();
    const peer = { ...facts, forwardedLines, remotePort: null };
    if (this.#known.size >= MAX_REMEMBERED) this.#known.clear();
    this.#known.set(address, peer);
    return peer;
  }
}

/**
 * Peers that a PROXY header has named, for connections on their way through a TLS handshake: Node makes a new socket there,
 * which has nothing in common with the old one but the ends of the connection.
 */
export class AnnouncedPeers {
  readonly #byEnds = new Map<string, Peer>();

  add(socket: net.Socket, peer: Peer): void {
    const ends = endsOf(socket);
    this.#byEnds.set(ends, peer);
    socket.once('close', () => this.#byEnds.delete(ends));
  }

  /** The peer of a connection that was announced, once; null for any other. Costs nothing while none is. */
  take(socket: net.Socket): Peer | null {
    if (this.#byEnds.size === 0) return null;
    const ends = endsOf(socket);
    const peer = this.#byEnds.get(ends) ?? null;
    this.#byEnds.delete(ends);
    return peer;
  }
}

function endsOf({ remoteAddress, remotePort, localAddress, localPort }: net.Socket): string {
  return `${remoteAddress} ${remotePort} ${localAddress} ${localPort}`;
}
