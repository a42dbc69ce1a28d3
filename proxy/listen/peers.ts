// What a listener knows of its clients' addresses, rendered once per address instead of once per connection.
//
// Behind a load balancer thousands of connections come from a few addresses: they share one Peer, and an idle connection
// costs no text of its own.

import { type ConnectionFacts, renderForwardedLines, untrustedValues } from '../http/forwarded.ts';

/** Addresses remembered per listener; all are forgotten when there are more. Connections keep the Peer they have. */
const MAX_REMEMBERED = 4096;

export interface Peer extends ConnectionFacts {
  /** Forwarding lines for an untrusted peer. */
  readonly forwardedLines: string;
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
  of(address: string): Peer {
    const known = this.#known.get(address);
    if (known !== undefined) return known;
    const remoteAddress = address.startsWith('::ffff:') ? address.slice(7) : address;
    const facts = { remoteAddress, isTls: this.#isTls, localPort: this.#localPort };
    // Flat text: a rope would be walked again for each request that it becomes part of.
    const forwardedLines = Buffer.from(renderForwardedLines(untrustedValues(facts)), 'latin1').latin1Slice();
    const peer = { ...facts, forwardedLines };
    if (this.#known.size >= MAX_REMEMBERED) this.#known.clear();
    this.#known.set(address, peer);
    return peer;
  }
}
