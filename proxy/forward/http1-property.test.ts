// Properties of the whole HTTP/1.1 data path over real sockets: whatever requests clients pipeline, however their bytes
// are split, and however the origin behaves, each response belongs to its request, in order and intact, nobody hangs,
// nothing is delivered twice that must not be, and in the end nothing is left.

import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { type DataPath, eventually, NOTHING_LEFT, startDataPath } from './testing/data-path.ts';
import { connectRaw, parseResponses, type RawClient } from './testing/raw-client.ts';
import { bodyOf, chunks, type Reply, type ScriptedOrigin, startScriptedOrigin } from './testing/scripted-origin.ts';

interface PlannedRequest {
  readonly method: 'GET' | 'POST' | 'PUT';
  readonly framing: 'none' | 'length' | 'chunked';
  readonly bodySize: number;
  readonly reply: Reply;
  readonly replySize: number;
}

interface PlannedClient {
  readonly requests: readonly PlannedRequest[];
  /** Lengths of the pieces that the bytes are sent in, used in turn. */
  readonly pieces: readonly number[];
  readonly isSlow: boolean;
  /** Goes away after sending this share of its bytes, in percent; 100 stays. */
  readonly sentPercent: number;
}

const size = fc.oneof(
  fc.constantFrom(0, 1, 4095, 4096, 4097, 32_768),
  fc.integer({ min: 0, max: 300 }),
  fc.integer({ min: 5_000, max: 150_000 }),
);

const reply = fc.constantFrom<Reply>('length', 'length', 'chunked', 'close', 'empty', 'early', 'die', 'garbage', 'cut');

const request: fc.Arbitrary<PlannedRequest> = fc.record({
  method: fc.constantFrom('GET', 'POST', 'PUT'),
  framing: fc.constantFrom('none', 'length', 'chunked'),
  bodySize: size,
  reply,
  replySize: size,
});

const client: fc.Arbitrary<PlannedClient> = fc.record({
  requests: fc.array(request, { minLength: 1, maxLength: 6 }),
  pieces: fc.array(fc.oneof(fc.integer({ min: 1, max: 200 }), fc.integer({ min: 200, max: 90_000 })), {
    minLength: 1,
    maxLength: 4,
  }),
  isSlow: fc.boolean(),
  sentPercent: fc.constantFrom(100, 100, 100, 60),
});

/** Responses of these replies are complete and successful. */
function isGood({ reply: kind }: PlannedRequest): boolean {
  return kind === 'length' || kind === 'chunked' || kind === 'close' || kind === 'empty' || kind === 'early';
}

function sentBody(planned: PlannedRequest, id: string): string {
  return planned.framing === 'none' ? '' : bodyOf(`r${id}`, planned.bodySize);
}

function renderRequest(planned: PlannedRequest, id: string): string {
  const head = `${planned.method} /${id}/${planned.reply}/${planned.replySize} HTTP/1.1\r\nHost: a\r\n`;
  const body = sentBody(planned, id);
  if (planned.framing === 'none') return `${head}\r\n`;
  if (planned.framing === 'length') return `${head}Content-Length: ${body.length}\r\n\r\n${body}`;
  return `${head}Transfer-Encoding: chunked\r\n\r\n${chunks(body)}0\r\n\r\n`;
}

async function sendInPieces(raw: RawClient, text: string, pieces: readonly number[]): Promise<void> {
  // Small pieces are for heads; a long text would take for ever in them.
  const scale = Math.max(1, Math.floor(text.length / 2_000));
  for (let at = 0, i = 0; at < text.length && raw.ended === ''; i++) {
    const length = (pieces[i % pieces.length] as number) * scale;
    raw.send(text.slice(at, at + length));
    at += length;
    await new Promise(setImmediate);
  }
}

/** What a client may see: a prefix of its responses, each its own, and all of them unless the connection ended. */
function checkResponses(raw: RawClient, planned: PlannedClient, name: string): void {
  const responses = parseResponses(raw.received);
  expect(responses.length).toBeLessThanOrEqual(planned.requests.length);
  responses.forEach((response, i) => {
    const expected = planned.requests[i] as PlannedRequest;
    const id = `${name}${i}`;
    if (response.status >= 400) {
      // An early answer closes the upstream's side: depending on the moment, the upload meets a closed connection.
      expect(isGood(expected) && expected.reply !== 'early').toBe(false);
      expect(response.status).toBe(502);
      return;
    }
    expect(isGood(expected)).toBe(true);
    expect(response.headers['x-id']).toBe(id);
    expect(response.body === (expected.reply === 'empty' ? '' : bodyOf(id, expected.replySize))).toBe(true);
  });
  if (raw.ended === '') expect(responses.length).toBe(planned.requests.length);
}

async function runClient(proxy: DataPath, planned: PlannedClient, name: string): Promise<void> {
  using raw = await connectRaw(proxy.port);
  if (planned.isSlow) {
    raw.socket.on('data', () => {
      raw.socket.pause();
      setImmediate(() => raw.socket.resume());
    });
  }
  const text = planned.requests.map((each, i) => renderRequest(each, `${name}${i}`)).join('');
  const isLeaving = planned.sentPercent < 100;
  await sendInPieces(raw, text.slice(0, (text.length * planned.sentPercent) / 100), planned.pieces);
  if (isLeaving) return;
  let looked = -1;
  const isDone = (): boolean => {
    if (raw.ended !== '') return true;
    if (raw.received.length === looked) return false;
    looked = raw.received.length;
    return parseResponses(raw.received).length >= planned.requests.length;
  };
  await eventually(isDone, () => ({ name, received: raw.received.slice(-300), ended: raw.ended }));
  checkResponses(raw, planned, name);
}

/** Requests reach the origin whole; what must not be repeated is delivered once. */
function checkOrigin(origin: ScriptedOrigin, clients: readonly PlannedClient[]): void {
  expect(origin.broken).toEqual([]);
  const posts = new Set<string>();
  for (const { id, method, body } of origin.received) {
    const at = id.charCodeAt(0) - 97;
    const planned = clients[at]?.requests[Number(id.slice(1))] as PlannedRequest;
    expect(body === sentBody(planned, id)).toBe(true);
    if (method !== 'POST') continue;
    expect(posts.has(id)).toBe(false);
    posts.add(id);
  }
}

test.each([
  ['static read buffers', true],
  ['data events', false],
])(
  'with %s every response belongs to its request and nothing is left',
  async (_name, isStatic) => {
    const property = fc.asyncProperty(fc.array(client, { minLength: 1, maxLength: 3 }), async (clients) => {
      await using origin = await startScriptedOrigin();
      const policy = { maxBodyBytes: null };
      const proxy = await startDataPath([{ endpoints: [origin.port], policy }], {}, isStatic);
      await Promise.all(clients.map((planned, i) => runClient(proxy, planned, String.fromCharCode(97 + i))));
      await eventually(
        () => proxy.leftovers().openConnections === 0,
        () => proxy.leftovers(),
      );
      await proxy.cutAll();
      expect(proxy.leftovers()).toEqual(NOTHING_LEFT);
      checkOrigin(origin, clients);
    });
    await fc.assert(property, { numRuns: Number(process.env['FUZZ_RUNS'] ?? 40), endOnFailure: true });
  },
  120_000,
);
