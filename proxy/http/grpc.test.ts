// Which requests are gRPC calls, what time they have, and how failures are told.

import { expect, test } from '@jest/globals';
import { grpcAnswerOf, grpcStatusOf, grpcTimeoutMs, isGrpcRequest } from './grpc.ts';
import { RequestHead } from './request-head.ts';

function headWith(line: string): RequestHead {
  const head = new RequestHead();
  head.text = `POST / HTTP/1.1\r\n${line}\r\n\r\n`;
  head.keep(17, 17 + line.length + 2);
  return head;
}

test.each([
  ['content-type: application/grpc', true],
  ['content-type: application/grpc+proto', true],
  ['Content-Type: application/grpc;charset=utf-8', true],
  ['content-type: application/grpc-web+proto', false],
  ['content-type: application/json', false],
  ['x-content-type: application/grpc', false],
])('%s: a call %p', (line, want) => {
  expect(isGrpcRequest(headWith(line))).toBe(want);
});

test.each([
  ['grpc-timeout: 100m', 100],
  ['grpc-timeout: 2S', 2000],
  ['grpc-timeout: 3M', 180_000],
  ['grpc-timeout: 1H', 3_600_000],
  ['grpc-timeout: 5000u', 5],
  ['grpc-timeout: 1000000n', 1],
  ['grpc-timeout: 99999999H', 99_999_999 * 3_600_000],
  ['grpc-timeout: 123456789S', null],
  ['grpc-timeout: 1h', null],
  ['grpc-timeout: S', null],
  ['grpc-timeout: -1S', null],
  ['x: grpc-timeout: 1S', null],
])('%s is %p ms', (line, want) => {
  expect(grpcTimeoutMs(headWith(line))).toBe(want);
});

test.each([
  [400, 13],
  [401, 16],
  [403, 7],
  [404, 12],
  [408, 2],
  [413, 8],
  [429, 14],
  [500, 2],
  [502, 14],
  [503, 14],
  [504, 4],
])('HTTP %d is gRPC %d', (http, grpc) => {
  expect(grpcStatusOf(http)).toBe(grpc);
});

test('a failure is a 200 with its status in the head; further lines stay', () => {
  const answer = grpcAnswerOf({ status: 503, reason: 'overloaded', headerLines: 'Retry-After: 1\r\n' });
  expect(answer).toEqual({
    status: 200,
    reason: 'overloaded',
    headerLines: 'content-type: application/grpc\r\ngrpc-status: 14\r\ngrpc-message: overloaded\r\nRetry-After: 1\r\n',
    isBare: true,
  });
});
