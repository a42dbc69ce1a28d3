// Requests that have two readings, or none: each is refused, its connection closed, and nothing of it forwarded.

import type { BrokenBody, RefusedRequest } from './strictness-rules.ts';

function request(headers: string, line = 'POST / HTTP/1.1'): string {
  return `${line}\r\nHost: a\r\n${headers}\r\n`;
}

const length = 'RFC 9112 §6.3';
const coding = 'RFC 9112 §6.1';
const fields = 'RFC 9112 §5.1';
const lineEnds = 'RFC 9112 §2.2';
const values = 'RFC 9110 §5.5';
const host = 'RFC 9112 §3.2';
const target = 'RFC 9112 §3.2';
const line = 'RFC 9112 §3';

const framing: readonly RefusedRequest[] = [
  [
    'CL.TE: a length beside chunked',
    coding,
    request('Content-Length: 5\r\nTransfer-Encoding: chunked\r\n'),
    'lengthAndTransferEncoding',
  ],
  [
    'TE.CL: chunked beside a length',
    coding,
    request('Transfer-Encoding: chunked\r\nContent-Length: 5\r\n'),
    'lengthAndTransferEncoding',
  ],
  [
    'CL.TE with a length of zero',
    coding,
    request('Content-Length: 0\r\nTransfer-Encoding: chunked\r\n'),
    'lengthAndTransferEncoding',
  ],
  [
    'CL.CL: two different lengths',
    length,
    request('Content-Length: 5\r\nContent-Length: 6\r\n'),
    'severalContentLengths',
  ],
  ['CL.CL: two equal lengths', length, request('Content-Length: 5\r\nContent-Length: 5\r\n'), 'severalContentLengths'],
  ['a list of equal lengths', length, request('Content-Length: 5, 5\r\n'), 'badContentLength'],
  ['a list without space', length, request('Content-Length: 5,5\r\n'), 'badContentLength'],
  ['a length with a plus sign', length, request('Content-Length: +5\r\n'), 'badContentLength'],
  ['a negative length', length, request('Content-Length: -5\r\n'), 'badContentLength'],
  ['a length of minus zero', length, request('Content-Length: -0\r\n'), 'badContentLength'],
  ['a hexadecimal length', length, request('Content-Length: 0x5\r\n'), 'badContentLength'],
  ['a length with a fraction', length, request('Content-Length: 5.0\r\n'), 'badContentLength'],
  ['a length with an exponent', length, request('Content-Length: 5e1\r\n'), 'badContentLength'],
  ['a length with white space inside', length, request('Content-Length: 5 5\r\n'), 'badContentLength'],
  ['a length behind a tab', length, request('Content-Length:\t5\r\n'), 'badContentLength'],
  ['a length before a tab', length, request('Content-Length: 5\t\r\n'), 'badContentLength'],
  ['a length in quotes', length, request('Content-Length: "5"\r\n'), 'badContentLength'],
  ['an empty length', length, request('Content-Length:\r\n'), 'badContentLength'],
  ['a length beyond 2^53', length, request('Content-Length: 9007199254740993\r\n'), 'badContentLength'],
  ['a length that overflows 64 bits', length, request('Content-Length: 18446744073709551621\r\n'), 'badContentLength'],
  ['a length with digits of another alphabet', length, request('Content-Length: \xb2\r\n'), 'badContentLength'],
  ['TE.TE: identity', coding, request('Transfer-Encoding: identity\r\n'), 'badTransferEncoding'],
  [
    'TE.TE: chunked twice in one line',
    coding,
    request('Transfer-Encoding: chunked, chunked\r\n'),
    'badTransferEncoding',
  ],
  [
    'TE.TE: chunked in two lines',
    coding,
    request('Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n'),
    'badTransferEncoding',
  ],
  [
    'TE.TE: chunked, then identity',
    coding,
    request('Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n'),
    'badTransferEncoding',
  ],
  ['chunked that is not last', coding, request('Transfer-Encoding: chunked, gzip\r\n'), 'badTransferEncoding'],
  ['a coding before chunked', coding, request('Transfer-Encoding: gzip, chunked\r\n'), 'badTransferEncoding'],
  ['an empty list element before chunked', coding, request('Transfer-Encoding: , chunked\r\n'), 'badTransferEncoding'],
  ['a coding that ends in chunked', coding, request('Transfer-Encoding: xchunked\r\n'), 'badTransferEncoding'],
  ['a coding that begins with chunked', coding, request('Transfer-Encoding: chunkedx\r\n'), 'badTransferEncoding'],
  ['chunked with a parameter', coding, request('Transfer-Encoding: chunked;q=1\r\n'), 'badTransferEncoding'],
  ['chunked in quotes', coding, request('Transfer-Encoding: "chunked"\r\n'), 'badTransferEncoding'],
  ['chunked behind a tab', coding, request('Transfer-Encoding:\tchunked\r\n'), 'badTransferEncoding'],
  ['chunked before a tab', coding, request('Transfer-Encoding: chunked\t\r\n'), 'badTransferEncoding'],
  ['chunked behind a vertical tab', coding, request('Transfer-Encoding: \x0bchunked\r\n'), 'badHeader'],
  ['chunked behind a no-break space', coding, request('Transfer-Encoding: \xa0chunked\r\n'), 'badTransferEncoding'],
  ['an empty coding', coding, request('Transfer-Encoding:\r\n'), 'badTransferEncoding'],
  [
    'chunked in HTTP/1.0',
    coding,
    'POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n',
    'badTransferEncoding',
  ],
  ['chunked that is folded', 'RFC 9112 §5.2', request('Transfer-Encoding:\r\n chunked\r\n'), 'badTransferEncoding'],
  ['a length before a space and the colon', fields, request('Content-Length : 5\r\n'), 'badHeader'],
  ['chunked before a space and the colon', fields, request('Transfer-Encoding : chunked\r\n'), 'badHeader'],
].map(refused);

const lines: readonly RefusedRequest[] = [
  ['a folded header', 'RFC 9112 §5.2', request('X: a\r\n b\r\n'), 'badHeader'],
  ['a header folded with a tab', 'RFC 9112 §5.2', request('X: a\r\n\tb\r\n'), 'badHeader'],
  ['a fold before the first header', lineEnds, 'POST / HTTP/1.1\r\n Host: b\r\nHost: a\r\n\r\n', 'badHeader'],
  ['a bare line feed behind the request line', lineEnds, 'POST / HTTP/1.1\nHost: a\r\n\r\n', 'badRequestLine'],
  ['a bare line feed behind a header', lineEnds, 'POST / HTTP/1.1\r\nHost: a\nX: b\r\n\r\n', 'badHeader'],
  ['a bare line feed in a value', lineEnds, request('X: a\nContent-Length: 5\r\n'), 'badHeader'],
  ['a bare line feed as the empty line', lineEnds, 'POST / HTTP/1.1\r\nHost: a\r\n\n', 'badHeader'],
  ['a bare carriage return in a value', lineEnds, request('X: a\rContent-Length: 5\r\n'), 'badHeader'],
  ['a bare carriage return behind a value', lineEnds, request('X: a\r\r\n'), 'badHeader'],
  ['a bare carriage return in a name', lineEnds, request('X\rY: a\r\n'), 'badHeader'],
  ['a bare carriage return in the request line', lineEnds, 'POST /\rx HTTP/1.1\r\nHost: a\r\n\r\n', 'badRequestLine'],
  ['a NUL in a value', values, request('X: a\0b\r\n'), 'badHeader'],
  ['a NUL in a name', fields, request('X\0: a\r\n'), 'badHeader'],
  ['a NUL in the target', line, 'POST /\0 HTTP/1.1\r\nHost: a\r\n\r\n', 'badRequestLine'],
  ['a control byte in a value', values, request('X: a\x01b\r\n'), 'badHeader'],
  ['a DEL in a value', values, request('X: a\x7fb\r\n'), 'badHeader'],
  ['an escape sequence in a value', values, request('X: \x1b[31m\r\n'), 'badHeader'],
  ['a space before the colon', fields, request('X : a\r\n'), 'badHeader'],
  ['a tab before the colon', fields, request('X\t: a\r\n'), 'badHeader'],
  ['a space in a name', fields, request('X Y: a\r\n'), 'badHeader'],
  ['an empty name', fields, request(': a\r\n'), 'badHeader'],
  ['a line without colon', fields, request('nothing\r\n'), 'badHeader'],
  ['a name with a byte above 127', fields, request('X\xe4: a\r\n'), 'badHeader'],
  ['a name with a separator', fields, request('X(Y): a\r\n'), 'badHeader'],
  ['a name in quotes', fields, request('"Host": b\r\n'), 'badHeader'],
].map(refused);

const starts: readonly RefusedRequest[] = [
  ['HTTP/0.9', 'RFC 9112 §2.3', 'GET /\r\n\r\n', 'badRequestLine'],
  ['HTTP/2.0 in a request line', 'RFC 9112 §2.3', 'POST / HTTP/2.0\r\nHost: a\r\n\r\n', 'badVersion', 505],
  ['the preface of HTTP/2', 'RFC 9113 §3.4', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'badVersion', 505],
  ['a version above 1.1', 'RFC 9112 §2.3', 'POST / HTTP/1.2\r\nHost: a\r\n\r\n', 'badVersion', 505],
  ['a version with two digits', 'RFC 9112 §2.3', 'POST / HTTP/1.10\r\nHost: a\r\n\r\n', 'badRequestLine'],
  ['a version in lower case', 'RFC 9112 §2.3', 'POST / http/1.1\r\nHost: a\r\n\r\n', 'badRequestLine'],
  ['a version of another protocol', 'RFC 9112 §2.3', 'POST / ICAP/1.0\r\nHost: a\r\n\r\n', 'badRequestLine'],
  ['a space behind the version', line, 'POST / HTTP/1.1 \r\nHost: a\r\n\r\n', 'badRequestLine'],
  ['two spaces behind the method', line, 'POST  / HTTP/1.1\r\nHost: a\r\n\r\n', 'badRequestLine'],
  ['two spaces behind the target', line, 'POST /  HTTP/1.1\r\nHost: a\r\n\r\n', 'badRequestLine'],
  ['a tab for a space', line, 'POST\t/ HTTP/1.1\r\nHost: a\r\n\r\n', 'badMethod'],
  ['a space before the method', line, ' POST / HTTP/1.1\r\nHost: a\r\n\r\n', 'badMethod'],
  ['two empty lines before the request', lineEnds, `\r\n\r\n${request('')}`, 'badMethod'],
  ['a bare line feed before the request', lineEnds, `\n${request('')}`, 'badMethod'],
  ['a TLS handshake', line, '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03', 'badMethod'],
  ['a method in lower case', 'RFC 9110 §9.1', 'post / HTTP/1.1\r\nHost: a\r\n\r\n', 'badMethod'],
  ['a method with a separator', 'RFC 9110 §9.1', 'P(ST / HTTP/1.1\r\nHost: a\r\n\r\n', 'badMethod'],
  ['a method of 33 letters', 'RFC 9110 §9.1', `${'X'.repeat(33)} / HTTP/1.1\r\nHost: a\r\n\r\n`, 'badMethod'],
  ['CONNECT', 'RFC 9110 §9.3.6', 'CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n', 'methodNotAllowed', 405],
  ['CONNECT with a path', 'RFC 9110 §9.3.6', 'CONNECT / HTTP/1.1\r\nHost: a\r\n\r\n', 'methodNotAllowed', 405],
  ['TRACE', 'RFC 9110 §9.3.8', 'TRACE / HTTP/1.1\r\nHost: a\r\n\r\n', 'methodNotAllowed', 405],
  ['asterisk-form', target, 'OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n', 'badTarget'],
  ['asterisk-form with another method', target, 'GET * HTTP/1.1\r\nHost: a\r\n\r\n', 'badTarget'],
  ['authority-form', target, 'GET a:443 HTTP/1.1\r\nHost: a\r\n\r\n', 'badTarget'],
  ['a target without slash', target, 'GET admin HTTP/1.1\r\nHost: a\r\n\r\n', 'badTarget'],
  ['an absolute-form of another scheme', target, 'GET ftp://a/ HTTP/1.1\r\nHost: a\r\n\r\n', 'badTarget'],
  ['an absolute-form without authority', target, 'GET http:///x HTTP/1.1\r\nHost: a\r\n\r\n', 'badTarget'],
  ['a fragment', target, 'GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n', 'badRequestLine'],
  ['an encoded NUL in the path', 'RFC 3986 §7.3', 'GET /a%00b HTTP/1.1\r\nHost: a\r\n\r\n', 'badPath'],
  ['a broken escape in the path', 'RFC 3986 §2.1', 'GET /a%4 HTTP/1.1\r\nHost: a\r\n\r\n', 'badPath'],
  ['an escape that is not hexadecimal', 'RFC 3986 §2.1', 'GET /a%u002f HTTP/1.1\r\nHost: a\r\n\r\n', 'badPath'],
  ['dots above the root', 'RFC 3986 §5.2.4', 'GET /../etc/passwd HTTP/1.1\r\nHost: a\r\n\r\n', 'badPath'],
  ['encoded dots above the root', 'RFC 3986 §6.2.2.3', 'GET /a/%2e%2e/%2e%2e/b HTTP/1.1\r\nHost: a\r\n\r\n', 'badPath'],
].map(refused);

const hosts: readonly RefusedRequest[] = [
  ['no Host', host, 'GET / HTTP/1.1\r\n\r\n', 'missingHost'],
  ['no Host beside an absolute-form', host, 'GET http://a/ HTTP/1.1\r\n\r\n', 'missingHost'],
  ['two different Hosts', host, 'GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n', 'severalHosts'],
  ['two equal Hosts', host, 'GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n', 'severalHosts'],
  ['an empty Host', 'RFC 9110 §4.2.1', 'GET / HTTP/1.1\r\nHost:\r\n\r\n', 'badHost'],
  ['a Host with a path', host, 'GET / HTTP/1.1\r\nHost: a/b\r\n\r\n', 'badHost'],
  ['a Host with userinfo', 'RFC 9110 §4.2.4', 'GET / HTTP/1.1\r\nHost: user@a\r\n\r\n', 'badHost'],
  ['a Host with white space', host, 'GET / HTTP/1.1\r\nHost: a b\r\n\r\n', 'badHost'],
  ['a list of Hosts', host, 'GET / HTTP/1.1\r\nHost: a, b\r\n\r\n', 'badHost'],
  ['a Host with a port that is no number', host, 'GET / HTTP/1.1\r\nHost: a:b\r\n\r\n', 'badHost'],
  ['a Host with two ports', host, 'GET / HTTP/1.1\r\nHost: a:1:2\r\n\r\n', 'badHost'],
  ['a Host with a port above 65535', host, 'GET / HTTP/1.1\r\nHost: a:65536\r\n\r\n', 'badHost'],
  ['a Host with an escape', host, 'GET / HTTP/1.1\r\nHost: a%00\r\n\r\n', 'badHost'],
  ['a Host with an empty label', host, 'GET / HTTP/1.1\r\nHost: a..b\r\n\r\n', 'badHost'],
  ['a Host that is an open bracket', host, 'GET / HTTP/1.1\r\nHost: [::1\r\n\r\n', 'badHost'],
  ['a Host with a byte above 127', host, 'GET / HTTP/1.1\r\nHost: \xe4\r\n\r\n', 'badHost'],
  ['a Host of 256 letters', host, `GET / HTTP/1.1\r\nHost: ${'a'.repeat(256)}\r\n\r\n`, 'badHost'],
  [
    'an absolute-form that is not the Host',
    'RFC 9112 §3.2.2',
    'GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n',
    'hostMismatch',
  ],
  [
    "an absolute-form whose port is not the Host's",
    'RFC 9112 §3.2.2',
    'GET http://a:81/ HTTP/1.1\r\nHost: a\r\n\r\n',
    'hostMismatch',
  ],
  ['an absolute-form with userinfo', 'RFC 9110 §4.2.4', 'GET http://u@a/ HTTP/1.1\r\nHost: u@a\r\n\r\n', 'badHost'],
].map(refused);

/** With the default `large-client-header-buffers` of `4 8k` and 100 header lines. */
const sizes: readonly RefusedRequest[] = [
  [
    'a request line above the limit',
    line,
    `GET /${'a'.repeat(8192)} HTTP/1.1\r\nHost: a\r\n\r\n`,
    'requestLineTooLong',
    414,
  ],
  ['a request line that never ends', line, `GET /${'a'.repeat(9000)}`, 'requestLineTooLong', 414],
  ['a header line above the limit', 'RFC 6585 §5', request(`X: ${'a'.repeat(8192)}\r\n`), 'headersTooLarge', 431],
  [
    'a header line that never ends',
    'RFC 6585 §5',
    `GET / HTTP/1.1\r\nHost: a\r\nX: ${'a'.repeat(9000)}`,
    'headersTooLarge',
    431,
  ],
  ['a head above the limit', 'RFC 6585 §5', request(`X: ${'a'.repeat(8000)}\r\n`.repeat(5)), 'headersTooLarge', 431],
  ['more header lines than the limit', 'RFC 6585 §5', request('X: 1\r\n'.repeat(101)), 'tooManyHeaders', 431],
  ['more connection options than the limit', 'RFC 9110 §7.6.1', request(`Connection: ${namesOf(17)}\r\n`), 'badHeader'],
  ['an expectation that is not 100-continue', 'RFC 9110 §10.1.1', request('Expect: 200-ok\r\n'), 'badExpect', 417],
].map(refused);

export const refusedRequests: readonly RefusedRequest[] = [...framing, ...lines, ...starts, ...hosts, ...sizes];

const chunks = 'RFC 9112 §7.1';
const extensions = 'RFC 9112 §7.1.1';

export const brokenBodies: readonly BrokenBody[] = [
  ['a chunk size with a sign', chunks, '+3\r\nabc\r\n0\r\n\r\n'],
  ['a negative chunk size', chunks, '-3\r\nabc\r\n0\r\n\r\n'],
  ['a chunk size with 0x', chunks, '0x3\r\nabc\r\n0\r\n\r\n'],
  ['a chunk size that is no number', chunks, 'g\r\nabc\r\n0\r\n\r\n'],
  ['an empty chunk size', chunks, '\r\nabc\r\n0\r\n\r\n'],
  ['a chunk size behind a space', chunks, ' 3\r\nabc\r\n0\r\n\r\n'],
  ['a chunk size before a space', chunks, '3 \r\nabc\r\n0\r\n\r\n'],
  ['a chunk size that overflows 64 bits', chunks, '10000000000000003\r\nabc\r\n0\r\n\r\n'],
  ['a chunk size that overflows 32 bits and 13 digits', chunks, '0000100000003\r\nabc\r\n0\r\n\r\n'],
  ['a bare line feed behind a chunk size', chunks, '3\nabc\r\n0\r\n\r\n'],
  ['a bare carriage return behind a chunk size', chunks, '3\rabc\r\n0\r\n\r\n'],
  ['no CRLF behind chunk data', chunks, '3\r\nabc0\r\n\r\n'],
  ['a bare line feed behind chunk data', chunks, '3\r\nabc\n0\r\n\r\n'],
  ['more chunk data than declared', chunks, '3\r\nabcd\r\n0\r\n\r\n'],
  ['a bare line feed in a chunk extension', extensions, '3;a=\nb\r\nabc\r\n0\r\n\r\n'],
  ['a NUL in a chunk extension', extensions, '3;a=\0\r\nabc\r\n0\r\n\r\n'],
  ['a chunk extension above 1 KB', extensions, `3;a=${'x'.repeat(1100)}\r\nabc\r\n0\r\n\r\n`],
  [
    'chunk extensions that outweigh the body',
    'CVE-2023-39326',
    `${`1;a=${'x'.repeat(1000)}\r\na\r\n`.repeat(18)}0\r\n\r\n`,
  ],
  ['a bare line feed as the end of the body', chunks, '3\r\nabc\r\n0\r\n\n'],
  ['a folded trailer', 'RFC 9112 §5.2', '3\r\nabc\r\n0\r\nX: a\r\n b\r\n\r\n'],
  ['a trailer with a space before the colon', fields, '3\r\nabc\r\n0\r\nX : a\r\n\r\n'],
  ['a trailer that is a length', 'RFC 9110 §6.5.1', '3\r\nabc\r\n0\r\nContent-Length: 5\r\n\r\n'],
  ['a trailer that is a coding', 'RFC 9110 §6.5.1', '3\r\nabc\r\n0\r\nTransfer-Encoding: chunked\r\n\r\n'],
  [
    'trailers above the head limit',
    'RFC 9110 §6.5.1',
    `3\r\nabc\r\n0\r\n${`X: ${'a'.repeat(8000)}\r\n`.repeat(5)}\r\n`,
  ],
].map(([name, source, body]) => ({ name, source, body }) as BrokenBody);

function refused(row: readonly (string | number)[]): RefusedRequest {
  const [name, source, bytes, reason, status = 400] = row;
  return { name, source, bytes, reason, status } as RefusedRequest;
}

function namesOf(count: number): string {
  return Array.from({ length: count }, (_, i) => `n${i}`).join(', ');
}
