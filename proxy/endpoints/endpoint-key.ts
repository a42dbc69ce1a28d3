// The name of an endpoint: in logs, on hash rings, in affinity cookies.

import type { EndpointAddress } from '../table/types.ts';

/** `address:port`, with brackets around an IPv6 address (RFC 3986 §3.2.2). */
export function endpointKey({ address, port }: EndpointAddress): string {
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
}
