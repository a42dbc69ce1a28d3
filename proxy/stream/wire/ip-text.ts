// IP addresses between text and bytes: what PROXY headers carry is checked and shown in one form.
//
// PURE. Strict: no leading zeros in IPv4 (some readers take them for octal), no zone, no brackets. IPv6 text is that of RFC
// 5952; an IPv4-mapped address is shown as the IPv4 address that it means, as everywhere in Sluice.

/** Bytes of an address in network order: 4 for IPv4, 16 for IPv6. */
export type IpBytes = readonly number[];

/** Reads an IPv4 address; null when the text is anything else. */
export function parseIpv4(text: string): IpBytes | null {
  const parts = text.split('.');
  if (parts.length !== 4) return null;
  const bytes: number[] = [];
  for (const part of parts) {
    if (!/^(0|[1-9]\d{0,2})$/.test(part) || Number(part) > 255) return null;
    bytes.push(Number(part));
  }
  return bytes;
}

/** Reads an IPv6 address (RFC 4291 §2.2), also with an IPv4 tail; null when the text is anything else. */
export function parseIpv6(text: string): IpBytes | null {
  const halves = text.split('::');
  if (halves.length > 2) return null;
  const [headText = '', tailText] = halves;
  const head = parseGroups(headText, tailText === undefined);
  const tail = parseGroups(tailText ?? '', true);
  if (head === null || tail === null) return null;
  const missing = 16 - head.length - tail.length;
  // `::` stands for at least one group; without it nothing may be missing.
  if (tailText === undefined ? missing !== 0 : missing < 2) return null;
  return [...head, ...new Array<number>(missing).fill(0), ...tail];
}

function parseGroups(text: string, mayEndInIpv4: boolean): number[] | null {
  if (text === '') return [];
  const groups = text.split(':');
  const bytes: number[] = [];
  for (const [i, group] of groups.entries()) {
    if (mayEndInIpv4 && i === groups.length - 1 && group.includes('.')) {
      const ipv4 = parseIpv4(group);
      if (ipv4 === null) return null;
      bytes.push(...ipv4);
    } else if (/^[0-9A-Fa-f]{1,4}$/.test(group)) {
      const value = Number.parseInt(group, 16);
      bytes.push(value >> 8, value & 0xff);
    } else return null;
  }
  return bytes;
}

/** Reads either kind; null when the text is no address. */
export function parseIp(text: string): IpBytes | null {
  return text.includes(':') ? parseIpv6(text) : parseIpv4(text);
}

/** Renders 4 or 16 bytes. */
export function renderIp(bytes: IpBytes | Uint8Array): string {
  if (bytes.length === 4) return [...bytes].join('.');
  if (isMapped(bytes)) return [...bytes].slice(12).join('.');
  const groups: number[] = [];
  for (let i = 0; i < 16; i += 2) groups.push(((bytes[i] ?? 0) << 8) | (bytes[i + 1] ?? 0));
  return renderGroups(groups);
}

/** `::ffff:0:0/96` (RFC 4291 §2.5.5.2). */
export function isMapped(bytes: IpBytes | Uint8Array): boolean {
  return (
    bytes.length === 16 && bytes[10] === 0xff && bytes[11] === 0xff && [...bytes].slice(0, 10).every((b) => b === 0)
  );
}

/** RFC 5952 §4: the longest run of two or more zero groups, the first of equals, becomes `::`. */
function renderGroups(groups: readonly number[]): string {
  let best = { start: 0, length: 1 };
  for (let start = 0; start < groups.length; start++) {
    let length = 0;
    while (groups[start + length] === 0) length++;
    if (length > best.length) best = { start, length };
  }
  const text = (part: readonly number[]) => part.map((group) => group.toString(16)).join(':');
  if (best.length < 2) return text(groups);
  return `${text(groups.slice(0, best.start))}::${text(groups.slice(best.start + best.length))}`;
}
