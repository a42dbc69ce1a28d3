// IP addresses and CIDR blocks as text: checked and normalised without node:net, since compile is pure.
//
// In: one entry of a list as users write it (`10.0.0.0/8`, `2001:db8::1`). Out: `address/length`, so that readers of the
// routing table meet one form only. Never resolves names.

const IPV4_BITS = 32;
const IPV6_BITS = 128;
const IPV6_GROUPS = 8;

/**
 * Parses an address or a CIDR block. A bare address becomes a block of its own (`/32`, `/128`). Host bits may be set
 * (Go's `net.ParseCIDR` accepts them). Leading zeros in IPv4, zone ids and names are refused: null.
 */
export function parseCidr(text: string): string | null {
  const slash = text.indexOf('/');
  const address = slash === -1 ? text : text.slice(0, slash);
  const bits = addressBits(address);
  if (bits === null) return null;
  if (slash === -1) return `${address.toLowerCase()}/${bits}`;
  const length = text.slice(slash + 1);
  if (!/^(?:0|[1-9]\d{0,2})$/.test(length) || Number(length) > bits) return null;
  return `${address.toLowerCase()}/${length}`;
}

function addressBits(address: string): number | null {
  if (isIpv4(address)) return IPV4_BITS;
  return isIpv6(address) ? IPV6_BITS : null;
}

/** Dotted quad without leading zeros, which some programs read as octal. */
export function isIpv4(text: string): boolean {
  const octets = text.split('.');
  return octets.length === 4 && octets.every((octet) => /^(?:0|[1-9]\d{0,2})$/.test(octet) && Number(octet) <= 255);
}

/** RFC 4291 §2.2: eight groups, one `::`, the last 32 bits may be a dotted quad. No zone id. */
export function isIpv6(text: string): boolean {
  const halves = text.split('::');
  if (halves.length > 2) return false;
  const head = groupCount(halves[0] ?? '', halves.length === 1);
  if (halves.length === 1) return head === IPV6_GROUPS;
  const tail = groupCount(halves[1] ?? '', true);
  // `::` stands for at least one group of zeros.
  return head !== null && tail !== null && head + tail < IPV6_GROUPS;
}

/** Number of 16-bit groups in `a:b:c`; null when a part is not one. A dotted quad counts as two, at the end only. */
function groupCount(text: string, mayEndInIpv4: boolean): number | null {
  if (text === '') return 0;
  const parts = text.split(':');
  const last = parts.at(-1) ?? '';
  const endsInIpv4 = mayEndInIpv4 && isIpv4(last);
  const groups = endsInIpv4 ? parts.slice(0, -1) : parts;
  if (!groups.every((group) => /^[0-9a-fA-F]{1,4}$/.test(group))) return null;
  return groups.length + (endsInIpv4 ? 2 : 0);
}
