import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { MAX_CLIENT_HELLO_BYTES, readClientHello } from './client-hello.ts';
import { clientHello, extension, inRecords, serverName } from './testing/hello-bytes.ts';

const grease = extension(0x0a0a, Buffer.alloc(0));
const padding = (bytes: number) => extension(21, Buffer.alloc(bytes));
/** Where the length of the extensions stands in what `clientHello` builds. */
const EXTENSIONS_AT = 4 + 2 + 32 + 33 + 6 + 2;
const whole = inRecords(clientHello([grease, serverName('a.test'), padding(100)]));

describe('readClientHello', () => {
  test.each<[string, Buffer, string | null]>([
    ['the name among other extensions', whole, 'a.test'],
    ['the name in the last extension', inRecords(clientHello([padding(12_000), serverName('z.test')])), 'z.test'],
    ['records of 100 bytes', inRecords(clientHello([padding(300), serverName('b.test')]), 100), 'b.test'],
    ['records of one byte', inRecords(clientHello([serverName('c.test')]), 1), 'c.test'],
    ['bytes behind it', Buffer.concat([whole, Buffer.alloc(100)]), 'a.test'],
    ['no name', inRecords(clientHello([grease])), null],
    ['no extensions', inRecords(clientHello(null)), null],
    ['an empty name', inRecords(clientHello([serverName('')])), null],
    ['a name of 256 bytes', inRecords(clientHello([serverName('x'.repeat(256))])), null],
    ['two names', inRecords(clientHello([extension(0, twoNames())])), null],
    ['a cut name list', inRecords(clientHello([extension(0, Buffer.from([0, 9, 0, 0, 1]))])), null],
    ['another handshake message', inRecords(clientHello([serverName('a.test')], 2)), null],
    ['a name of another type', inRecords(clientHello([extension(0, Buffer.from([0, 4, 1, 0, 1, 97]))])), null],
    [
      'a list that claims more than it has',
      inRecords(clientHello([extension(0, Buffer.from([0, 9, 0, 0, 1, 97]))])),
      null,
    ],
    ['a name of 255 bytes', inRecords(clientHello([serverName('x'.repeat(255))])), 'x'.repeat(255)],
    ['a name behind the end of the message', inRecords(cutAt(clientHello([grease, serverName('a.test')]), 4)), null],
    [
      'a name behind the end of the extensions',
      inRecords(shorterExtensions(clientHello([serverName('a.test')]))),
      null,
    ],
    ['all of 16 KiB', exactly(MAX_CLIENT_HELLO_BYTES), 'z.test'],
    ['plain HTTP', Buffer.from('GET / HTTP/1.1\r\n\r\n'), null],
    ['a TLS alert', Buffer.from([21, 3, 3, 0, 2, 2, 40]), null],
    ['SSL 2', Buffer.from([0x80, 46, 1, 3, 1]), null],
    ['a record of another version', Buffer.concat([Buffer.from([22, 2]), whole.subarray(2)]), null],
    ['an empty record', Buffer.from([22, 3, 1, 0, 0]), null],
    ['a record over the limit', Buffer.from([22, 3, 1, 0x40, 1]), null],
    ['a name behind 16 KiB', inRecords(clientHello([padding(MAX_CLIENT_HELLO_BYTES), serverName('a.test')])), null],
  ])('%s', (_name, bytes, want) => {
    expect(readClientHello(bytes, bytes.length)).toEqual({ kind: 'done', serverName: want });
  });

  test.each([1, 5, 9, 50, whole.length - 1])('of the first %i bytes it wants more', (length) => {
    const reading = readClientHello(whole.subarray(0, length), length);
    expect(reading.kind).toBe('more');
    expect(reading.kind === 'more' && reading.atLeast > length && reading.atLeast <= whole.length).toBe(true);
  });

  test('one of all 16 KiB is waited for', () => {
    const bytes = exactly(MAX_CLIENT_HELLO_BYTES);
    expect(bytes).toHaveLength(MAX_CLIENT_HELLO_BYTES);
    expect(readClientHello(bytes, 100)).toEqual({ kind: 'more', atLeast: MAX_CLIENT_HELLO_BYTES });
  });

  test('how it is split into records and segments makes no difference', () => {
    const message = clientHello([grease, padding(2000), serverName('split.test')]);
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 3000 }), fc.array(fc.integer({ min: 1, max: 400 })), (record, steps) => {
        const bytes = inRecords(message, record);
        let end = 0;
        let wanted = 1;
        for (const step of [...steps, bytes.length]) {
          end = Math.min(end + step, bytes.length);
          const reading = readClientHello(bytes, end);
          if (reading.kind === 'done') {
            expect(reading.serverName).toBe('split.test');
            return;
          }
          // Nothing may be said to be needed that is not: a client that has sent it all would wait for ever.
          expect(reading.atLeast).toBeGreaterThan(end);
          expect(reading.atLeast).toBeLessThanOrEqual(bytes.length);
          expect(reading.atLeast).toBeGreaterThanOrEqual(wanted);
          wanted = reading.atLeast;
        }
        throw new Error('never done');
      }),
    );
  });

  test('any bytes give an answer, and at 16 KiB a final one', () => {
    const nearly = fc
      .tuple(fc.nat(whole.length - 1), fc.nat(255), fc.nat(whole.length))
      .map(([at, byte, cut]) =>
        Buffer.concat([whole.subarray(0, at), Buffer.from([byte]), whole.subarray(at + 1, cut)]),
      );
    fc.assert(
      fc.property(fc.oneof(nearly, fc.uint8Array({ maxLength: 300 }).map(Buffer.from)), (bytes) => {
        const reading = readClientHello(bytes, bytes.length);
        if (reading.kind === 'more') expect(reading.atLeast).toBeGreaterThan(bytes.length);
        const padded = Buffer.concat([bytes, Buffer.alloc(MAX_CLIENT_HELLO_BYTES, 22)]);
        expect(readClientHello(padded, padded.length).kind).toBe('done');
      }),
      { numRuns: 2000 },
    );
  });
});

/** The message says that it ends behind the first `kept` bytes of its extensions; the others follow nevertheless. */
function cutAt(message: Buffer, kept: number): Buffer {
  const out = Buffer.from(message);
  out.writeUIntBE(EXTENSIONS_AT + 2 + kept - 4, 1, 3);
  return out;
}

/** The extensions say that they end two bytes early; the message does not. */
function shorterExtensions(message: Buffer): Buffer {
  const out = Buffer.from(message);
  out.writeUInt16BE(out.readUInt16BE(EXTENSIONS_AT) - 2, EXTENSIONS_AT);
  return out;
}

/** One record and its header, so many bytes long, with the name at the end. */
function exactly(bytes: number): Buffer {
  const short = inRecords(clientHello([padding(0), serverName('z.test')])).length;
  return inRecords(clientHello([padding(bytes - short), serverName('z.test')]));
}

function twoNames(): Buffer {
  const entry = Buffer.from([0, 0, 1, 97]);
  return Buffer.concat([Buffer.from([0, 8]), entry, entry]);
}
