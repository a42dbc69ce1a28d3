// IP addresses as text: reading them and telling the ranges that must not be routed to.
//
// In: text. Out: the address as bytes, or null. Pure, so that compile and the proxy table stay free of `node:net`. Strict
// like Go's `netip.ParseAddr`, which the API server uses: no leading zeros, no octal, no shortened IPv4, no zone.

/** Bytes of an address, most significant first: 4 for IPv4, 16 for IPv6. */
export interface IpAddress {
  readonly family: 4 | 6;
  readonly bytes: readonly number[];
}

/** Reads an IPv4 or IPv6 address without brackets, port or zone; null when the text is anything else. */
export function parseIpAddress(text: string): IpAddress | null {
  if (text.includes(':')) {
    const bytes = parseIpv6(text);
    return bytes === null ? null : { family: 6, bytes };
  }
  const bytes = parseIpv4(text);
  return bytes === null ? null : { family: 4, bytes };
}

/** True for 127.0.0.0/8 and ::1, also when written as an IPv4-mapped IPv6 address. */
export function isLoopback(address: IpAddress): boolean {
  const { family, bytes } = unmapped(address);
  return family === 4 ? bytes[0] === 127 : bytes.every((byte, i) => byte === (i === 15 ? 1 : 0));
}

/** True for 0.0.0.0 and ::, which Linux connects to the local machine. */
export function isUnspecified(address: IpAddress): boolean {
  return unmapped(address).bytes.every((byte) => byte === 0);
}

/** True for 169.254.0.0/16 and fe80::/10: among them the metadata service of the cloud providers. */
export function isLinkLocal(address: IpAddress): boolean {
  const { family, bytes } = unmapped(address);
  const [first = 0, second = 0] = bytes;
  return family === 4 ? first === 169 && second === 254 : first === 0xfe && (second & 0xc0) === 0x80;
}

/** True for 224.0.0.0/4 and ff00::/8. */
export function isMulticast(address: IpAddress): boolean {
  const { family, bytes } = unmapped(address);
  const [first = 0] = bytes;
  return family === 4 ? first >> 4 === 14 : first === 0xff;
}

/** `::ffff:a.b.c.d` reaches a.b.c.d, so that every range check must look at the IPv4 address inside. */
function unmapped(address: IpAddress): IpAddress {
  const { family, bytes } = address;
  const isMapped = family === 6 && bytes.every((byte, i) => i >= 12 || byte === (i >= 10 ? 0xff : 0));
  return isMapped ? { family: 4, bytes: bytes.slice(12) } : address;
}

const ipv4Part = /^(?:0|[1-9][0-9]{0,2})$/;

function parseIpv4(text: string): number[] | null {
  const parts = text.split('.');
  if (parts.length !== 4) return null;
  const bytes = parts.map((part) => (ipv4Part.test(part) ? Number(part) : 256));
  return bytes.every((byte) => byte <= 255) ? bytes : null;
}

const ipv6Group = /^[0-9a-fA-F]{1,4}$/;

/** RFC 4291 §2.2: eight groups, one run of zero groups may be `::`, the last two groups may be an IPv4 address. */
function parseIpv6(text: string): number[] | null {
  const halves = text.split('::');
  if (halves.length > 2) return null;
  const [headText = '', tailText] = halves;
  const head = ipv6Groups(headText, tailText === undefined);
  const tail = ipv6Groups(tailText ?? '', true);
  if (head === null || tail === null) return null;
  const missing = 16 - head.length - tail.length;
  // `::` stands for at least one group of zeros.
  const isComplete = tailText === undefined ? missing === 0 : missing >= 2;
  return isComplete ? [...head, ...new Array<number>(missing).fill(0), ...tail] : null;
}

function ipv6Groups(text: string, mayEndInIpv4: boolean): number[] | null {
  if (text === '') return [];
  const groups = text.split(':');
  const bytes: number[] = [];
  for (const [i, group] of groups.entries()) {
    const ipv4 = mayEndInIpv4 && i === groups.length - 1 && group.includes('.') ? parseIpv4(group) : null;
    if (ipv4 !== null) {
      bytes.push(...ipv4);
    } else if (ipv6Group.test(group)) {
      const value = Number.parseInt(group, 16);
      bytes.push(value >> 8, value & 0xff);
    } else {
      return null;
    }
  }
  return bytes;
}
