// Response fields become a head as HTTP/1.1 has it, or a fault; and what a request's block looks like.

import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { CHUNKED, ResponseHead } from '../http/response-head.ts';
import { headerFieldOf } from './header-field.ts';
import { HpackDecoder } from './hpack-decoder.ts';
import { HpackEncoder } from './hpack-encoder.ts';
import { ResponseFields, TrailerLines } from './response-fields.ts';

type Fields = ReadonlyArray<readonly [string, string]>;

function read(fields: Fields): { head: ResponseHead; fault: string } {
  const head = new ResponseHead();
  const sink = new ResponseFields();
  sink.begin(head);
  for (const [name, value] of fields) sink.onField(headerFieldOf(name, value));
  sink.finish(false);
  return { head, fault: sink.fault };
}

test('a response', () => {
  const { head, fault } = read([
    [':status', '404'],
    ['server', 'own'],
    ['content-type', 'text/plain'],
    ['content-length', '12'],
    ['date', 'today'],
    ['trailer', 'x'],
    ['x-accel-redirect', '/internal'],
    ['x-accel-buffering', 'no'],
    ['strict-transport-security', 'max-age=1'],
    ['x-a', 'b'],
  ]);
  expect(fault).toBe('');
  expect(head.status).toBe(404);
  expect(head.contentLength).toBe(12);
  expect(head.hasDate).toBe(true);
  expect(head.text.slice(head.statusLineStart, head.statusLineEnd)).toBe(' 404 Not Found');
  expect(head.keptText()).toBe('content-type: text/plain\r\ndate: today\r\nx-a: b\r\n');
  expect(head.text.slice(head.serverLineStart, head.serverLineEnd)).toBe('server: own\r\n');
  expect(head.text.slice(head.hstsLineStart, head.hstsLineEnd)).toBe('strict-transport-security: max-age=1\r\n');
});

test('without content-length the body is of unknown length', () => {
  expect(read([[':status', '200']]).head.contentLength).toBe(CHUNKED);
});

describe('faults', () => {
  test.each<[string, Fields]>([
    ['no :status', [['a', 'b']]],
    ['no :status', []],
    [
      'several :status',
      [
        [':status', '200'],
        [':status', '200'],
      ],
    ],
    ['bad :status', [[':status', '600']]],
    ['bad :status', [[':status', '+20']]],
    ['status 101', [[':status', '101']]],
    [
      ':status behind other fields',
      [
        [':status', '200'],
        ['a', 'b'],
        [':status', '200'],
      ],
    ],
    [
      'pseudo-header field of a request',
      [
        [':status', '200'],
        [':method', 'GET'],
      ],
    ],
    [
      'connection-specific field connection',
      [
        [':status', '200'],
        ['connection', 'close'],
      ],
    ],
    [
      'connection-specific field upgrade',
      [
        [':status', '200'],
        ['upgrade', 'h2c'],
      ],
    ],
    [
      'bad field name',
      [
        [':status', '200'],
        ['A', 'b'],
      ],
    ],
    [
      'bad field name',
      [
        [':status', '200'],
        ['a b', 'c'],
      ],
    ],
    [
      'forbidden bytes in a value',
      [
        [':status', '200'],
        ['a', 'b\r\nc: d'],
      ],
    ],
    [
      'bad content-length',
      [
        [':status', '200'],
        ['content-length', '-1'],
      ],
    ],
    [
      'bad content-length',
      [
        [':status', '200'],
        ['content-length', '1'],
        ['content-length', '2'],
      ],
    ],
    ['too many fields', [[':status', '200'], ...new Array<readonly [string, string]>(257).fill(['a', 'b'])]],
  ])('%s', (want, fields) => {
    expect(read(fields).fault).toBe(want);
  });
});

test('trailers are lines; pseudo-header and connection-specific fields make them malformed', () => {
  const sink = new TrailerLines();
  sink.begin();
  sink.onField(headerFieldOf('grpc-status', '0'));
  sink.onField(headerFieldOf('x', 'y'));
  expect([sink.isMalformed, sink.lines]).toEqual([false, 'grpc-status: 0\r\nx: y\r\n']);
  sink.onField(headerFieldOf(':status', '200'));
  expect(sink.isMalformed).toBe(true);
  sink.begin();
  sink.onField(headerFieldOf('connection', 'close'));
  expect(sink.isMalformed).toBe(true);
});

test('a request block says what it was given, time and again', () => {
  const token = fc.stringMatching(/^[a-z][a-z0-9-]{0,12}$/);
  const value = fc.stringMatching(/^([!-~]([ -~]{0,30}[!-~])?)?$/);
  const requests = fc.array(
    fc.record({
      method: fc.constantFrom('GET', 'POST', 'PATCH'),
      isHttps: fc.boolean(),
      authority: fc.constantFrom('a.test', 'b.test:8080'),
      path: fc.stringMatching(/^\/[a-z0-9/?=]{0,20}$/),
      isGrpc: fc.boolean(),
      lines: fc.array(fc.tuple(fc.constantFrom('x-a', 'cookie', 'x-request-id', 'user-agent'), value), {
        maxLength: 5,
      }),
      own: token,
    }),
    { maxLength: 20 },
  );
  fc.assert(
    fc.property(requests, (given) => {
      const encoder = new HpackEncoder();
      const decoder = new HpackDecoder(Buffer.alloc(100_000));
      for (const { lines, own, ...request } of given) {
        const all = [...lines, [`y-${own}`, 'v'] as const];
        const text = `X\r\nHost: ignored\r\n${all.map(([name, of]) => `${name}: ${of}\r\n`).join('')}Connection: close\r\n\r\n`;
        const out = Buffer.alloc(20_000);
        const end = encoder.encodeRequest(request, text, text.indexOf('\n', 3) + 1, out, 0);
        const got: string[] = [];
        const sink = {
          onField: (field: ReturnType<typeof headerFieldOf>) => got.push(`${field.name.text}=${field.value}`),
        };
        expect(decoder.decode(out, 0, end, 1 << 20, sink as never)).toBe(true);
        expect(got).toEqual([
          `:method=${request.method}`,
          `:scheme=${request.isHttps ? 'https' : 'http'}`,
          `:authority=${request.authority}`,
          `:path=${request.path}`,
          ...(request.isGrpc ? ['te=trailers'] : []),
          ...all.map(([name, of]) => `${name}=${of}`),
        ]);
      }
    }),
  );
});
