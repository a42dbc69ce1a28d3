// Finds the server name in the ClientHello of a TLS connection without taking part in it (RFC 8446 §4.1.2, RFC 6066 §3).
//
// PURE and total. Works on all bytes so far, however they were split, also over several TLS records (RFC 8446 §5.1). It
// decides only where a connection goes: what is unclear goes to the TLS listener, which judges it properly.

/** As much of a connection is looked at, bytes; a name behind that is not found. ingress-nginx has the same limit. */
export const MAX_CLIENT_HELLO_BYTES = 16 * 1024;

export type ClientHelloReading =
  /** Not yet to be told: at least `atLeast` bytes are needed in all. */
  | { readonly kind: 'more'; readonly atLeast: number }
  /** `serverName` null: no TLS, no ClientHello, one without a name, malformed, or too long. Lower case is not made. */
  | { readonly kind: 'done'; readonly serverName: string | null };

const RECORD_HEADER_BYTES = 5;
const HANDSHAKE_HEADER_BYTES = 4;
const CONTENT_HANDSHAKE = 22;
const CLIENT_HELLO = 1;
const EXTENSION_SERVER_NAME = 0;
const NAME_TYPE_HOST = 0;
/** RFC 8446 §5.1: a record of handshake text is not empty and not longer. */
const MAX_RECORD_BYTES = 1 << 14;
const MAX_HOST_NAME_BYTES = 255;

const noName: ClientHelloReading = { kind: 'done', serverName: null };

/** Reads the ClientHello at the start of `buf`, of which the bytes up to `end` have arrived. */
export function readClientHello(buf: Buffer, end: number): ClientHelloReading {
  const limit = Math.min(end, MAX_CLIENT_HELLO_BYTES);
  const parts: Buffer[] = [];
  let gathered = 0;
  /** Of the ClientHello with its header; unknown until that is there. */
  let wanted = HANDSHAKE_HEADER_BYTES;
  for (let at = 0; ; ) {
    if (at < limit && buf[at] !== CONTENT_HANDSHAKE) return noName;
    if (at + 1 < limit && buf[at + 1] !== 3) return noName;
    if (at + RECORD_HEADER_BYTES > limit) return more(at + RECORD_HEADER_BYTES);
    const length = buf.readUInt16BE(at + 3);
    if (length === 0 || length > MAX_RECORD_BYTES) return noName;
    const start = at + RECORD_HEADER_BYTES;
    const available = Math.min(limit, start + length);
    parts.push(buf.subarray(start, available));
    gathered += available - start;
    if (gathered >= HANDSHAKE_HEADER_BYTES && wanted === HANDSHAKE_HEADER_BYTES) {
      const header = joined(parts);
      if (header[0] !== CLIENT_HELLO) return noName;
      wanted = HANDSHAKE_HEADER_BYTES + header.readUIntBE(1, 3);
    }
    if (gathered >= wanted) {
      return { kind: 'done', serverName: findServerName(joined(parts).subarray(HANDSHAKE_HEADER_BYTES, wanted)) };
    }
    if (available < start + length) return more(Math.min(start + length, available + wanted - gathered));
    at = start + length;
  }
}

function more(atLeast: number): ClientHelloReading {
  return atLeast > MAX_CLIENT_HELLO_BYTES ? noName : { kind: 'more', atLeast };
}

function joined(parts: readonly Buffer[]): Buffer {
  const [first] = parts;
  return parts.length === 1 && first !== undefined ? first : Buffer.concat(parts);
}

/** The `server_name` of a ClientHello body; null when it has none or is malformed up to there. */
function findServerName(body: Buffer): string | null {
  // legacy_version, random.
  let at = 34;
  at = skipVector(body, at, 1);
  at = skipVector(body, at, 2);
  at = skipVector(body, at, 1);
  if (at === -1 || at + 2 > body.length) return null;
  const end = at + 2 + body.readUInt16BE(at);
  if (end > body.length) return null;
  at += 2;
  while (at + 4 <= end) {
    const length = body.readUInt16BE(at + 2);
    const start = at + 4;
    if (start + length > end) return null;
    if (body.readUInt16BE(at) === EXTENSION_SERVER_NAME) return readNameList(body.subarray(start, start + length));
    at = start + length;
  }
  return null;
}

/** Gives the place behind a vector with `sizeBytes` of length in front; -1 when it does not fit, or `at` is -1. */
function skipVector(body: Buffer, at: number, sizeBytes: 1 | 2): number {
  if (at === -1 || at + sizeBytes > body.length) return -1;
  const next = at + sizeBytes + body.readUIntBE(at, sizeBytes);
  return next > body.length ? -1 : next;
}

/** The one host name of the list (RFC 6066 §3: no two names of one type). */
function readNameList(list: Buffer): string | null {
  if (list.length < 5 || list.readUInt16BE(0) !== list.length - 2 || list[2] !== NAME_TYPE_HOST) return null;
  const length = list.readUInt16BE(3);
  if (length === 0 || length > MAX_HOST_NAME_BYTES || length + 5 !== list.length) return null;
  return list.latin1Slice(5, 5 + length);
}
