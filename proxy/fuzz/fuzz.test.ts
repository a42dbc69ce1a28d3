import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { requestBytes, responseBytes } from './arbitrary.ts';
import { readConversations, readCorpus } from './corpus.ts';
import { checkHttp2Request, http2Block } from './http2.ts';
import {
  checkBrokenClient,
  checkBrokenServer,
  checkClientConversation,
  checkServerConversation,
  Http2Clients,
  Http2Servers,
} from './http2-differential.ts';
import { broken, clientConversation, serverConversation } from './http2-sessions.ts';
import { checkClientHello, checkProxyHeader, clientHelloBytes, proxyHeaderBytes } from './preludes.ts';
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

test('HTTP/2 conversations of the corpus mean to us what they mean to node:http2', async () => {
  await using clients = await Http2Clients.start();
  const conversations = readConversations('server');
  expect(conversations.length).toBeGreaterThanOrEqual(2);
  for (const { frames } of conversations) await checkBrokenServer(clients, frames);
});

describe('HTTP/2, a short run against node:http2', () => {
  test('a client says the same to both', async () => {
    await using servers = await Http2Servers.start();
    await runFuzz({ inputs: 150 }, 1, clientConversation, (frames) => checkClientConversation(servers, frames));
    await runFuzz({ inputs: 300 }, 1, broken(clientConversation), (frames) => checkBrokenClient(servers, frames));
  }, 60_000);

  test('a server says the same to both', async () => {
    await using clients = await Http2Clients.start();
    await runFuzz({ inputs: 150 }, 1, serverConversation, (frames) => checkServerConversation(clients, frames));
    await runFuzz({ inputs: 300 }, 1, broken(serverConversation), (frames) => checkBrokenServer(clients, frames));
  }, 60_000);
});

test('a short run finds no PROXY header or ClientHello that is read otherwise when it is split', async () => {
  await runFuzz({ inputs: 1000 }, 1, proxyHeaderBytes, checkProxyHeader);
  await runFuzz({ inputs: 1000 }, 1, clientHelloBytes, checkClientHello);
});
