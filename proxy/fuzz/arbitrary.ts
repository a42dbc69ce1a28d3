// Inputs for the fuzzers: messages that are nearly right, and byte mutations of them.
//
// Random bytes are refused in their first line; what finds differences between parsers is a valid message with one thing
// wrong, so messages are put together from parts that are valid, odd or hostile, and then a few bytes are changed.

import fc from 'fast-check';

const INTERESTING = [
  '\r\n',
  '\n',
  '\r',
  '\0',
  ' ',
  '\t',
  ':',
  ',',
  ';',
  '\x0b',
  '\x7f',
  '\xa0',
  '\xff',
  '0',
  '%',
  '\r\n\r\n',
  '#',
  '"',
];

/** Mostly `good`, sometimes one of `odd`. */
function usually(good: readonly string[], odd: readonly string[]): fc.Arbitrary<string> {
  return fc.oneof(
    { weight: 12, arbitrary: fc.constantFrom(...good) },
    { weight: 1, arbitrary: fc.constantFrom(...odd) },
  );
}

const method = usually(['GET', 'POST', 'HEAD', 'PUT', 'OPTIONS', 'M-SEARCH'], ['get', 'G\tT', 'CONNECT', '']);
const target = usually(
  ['/', '/a?b=c', '/a//b', '/%2e%2e/', 'http://a/x', 'http://a?q'],
  ['http://b/', '*', '/a b', '/\xe4', '/#f', 'a'],
);
const version = usually(['HTTP/1.1'], ['HTTP/1.0', 'HTTP/1.2', 'HTTP/2.0', 'http/1.1', 'HTTP/1.1 ']);
const host = usually(
  ['Host: a', 'host:a'],
  ['host: a:80', 'Host: b', 'Host:', 'Host: a/b', 'Host: u@a', 'Host : a', 'A: b'],
);
const header = usually(
  [
    'A: b',
    'Connection: keep-alive, X-A',
    'Connection: content-length, host',
    'X-A: 1',
    'X-Forwarded-For: 1.2.3.4',
    'Cookie: a=b',
    'content_length: 3',
    'Keep-Alive: 1',
    'TE: trailers',
  ],
  [
    'Connection: close',
    'Expect: 100-continue',
    'Upgrade: websocket',
    'Connection: upgrade',
    ' folded',
    'No colon',
    '',
    'Host: a',
    'Content-Length: 3',
    'Transfer-Encoding: chunked',
    'Transfer-Encoding:\x0bchunked',
    'Transfer-Encoding : chunked',
    'Content-Length : 3',
  ],
);

/** Framing lines and the body that goes with them. */
interface Framed {
  readonly lines: readonly string[];
  readonly body: string;
}

const payload = fc.constantFrom('a', 'abc', 'GET /x HTTP/1.1\r\nHost: a\r\n\r\n', '0\r\n\r\n', '\r\n', 'x'.repeat(20));
const sizeText = usually(['%s'], ['0%s', '%s;x=y', '%s ', '0x%s', '+%s', '%s;\n', '%s\n', '-%s']);
const chunk = fc.tuple(sizeText, payload, usually(['\r\n'], ['\n', '', '\r'])).map(([size, text, end]) => {
  return `${size.replace('%s', text.length.toString(16))}\r\n${text}${end}`;
});
const lastChunk = usually(['0\r\n\r\n', '0\r\nT: 1\r\n\r\n'], ['0\r\n', '0\n\n', '00;a\r\n\r\n', '0\r\nbad\r\n\r\n']);
const coding = usually(
  ['Transfer-Encoding: chunked', 'transfer-encoding:Chunked'],
  [
    'Transfer-Encoding: gzip, chunked',
    'Transfer-Encoding: chunked, identity',
    'Transfer-Encoding: "chunked"',
    'Transfer-Encoding: identity',
  ],
);
const lengthText = usually(['%s'], ['%s, %s', '+%s', '0x%s', '0%s', '%s ', '-%s', '']);

const framed: fc.Arbitrary<Framed> = fc.oneof(
  fc.constant({ lines: [], body: '' }),
  fc.tuple(lengthText, payload).map(([length, body]) => ({
    lines: [`Content-Length: ${length.replaceAll('%s', String(body.length))}`],
    body,
  })),
  fc.tuple(coding, fc.array(chunk, { maxLength: 3 }), lastChunk).map(([line, chunks, last]) => ({
    lines: [line],
    body: chunks.join('') + last,
  })),
  {
    weight: 1,
    arbitrary: payload.map((body) => ({
      lines: [`Content-Length: ${body.length}`, 'Transfer-Encoding: chunked'],
      body,
    })),
  },
);

function message(first: fc.Arbitrary<string>, others: fc.Arbitrary<string>): fc.Arbitrary<string> {
  return fc
    .tuple(first, fc.array(others, { maxLength: 3 }), framed, fc.boolean())
    .map(([start, lines, { lines: framing, body }, isFirst]) => {
      const ordered = isFirst ? [start, ...framing, ...lines] : [start, ...lines, ...framing];
      return `${ordered.map((line) => `${line}\r\n`).join('')}\r\n${body}`;
    });
}

const requestStart = fc
  .tuple(method, target, version, host)
  .map(([verb, path, proto, name]) => `${verb} ${path} ${proto}\r\n${name}`);

/** One to three requests on one connection. */
const request = fc
  .array(message(requestStart, header), { minLength: 1, maxLength: 3 })
  .map((messages) => messages.join(''));

const statusLine = usually(
  [
    'HTTP/1.1 200 OK',
    'HTTP/1.1 404 Not Found',
    'HTTP/1.0 200 OK',
    'HTTP/1.1 204 No Content',
    'HTTP/1.1 304 Not Modified',
  ],
  ['HTTP/1.1 200', 'HTTP/1.1 103 Early', 'HTTP/1.1 99 X', 'HTTP/1.1 2000 X', 'HTTP/1.1  200 OK', 'ICY 200 OK'],
);
const responseHeader = usually(
  ['A: b', 'Set-Cookie: a=b', 'Date: Sat, 21 Nov 2026 00:00:00 GMT', 'Connection: close', 'Connection: X-A', 'X-A: 1'],
  [' folded', 'Bad Name: x', 'Content-Length: 3', 'Transfer-Encoding: chunked', 'Transfer-Encoding: identity'],
);
const response = message(statusLine, responseHeader);

interface Mutation {
  readonly at: number;
  readonly remove: number;
  readonly insert: string;
}

const mutation: fc.Arbitrary<Mutation> = fc.record({
  at: fc.nat(400),
  remove: fc.nat(2),
  insert: fc.oneof(fc.constant(''), fc.constantFrom(...INTERESTING)),
});

function mutate(text: string, mutations: readonly Mutation[]): string {
  let out = text;
  for (const { at, remove, insert } of mutations) {
    const from = out.length === 0 ? 0 : at % (out.length + 1);
    out = out.slice(0, from) + insert + out.slice(from + remove);
  }
  return out;
}

function mutated(message: fc.Arbitrary<string>, seeds: readonly string[]): fc.Arbitrary<string> {
  const source = seeds.length === 0 ? message : fc.oneof({ weight: 4, arbitrary: message }, fc.constantFrom(...seeds));
  return fc
    .tuple(source, fc.oneof({ weight: 2, arbitrary: fc.constant([]) }, fc.array(mutation, { maxLength: 2 })))
    .map(([text, mutations]) => mutate(text, mutations));
}

/** Request messages, one char per byte; `seeds` come from the corpus. */
export function requestBytes(seeds: readonly string[]): fc.Arbitrary<string> {
  return mutated(request, seeds);
}

/** Response messages, one char per byte. */
export function responseBytes(seeds: readonly string[]): fc.Arbitrary<string> {
  return mutated(response, seeds);
}
