// Decides whose forwarding headers are believed (ConfigMap `use-forwarded-headers` and `proxy-real-ip-cidr`).

import net from 'node:net';
import type { GlobalSettings } from '../table/types.ts';

/** Gives the test for the settings at hand; null when nobody is believed, which is the default and costs nothing. */
export function trustedPeers(global: GlobalSettings): ((address: string) => boolean) | null {
  if (!global.useForwardedHeaders) return null;
  const list = new net.BlockList();
  for (const cidr of global.trustedCidrs) addCidr(list, cidr);
  return (address) => {
    // A link-local peer carries its interface: `fe80::1%eth0`.
    const zone = address.indexOf('%');
    const plain = zone === -1 ? address : address.slice(0, zone);
    return list.check(plain, net.isIPv6(plain) ? 'ipv6' : 'ipv4');
  };
}

/** The compiler has checked the text: what cannot be added here is skipped, which trusts fewer, not more. */
function addCidr(list: net.BlockList, cidr: string): void {
  const slash = cidr.indexOf('/');
  const address = slash === -1 ? cidr : cidr.slice(0, slash);
  const version = net.isIP(address);
  if (version === 0) return;
  const family = version === 6 ? 'ipv6' : 'ipv4';
  const prefix = slash === -1 ? (version === 6 ? 128 : 32) : Number(cidr.slice(slash + 1));
  if (Number.isInteger(prefix) && prefix >= 0 && prefix <= (version === 6 ? 128 : 32))
    list.addSubnet(address, prefix, family);
}
