// CRC-32 as zlib and nginx compute it, over text whose characters are bytes (latin1), without making a buffer of it.

const table = buildTable();

/** Continues a raw CRC register with one byte. */
function step(register: number, byte: number): number {
  return (table[(register ^ byte) & 0xff] as number) ^ (register >>> 8);
}

/** The raw register after `text`: what more bytes can be added to. */
export function crc32Register(text: string): number {
  return addText(-1, text);
}

/** Adds `text` to a raw register. */
export function addText(register: number, text: string): number {
  let next = register;
  for (let i = 0; i < text.length; i++) next = step(next, text.charCodeAt(i) & 0xff);
  return next;
}

/** Adds the four bytes of `value`, lowest first, to a raw register. */
export function addUint32(register: number, value: number): number {
  let next = step(register, value & 0xff);
  next = step(next, (value >>> 8) & 0xff);
  next = step(next, (value >>> 16) & 0xff);
  return step(next, value >>> 24);
}

/** The checksum of a raw register, 0 to 2^32 - 1. */
export function finish(register: number): number {
  return ~register >>> 0;
}

/** The checksum of `text`, 0 to 2^32 - 1. */
export function crc32(text: string): number {
  return finish(crc32Register(text));
}

function buildTable(): Int32Array {
  return Int32Array.from({ length: 256 }, (_, byte) => {
    let value = byte;
    for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1;
    return value;
  });
}
