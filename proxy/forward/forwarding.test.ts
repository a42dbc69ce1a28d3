// Which of a client's words about itself reach the upstream, and in which form.

import { describe, expect, test } from '@jest/globals';
import { RequestParser } from '../http/request-parser.ts';
import { indexRoutes } from '../match/index.ts';
import { emptyGlobal } from '../table/defaults.ts';
import type { GlobalSettings } from '../table/types.ts';
import type { CurrentTable } from './context.ts';
import { currentTable } from './current-table.ts';
import { believedValues, forwardingParts } from './forwarding.ts';
import { renderRequest } from './request-text.ts';
import { tableOf } from './testing/test-proxy.ts';
import { trustedPeers } from './trusted-peers.ts';

const client = { remoteAddress: '10.0.0.9', isTls: false, localPort: 8080, forwardedLines: 'X-Real-IP: own\r\n' };
const ID = 'f'.repeat(32);

function tableWith(global: Partial<GlobalSettings>): CurrentTable {
  return currentTable(1, indexRoutes(tableOf([])), { ...emptyGlobal, ...global });
}

/** The upstream head for a request with these header lines, as lines. */
function linesFor(headers: string, global: Partial<GlobalSettings> = {}, line = 'GET /x HTTP/1.1'): string[] {
  const current = tableWith(global);
  const parser = new RequestParser();
  const bytes = Buffer.from(`${line}\r\nHost: own.test\r\n${headers}\r\n`, 'latin1');
  expect(parser.parse(bytes, 0, bytes.length, current.requestLimits)).toBe(bytes.length);
  const parts = forwardingParts(parser.head, client, current, believedValues(parser.head, client, current), () => ID);
  return renderRequest(parser.head, parts).split('\r\n');
}

const trusting: Partial<GlobalSettings> = { useForwardedHeaders: true, trustedCidrs: ['10.0.0.0/8'] };

describe('an untrusted client', () => {
  test('has everything it says about itself replaced, and its own words kept apart', () => {
    const headers =
      'X-Forwarded-For: 1.1.1.1\r\nX-Forwarded-Host: evil.test\r\nX-Forwarded-Proto: https\r\nX-Real-IP: 1.1.1.1\r\n' +
      'X-Scheme: https\r\nForwarded: for=1.1.1.1\r\nX-Forwarded-Prefix: /p\r\nProxy: http://evil\r\n';
    expect(linesFor(headers)).toEqual([
      'GET /x HTTP/1.1',
      'Host: own.test',
      'X-Forwarded-Host: own.test',
      'X-Real-IP: own',
      `X-Request-ID: ${ID}`,
      'X-Original-Forwarded-For: 1.1.1.1',
      'X-Original-Forwarded-Host: evil.test',
      '',
      '',
    ]);
  });

  test('empty values are left out, and an empty request id is replaced', () => {
    const lines = linesFor('X-Forwarded-For:\r\nX-Forwarded-Host: \r\nX-Request-ID:\r\n');
    expect(lines.filter((line) => line.startsWith('X-Original'))).toEqual([]);
    expect(lines).toContain(`X-Request-ID: ${ID}`);
  });

  test('chooses its request id, of several the last', () => {
    const lines = linesFor('X-Request-ID: a\r\nX-Request-ID: b\r\n').filter((line) => line.startsWith('X-Request-ID'));
    expect(lines).toEqual(['X-Request-ID: b']);
  });
});

describe('a trusted peer', () => {
  test.each([
    ['the right-most address that is not trusted', '6.6.6.6, 1.2.3.4, 10.1.1.1', '1.2.3.4'],
    ['the left-most when all are trusted', '10.2.2.2, 10.1.1.1', '10.2.2.2'],
    ['its own address without the header', '', '10.0.0.9'],
    ['an address with a port', '1.2.3.4:555', '1.2.3.4'],
    ['an IPv6 address in brackets', '[2001:db8::1]:5', '2001:db8::1'],
    ['its own address before something that is none', '1.2.3', '10.0.0.9'],
    ['the last address before something that is none', '1.2.3.4, dead.beef, 10.1.1.1', '10.1.1.1'],
    ['its own address before an unclosed bracket', '[::1', '10.0.0.9'],
    ['an address between empty elements', ', ,1.2.3.4 ,', '1.2.3.4'],
    [
      'one of several lines, which are one list',
      '6.6.6.6\r\nX-Forwarded-For: 1.2.3.4\r\nX-Forwarded-For: 10.1.1.1',
      '1.2.3.4',
    ],
  ])('the client is %s', (_name, said, expected) => {
    const header = said === '' ? '' : `X-Forwarded-For: ${said}\r\n`;
    const lines = linesFor(header, trusting);
    expect(lines).toContain(`X-Real-IP: ${expected}`);
    expect(lines).toContain(`X-Forwarded-For: ${expected}`);
  });

  test('compute-full-forwarded-for appends the peer', () => {
    const lines = linesFor('X-Forwarded-For: 1.2.3.4\r\n', { ...trusting, computeFullForwardedFor: true });
    expect(lines).toContain('X-Forwarded-For: 1.2.3.4, 10.0.0.9');
    expect(lines).toContain('X-Real-IP: 1.2.3.4');
  });

  test('sets host, scheme and port, and its Forwarded lines go on', () => {
    const lines = linesFor(
      'X-Forwarded-Host: first.test, second.test\r\nX-Forwarded-Proto: HTTPS\r\nX-Forwarded-Port: 8443\r\nForwarded: for=x\r\n',
      trusting,
    );
    expect(lines[1]).toBe('Host: first.test');
    expect(lines).toEqual(
      expect.arrayContaining([
        'X-Forwarded-Host: first.test',
        'X-Forwarded-Proto: https',
        'X-Scheme: https',
        'X-Forwarded-Port: 8443',
        'Forwarded: for=x',
      ]),
    );
  });

  test.each(['a b', 'evil.test/path', 'user@evil.test', 'a:99999', ''])('%j is no host it could set', (said) => {
    expect(linesFor(`X-Forwarded-Host: ${said}\r\n`, trusting)[1]).toBe('Host: own.test');
  });

  test.each([
    ['X-Forwarded-Proto: https, http', 'X-Forwarded-Proto: https'],
    ['X-Forwarded-Proto: https\r\nX-Forwarded-Proto: http', 'X-Forwarded-Proto: https'],
    ['X-Forwarded-Proto: wss', 'X-Forwarded-Proto: wss'],
    ['X-Forwarded-Port: 443, 80', 'X-Forwarded-Port: 443'],
    ['X-Forwarded-Host: first.test\r\nX-Forwarded-Host: second.test', 'X-Forwarded-Host: first.test'],
  ])("%j: the first entry of a list is the client's", (said, expected) => {
    expect(linesFor(`${said}\r\n`, trusting)).toContain(expected);
  });

  test.each([
    ['X-Forwarded-Proto: ftp', 'X-Forwarded-Proto: http'],
    ['X-Forwarded-Port: 80x', 'X-Forwarded-Port: 8080'],
  ])('%j is not believed', (said, expected) => {
    expect(linesFor(`${said}\r\n`, trusting)).toContain(expected);
  });
});

describe('framing and upgrade', () => {
  test.each([
    ['GET /x HTTP/1.1', '', []],
    ['POST /x HTTP/1.1', '', ['Content-Length: 0']],
    ['GET /x HTTP/1.1', 'Content-Length: 4\r\n', ['Content-Length: 4']],
    ['POST /x HTTP/1.1', 'Transfer-Encoding: chunked\r\n', ['Transfer-Encoding: chunked']],
    ['GET /x HTTP/1.1', 'Connection: upgrade\r\nUpgrade: websocket\r\n', ['Upgrade: websocket', 'Connection: upgrade']],
    ['GET /x HTTP/1.1', 'Upgrade: websocket\r\n', []],
    ['GET /x HTTP/1.1', 'Connection: upgrade\r\nUpgrade: websocket, h2c\r\n', []],
    ['GET /x HTTP/1.0', 'Connection: upgrade\r\nUpgrade: websocket\r\n', []],
  ])('%s %j sends %j', (line, headers, expected) => {
    const framing = /^(content-length|transfer-encoding|upgrade|connection):/i;
    expect(linesFor(headers, {}, line).filter((each) => framing.test(each))).toEqual(expected);
  });
});

describe('trustedPeers', () => {
  test.each([
    ['10.1.2.3', true],
    ['11.1.2.3', false],
    ['2001:db8::5', true],
    ['::ffff:10.1.2.3', true],
    ['fe80::1%eth0', true],
    ['', false],
    ['10.1.2', false],
  ])('%j is %s', (address, expected) => {
    const global = { ...emptyGlobal, useForwardedHeaders: true };
    const isTrusted = trustedPeers({
      ...global,
      trustedCidrs: ['10.0.0.0/8', '2001:db8::/32', 'fe80::/10', 'junk', '1.1.1.1/99'],
    });
    expect(isTrusted?.(address)).toBe(expected);
  });

  test('nobody is asked when forwarding headers are not used', () => {
    expect(trustedPeers(emptyGlobal)).toBeNull();
  });
});
