// Fuzzes HTTP/2 requests: whatever header block we take, what goes upstream for it is exactly one HTTP/1.1 request.
//
// This is where HTTP/2 request smuggling lives: a value that is harmless in a length-prefixed block becomes a line, a
// second request or another body length once it is text.

import fc from 'fast-check';
import { renderRequest } from '../forward/request-text.ts';
import { RequestHead } from '../http/request-head.ts';
import { HpackDecoder } from '../http2/hpack-decoder.ts';
import { encodeString } from '../http2/hpack-encoder.ts';
import { RequestFields } from '../http2/request-fields.ts';
import { nodeRequests } from './readings.ts';

const LIMITS = {
  maxRequestLineBytes: 8192,
  maxHeaderLineBytes: 8192,
  maxHeadBytes: 32_768,
  maxHeaderCount: 100,
  allowUnderscoreHeaders: true,
  allowUnusualHeaders: true,
};

const hostile = [
  '\r\n',
  '\n',
  '\0',
  ' ',
  ':',
  '\r\nX: y',
  '\r\n\r\nGET /evil HTTP/1.1\r\nHost: b\r\n\r\n',
  '\x7f',
  '\xff',
  '%',
  '#',
];
/** Mostly `good`, now and then something odd or hostile: a block with one thing wrong is what finds differences. */
const anyText = (good: readonly string[], odd: readonly string[] = []): fc.Arbitrary<string> =>
  fc.oneof(
    { weight: 40, arbitrary: fc.constantFrom(...good) },
    { weight: 1, arbitrary: fc.tuple(fc.constantFrom(...good), fc.constantFrom(...hostile)).map(([a, b]) => a + b) },
    { weight: 1, arbitrary: fc.constantFrom(...hostile, ...odd) },
  );
const pair = (name: string, good: readonly string[], odd: readonly string[] = []): fc.Arbitrary<[string, string]> =>
  fc.tuple(anyText([name]), anyText(good, odd));

const pseudo = fc.tuple(
  pair(':method', ['GET', 'POST', 'HEAD', 'PUT'], ['CONNECT', 'get', '']),
  pair(':scheme', ['https', 'http', 'HTTPS'], ['x']),
  pair(':path', ['/', '/a?b=c', '/a//../b', '/%2e'], ['*', 'a', 'http://b/', '']),
  pair(':authority', ['a'], ['a:80', 'b', '[::1]', 'u@a', 'a/b', '']),
);
const goodField = fc.oneof(
  pair('x-a', ['1', '', 'a b']),
  pair('te', ['trailers'], ['gzip']),
  pair('expect', ['100-continue']),
  pair('cookie', ['a=b']),
  pair('x-forwarded-for', ['1.2.3.4']),
  pair('x-request-id', ['1', '']),
  pair('forwarded', ['for=a']),
);
const oddField = fc.oneof(
  pair('host', ['a', 'b', '']),
  pair('content-length', ['0', '1', '3', '+3', '3, 3', '']),
  pair('transfer-encoding', ['chunked']),
  pair('connection', ['close', 'x-a']),
  pair('X-Upper', ['1']),
  pair(':protocol', ['websocket']),
);
const field = fc.oneof({ weight: 8, arbitrary: goodField }, { weight: 1, arbitrary: oddField });

/** A header block as latin1 text; sometimes a few of its bytes are changed. */
export const http2Block: fc.Arbitrary<string> = fc
  .tuple(
    pseudo,
    fc.array(field, { maxLength: 5 }),
    fc.array(fc.tuple(fc.nat(200), fc.nat(255)), { maxLength: 2 }),
    fc.boolean(),
  )
  .map(([first, rest, changes, isHuffman]) => {
    const out = Buffer.alloc(4096);
    let at = 0;
    for (const [name, value] of [...first, ...rest]) {
      out[at] = 0x40;
      at = encodeString(value, isHuffman, out, encodeString(name, isHuffman, out, at + 1));
    }
    if (isHuffman) for (const [where, byte] of changes) if (where < at) out[where] = byte;
    return out.latin1Slice(0, at);
  });

/** Rejects when node:http reads what we would forward as anything but one request with this method and target. */
export async function checkHttp2Request(text: string): Promise<void> {
  for (const hasBody of [false, true]) {
    const head = new RequestHead();
    const fields = new RequestFields();
    const decoder = new HpackDecoder(Buffer.alloc(16_384));
    const block = Buffer.from(text, 'latin1');
    fields.begin(head, LIMITS);
    if (!decoder.decode(block, 0, block.length, LIMITS.maxHeadBytes, fields)) return;
    if (fields.finish(hasBody, decoder.isListTooLarge, () => 'AAAAAAAAAAAAAAAAAAAAAA==') && !fields.isWebSocket) {
      await checkForwarded(head);
    }
  }
}

async function checkForwarded(head: RequestHead): Promise<void> {
  // llhttp knows only registered methods, and refuses what it does not know: it cannot misread it.
  if (!/^(GET|POST|HEAD|PUT)$/.test(head.method) || /[^\x21-\x7e]/.test(head.target) || head.contentLength > 1000)
    return;
  const forwarded = renderRequest(head, {
    host: head.rawHost,
    forwardedLines: 'X-Real-IP: 127.0.0.1\r\n',
    requestId: '0',
    upgrade: '',
    isTrustedPeer: true,
  });
  const body = head.isChunked ? '1\r\nx\r\n0\r\n\r\n' : 'x'.repeat(head.contentLength);
  const { readings } = await nodeRequests(`${forwarded}${body}`);
  const [reading] = readings;
  const isSame = readings.length === 1 && reading?.first === head.method && reading.second === head.target;
  if (!isSame) throw new Error(`forwarded differently: ${JSON.stringify({ forwarded, readings })}`);
}
