// Responses that have two readings, or are more than one: each is refused, cut, or costs its connection.

import type { CutResponse, RefusedResponse, SpoiledConnection } from './strictness-rules.ts';

function response(headers: string, body = ''): string {
  return `HTTP/1.1 200 OK\r\n${headers}\r\n${body}`;
}

const length = 'RFC 9112 §6.3';
const coding = 'RFC 9112 §6.1';
const status = 'RFC 9112 §4';
const lineEnds = 'RFC 9112 §2.2';
const chunked = 'Transfer-Encoding: chunked\r\n';

export const refusedResponses: readonly RefusedResponse[] = [
  ['a length beside chunked', coding, response(`Content-Length: 5\r\n${chunked}`, '0\r\n\r\n')],
  ['chunked beside a length', coding, response(`${chunked}Content-Length: 5\r\n`, '0\r\n\r\n')],
  ['two different lengths', length, response('Content-Length: 2\r\nContent-Length: 3\r\n', 'okk')],
  ['two equal lengths', length, response('Content-Length: 2\r\nContent-Length: 2\r\n', 'ok')],
  ['a list of lengths', length, response('Content-Length: 2, 2\r\n', 'ok')],
  ['a length with a sign', length, response('Content-Length: +2\r\n', 'ok')],
  ['a hexadecimal length', length, response('Content-Length: 0x2\r\n', 'ok')],
  ['a length beyond 2^53', length, response('Content-Length: 99999999999999999999\r\n', 'ok')],
  ['an empty length', length, response('Content-Length:\r\n', 'ok')],
  ['a coding before chunked', coding, response('Transfer-Encoding: gzip, chunked\r\n', '0\r\n\r\n')],
  ['chunked twice', coding, response(`${chunked}${chunked}`, '0\r\n\r\n')],
  ['chunked in disguise', coding, response('Transfer-Encoding: xchunked\r\n', '0\r\n\r\n')],
  ['identity', coding, response('Transfer-Encoding: identity\r\n', 'ok')],
  ['chunked in HTTP/1.0', coding, `HTTP/1.0 200 OK\r\n${chunked}\r\n0\r\n\r\n`],
  ['a length in a 100', 'RFC 9110 §8.6', 'HTTP/1.1 100 Continue\r\nContent-Length: 5\r\n\r\nevil!'],
  ['a coding in a 103', coding, `HTTP/1.1 103 Early Hints\r\n${chunked}\r\n0\r\n\r\n`],
  ['a folded header', 'RFC 9112 §5.2', response('X: a\r\n b\r\nContent-Length: 0\r\n')],
  ['a bare line feed behind the status line', lineEnds, 'HTTP/1.1 200 OK\nContent-Length: 0\r\n\r\n'],
  ['a bare line feed behind a header', lineEnds, 'HTTP/1.1 200 OK\r\nContent-Length: 0\n\n'],
  [
    'response splitting: a bare carriage return in a value',
    'RFC 9112 §11.1',
    response('X: a\rSet-Cookie: evil\r\nContent-Length: 0\r\n'),
  ],
  ['a bare carriage return in the reason', status, 'HTTP/1.1 200 O\rK\r\nContent-Length: 0\r\n\r\n'],
  ['a NUL in a value', 'RFC 9110 §5.5', response('X: a\0b\r\nContent-Length: 0\r\n')],
  ['a space before the colon', 'RFC 9112 §5.1', response('Content-Length : 0\r\n')],
  ['a line without colon', 'RFC 9112 §5.1', response('nothing\r\nContent-Length: 0\r\n')],
  ['HTTP/0.9', status, '<html>hello</html>\r\n\r\n'],
  ['HTTP/2', status, 'HTTP/2 200\r\nContent-Length: 0\r\n\r\n'],
  ['a version above 1.1', status, 'HTTP/1.2 200 OK\r\nContent-Length: 0\r\n\r\n'],
  ['a status of two digits', status, 'HTTP/1.1 20 OK\r\nContent-Length: 0\r\n\r\n'],
  ['a status of four digits', status, 'HTTP/1.1 2000 OK\r\nContent-Length: 0\r\n\r\n'],
  ['a status below 100', status, 'HTTP/1.1 099 What\r\nContent-Length: 0\r\n\r\n'],
  ['a status above 599', status, 'HTTP/1.1 600 What\r\nContent-Length: 0\r\n\r\n'],
  ['an empty line before the status line', status, '\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n'],
  [
    'a 101 that nobody asked for',
    'RFC 9110 §15.2.2',
    'HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\nevil',
  ],
  ['a flood of 1xx responses', 'RFC 9110 §15.2', 'HTTP/1.1 102 Processing\r\n\r\n'.repeat(17)],
  ['a header line above `proxy-buffer-size`', 'RFC 9110 §5.4', response(`X: ${'a'.repeat(4100)}\r\n`)],
  ['a head above `proxy-buffer-size`', 'RFC 9110 §5.4', response(`X: ${'a'.repeat(1000)}\r\n`.repeat(5))],
  ['more than 256 header lines', 'RFC 9110 §5.4', response('X: 1\r\n'.repeat(257))],
  [
    'more connection options than the limit',
    'RFC 9110 §7.6.1',
    response(`Connection: ${namesOf(17)}\r\nContent-Length: 0\r\n`),
  ],
].map(([name, source, bytes]) => ({ name, source, bytes, reason: 'upstreamFault' }) as RefusedResponse);

export const cutResponses: readonly CutResponse[] = [
  ['a body shorter than its length', length, response('Content-Length: 9\r\n', 'ok'), 'ok'],
  ['a chunked body without its end', 'RFC 9112 §8', response(chunked, '2\r\nok\r\n'), 'ok'],
  ['a chunk shorter than its size', 'RFC 9112 §8', response(chunked, '9\r\nok'), 'ok'],
  ['a chunk size that is no number', 'RFC 9112 §7.1', response(chunked, '2\r\nok\r\ng\r\nevil'), 'ok'],
  ['a chunk size with a sign', 'RFC 9112 §7.1', response(chunked, '2\r\nok\r\n+4\r\nevil\r\n0\r\n\r\n'), 'ok'],
  ['a chunk size with 0x', 'RFC 9112 §7.1', response(chunked, '2\r\nok\r\n0x4\r\nevil\r\n0\r\n\r\n'), 'ok'],
  ['a bare line feed behind a chunk size', 'RFC 9112 §7.1', response(chunked, '2\r\nok\r\n4\nevil\r\n0\r\n\r\n'), 'ok'],
  ['more chunk data than declared', 'RFC 9112 §7.1', response(chunked, '2\r\nokevil\r\n0\r\n\r\n'), 'ok'],
  [
    'a long chunk extension',
    'RFC 9112 §7.1.1',
    response(chunked, `2\r\nok\r\n4;${'x'.repeat(1100)}\r\nevil\r\n0\r\n\r\n`),
    'ok',
  ],
  [
    'a trailer that is a length',
    'RFC 9110 §6.5.1',
    response(chunked, '2\r\nok\r\n0\r\nContent-Length: 4\r\n\r\nevil'),
    'ok',
  ],
].map(([name, source, bytes, delivered]) => ({ name, source, bytes, delivered }) as CutResponse);

const second = response('Content-Length: 4\r\n', 'evil');

export const spoiledConnections: readonly SpoiledConnection[] = [
  {
    name: 'a second response behind a length',
    source: length,
    bytes: `${response('Content-Length: 2\r\n', 'ok')}${second}`,
    body: 'ok',
  },
  {
    name: 'a second response behind chunks',
    source: length,
    bytes: `${response(chunked, '2\r\nok\r\n0\r\n\r\n')}${second}`,
    body: '2\r\nok\r\n0\r\n\r\n',
  },
  {
    name: 'a second response behind an empty body',
    source: length,
    bytes: `${response('Content-Length: 0\r\n')}${second}`,
    body: '',
  },
  {
    name: 'a second response behind a 204',
    source: length,
    bytes: `HTTP/1.1 204 No Content\r\n\r\n${second}`,
    body: '',
  },
  {
    name: 'a second response behind a 304',
    source: length,
    bytes: `HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n${second}`,
    body: '',
  },
  {
    name: 'a body in the response to HEAD',
    source: 'RFC 9110 §9.3.2',
    method: 'HEAD',
    bytes: response('Content-Length: 4\r\n', 'evil'),
    body: '',
  },
  { name: 'one byte behind a body', source: length, bytes: `${response('Content-Length: 2\r\n', 'ok')}\n`, body: 'ok' },
  {
    name: 'a length in a 204',
    source: 'RFC 9110 §8.6',
    bytes: 'HTTP/1.1 204 No Content\r\nContent-Length: 4\r\n\r\n',
    body: '',
  },
  { name: 'a coding in a 204', source: coding, bytes: `HTTP/1.1 204 No Content\r\n${chunked}\r\n`, body: '' },
  {
    name: 'Connection: close',
    source: 'RFC 9112 §9.6',
    bytes: response('Connection: close\r\nContent-Length: 2\r\n', 'ok'),
    body: 'ok',
  },
  {
    name: 'HTTP/1.0 without keep-alive',
    source: 'RFC 9112 §9.3',
    bytes: 'HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok',
    body: 'ok',
  },
];

function namesOf(count: number): string {
  return Array.from({ length: count }, (_, i) => `n${i}`).join(', ');
}
