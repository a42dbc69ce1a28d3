// Fuzzes what is read before a connection has a protocol: PROXY headers and the ClientHello, which come byte by byte from
// strangers and choose an address to believe, or an upstream.

import fc from 'fast-check';
import { MAX_CLIENT_HELLO_BYTES, readClientHello } from '../stream/wire/client-hello.ts';
import { MAX_PROXY_HEADER_BYTES, readProxyHeader } from '../stream/wire/proxy-header.ts';

interface Reading {
  readonly kind: string;
  readonly atLeast?: number;
  readonly length?: number;
  readonly serverName?: string | null;
}

type Reader = (buf: Buffer, end: number) => Reading;

const address = fc.oneof(
  { weight: 4, arbitrary: fc.ipV4() },
  { weight: 4, arbitrary: fc.ipV6() },
  { weight: 1, arbitrary: fc.constantFrom('', '1.2.3', '1.2.3.4.5', '01.2.3.4', '::ffff:1.2.3.4', ':::', '1.2.3.4\0') },
);
const port = fc.oneof(fc.nat(65_535).map(String), fc.constantFrom('', '65536', '080', '-1', '1e3', ' 80'));
const proxyV1 = fc
  .tuple(fc.constantFrom('TCP4', 'TCP6', 'UNKNOWN', 'tcp4', ''), address, address, port, port)
  .map(
    ([family, from, to, fromPort, toPort]) =>
      `PROXY ${family} ${from} ${to} ${fromPort} ${toPort}\r\nGET / HTTP/1.1\r\n`,
  );
const proxyV2 = fc
  .tuple(
    fc.constantFrom(0x20, 0x21, 0x22, 0x11),
    fc.constantFrom(0x00, 0x11, 0x12, 0x21, 0x31, 0x41),
    fc.uint8Array({ maxLength: 300 }),
    fc.integer({ min: -3, max: 3 }),
  )
  .map(([command, family, payload, off]) => {
    const length = Math.max(0, payload.length + off);
    const head = String.fromCharCode(command, family, length >> 8, length & 0xff);
    return `\r\n\r\n\0\r\nQUIT\n${head}${Buffer.from(payload).latin1Slice()}`;
  });

const vector = (bytes: 1 | 2 | 3, text: string): string => {
  const size = Buffer.alloc(bytes);
  size.writeUIntBE(text.length, 0, bytes);
  return size.latin1Slice() + text;
};
const serverName = fc
  .constantFrom('a.test', 'A.Test', 'a'.repeat(255), 'a'.repeat(256), '', 'a\0b', '1.2.3.4')
  .map((name) => `\0\0${vector(2, vector(2, `\0${vector(2, name)}`))}`);
const extension = fc.oneof(
  serverName,
  fc
    .tuple(fc.nat(60), fc.uint8Array({ maxLength: 600 }))
    .map(([type, bytes]) => `\0${String.fromCharCode(type)}${vector(2, Buffer.from(bytes).latin1Slice())}`),
);
const clientHello = fc
  .tuple(fc.array(extension, { maxLength: 6 }), fc.array(fc.integer({ min: 1, max: 400 }), { maxLength: 5 }))
  .map(([extensions, cuts]) => {
    const body = `\x03\x03${'r'.repeat(32)}${vector(1, 'session')}${vector(2, '\x13\x01')}${vector(1, '\0')}${vector(2, extensions.join(''))}`;
    return inRecords(`\x01${vector(3, body)}`, cuts);
  });

/** The handshake message in TLS records of these lengths, and the rest in one. */
function inRecords(message: string, cuts: readonly number[]): string {
  const parts: string[] = [];
  let at = 0;
  for (const cut of cuts) {
    if (at + cut >= message.length) break;
    parts.push(message.slice(at, at + cut));
    at += cut;
  }
  return [...parts, message.slice(at)].map((part) => `\x16\x03\x01${vector(2, part)}`).join('');
}

/** With a few bytes changed, or cut off. */
const damaged = (whole: fc.Arbitrary<string>): fc.Arbitrary<string> =>
  fc
    .tuple(whole, fc.array(fc.tuple(fc.nat(700), fc.nat(255)), { maxLength: 2 }), fc.option(fc.nat(700), { freq: 4 }))
    .map(([text, changes, cut]) => {
      let out = text;
      for (const [where, byte] of changes) {
        if (where < out.length) out = out.slice(0, where) + String.fromCharCode(byte) + out.slice(where + 1);
      }
      return cut === null ? out : out.slice(0, cut);
    });

export const proxyHeaderBytes: fc.Arbitrary<string> = damaged(fc.oneof(proxyV1, proxyV2));
export const clientHelloBytes: fc.Arbitrary<string> = damaged(clientHello);

/** Rejects when the way bytes are split changes what a PROXY header says, or when one reaches beyond its bytes or limit. */
export async function checkProxyHeader(text: string): Promise<void> {
  const reading = checkSplits(text, readProxyHeader);
  if (reading.kind === 'done' && (reading.length ?? 0) > Math.min(text.length, MAX_PROXY_HEADER_BYTES)) {
    throw new Error(`header longer than its bytes: ${JSON.stringify({ text, reading })}`);
  }
}

/** The same for the server name of a ClientHello, which must be among the bytes. */
export async function checkClientHello(text: string): Promise<void> {
  const reading = checkSplits(text, readClientHello) as ReturnType<typeof readClientHello>;
  const name = reading.kind === 'done' ? reading.serverName : null;
  if (name !== null && !isWithin(text, name)) throw new Error(`a name from nowhere: ${JSON.stringify({ text, name })}`);
}

/** The name may be cut by the header of a TLS record. */
function isWithin(text: string, name: string): boolean {
  let at = 0;
  for (const char of name) {
    at = text.indexOf(char, at) + 1;
    if (at === 0) return false;
  }
  return name.length > 0 && name.length <= MAX_CLIENT_HELLO_BYTES;
}

/** Reads what has arrived at each length, as `atLeast` asks for it, and at each byte; both must come to the same. */
function checkSplits(text: string, read: Reader): Reading {
  const buf = Buffer.from(text, 'latin1');
  const whole = read(buf, buf.length);
  for (let end = 0; end <= buf.length; end++) {
    const part = read(buf, end);
    if (part.kind !== 'more') {
      const isSame = JSON.stringify(part) === JSON.stringify(whole);
      if (!isSame) throw new Error(`split at ${end}: ${JSON.stringify({ text, part, whole })}`);
      return whole;
    }
    if ((part.atLeast ?? 0) <= end) throw new Error(`waits for nothing at ${end}: ${JSON.stringify({ text, part })}`);
    // Nonsense may be known earlier.
    const early = read(buf, Math.min(buf.length, (part.atLeast ?? 0) - 1));
    if (early.kind === 'done' && early.serverName !== null) {
      throw new Error(`waits too long at ${end}: ${JSON.stringify({ text, part })}`);
    }
  }
  return whole;
}
