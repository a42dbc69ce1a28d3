// One request and its answer: what is an error, what is sent once more.

import { expect, test } from '@jest/globals';
import { FakeClock } from '../testing/fake-clock.ts';
import { callApi } from './call.ts';
import { ScriptedTransport, statusObject } from './testing/scripted-transport.ts';

const request = { method: 'POST', path: '/api/v1/namespaces/a/events', body: { kind: 'Event' } } as const;

function call() {
  const transport = new ScriptedTransport();
  const clock = new FakeClock();
  const answer = callApi({ transport, clock, signal: new AbortController().signal }, request);
  answer.catch(() => {});
  return { transport, clock, answer };
}

test('a good answer is parsed', async () => {
  const { transport, answer, clock } = call();
  (await transport.take()).answer(201, { count: 1 });
  expect(await answer).toEqual({ count: 1 });
  expect(clock.pending).toBe(0);
});

test('a 401 renews the credentials and sends the same once more', async () => {
  const { transport, answer } = call();
  (await transport.take()).answer(401, statusObject(401, 'Unauthorized', 'Unauthorized'));
  const again = await transport.take();
  expect([again.method, again.path, again.body]).toEqual([request.method, request.path, request.body]);
  expect(transport.renewals).toBe(1);
  again.answer(201, { count: 1 });
  expect(await answer).toEqual({ count: 1 });
});

test.each([401, 403, 409, 500])('%d in the end is an error, and only a 401 is tried twice', async (code) => {
  const { transport, answer } = call();
  (await transport.take()).answer(code, statusObject(code, 'Any', 'no'));
  if (code === 401) (await transport.take()).answer(code, statusObject(code, 'Any', 'no'));
  await expect(answer).rejects.toMatchObject({ name: 'ApiError' });
  expect(transport.requests).toHaveLength(code === 401 ? 2 : 1);
});
