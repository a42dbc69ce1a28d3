// `npm run fuzz [-- --seconds N --seed N]`: fuzzes the parsers against node:http and undici. Prints what it tried; on a
// failure prints the smallest input found, and the seed that finds it again.

import { parseArgs } from 'node:util';
import { requestBytes, responseBytes } from './arbitrary.ts';
import { readCorpus } from './corpus.ts';
import { checkHttp2Request, http2Block } from './http2.ts';
import { checkRequest, checkResponse, runFuzz } from './properties.ts';
import { UndiciReader } from './readings.ts';
import { checkRepeatedRequest, checkRepeatedResponse } from './repeated.ts';

const { values } = parseArgs({ options: { seconds: { type: 'string' }, seed: { type: 'string' } } });
const seconds = Number(values.seconds ?? '60');
const seed = Number(values.seed ?? Date.now() % 2 ** 31);

const seeds = (kind: 'request' | 'response'): string[] => readCorpus(kind).map(({ text }) => text);

console.log(`fuzzing for ${seconds} s, seed ${seed}`);
const part = { seconds: seconds / 4 };
const requests = await runFuzz(part, seed, requestBytes(seeds('request')), checkRequest);
console.log(`requests: ${requests} inputs, no difference to node:http`);
const blocks = await runFuzz(part, seed, http2Block, checkHttp2Request);
console.log(`HTTP/2 header blocks: ${blocks} inputs, each forwarded as one request or none`);
await using undici = await UndiciReader.start();
const responses = await runFuzz(part, seed, responseBytes(seeds('response')), (text) => checkResponse(text, undici));
console.log(`responses: ${responses} inputs, no difference to undici`);
const half = { seconds: seconds / 8 };
const repeated =
  (await runFuzz(half, seed, requestBytes(seeds('request')), checkRepeatedRequest)) +
  (await runFuzz(half, seed, responseBytes(seeds('response')), checkRepeatedResponse));
console.log(`repeated heads: ${repeated} inputs, each read as by a new parser`);
