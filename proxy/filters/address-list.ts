// Tests addresses against a list of networks, prepared once per list.

import net from 'node:net';

const MAPPED = '::ffff:';

/** Answers kept by a list; then all are forgotten, since clients may come from any number of addresses. */
const MAX_KEPT = 1024;

/**
 * Gives the test for these networks (`10.0.0.0/8`, `fd00::/8`, single addresses). The compiler has checked the texts: what
 * cannot be read is skipped. IPv6 networks hold no IPv4 address, although one BlockList would let `::/0` hold them all.
 */
export function addressList(cidrs: readonly string[]): (address: string) => boolean {
  const lists: Lists = { ipv4: new net.BlockList(), ipv6: new net.BlockList() };
  for (const cidr of cidrs) addCidr(lists, cidr);
  // A look into a BlockList costs a microsecond, and clients send more than one request.
  const kept = new Map<string, boolean>();
  return (address) => {
    const known = kept.get(address);
    if (known !== undefined) return known;
    if (kept.size >= MAX_KEPT) kept.clear();
    const isListed = look(lists, address);
    kept.set(address, isListed);
    return isListed;
  };
}

interface Lists {
  readonly ipv4: net.BlockList;
  readonly ipv6: net.BlockList;
}

function look(lists: Lists, address: string): boolean {
  // A link-local peer carries its interface: `fe80::1%eth0`.
  const zone = address.indexOf('%');
  const named = zone === -1 ? address : address.slice(0, zone);
  // An IPv4 address in IPv6 clothes (RFC 4291 §2.5.5.2) is the IPv4 address.
  const plain = named.startsWith(MAPPED) && net.isIPv4(named.slice(MAPPED.length)) ? named.slice(MAPPED.length) : named;
  const family = net.isIPv6(plain) ? 'ipv6' : 'ipv4';
  return lists[family].check(plain, family);
}

function addCidr(lists: Lists, cidr: string): void {
  const slash = cidr.indexOf('/');
  const address = slash === -1 ? cidr : cidr.slice(0, slash);
  const version = net.isIP(address);
  if (version === 0) return;
  const family = version === 6 ? 'ipv6' : 'ipv4';
  const widest = version === 6 ? 128 : 32;
  const prefix = slash === -1 ? widest : Number(cidr.slice(slash + 1));
  if (Number.isInteger(prefix) && prefix >= 0 && prefix <= widest) lists[family].addSubnet(address, prefix, family);
}
