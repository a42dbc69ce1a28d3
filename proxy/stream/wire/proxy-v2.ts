// PROXY protocol version 2: a binary header (proxy-protocol.txt §2.2). PURE.
//
//   signature (12) | version and command | family and transport | length (2) | addresses | TLVs

import { crc32c } from './crc32c.ts';
import { renderIp } from './ip-text.ts';
import type { ProxiedAddresses, ProxyHeaderReading } from './proxy-header.ts';

export const V2_SIGNATURE = Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1');
/** What comes before the addresses. */
const V2_PREFIX_BYTES = 16;

const COMMAND_LOCAL = 0;
const COMMAND_PROXY = 1;
const TLV_CRC32C = 3;
/** Bytes of the addresses by family: source, destination, and for IP both ports. */
const ADDRESS_BYTES = { unspecified: 0, ipv4: 12, ipv6: 36, unix: 216 } as const;

/** Reads a header that begins with the signature, or with a part of it. A header of more than `maxBytes` is refused. */
export function readProxyV2(buf: Buffer, end: number, maxBytes: number): ProxyHeaderReading {
  if (end < V2_PREFIX_BYTES) return { kind: 'more', atLeast: V2_PREFIX_BYTES };
  const version = buf.readUInt8(12) >> 4;
  const command = buf.readUInt8(12) & 0xf;
  if (version !== 2) return refused('an unknown version');
  if (command !== COMMAND_LOCAL && command !== COMMAND_PROXY) return refused('an unknown command');
  const length = V2_PREFIX_BYTES + buf.readUInt16BE(14);
  if (length > maxBytes) return refused(`a header of ${length} bytes`);
  if (end < length) return { kind: 'more', atLeast: length };
  const family = familyOf(buf.readUInt8(13));
  if (family === null) return refused('an unknown family');
  // The sender of LOCAL may leave the addresses out, and the receiver must not look at them.
  const addressBytes = command === COMMAND_LOCAL ? 0 : ADDRESS_BYTES[family];
  if (length < V2_PREFIX_BYTES + addressBytes) return refused('cut addresses');
  const flaw = command === COMMAND_LOCAL ? null : findTlvFlaw(buf, V2_PREFIX_BYTES + addressBytes, length);
  if (flaw !== null) return refused(flaw);
  const addresses = command === COMMAND_LOCAL ? null : readAddresses(buf, family);
  return { kind: 'done', length, addresses };
}

type Family = keyof typeof ADDRESS_BYTES;

/** The transport must be one that exists; datagrams come over connections as little as LOCAL ones do, and mean no harm. */
function familyOf(byte: number): Family | null {
  if ((byte & 0xf) > 2) return null;
  const families: readonly Family[] = ['unspecified', 'ipv4', 'ipv6', 'unix'];
  return families[byte >> 4] ?? null;
}

function readAddresses(buf: Buffer, family: Family): ProxiedAddresses | null {
  if (family !== 'ipv4' && family !== 'ipv6') return null;
  const size = family === 'ipv4' ? 4 : 16;
  const at = V2_PREFIX_BYTES;
  return {
    sourceAddress: renderIp(buf.subarray(at, at + size)),
    sourcePort: buf.readUInt16BE(at + 2 * size),
    destinationAddress: renderIp(buf.subarray(at + size, at + 2 * size)),
    destinationPort: buf.readUInt16BE(at + 2 * size + 2),
  };
}

/** TLVs are skipped, but must fill the header exactly; a checksum among them must be right (§2.2.4). */
function findTlvFlaw(buf: Buffer, start: number, end: number): string | null {
  let at = start;
  while (at < end) {
    if (at + 3 > end) return 'a cut TLV';
    const valueAt = at + 3;
    const next = valueAt + buf.readUInt16BE(at + 1);
    if (next > end) return 'a cut TLV';
    if (buf.readUInt8(at) === TLV_CRC32C) {
      const isRight = next - valueAt === 4 && buf.readUInt32BE(valueAt) === crc32c(buf, 0, end, valueAt);
      if (!isRight) return 'a wrong checksum';
    }
    at = next;
  }
  return null;
}

function refused(why: string): ProxyHeaderReading {
  return { kind: 'refused', why };
}
