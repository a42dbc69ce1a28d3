// The known attacks on HTTP/2 servers, each as the bytes that one connection sends, and how a server should end it.

import { ACK, END_HEADERS, END_STREAM, frame, literal, request, setting, streams, Type, uint32 } from './frames.ts';

/** RFC 9113 §7. */
const ErrorCode = { enhanceYourCalm: 11 } as const;

export interface Attack {
  readonly name: string;
  /** Everything behind the preface, cut into what is written at a time. */
  readonly parts: readonly Buffer[];
  /** How the server ends the connection: the GOAWAY, and where single streams end first, the code of their RST_STREAM. */
  readonly end: { readonly goAway: number; readonly text: string; readonly reset?: number };
}

/** The host that attackers ask: `/never` answers nothing, `/big` 256 KB. */
export const VICTIM = 'victim.test';

/** Far beyond every allowance, so that a server without limits has work. */
const MANY = 20_000;
/** Bytes of one write. */
const PART_BYTES = 64 * 1024;

const never = request(VICTIM, '/never');
const CANCEL = uint32(8);
const REFUSED_STREAM = 7;
const PROTOCOL_ERROR = 1;
const FLOW_CONTROL_ERROR = 3;
const INITIAL_WINDOW_SIZE = 4;

export const ATTACKS: readonly Attack[] = [
  attack(
    'concurrent streams beyond the limit',
    'resetFlood',
    each(2000, (id) => get(id)),
    REFUSED_STREAM,
  ),
  attack(
    'rapid reset (CVE-2023-44487)',
    'resetFlood',
    each(5000, (id) => [get(id), frame(Type.rstStream, 0, id, CANCEL)]),
  ),
  attack(
    'made you reset (CVE-2025-8671): window updates of 0',
    'resetFlood',
    each(5000, (id) => [get(id), frame(Type.windowUpdate, 0, id, uint32(0))]),
    PROTOCOL_ERROR,
  ),
  attack(
    'made you reset: windows that overflow',
    'resetFlood',
    each(5000, (id) => [get(id), frame(Type.windowUpdate, 0, id, uint32(0x7fffffff))]),
    FLOW_CONTROL_ERROR,
  ),
  attack('made you reset: malformed requests', 'resetFlood', each(5000, malformed), PROTOCOL_ERROR),
  attack('CONTINUATION flood (CVE-2024-27316), empty frames', 'headerBlockTooLarge', [
    frame(Type.headers, END_STREAM, 1, never),
    ...times(MANY, frame(Type.continuation, 0, 1)),
  ]),
  attack('CONTINUATION flood, full frames', 'headerBlockTooLarge', [
    frame(Type.headers, END_STREAM, 1, never),
    ...times(200, frame(Type.continuation, 0, 1, literal('x-a', 'a'.repeat(16_000)))),
  ]),
  attack('SETTINGS flood (CVE-2019-9515)', 'settingsFlood', times(MANY, frame(Type.settings, 0, 0))),
  attack('SETTINGS that move the windows of open streams', 'settingsFlood', [
    ...streams(100).map((id) => get(id)),
    ...Array.from({ length: MANY }, (_, at) =>
      frame(Type.settings, 0, 0, setting(INITIAL_WINDOW_SIZE, 1000 + (at % 2))),
    ),
  ]),
  attack('PING flood (CVE-2019-9512)', 'pingFlood', times(MANY, frame(Type.ping, 0, 0, '12345678'))),
  attack('PING ACK flood', 'pingFlood', times(MANY, frame(Type.ping, ACK, 0, '12345678'))),
  attack('empty frames (CVE-2019-9518)', 'emptyFrameFlood', [post(1), ...times(MANY, frame(Type.data, 0, 1))]),
  attack('window updates of one byte', 'windowUpdateFlood', times(MANY, frame(Type.windowUpdate, 0, 0, uint32(1)))),
  attack('priority flood (CVE-2019-9513)', 'priorityFlood', times(MANY, frame(Type.priority, 0, 3, '\0\0\0\x01\x10'))),
  attack(
    'PRIORITY_UPDATE flood',
    'priorityFlood',
    times(MANY, frame(Type.priorityUpdate, 0, 0, Buffer.concat([uint32(1), Buffer.from('u=1, i')]))),
  ),
  attack('unknown frames', 'unknownFrameFlood', times(MANY, frame(0xee, 0, 0, 'x'))),
  attack('header lists beyond the limit', 'resetFlood', each(1000, largeList)),
  attack('HPACK bombs (CVE-2016-6581)', 'resetFlood', each(1000, bomb)),
  attack('windows that stay closed', 'windowStall', [
    frame(Type.settings, 0, 0, setting(INITIAL_WINDOW_SIZE, 0)),
    ...streams(100).map((id) => frame(Type.headers, END_STREAM | END_HEADERS, id, request(VICTIM, '/big'))),
  ]),
];

function attack(name: string, text: string, frames: readonly Buffer[], reset?: number): Attack {
  const end = { goAway: ErrorCode.enhanceYourCalm, text, ...(reset === undefined ? {} : { reset }) };
  return { name, parts: inParts(frames), end };
}

function inParts(frames: readonly Buffer[]): readonly Buffer[] {
  const all = Buffer.concat(frames);
  const count = Math.ceil(all.length / PART_BYTES);
  return Array.from({ length: count }, (_, at) => all.subarray(at * PART_BYTES, (at + 1) * PART_BYTES));
}

function each(count: number, make: (id: number) => Buffer | readonly Buffer[]): readonly Buffer[] {
  return streams(count).flatMap(make);
}

function times(count: number, bytes: Buffer): readonly Buffer[] {
  return Array.from({ length: count }, () => bytes);
}

function get(id: number): Buffer {
  return frame(Type.headers, END_STREAM | END_HEADERS, id, never);
}

function post(id: number): Buffer {
  return frame(Type.headers, END_HEADERS, id, request(VICTIM, '/never', 'POST'));
}

function malformed(id: number): Buffer {
  return frame(Type.headers, END_STREAM | END_HEADERS, id, Buffer.concat([never, literal('connection', 'close')]));
}

/** Three fields of 15 KB: more than any head may have, in frames of the allowed size. */
function largeList(id: number): readonly Buffer[] {
  const field = literal('x-a', 'a'.repeat(15_000));
  return [
    frame(Type.headers, END_STREAM, id, never),
    frame(Type.continuation, 0, id, field),
    frame(Type.continuation, 0, id, field),
    frame(Type.continuation, END_HEADERS, id, field),
  ];
}

/** A field of 3.9 KB in the dynamic table, named 8,000 times by one byte each: 14 KB on the wire stand for 31 MB. */
function bomb(id: number): Buffer {
  const first = literal('x', 'y'.repeat(3900), true);
  return frame(Type.headers, END_STREAM | END_HEADERS, id, Buffer.concat([never, first, Buffer.alloc(8000, 0xbe)]));
}
