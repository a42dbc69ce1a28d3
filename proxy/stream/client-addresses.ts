// The ends of a connection as they are shown: an IPv4 client of a dual-stack listener is an IPv4 client.

import type { StreamClient } from './stream-record.ts';
import type { ProxiedAddresses } from './wire/proxy-header.ts';

/** What a socket or a PROXY header says, with IPv4-mapped addresses as IPv4. */
export function clientOf(addresses: ProxiedAddresses): StreamClient {
  return {
    address: plain(addresses.sourceAddress),
    port: addresses.sourcePort,
    localAddress: plain(addresses.destinationAddress),
    localPort: addresses.destinationPort,
  };
}

function plain(address: string): string {
  return address.startsWith('::ffff:') ? address.slice(7) : address;
}
