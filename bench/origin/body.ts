// bench/origin/body.h again, written independently in TypeScript: two implementations that agree are right.

const MASK = (1n << 64n) - 1n;

/** The first `size` bytes of the body that the origin sends. */
export function makeBody(size: number): Buffer {
  const body = Buffer.alloc(Math.ceil(size / 8) * 8);
  let x = 0x9e3779b97f4a7c15n;
  for (let i = 0; i < size; i += 8) {
    x ^= (x << 13n) & MASK;
    x ^= x >> 7n;
    x ^= (x << 17n) & MASK;
    body.writeBigUInt64LE(x, i);
  }
  return body.subarray(0, size);
}

/** 16 hex digits: FNV-1a over 8-byte little-endian words with a fold, the rest byte by byte. */
export function bodyHash(body: Buffer): string {
  let hash = 0xcbf29ce484222325n;
  const wordsEnd = body.length - (body.length % 8);
  for (let i = 0; i < wordsEnd; i += 8) {
    hash = ((hash ^ body.readBigUInt64LE(i)) * 0x100000001b3n) & MASK;
    hash ^= hash >> 32n;
  }
  for (const byte of body.subarray(wordsEnd)) hash = ((hash ^ BigInt(byte)) * 0x100000001b3n) & MASK;
  return hash.toString(16).padStart(16, '0');
}
