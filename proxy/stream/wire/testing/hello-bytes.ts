// Builds ClientHello messages byte by byte, for tests: what OpenSSL would never send, too.

/** `size` bytes of length, then the content. */
function vector(size: 1 | 2 | 3, content: Uint8Array): Buffer {
  const length = Buffer.alloc(size);
  length.writeUIntBE(content.length, 0, size);
  return Buffer.concat([length, content]);
}

export function extension(type: number, content: Uint8Array): Buffer {
  const head = Buffer.alloc(2);
  head.writeUInt16BE(type);
  return Buffer.concat([head, vector(2, content)]);
}

export function serverName(name: string): Buffer {
  return extension(0, vector(2, Buffer.concat([Buffer.from([0]), vector(2, Buffer.from(name, 'latin1'))])));
}

/** A handshake message with these extensions; `null`: none at all, as old clients send it. */
export function clientHello(extensions: readonly Buffer[] | null, type = 1): Buffer {
  const body = [
    Buffer.from([3, 3]),
    Buffer.alloc(32, 7),
    vector(1, Buffer.alloc(32, 1)),
    vector(2, Buffer.from([0x13, 1, 0x13, 2])),
    vector(1, Buffer.from([0])),
    ...(extensions === null ? [] : [vector(2, Buffer.concat(extensions))]),
  ];
  return Buffer.concat([Buffer.from([type]), vector(3, Buffer.concat(body))]);
}

/** Puts a message into records of at most `recordBytes` each. */
export function inRecords(message: Buffer, recordBytes = 16_384): Buffer {
  const records: Buffer[] = [];
  for (let at = 0; at < message.length; at += recordBytes) {
    records.push(Buffer.from([22, 3, 1]), vector(2, message.subarray(at, at + recordBytes)));
  }
  return Buffer.concat(records);
}
