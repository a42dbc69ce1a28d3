// Requests that are served, and exactly what the upstream gets of them: what a client cannot smuggle past, strip or forge.

import type { DisguisedPath, ForwardedRequest } from './strictness-rules.ts';

function get(headers: string, target = '/'): string {
  return `GET ${target} HTTP/1.1\r\nHost: a\r\n${headers}\r\n`;
}

const hop = 'RFC 9110 §7.6.1';
const original = 'X-Original-Forwarded-For: 9.9.9.9\r\n';

const hopByHop: readonly ForwardedRequest[] = [
  {
    name: 'Connection and what it names are removed',
    source: hop,
    bytes: get('X-Hop: 1\r\nConnection: keep-alive, x-hop\r\nX-End: 2\r\nX-HOP: 3\r\n'),
    kept: 'X-End: 2\r\n',
  },
  {
    name: 'hop-by-hop headers are removed though nobody names them',
    source: hop,
    bytes: get(
      'Keep-Alive: timeout=5\r\nProxy-Connection: close\r\nProxy-Authorization: Basic eA==\r\nTE: trailers\r\nTrailer: x\r\nUpgrade: websocket\r\nX-End: 2\r\n',
    ),
    kept: 'X-End: 2\r\n',
  },
  { name: 'Connection: Host does not strip the Host', source: hop, bytes: get('Connection: Host\r\n') },
  {
    name: 'Connection does not strip credentials',
    source: hop,
    bytes: get('Authorization: Bearer t\r\nCookie: c=1\r\nConnection: Authorization, Cookie\r\n'),
    kept: 'Authorization: Bearer t\r\nCookie: c=1\r\n',
  },
  {
    name: 'Connection does not strip forwarding headers',
    source: hop,
    bytes: get(
      'X-Forwarded-For: 9.9.9.9\r\nConnection: X-Forwarded-For, X-Forwarded-Proto, X-Forwarded-Host, X-Real-IP, X-Scheme, X-Request-ID\r\n',
    ),
    added: original,
  },
  {
    name: 'Connection does not strip a length',
    source: hop,
    bytes: `POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nConnection: Content-Length\r\n\r\nabc`,
    line: 'POST /',
    added: 'Content-Length: 3\r\n',
    body: 'abc',
  },
  {
    name: 'Connection does not strip the coding',
    source: hop,
    bytes: `POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nConnection: Transfer-Encoding\r\n\r\n3\r\nabc\r\n0\r\n\r\n`,
    line: 'POST /',
    added: 'Transfer-Encoding: chunked\r\n',
    body: '3\r\nabc\r\n0\r\n\r\n',
  },
  {
    name: 'a tunnel to HTTP/2 is not asked for: Upgrade: h2c',
    source: 'RFC 9113 §3.1',
    bytes: get('Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n'),
  },
  {
    name: 'httpoxy: the Proxy header is removed',
    source: 'CVE-2016-5385',
    bytes: get('Proxy: http://evil/\r\nX-End: 2\r\n'),
    kept: 'X-End: 2\r\n',
  },
];

const forged: readonly ForwardedRequest[] = [
  {
    name: 'forwarding headers of a client are replaced',
    source: 'RFC 7239 §8.1',
    bytes: get(
      'X-Real-IP: 9.9.9.9\r\nX-Forwarded-For: 9.9.9.9\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Port: 443\r\nX-Forwarded-Scheme: https\r\nX-Scheme: https\r\nForwarded: for=9.9.9.9\r\nX-Forwarded-Prefix: /x\r\nX-Original-Forwarded-For: 8.8.8.8\r\n',
    ),
    added: original,
  },
  {
    name: 'forwarding headers in another case are replaced',
    source: 'RFC 9110 §5.1',
    bytes: get('x-forwarded-for: 9.9.9.9\r\nX-REAL-IP: 9.9.9.9\r\n'),
    added: original,
  },
  {
    name: 'several X-Forwarded-For lines are one list',
    source: 'RFC 9110 §5.3',
    bytes: get('X-Forwarded-For: 7.7.7.7\r\nX-Forwarded-For: 8.8.8.8, 9.9.9.9\r\n'),
    added: 'X-Original-Forwarded-For: 7.7.7.7, 8.8.8.8, 9.9.9.9\r\n',
  },
  {
    name: 'headers with an underscore are dropped',
    source: 'nginx underscores_in_headers',
    bytes: get('X_Forwarded_For: 9.9.9.9\r\nContent_Length: 5\r\nX-Real_IP: 9.9.9.9\r\nX-End: 2\r\n'),
    kept: 'X-End: 2\r\n',
  },
  {
    name: 'headers with other characters than letters, digits and hyphens are dropped',
    source: 'nginx ignore_invalid_headers',
    bytes: get('X.Forwarded.For: 9.9.9.9\r\nX~Real-IP: 9.9.9.9\r\nContent!Length: 5\r\nX-1: 2\r\n'),
    kept: 'X-1: 2\r\n',
  },
  {
    name: 'white space around a value is no part of it',
    source: 'RFC 9112 §5.1',
    bytes: 'GET / HTTP/1.1\r\nHost: \t a \t\r\nContent-Length:   0  \r\n\r\n',
  },
];

const framed: readonly ForwardedRequest[] = [
  {
    name: 'a length is written anew',
    source: 'RFC 9112 §6.2',
    bytes: 'POST / HTTP/1.1\r\nHost: a\r\nCONTENT-LENGTH: 0003\r\n\r\nabc',
    line: 'POST /',
    added: 'Content-Length: 3\r\n',
    body: 'abc',
  },
  {
    name: 'a coding is written anew',
    source: 'RFC 9112 §6.1',
    bytes: 'POST / HTTP/1.1\r\nHost: a\r\ntransfer-encoding: CHUNKED\r\n\r\n0003;x=y\r\nabc\r\n000\r\n\r\n',
    line: 'POST /',
    added: 'Transfer-Encoding: chunked\r\n',
    body: '3\r\nabc\r\n0\r\n\r\n',
  },
  {
    name: 'trailers of a request are dropped',
    source: 'RFC 9110 §6.5.1',
    bytes:
      'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX-Admin: 1\r\nHost: b\r\n\r\n',
    line: 'POST /',
    added: 'Transfer-Encoding: chunked\r\n',
    body: '3\r\nabc\r\n0\r\n\r\n',
  },
  {
    name: 'a body that looks like a request is a body',
    source: 'RFC 9112 §6.3',
    bytes: 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 38\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: evil\r\n\r\n',
    line: 'POST /',
    added: 'Content-Length: 38\r\n',
    body: 'GET /smuggled HTTP/1.1\r\nHost: evil\r\n\r\n',
  },
  {
    name: 'a GET with a body keeps it',
    source: 'RFC 9110 §9.3.1',
    bytes: 'GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc',
    added: 'Content-Length: 3\r\n',
    body: 'abc',
  },
  {
    name: 'HTTP/1.0 goes on as HTTP/1.1',
    source: 'RFC 9110 §2.5',
    bytes: 'GET / HTTP/1.0\r\nHost: a\r\n\r\n',
  },
  {
    name: 'one empty line before a request is skipped',
    source: 'RFC 9112 §2.2',
    bytes: `\r\n${get('')}`,
  },
];

const targets: readonly ForwardedRequest[] = [
  {
    name: 'an absolute-form becomes origin-form with its authority as Host',
    source: 'RFC 9112 §3.2.2',
    bytes: 'GET HTTP://A:80/x?y HTTP/1.1\r\nHost: a:80\r\n\r\n',
    line: 'GET /x?y',
    host: 'A:80',
  },
  {
    name: 'the original target goes upstream, not the normalised one',
    source: 'RFC 9112 §3.2.1',
    bytes: get('', '//a/./b/%2e%2e/c%2Fd;e\\f?g=//../h'),
    line: 'GET //a/./b/%2e%2e/c%2Fd;e\\f?g=//../h',
  },
  {
    name: 'an encoded line end in a target stays encoded',
    source: 'RFC 9112 §11.1',
    bytes: get('', '/a%0d%0aX-Evil:%201'),
    line: 'GET /a%0d%0aX-Evil:%201',
  },
];

export const forwardedRequests: readonly ForwardedRequest[] = [...hopByHop, ...forged, ...framed, ...targets];

const dots = 'RFC 3986 §5.2.4';
const escapes = 'RFC 3986 §6.2.2.2';
const nginx = 'nginx merge_slashes, ngx_http_parse_complex_uri';

/** `/admin` is protected, everything else is open. */
export const disguisedPaths: readonly DisguisedPath[] = [
  ['/admin', dots, true],
  ['/admin/', dots, true],
  ['/admin?x', dots, true],
  ['//admin', nginx, true],
  ['/admin//x', nginx, true],
  ['///admin', nginx, true],
  ['/./admin', dots, true],
  ['/open/../admin', dots, true],
  ['/open/..//admin', dots, true],
  ['/open/./../admin/.', dots, true],
  ['/%61dmin', escapes, true],
  ['/%61%64%6D%69%6e', escapes, true],
  ['/%2e/admin', escapes, true],
  ['/open/%2e%2e/admin', escapes, true],
  ['/open/.%2E/admin', escapes, true],
  ['/open%2f..%2fadmin', escapes, true],
  ['/%2fadmin', escapes, true],
  ['/admin%2fx', escapes, true],
  ['/admin%2f', escapes, true],
  ['/admin/x/..', dots, true],
  // Decoded once: what an upstream that decodes twice makes of these is its own mistake, and nginx passes them too.
  ['/%2561dmin', escapes, false],
  ['/open/%252e%252e/admin', escapes, false],
  // Neither `;` nor `\` separates segments (RFC 3986 §3.3): the same resource as without them only to some upstreams.
  ['/open/..;/admin', 'RFC 3986 §3.3', false],
  ['/admin;x', 'RFC 3986 §3.3', false],
  ['/open\\..\\admin', 'RFC 3986 §3.3', false],
  ['/ADMIN', 'RFC 3986 §6.2.2.1', false],
  ['/administrator', 'Kubernetes Ingress pathType Prefix', false],
].map(([path, source, isProtected]) => ({ name: path, source, target: path, isProtected }) as DisguisedPath);
