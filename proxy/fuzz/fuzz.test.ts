import { afterAll, beforeAll, describe, test } from '@jest/globals';
import { requestBytes, responseBytes } from './arbitrary.ts';
import { readCorpus } from './corpus.ts';
import { checkHttp2Request, http2Block } from './http2.ts';
import { checkRequest, checkResponse, runFuzz } from './properties.ts';
import { UndiciReader } from './readings.ts';
import { checkRepeatedRequest, checkRepeatedResponse } from './repeated.ts';

let undici: UndiciReader;
beforeAll(async () => {
  undici = await UndiciReader.start();
});
afterAll(() => undici[Symbol.asyncDispose]());

describe('corpus', () => {
  test.each(readCorpus('request').map(({ name, text }) => [name, text]))('%s', async (_name, text) => {
    await checkRequest(text as string);
  });

  test.each(readCorpus('response').map(({ name, text }) => [name, text]))('%s', async (_name, text) => {
    await checkResponse(text as string, undici);
  });
});

test('a short run finds no difference to node:http and undici', async () => {
  // Fixed: the suite tells whether a change broke something; `npm run fuzz` looks for new things.
  const seed = 1;
  await runFuzz({ inputs: 1500 }, seed, requestBytes(readCorpus('request').map(({ text }) => text)), checkRequest);
  await runFuzz({ inputs: 500 }, seed, http2Block, checkHttp2Request);
  await runFuzz({ inputs: 500 }, seed, responseBytes([]), (text) => checkResponse(text, undici));
});

test('a short run finds no head that is read otherwise when it is repeated', async () => {
  const requests = readCorpus('request').map(({ text }) => text);
  await runFuzz({ inputs: 500 }, 1, requestBytes(requests), checkRepeatedRequest);
  await runFuzz({ inputs: 500 }, 1, responseBytes([]), checkRepeatedResponse);
});
