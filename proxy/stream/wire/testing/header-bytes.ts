// Builds PROXY v2 headers, right and wrong ones, for tests.

import { crc32c } from '../crc32c.ts';
import { V2_SIGNATURE } from '../proxy-v2.ts';

export interface V2Parts {
  /** Default 2. */
  readonly version?: number;
  /** Default 1, PROXY. */
  readonly command?: number;
  /** Family and transport: 0x11 is TCP over IPv4. */
  readonly family: number;
  /** Addresses and TLVs. */
  readonly content: Uint8Array;
}

export function proxyV2({ version = 2, command = 1, family, content }: V2Parts): Buffer {
  const head = Buffer.from([(version << 4) | command, family, content.length >> 8, content.length & 0xff]);
  return Buffer.concat([V2_SIGNATURE, head, content]);
}

export function tlv(type: number, value: string): Buffer {
  return Buffer.concat([Buffer.from([type, value.length >> 8, value.length & 0xff]), Buffer.from(value, 'latin1')]);
}

/** The same with a checksum TLV at the end. */
export function withChecksum(parts: V2Parts): Buffer {
  const bytes = proxyV2({ ...parts, content: Buffer.concat([parts.content, tlv(3, '\0\0\0\0')]) });
  bytes.writeUInt32BE(crc32c(bytes, 0, bytes.length, -1), bytes.length - 4);
  return bytes;
}
