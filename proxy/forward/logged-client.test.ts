// What the access log says of clients and answers: behind trusted proxies the real client, over HTTP/1.1 and HTTP/2.

import { once } from 'node:events';
import http2 from 'node:http2';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { defaultHttp2 } from '../table/defaults.ts';
import type { GlobalSettings } from '../table/types.ts';
import { startReplyingOrigin } from './testing/origin.ts';
import { exchangeRaw } from './testing/raw-client.ts';
import { startProxy, type TestProxy } from './testing/test-proxy.ts';

const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';
const TRUSTING: Partial<GlobalSettings> = {
  accessLog: true,
  useForwardedHeaders: true,
  trustedCidrs: ['127.0.0.0/8'],
  http2: { ...defaultHttp2, hasPriorKnowledge: true },
};

let stack: AsyncDisposableStack;
let origin: Awaited<ReturnType<typeof startReplyingOrigin>>;
beforeEach(async () => {
  stack = new AsyncDisposableStack();
  origin = stack.use(await startReplyingOrigin(OK));
});
afterEach(() => stack.disposeAsync());

async function start(global: Partial<GlobalSettings>): Promise<TestProxy> {
  return stack.use(await startProxy([{ host: 'a', endpoints: [origin.port] }], global));
}

async function loggedAs(global: Partial<GlobalSettings>, headers: string, host = 'a'): Promise<string | undefined> {
  const proxy = await start({ ...global, accessLogForDefaultBackend: true });
  await exchangeRaw(proxy.port, `GET / HTTP/1.1\r\nHost: ${host}\r\n${headers}Connection: close\r\n\r\n`);
  return (await proxy.stop()).at(-1);
}

test.each<[string, Partial<GlobalSettings>, string, string, string]>([
  ['the address that a trusted peer names', TRUSTING, 'X-Forwarded-For: 192.0.2.7\r\n', 'a', '192.0.2.7'],
  [
    'the right-most that is not trusted',
    TRUSTING,
    'X-Forwarded-For: 6.6.6.6, 192.0.2.7, 127.0.0.9\r\n',
    'a',
    '192.0.2.7',
  ],
  ['the same where no route is found', TRUSTING, 'X-Forwarded-For: 192.0.2.7\r\n', 'b', '192.0.2.7'],
  ['the peer that names nobody', TRUSTING, '', 'a', '127.0.0.1'],
  [
    'the peer that is not trusted',
    { ...TRUSTING, trustedCidrs: ['192.0.2.0/24'] },
    'X-Forwarded-For: 192.0.2.7\r\n',
    'a',
    '127.0.0.1',
  ],
  [
    'the peer, where forwarding headers are not used',
    { ...TRUSTING, useForwardedHeaders: false },
    'X-Forwarded-For: 192.0.2.7\r\n',
    'a',
    '127.0.0.1',
  ],
])('%s', async (_name, global, headers, host, expected) => {
  const line = await loggedAs(global, headers, host);
  expect(line?.split(' ')[0]).toBe(expected);
});

test('a request that no endpoint sees has its id in the log, the one of the client or ours', async () => {
  expect(await loggedAs(TRUSTING, 'X-Request-ID: mine\r\n', 'b')).toMatch(/ mine$/);
  expect(await loggedAs(TRUSTING, '', 'b')).toMatch(/ [0-9a-f]{32}$/);
  expect(await loggedAs({ ...TRUSTING, generateRequestId: false }, '', 'b')).toMatch(/ -$/);
});

test.each([
  ['GET', 14],
  ['HEAD', 0],
])('the body of an answer of the proxy to %s is counted', async (method, bytes) => {
  const proxy = await start({ ...TRUSTING, accessLogForDefaultBackend: true });
  await exchangeRaw(proxy.port, `${method} / HTTP/1.1\r\nHost: b\r\nConnection: close\r\n\r\n`);
  expect((await proxy.stop()).at(-1)).toContain(`" 404 ${bytes} "`);
});

test('HTTP/2: several lines are one list, as the endpoint gets it', async () => {
  const proxy = await start(TRUSTING);
  const session = http2.connect(`http://127.0.0.1:${proxy.port}`);
  const stream = session.request({
    ':authority': 'a',
    'x-forwarded-for': ['6.6.6.6', '192.0.2.7', '127.0.0.9'],
    authorization: `Basic ${Buffer.from('ann:x').toString('base64')}`,
  });
  const [answer] = await once(stream, 'response');
  expect(answered(answer)).toBe(200);
  stream.resume();
  await once(stream, 'end');
  session.close();
  await once(session, 'close');
  expect((await proxy.stop()).at(-1)).toMatch(/^192\.0\.2\.7 - ann \[/);
  expect(origin.received.join('')).toContain('X-Original-Forwarded-For: 6.6.6.6, 192.0.2.7, 127.0.0.9\r\n');
});

function answered(headers: unknown): number | undefined {
  return (headers as http2.IncomingHttpStatusHeader)[':status'];
}
