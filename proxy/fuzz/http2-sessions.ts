// Random HTTP/2 conversations as bytes: sound ones, and the same with a few frames broken.
//
// A conversation is a list of frames, each as latin1 text, so that fast-check can make it smaller frame by frame. Header
// blocks are encoded by our encoder with its dynamic table, so the other side also judges that.

import fc from 'fast-check';
import { HpackEncoder, type RequestPseudo } from '../http2/hpack-encoder.ts';
import { Flag, FRAME_HEADER_BYTES, FrameType } from '../http2/protocol.ts';

/** Frames, each one char per byte. */
export type Conversation = readonly string[];

/** A part of one stream that must not be interrupted. `isLast`: it ends the stream. */
type Unit =
  | { readonly kind: 'head'; readonly shape: BlockShape; readonly pseudo: RequestPseudo; readonly lines: string }
  | { readonly kind: 'response'; readonly shape: BlockShape; readonly status: number; readonly lines: string }
  | { readonly kind: 'trailers'; readonly shape: BlockShape; readonly lines: string }
  | { readonly kind: 'data'; readonly payload: string; readonly padding: number };

/** How a header block is put into frames. */
interface BlockShape {
  /** Lengths of the fragments before the last one. */
  readonly cuts: readonly number[];
  readonly padding: number;
  /** With the deprecated priority fields. */
  readonly hasPriority: boolean;
}

const shape: fc.Arbitrary<BlockShape> = fc.record({
  cuts: fc.array(fc.integer({ min: 0, max: 20 }), { maxLength: 3 }),
  padding: fc.constantFrom(-1, -1, 0, 1, 200),
  hasPriority: fc.boolean(),
});
const fieldLines = fc
  .array(
    fc.constantFrom(
      'x-a: 1',
      'x-a: 2',
      'x-b: a b',
      'x-b: ',
      'cookie: a=b',
      'cookie: c=d',
      `x-c: ${'long'.repeat(200)}`,
    ),
    { maxLength: 5 },
  )
  .map((lines) => lines.map((line) => `${line}\r\n`).join(''));
const trailerLines = fc
  .uniqueArray(fc.constantFrom('x-t: 1', 'x-u: ', 'x-v: a b'), { minLength: 1, maxLength: 3 })
  .map((lines) => lines.map((line) => `${line}\r\n`).join(''));
const pseudo: fc.Arbitrary<RequestPseudo> = fc.record({
  method: fc.constantFrom('GET', 'POST', 'PUT', 'DELETE'),
  isHttps: fc.constant(false),
  authority: fc.constantFrom('one.test', 'two.test:80'),
  path: fc.constantFrom('/', '/a', '/a?b=c', '/index.html', '/a//b'),
  isGrpc: fc.boolean(),
});
const data: fc.Arbitrary<Unit> = fc.record({
  kind: fc.constant('data' as const),
  payload: fc.oneof(
    fc.constantFrom('', 'x', 'abc'),
    fc.nat(3000).map((length) => 'y'.repeat(length)),
  ),
  padding: fc.constantFrom(-1, -1, -1, 0, 7, 255),
});
const trailers: fc.Arbitrary<Unit> = fc.record({ kind: fc.constant('trailers' as const), shape, lines: trailerLines });

const request: fc.Arbitrary<readonly Unit[]> = fc
  .tuple(
    fc.record({ kind: fc.constant('head' as const), shape, pseudo, lines: fieldLines }),
    fc.array(data, { maxLength: 4 }),
    fc.option(trailers, { freq: 4 }),
  )
  .map(([head, body, end]) => [head, ...body, ...(end === null ? [] : [end])]);

const response: fc.Arbitrary<readonly Unit[]> = fc
  .tuple(
    fc.array(
      fc.record({ kind: fc.constant('response' as const), shape, status: fc.constant(103), lines: fieldLines }),
      {
        maxLength: 2,
      },
    ),
    fc.record({
      kind: fc.constant('response' as const),
      shape,
      status: fc.constantFrom(200, 200, 201, 404, 500),
      lines: fieldLines,
    }),
    fc.array(data, { maxLength: 4 }),
    fc.option(trailers, { freq: 4 }),
  )
  .map(([early, head, body, end]) => [...early, head, ...body, ...(end === null ? [] : [end])]);

/** Frames that may stand anywhere but in a header block, and change nothing. */
const noise: fc.Arbitrary<string> = fc.constantFrom(
  frame(FrameType.ping, 0, 0, '01234567'),
  frame(FrameType.settings, 0, 0, ''),
  // HEADER_TABLE_SIZE 100, MAX_FRAME_SIZE 16384, one that is unknown.
  frame(FrameType.settings, 0, 0, '\0\x01\0\0\0\x64\0\x05\0\0\x40\0\x0f\x0f\0\0\0\x01'),
  frame(FrameType.windowUpdate, 0, 0, '\0\0\0\x64'),
  frame(FrameType.priority, 0, 1, '\0\0\0\x03\x10'),
  frame(FrameType.priority, 0, 21, '\x80\0\0\x01\0'),
  frame(0xbe, 0xff, 1, 'anything'),
  frame(0xbe, 0, 0, ''),
);

/** What a client sends behind its preface and SETTINGS: up to four requests, their frames mixed. */
export const clientConversation: fc.Arbitrary<Conversation> = mixed(fc.array(request, { minLength: 1, maxLength: 4 }));

/** What a server sends behind its SETTINGS for one request on stream 1. */
export const serverConversation: fc.Arbitrary<Conversation> = mixed(response.map((units) => [units]));

function mixed(streams: fc.Arbitrary<ReadonlyArray<readonly Unit[]>>): fc.Arbitrary<Conversation> {
  const turns = fc.array(fc.oneof({ weight: 4, arbitrary: fc.nat(3) }, { weight: 1, arbitrary: noise }), {
    maxLength: 24,
  });
  return fc.tuple(streams, turns).map(([all, order]) => render(all, order));
}

/** Takes the streams' units in turns; what is left then follows, stream by stream. */
function render(streams: ReadonlyArray<readonly Unit[]>, turns: ReadonlyArray<number | string>): Conversation {
  const encoder = new HpackEncoder();
  const out: string[] = [];
  const waiting = streams.map((units) => ({ id: 0, units: [...units] }));
  let nextId = 1;
  const take = (stream: { id: number; units: Unit[] }): void => {
    const unit = stream.units.shift();
    if (unit === undefined) return;
    if (stream.id === 0) {
      stream.id = nextId;
      nextId += 2;
    }
    out.push(...framesOf(encoder, stream.id, unit, stream.units.length === 0));
  };
  for (const turn of turns) {
    if (typeof turn === 'string') out.push(turn);
    else take(waiting[turn % waiting.length] as (typeof waiting)[number]);
  }
  for (const stream of waiting) while (stream.units.length > 0) take(stream);
  return out;
}

function framesOf(encoder: HpackEncoder, id: number, unit: Unit, isLast: boolean): readonly string[] {
  if (unit.kind === 'data') {
    const flags = (isLast ? Flag.endStream : 0) | (unit.padding < 0 ? 0 : Flag.padded);
    return [frame(FrameType.data, flags, id, padded(unit.payload, unit.padding))];
  }
  const out = Buffer.alloc(HpackEncoder.roomFor(unit.lines) + 1024);
  const end =
    unit.kind === 'head'
      ? encoder.encodeRequest(unit.pseudo, `${unit.lines}\r\n`, 0, out, 0)
      : encoder.encode(unit.kind === 'trailers' ? 0 : unit.status, `${unit.lines}\r\n`, 0, out, 0);
  return blockFrames(id, out.latin1Slice(0, end), unit.shape, isLast);
}

function blockFrames(id: number, block: string, { cuts, padding, hasPriority }: BlockShape, isLast: boolean): string[] {
  const parts: string[] = [];
  let at = 0;
  for (const cut of cuts) {
    parts.push(block.slice(at, at + cut));
    at += cut;
  }
  parts.push(block.slice(at));
  return parts.map((part, index) => {
    const endHeaders = index === parts.length - 1 ? Flag.endHeaders : 0;
    if (index > 0) return frame(FrameType.continuation, endHeaders, id, part);
    const flags = endHeaders | (isLast ? Flag.endStream : 0) | (padding < 0 ? 0 : Flag.padded);
    const priority = hasPriority ? '\0\0\0\0\x0f' : '';
    return frame(FrameType.headers, flags | (hasPriority ? Flag.priority : 0), id, padded(priority + part, padding));
  });
}

/** `length` -1: the payload as it is, without the field for the length. */
function padded(payload: string, length: number): string {
  return length < 0 ? payload : String.fromCharCode(length) + payload + '\0'.repeat(length);
}

function frame(type: number, flags: number, id: number, payload: string): string {
  const header = Buffer.alloc(FRAME_HEADER_BYTES);
  header.writeUIntBE(payload.length, 0, 3);
  header.writeUInt8(type, 3);
  header.writeUInt8(flags, 4);
  header.writeUInt32BE(id, 5);
  return header.latin1Slice() + payload;
}

type Mutation =
  | { readonly kind: 'drop' | 'repeat' | 'swap'; readonly at: number }
  | { readonly kind: 'byte'; readonly at: number; readonly where: number; readonly value: number }
  | { readonly kind: 'insert'; readonly at: number; readonly frame: string };

const mutation: fc.Arbitrary<Mutation> = fc.oneof(
  fc.record({ kind: fc.constantFrom('drop' as const, 'repeat' as const, 'swap' as const), at: fc.nat(30) }),
  // Mostly in the header of a frame: type, flags, stream.
  fc.record({
    kind: fc.constant('byte' as const),
    at: fc.nat(30),
    where: fc.oneof(fc.constantFrom(2, 3, 4, 4, 4, 8, 8), fc.nat(60)),
    value: fc.oneof(fc.constantFrom(0, 1, 4, 5, 8, 9, 0x20, 0xff), fc.nat(255)),
  }),
  fc.record({
    kind: fc.constant('insert' as const),
    at: fc.nat(30),
    frame: fc
      .tuple(
        fc.nat(12),
        fc.constantFrom(0, 1, 4, 5, 8, 0xff),
        fc.constantFrom(0, 1, 2, 3, 5, 21),
        fc.constantFrom('', 'x', '\0\0\0\0', '\x7f\xff\xff\xff', '\x82\x84\x86', '01234567'),
      )
      .map(([type, flags, id, payload]) => frame(type, flags, id, payload)),
  }),
);

/** The same with one to three things wrong. */
export function broken(conversation: fc.Arbitrary<Conversation>): fc.Arbitrary<Conversation> {
  return fc
    .tuple(conversation, fc.array(mutation, { minLength: 1, maxLength: 3 }))
    .map(([frames, mutations]) => mutations.reduce(mutate, frames));
}

function mutate(frames: Conversation, change: Mutation): Conversation {
  const at = change.at % Math.max(1, frames.length);
  const one = frames[at] ?? '';
  switch (change.kind) {
    case 'drop':
      return frames.toSpliced(at, 1);
    case 'repeat':
      return frames.toSpliced(at, 0, one);
    case 'swap':
      return frames.toSpliced(at, 2, ...frames.slice(at, at + 2).reverse());
    case 'insert':
      return frames.toSpliced(at, 0, change.frame);
    default: {
      const where = change.where % Math.max(1, one.length);
      return frames.with(at, one.slice(0, where) + String.fromCharCode(change.value) + one.slice(where + 1));
    }
  }
}
