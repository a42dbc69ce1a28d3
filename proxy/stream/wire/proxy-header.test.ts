import { isIP } from 'node:net';
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { crc32c } from './crc32c.ts';
import { MAX_PROXY_HEADER_BYTES, type ProxyHeaderReading, readProxyHeader } from './proxy-header.ts';
import { renderProxyV1 } from './proxy-header-writer.ts';
import { proxyV2, tlv, withChecksum } from './testing/header-bytes.ts';

const addresses = {
  sourceAddress: '192.0.2.1',
  sourcePort: 56324,
  destinationAddress: '192.0.2.2',
  destinationPort: 443,
};
const ipv4 = Buffer.from([192, 0, 2, 1, 192, 0, 2, 2, 0xdc, 4, 1, 0xbb]);
const ipv6 = Buffer.from(`20010db8${'0'.repeat(23)}1${'0'.repeat(20)}ffffc0000202dc0401bb`, 'hex');

const read = (bytes: Buffer) => readProxyHeader(bytes, bytes.length);
const text = (line: string) => Buffer.from(line, 'latin1');

describe('version 1', () => {
  test.each<[string, ProxyHeaderReading['kind'] | null]>([
    ['PROXY TCP4 192.0.2.1 192.0.2.2 56324 443\r\n', null],
    ['PROXY UNKNOWN\r\n', 'done'],
    ['PROXY UNKNOWN ffff:f...f:ffff 65535\r\n', 'done'],
    ['PROXY TCP4 192.0.2.1 192.0.2.2 56324 443', 'more'],
    ['P', 'more'],
    ['PROXY', 'more'],
    ['PROXY TCP4 192.0.2.1 192.0.2.2 56324 443\n', 'refused'],
    ['PROXY TCP4 192.0.2.1 192.0.2.2 56324\r\n', 'refused'],
    ['PROXY TCP4 192.0.2.1 192.0.2.2 56324 443 \r\n', 'refused'],
    ['PROXY  TCP4 192.0.2.1 192.0.2.2 56324 443\r\n', 'refused'],
    ['PROXY TCP4 192.0.2.01 192.0.2.2 56324 443\r\n', 'refused'],
    ['PROXY TCP4 192.0.2.256 192.0.2.2 56324 443\r\n', 'refused'],
    ['PROXY TCP4 ::1 ::2 56324 443\r\n', 'refused'],
    ['PROXY TCP6 192.0.2.1 192.0.2.2 56324 443\r\n', 'refused'],
    ['PROXY TCP6 fe80::1%eth0 ::2 1 2\r\n', 'refused'],
    ['PROXY TCP4 192.0.2.1 192.0.2.2 65536 443\r\n', 'refused'],
    ['PROXY TCP4 192.0.2.1 192.0.2.2 0443 443\r\n', 'refused'],
    ['PROXY TCP4 192.0.2.1 192.0.2.2 -1 443\r\n', 'refused'],
    ['PROXY UDP4 192.0.2.1 192.0.2.2 1 2\r\n', 'refused'],
    ['PROXY UNKNOWNED\r\n', 'refused'],
    ['proxy TCP4 192.0.2.1 192.0.2.2 56324 443\r\n', 'refused'],
    ['PROXX', 'refused'],
    [`PROXY UNKNOWN ${'x'.repeat(93)}`, 'refused'],
    ['GET / HTTP/1.1\r\n', 'refused'],
  ])('%j', (line, want) => {
    const bytes = text(line);
    if (want === null) expect(read(bytes)).toEqual({ kind: 'done', length: bytes.length, addresses });
    else expect(read(bytes).kind).toBe(want);
  });

  test('the longest line of the specification is read', () => {
    const address = 'ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff';
    const bytes = text(`PROXY UNKNOWN ${address} ${address} 65535 65535\r\n`);
    expect(bytes.length).toBe(107);
    expect(read(bytes)).toEqual({ kind: 'done', length: 107, addresses: null });
  });

  test('what is rendered is read again, whatever the addresses', () => {
    const anyPort = fc.nat(65_535);
    const some = fc.record({
      sourceAddress: fc.oneof(fc.ipV4(), fc.ipV6()),
      sourcePort: anyPort,
      destinationAddress: fc.oneof(fc.ipV4(), fc.ipV6()),
      destinationPort: anyPort,
    });
    fc.assert(
      fc.property(some, (ends) => {
        const bytes = text(renderProxyV1(ends));
        const reading = read(bytes);
        const again = reading.kind === 'done' ? reading.addresses : null;
        expect(again).not.toBeNull();
        expect(reading).toMatchObject({ length: bytes.length, addresses: { sourcePort: ends.sourcePort } });
        expect(isIP(again?.sourceAddress ?? '')).toBeGreaterThan(0);
        if (again !== null) expect(read(text(renderProxyV1(again)))).toMatchObject({ addresses: again });
      }),
    );
  });

  test('an address that is none is rendered as unknown', () => {
    expect(renderProxyV1({ ...addresses, sourceAddress: '' })).toBe('PROXY UNKNOWN\r\n');
  });

  test('families are not mixed in one line', () => {
    const line = renderProxyV1({ ...addresses, destinationAddress: '2001:db8::1' });
    expect(line).toBe('PROXY TCP6 ::ffff:192.0.2.1 2001:db8::1 56324 443\r\n');
  });
});

describe('version 2', () => {
  const done = (bytes: Buffer, want: typeof addresses | null) => ({
    kind: 'done',
    length: bytes.length,
    addresses: want,
  });

  test('TCP over IPv4', () => {
    const bytes = proxyV2({ family: 0x11, content: ipv4 });
    expect(read(bytes)).toEqual(done(bytes, addresses));
  });

  test('TCP over IPv6; a mapped address is shown as IPv4', () => {
    const bytes = proxyV2({ family: 0x21, content: ipv6 });
    expect(read(bytes)).toEqual(done(bytes, { ...addresses, sourceAddress: '2001:db8::1' }));
  });

  test.each<[string, Parameters<typeof proxyV2>[0]]>([
    ['LOCAL without addresses', { command: 0, family: 0, content: Buffer.alloc(0) }],
    ['LOCAL with addresses, which do not count', { command: 0, family: 0x11, content: ipv4 }],
    ['unspecified', { family: 0, content: Buffer.alloc(0) }],
    ['a UNIX socket', { family: 0x31, content: Buffer.alloc(216) }],
  ])('%s gives no address', (_name, header) => {
    const bytes = proxyV2(header);
    expect(read(bytes)).toEqual(done(bytes, null));
  });

  test('TLVs are skipped', () => {
    const bytes = proxyV2({
      family: 0x11,
      content: Buffer.concat([ipv4, tlv(2, 'a.test'), tlv(0xea, 'x'.repeat(3000))]),
    });
    expect(read(bytes)).toEqual(done(bytes, addresses));
  });

  test('a header of 4096 bytes is read', () => {
    const content = Buffer.concat([ipv4, tlv(0xea, 'x'.repeat(MAX_PROXY_HEADER_BYTES - 16 - ipv4.length - 3))]);
    const bytes = proxyV2({ family: 0x11, content });
    expect(bytes).toHaveLength(MAX_PROXY_HEADER_BYTES);
    expect(read(bytes)).toEqual(done(bytes, addresses));
  });

  test('a checksum must be right', () => {
    const bytes = withChecksum({ family: 0x11, content: Buffer.concat([ipv4, tlv(4, 'noo')]) });
    expect(read(bytes)).toEqual(done(bytes, addresses));
    // The addresses, and the checksum itself.
    const checksumAt = bytes.length - 4;
    for (const at of [...ipv4.keys().map((i) => 16 + i), checksumAt, checksumAt + 3]) {
      const flipped = Buffer.from(bytes);
      flipped[at] = (flipped[at] ?? 0) ^ 1;
      expect(read(flipped).kind).toBe('refused');
    }
  });

  test.each<[string, Buffer]>([
    ['version 1', proxyV2({ version: 1, family: 0x11, content: ipv4 })],
    ['an unknown command', proxyV2({ command: 2, family: 0x11, content: ipv4 })],
    ['an unknown family', proxyV2({ family: 0x41, content: ipv4 })],
    ['an unknown transport', proxyV2({ family: 0x13, content: ipv4 })],
    ['cut IPv4 addresses', proxyV2({ family: 0x11, content: ipv4.subarray(1) })],
    ['cut IPv6 addresses', proxyV2({ family: 0x21, content: ipv6.subarray(1) })],
    ['cut UNIX addresses', proxyV2({ family: 0x31, content: Buffer.alloc(213) })],
    ['a TLV cut in its length', proxyV2({ family: 0x11, content: Buffer.concat([ipv4, Buffer.from([4, 0])]) })],
    ['a TLV cut in its value', proxyV2({ family: 0x11, content: Buffer.concat([ipv4, Buffer.from([4, 0, 2, 0])]) })],
    ['a checksum of three bytes', proxyV2({ family: 0x11, content: Buffer.concat([ipv4, tlv(3, 'abc')]) })],
    ['too much', proxyV2({ family: 0x11, content: Buffer.alloc(MAX_PROXY_HEADER_BYTES) }).subarray(0, 16)],
    ['a wrong signature', Buffer.from('\r\n\r\n\0\r\nQUIX')],
  ])('%s is refused', (_name, bytes) => {
    expect(read(bytes).kind).toBe('refused');
  });

  test('the checksum is CRC-32C', () => {
    // RFC 3720 appendix B.4, and the usual check value.
    expect(crc32c(Buffer.from('123456789'), 0, 9, -1)).toBe(0xe3069283);
    expect(crc32c(Buffer.alloc(32), 0, 32, -1)).toBe(0x8a9136aa);
  });
});

describe('any split, any bytes', () => {
  const headers = [
    text('PROXY TCP4 192.0.2.1 192.0.2.2 56324 443\r\n'),
    text('PROXY UNKNOWN\r\n'),
    proxyV2({ family: 0x11, content: Buffer.concat([ipv4, tlv(2, 'name')]) }),
    proxyV2({ family: 0x21, content: ipv6 }),
    proxyV2({ command: 0, family: 0, content: Buffer.alloc(0) }),
  ];

  test.each(headers)('of every proper part more is wanted, and not too much', (header) => {
    for (let length = 0; length < header.length; length++) {
      const reading = readProxyHeader(header.subarray(0, length), length);
      expect(reading.kind).toBe('more');
      expect(reading.kind === 'more' && reading.atLeast > length && reading.atLeast <= header.length).toBe(true);
    }
  });

  test('bytes behind the header change nothing', () => {
    fc.assert(
      fc.property(fc.constantFrom(...headers), fc.uint8Array({ maxLength: 50 }), (header, behind) => {
        const bytes = Buffer.concat([header, behind]);
        expect(read(bytes)).toEqual(read(header));
      }),
    );
  });

  test('nothing throws, nothing waits beyond the limit, no header is longer than what is there', () => {
    const mutated = fc
      .tuple(fc.constantFrom(...headers), fc.nat(80), fc.nat(255))
      .map(([header, at, byte]) => Buffer.from(header.map((old, i) => (i === at ? byte : old))));
    fc.assert(
      fc.property(fc.oneof(mutated, fc.uint8Array({ maxLength: 200 }).map(Buffer.from)), (bytes) => {
        const reading = read(bytes);
        if (reading.kind === 'more') expect(reading.atLeast).toBeLessThanOrEqual(MAX_PROXY_HEADER_BYTES);
        if (reading.kind === 'more') expect(reading.atLeast).toBeGreaterThan(bytes.length);
        if (reading.kind === 'done') expect(reading.length).toBeLessThanOrEqual(bytes.length);
      }),
      { numRuns: 5000 },
    );
  });
});
