// HTTP/2 as bytes, written for attacks: whatever is asked for, right or wrong. Shares nothing with the codec under test.

/** Frame types of RFC 9113 §6 and RFC 9218 §7.1. */
export const Type = {
  data: 0,
  headers: 1,
  priority: 2,
  rstStream: 3,
  settings: 4,
  ping: 6,
  goAway: 7,
  windowUpdate: 8,
  continuation: 9,
  priorityUpdate: 16,
} as const;

export const END_STREAM = 1;
export const ACK = 1;
export const END_HEADERS = 4;
const FRAME_HEADER_BYTES = 9;

/** What every client sends first (RFC 9113 §3.4), without its SETTINGS. */
export const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'latin1');

export function frame(type: number, flags: number, streamId: number, payload: Buffer | string = ''): Buffer {
  const bytes = typeof payload === 'string' ? Buffer.from(payload, 'latin1') : payload;
  const out = Buffer.alloc(FRAME_HEADER_BYTES + bytes.length);
  out.writeUIntBE(bytes.length, 0, 3);
  out.writeUInt8(type, 3);
  out.writeUInt8(flags, 4);
  out.writeUInt32BE(streamId, 5);
  bytes.copy(out, FRAME_HEADER_BYTES);
  return out;
}

export function uint32(value: number): Buffer {
  const out = Buffer.alloc(4);
  out.writeUInt32BE(value);
  return out;
}

/** One setting as the payload of SETTINGS. */
export function setting(id: number, value: number): Buffer {
  const out = Buffer.alloc(6);
  out.writeUInt16BE(id);
  out.writeUInt32BE(value, 2);
  return out;
}

/**
 * A literal field without Huffman code (RFC 7541 §6.2): `isIndexed` puts it into the dynamic table, as entry 62. Names and
 * values of up to 16 KB.
 */
export function literal(name: string, value: string, isIndexed = false): Buffer {
  return Buffer.concat([Buffer.from([isIndexed ? 0x40 : 0]), text(name), text(value)]);
}

function text(value: string): Buffer {
  const bytes = Buffer.from(value, 'latin1');
  return Buffer.concat([length(bytes.length), bytes]);
}

/** An integer with a prefix of 7 bits (RFC 7541 §5.1). */
function length(value: number): Buffer {
  if (value < 127) return Buffer.from([value]);
  const out = [127];
  let rest = value - 127;
  for (; rest >= 128; rest >>= 7) out.push((rest & 127) | 128);
  return Buffer.from([...out, rest]);
}

/** Header block of a request over TLS. */
export function request(host: string, path: string, method = 'GET'): Buffer {
  const fields = [
    [':method', method],
    [':scheme', 'https'],
    [':authority', host],
    [':path', path],
  ] as const;
  return Buffer.concat(fields.map(([name, value]) => literal(name, value)));
}

/** Odd stream numbers, `count` of them, from `first` on. */
export function streams(count: number, first = 1): readonly number[] {
  return Array.from({ length: count }, (_, at) => first + 2 * at);
}
