// Renders the PROXY header that goes before the first byte of a connection to an endpoint (`::PROXY` of a TCP service). PURE.
//
// Version 1, as nginx's `proxy_protocol on` sends it: endpoints are configured for that.

import { type IpBytes, parseIp, renderIp } from './ip-text.ts';
import type { ProxiedAddresses } from './proxy-header.ts';

/** Renders the line. An address that is none gives `PROXY UNKNOWN`, which every reader understands. */
export function renderProxyV1(addresses: ProxiedAddresses): string {
  const source = parseIp(addresses.sourceAddress);
  const destination = parseIp(addresses.destinationAddress);
  if (source === null || destination === null) return 'PROXY UNKNOWN\r\n';
  // Both of one family: an IPv4 client of an IPv6 listener is shown as mapped.
  const isIpv4 = source.length === 4 && destination.length === 4;
  const text = isIpv4 ? renderIp : renderAsIpv6;
  const { sourcePort, destinationPort } = addresses;
  const family = isIpv4 ? 'TCP4' : 'TCP6';
  return `PROXY ${family} ${text(source)} ${text(destination)} ${sourcePort} ${destinationPort}\r\n`;
}

function renderAsIpv6(bytes: IpBytes): string {
  return bytes.length === 4 ? `::ffff:${renderIp(bytes)}` : renderIp(bytes);
}
