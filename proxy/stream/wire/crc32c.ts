// CRC-32C (Castagnoli, RFC 3720 appendix B.4), which a PROXY v2 header may carry. PURE.

const TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte;
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1;
  return crc >>> 0;
});

/** Checksum of `buf` from `start` to `end`, as if the four bytes at `zeroAt` were zero; -1: none are. */
export function crc32c(buf: Uint8Array, start: number, end: number, zeroAt: number): number {
  let crc = 0xffffffff;
  for (let i = start; i < end; i++) {
    const isZeroed = zeroAt !== -1 && i >= zeroAt && i < zeroAt + 4;
    const byte = isZeroed ? 0 : (buf[i] ?? 0);
    crc = (TABLE[(crc ^ byte) & 0xff] ?? 0) ^ (crc >>> 8);
  }
  return (crc ^ 0xffffffff) >>> 0;
}
