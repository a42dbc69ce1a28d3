// `npm run fuzz [-- --seconds N --seed N --conversations N]`: fuzzes the parsers against node:http, undici and node:http2.
// Prints what it tried; on a failure prints the smallest input found, and the seed that finds it again. `--conversations` is
// the most of each kind of HTTP/2 conversation: with a seed, CI tries the same ones however fast its machine is.

import { parseArgs } from 'node:util';
import { requestBytes, responseBytes } from './arbitrary.ts';
import { readCorpus } from './corpus.ts';
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

const { values } = parseArgs({
  options: { seconds: { type: 'string' }, seed: { type: 'string' }, conversations: { type: 'string' } },
});
const seconds = Number(values.seconds ?? '60');
const seed = Number(values.seed ?? Date.now() % 2 ** 31);
const mostInputs = Number(values.conversations ?? Number.MAX_SAFE_INTEGER);

const seeds = (kind: 'request' | 'response'): string[] => readCorpus(kind).map(({ text }) => text);

console.log(`fuzzing for ${seconds} s, seed ${seed}`);
const part = { seconds: seconds / 6 };
const requests = await runFuzz(part, seed, requestBytes(seeds('request')), checkRequest);
console.log(`requests: ${requests} inputs, no difference to node:http`);
const blocks = await runFuzz(part, seed, http2Block, checkHttp2Request);
console.log(`HTTP/2 header blocks: ${blocks} inputs, each forwarded as one request or none`);
await using undici = await UndiciReader.start();
const responses = await runFuzz(part, seed, responseBytes(seeds('response')), (text) => checkResponse(text, undici));
console.log(`responses: ${responses} inputs, no difference to undici`);
const half = { seconds: seconds / 12 };
const repeated =
  (await runFuzz(half, seed, requestBytes(seeds('request')), checkRepeatedRequest)) +
  (await runFuzz(half, seed, responseBytes(seeds('response')), checkRepeatedResponse));
console.log(`repeated heads: ${repeated} inputs, each read as by a new parser`);
await using servers = await Http2Servers.start();
const quarter = { seconds: seconds / 24 };
const asServer =
  (await runFuzz({ ...quarter, mostInputs }, seed, clientConversation, (frames) =>
    checkClientConversation(servers, frames),
  )) +
  (await runFuzz({ ...half, mostInputs }, seed, broken(clientConversation), (frames) =>
    checkBrokenClient(servers, frames),
  ));
await using clients = await Http2Clients.start();
const asClient =
  (await runFuzz({ ...quarter, mostInputs }, seed, serverConversation, (frames) =>
    checkServerConversation(clients, frames),
  )) +
  (await runFuzz({ ...quarter, mostInputs }, seed, broken(serverConversation), (frames) =>
    checkBrokenServer(clients, frames),
  ));
console.log(`HTTP/2 conversations: ${asServer} as server, ${asClient} as client, no difference to node:http2`);
const preludes =
  (await runFuzz(quarter, seed, proxyHeaderBytes, checkProxyHeader)) +
  (await runFuzz(quarter, seed, clientHelloBytes, checkClientHello));
console.log(`PROXY headers and ClientHellos: ${preludes} inputs, each read the same however it is split`);
