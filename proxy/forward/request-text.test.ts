// Rendering with a memory gives the text that rendering without one gives, whatever was rendered before.

import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { RequestParser } from '../http/request-parser.ts';
import { ResponseParser } from '../http/response-parser.ts';
import { RequestRenderer, type RequestTextParts, renderRequest } from './request-text.ts';
import { renderResponse, renderResponseAgain } from './response-text.ts';

const LIMITS = {
  maxRequestLineBytes: 1000,
  maxHeaderLineBytes: 1000,
  maxHeadBytes: 1000,
  maxHeaderCount: 20,
  allowUnderscoreHeaders: false,
  allowUnusualHeaders: false,
};

const word = fc.constantFrom('a', 'b');
const repeated = { repeats: fc.integer({ min: 1, max: 3 }) };

test('request heads', () => {
  const one = fc.record({
    ...repeated,
    head: fc.constantFrom('', 'X-Forwarded-For: 1\r\n', 'Content-Length: 5\r\n', 'Forwarded: for=1\r\nX-A: 1\r\n'),
    path: fc.constantFrom('a', 'b', 'longer', 'a//b?c'),
    host: fc.constantFrom('a', 'b', 'longer.host.example'),
    sentHost: fc.option(word),
    lines: fc.constantFrom('', 'X-Real-IP: 1\r\n', 'X-Real-IP: 2\r\n'),
    upgrade: fc.constantFrom('', 'test'),
    isTrustedPeer: fc.boolean(),
    hasId: fc.boolean(),
  });
  fc.assert(
    fc.property(fc.array(one, { maxLength: 20 }), (all) => {
      const parser = new RequestParser();
      const renderer = new RequestRenderer();
      let ids = 0;
      for (const { head, path, host, sentHost, lines, upgrade, isTrustedPeer, hasId, repeats } of all) {
        const bytes = Buffer.from(`GET /${path} HTTP/1.1\r\nHost: ${host}\r\n${head}\r\n`, 'latin1');
        for (let i = 0; i < repeats; i++) {
          parser.reset();
          expect(parser.parse(bytes, 0, bytes.length, LIMITS)).toBe(bytes.length);
          const requestId = hasId ? String(++ids) : '';
          const parts = { host: sentHost ?? host, forwardedLines: lines, requestId, upgrade, isTrustedPeer };
          expect(renderer.render(parser.head, parts)).toBe(renderRequest(parser.head, parts));
        }
      }
    }),
  );
});

test('a head that says nothing about repetition is rendered anew each time', () => {
  const parser = new RequestParser();
  const bytes = Buffer.from('GET /a HTTP/1.1\r\nHost: a\r\n\r\n', 'latin1');
  parser.parse(bytes, 0, bytes.length, LIMITS);
  parser.head.repeatKey = 0;
  parser.head.linesKey = 0;
  const renderer = new RequestRenderer();
  const parts = { host: 'a', forwardedLines: '', requestId: '', upgrade: '', isTrustedPeer: false };
  for (const target of ['/a', '/b', '/c']) {
    parser.head.target = target;
    expect(renderer.render(parser.head, parts)).toContain(`GET ${target} HTTP/1.1`);
  }
});

/** Every part, by the type: one that is forgotten in the comparison would leak from one request into another. */
const changes: Record<keyof RequestTextParts, Partial<RequestTextParts>> = {
  host: { host: 'b' },
  forwardedLines: { forwardedLines: 'X-Real-IP: 2\r\n' },
  requestId: { requestId: '2' },
  upgrade: { upgrade: 'test' },
  isTrustedPeer: { isTrustedPeer: true },
};

test.each(Object.entries(changes))('the text of last time is not used with another %s', (_name, changed) => {
  const parser = new RequestParser();
  const bytes = Buffer.from('GET /a HTTP/1.1\r\nHost: a\r\nForwarded: for=1\r\n\r\n', 'latin1');
  const renderer = new RequestRenderer();
  const parts = { host: 'a', forwardedLines: 'X-Real-IP: 1\r\n', requestId: '1', upgrade: '', isTrustedPeer: false };
  const other = { ...parts, ...changed };
  for (const each of [parts, parts, other, other, parts, parts, other]) {
    parser.reset();
    parser.parse(bytes, 0, bytes.length, LIMITS);
    expect(renderer.render(parser.head, each)).toBe(renderRequest(parser.head, each));
  }
  expect(renderRequest(parser.head, other)).not.toBe(renderRequest(parser.head, parts));
});

test('response heads', () => {
  const one = fc.record({
    ...repeated,
    head: fc.constantFrom(
      'Content-Length: 1\r\n',
      'Content-Length: 2\r\nServer: s\r\n',
      'Strict-Transport-Security: a\r\n',
    ),
    framing: fc.constantFrom('none' as const, 'length' as const, 'chunked' as const, 'untilClose' as const),
    dateLine: fc.constantFrom('Date: 1\r\n', 'Date: 2\r\n'),
    commonLines: fc.constantFrom('', 'Server: sluice\r\n'),
    passServer: fc.boolean(),
    passHsts: fc.boolean(),
    connection: fc.constantFrom('', 'close', 'keep-alive'),
  });
  fc.assert(
    fc.property(fc.array(one, { maxLength: 20 }), (all) => {
      const parser = new ResponseParser();
      for (const { head, repeats, ...parts } of all) {
        const bytes = Buffer.from(`HTTP/1.1 200 OK\r\n${head}\r\n`, 'latin1');
        for (let i = 0; i < repeats; i++) {
          parser.reset();
          expect(parser.parse(bytes, 0, bytes.length, LIMITS)).toBe(bytes.length);
          expect(renderResponseAgain(parser.head, { ...parts })).toBe(renderResponse(parser.head, parts));
        }
      }
    }),
  );
});
