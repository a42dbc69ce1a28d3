// Frames: the same events however the bytes are split, and each rule about sizes and stream numbers.

import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { FrameReader } from './frame-reader.ts';
import { ErrorCode, Flag, FrameType } from './protocol.ts';

function frame(type: number, flags: number, streamId: number, payload: Buffer | string): Buffer {
  const bytes = Buffer.from(payload);
  const out = Buffer.alloc(9 + bytes.length);
  out.writeUIntBE(bytes.length, 0, 3);
  out[3] = type;
  out[4] = flags;
  out.writeUInt32BE(streamId, 5);
  bytes.copy(out, 9);
  return out;
}

interface Seen {
  readonly frames: string[];
  readonly error: number;
}

/** Feeds the pieces and writes down what came, DATA put together again. */
function readAll(pieces: readonly Buffer[]): Seen {
  const reader = new FrameReader();
  const frames: string[] = [];
  let data = '';
  let flow = 0;
  for (const piece of pieces) {
    let at = 0;
    for (;;) {
      const event = reader.next(piece, at, piece.length);
      if (event === 'more') break;
      if (event === 'error') return { frames, error: reader.errorCode };
      at = reader.position;
      const { type, flags, streamId, payload, payloadStart, payloadEnd } = reader;
      if (event === 'data') {
        data += payload.latin1Slice(payloadStart, payloadEnd);
        flow += reader.flowBytes;
        if (!reader.isFrameEnd) continue;
        frames.push(`data ${flags} ${streamId} ${flow} ${data}`);
        data = '';
        flow = 0;
      } else if (event === 'unknown') frames.push(`unknown ${streamId}`);
      else frames.push(`${type} ${flags} ${streamId} ${payload.latin1Slice(payloadStart, payloadEnd)}`);
    }
  }
  return { frames, error: ErrorCode.noError };
}

const anyPayload = fc.uint8Array({ maxLength: 60 }).map((bytes) => Buffer.from(bytes));
const streamId = fc.constantFrom(1, 3, 5);
const anyFrame = fc.oneof(
  fc.tuple(streamId, anyPayload, fc.boolean()).map(([id, payload, isLast]) => frame(0, isLast ? 1 : 0, id, payload)),
  fc
    .tuple(streamId, anyPayload, fc.nat(20))
    .map(([id, payload, pad]) =>
      frame(0, Flag.padded, id, Buffer.concat([Buffer.from([pad]), payload, Buffer.alloc(pad)])),
    ),
  fc.tuple(streamId, anyPayload).map(([id, payload]) => frame(FrameType.headers, Flag.endHeaders, id, payload)),
  fc
    .tuple(streamId, anyPayload, anyPayload)
    .map(([id, first, second]) =>
      Buffer.concat([
        frame(FrameType.headers, 0, id, first),
        frame(FrameType.continuation, Flag.endHeaders, id, second),
      ]),
    ),
  fc.constant(frame(FrameType.settings, 0, 0, Buffer.alloc(12))),
  fc.constant(frame(FrameType.ping, 0, 0, '12345678')),
  streamId.map((id) => frame(FrameType.windowUpdate, 0, id, Buffer.from([0, 0, 1, 0]))),
  fc.tuple(streamId, anyPayload).map(([id, payload]) => frame(0xee, 0xff, id, payload)),
);

test('the way bytes are split into reads changes nothing', () => {
  fc.assert(
    fc.property(
      fc.array(anyFrame, { minLength: 1, maxLength: 8 }),
      fc.array(fc.nat(600), { maxLength: 12 }),
      (frames, cuts) => {
        const bytes = Buffer.concat(frames);
        const sorted = [...new Set(cuts.map((cut) => cut % (bytes.length + 1)))].sort((a, b) => a - b);
        const pieces = [0, ...sorted].map((from, at) => bytes.subarray(from, sorted[at] ?? bytes.length));
        expect(readAll(pieces)).toEqual(readAll([bytes]));
      },
    ),
  );
});

test('byte by byte', () => {
  const bytes = Buffer.concat([
    frame(FrameType.settings, 0, 0, ''),
    frame(FrameType.headers, Flag.endHeaders | Flag.padded | Flag.priority, 1, '\x02.....block..'),
    frame(FrameType.data, Flag.padded | Flag.endStream, 1, '\x03hello...'),
    frame(FrameType.data, 0, 1, ''),
    frame(0x77, 0, 9, 'ignored'),
  ]);
  const pieces = [...bytes].map((byte) => Buffer.from([byte]));
  expect(readAll(pieces).frames).toEqual(['4 0 0 ', '1 44 1 block', 'data 9 1 9 hello', 'data 0 1 0 ', 'unknown 9']);
});

describe('connection errors', () => {
  const { protocolError, frameSizeError } = ErrorCode;
  test.each([
    ['a frame larger than 16,384 bytes', frame(0, 0, 1, Buffer.alloc(16_385)), frameSizeError],
    ['DATA on stream 0', frame(FrameType.data, 0, 0, 'a'), protocolError],
    ['HEADERS on stream 0', frame(FrameType.headers, Flag.endHeaders, 0, 'a'), protocolError],
    ['PRIORITY on stream 0', frame(FrameType.priority, 0, 0, '12345'), protocolError],
    ['RST_STREAM on stream 0', frame(FrameType.rstStream, 0, 0, '1234'), protocolError],
    ['RST_STREAM of a wrong size', frame(FrameType.rstStream, 0, 1, '12345'), frameSizeError],
    ['SETTINGS on a stream', frame(FrameType.settings, 0, 1, ''), protocolError],
    ['SETTINGS of a wrong size', frame(FrameType.settings, 0, 0, '12345'), frameSizeError],
    ['SETTINGS ACK with payload', frame(FrameType.settings, Flag.ack, 0, '123456'), frameSizeError],
    ['PUSH_PROMISE', frame(FrameType.pushPromise, Flag.endHeaders, 1, '1234'), protocolError],
    ['PING on a stream', frame(FrameType.ping, 0, 1, '12345678'), protocolError],
    ['PING of a wrong size', frame(FrameType.ping, 0, 0, '1234567'), frameSizeError],
    ['GOAWAY on a stream', frame(FrameType.goAway, 0, 1, '12345678'), protocolError],
    ['GOAWAY of a wrong size', frame(FrameType.goAway, 0, 0, '1234567'), frameSizeError],
    ['WINDOW_UPDATE of a wrong size', frame(FrameType.windowUpdate, 0, 1, '123'), frameSizeError],
    ['CONTINUATION without HEADERS', frame(FrameType.continuation, Flag.endHeaders, 1, ''), protocolError],
    ['PRIORITY_UPDATE on a stream', frame(FrameType.priorityUpdate, 0, 1, '1234u=1'), protocolError],
    ['DATA with padding as long as its payload', frame(FrameType.data, Flag.padded, 1, '\x01'), protocolError],
    ['HEADERS with padding as long as its payload', frame(FrameType.headers, 0xc, 1, '\x01'), protocolError],
    ['HEADERS too short for its flags', frame(FrameType.headers, 0x24, 1, '1234'), frameSizeError],
    [
      'another frame inside a header block',
      Buffer.concat([frame(FrameType.headers, 0, 1, 'a'), frame(FrameType.ping, 0, 0, '12345678')]),
      protocolError,
    ],
    [
      'CONTINUATION of another stream',
      Buffer.concat([frame(FrameType.headers, 0, 1, 'a'), frame(FrameType.continuation, 4, 3, 'b')]),
      protocolError,
    ],
    [
      'an unknown frame inside a header block',
      Buffer.concat([frame(FrameType.headers, 0, 1, 'a'), frame(0x99, 0, 1, 'b')]),
      protocolError,
    ],
  ])('%s', (_name, bytes, code) => {
    expect(readAll([bytes]).error).toBe(code);
    expect(readAll([...bytes].map((byte) => Buffer.from([byte]))).error).toBe(code);
  });
});

test('the reserved bit of a stream number is ignored', () => {
  expect(readAll([frame(FrameType.data, 0, 0x80000001, 'a')]).frames).toEqual(['data 0 1 1 a']);
});
