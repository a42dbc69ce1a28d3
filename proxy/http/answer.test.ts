import { expect, test } from '@jest/globals';
import { answerOf, renderAnswer } from './answer.ts';

const COMMON = 'Date: d\r\n';

test('an error explains itself in plain text', () => {
  expect(renderAnswer(answerOf(404, 'noRoute'), COMMON, false)).toBe(
    'HTTP/1.1 404 Not Found\r\nDate: d\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 14\r\n\r\n404 Not Found\n',
  );
});

test('HEAD gets the same head and no body', () => {
  const get = renderAnswer(answerOf(404, 'noRoute'), COMMON, false);
  expect(`${renderAnswer(answerOf(404, 'noRoute'), COMMON, true)}404 Not Found\n`).toBe(get);
});

test('a success has no body, a 204 and a 304 no length either', () => {
  expect(renderAnswer(answerOf(200, 'healthz'), '', false)).toMatch(/Content-Length: 0\r\n\r\n$/);
  for (const status of [204, 304]) expect(renderAnswer(answerOf(status, 'x'), '', false)).not.toMatch(/Content-/);
});

test('a 405 says what is allowed (RFC 9110 §15.5.6), others do not', () => {
  expect(renderAnswer(answerOf(405, 'x'), '', false)).toMatch(/\r\nAllow: GET, HEAD, /);
  expect(renderAnswer(answerOf(400, 'x'), '', false)).not.toMatch(/Allow/);
});
