// Every rule about requests, on the wire: a lenient origin records what it gets, byte by byte.

import { describe, expect, test } from '@jest/globals';
import { startReplyingOrigin } from './testing/origin.ts';
import { connectRaw, exchangeRaw, parseResponses } from './testing/raw-client.ts';
import { brokenBodies, refusedRequests } from './testing/request-attacks.ts';
import { disguisedPaths, forwardedRequests } from './testing/request-rewrites.ts';
import type { ForwardedRequest } from './testing/strictness-rules.ts';
import { STREAMED, startProxy, type TestProxy, tableOf } from './testing/test-proxy.ts';

const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';
const SMUGGLED = 'GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n';

/** No random part in what goes upstream. */
const PLAIN = { generateRequestId: false };

function refusals(proxy: TestProxy): ReadonlyArray<readonly [string | undefined, number]> {
  return proxy.worker
    .sample()
    .counters.filter(({ name }) => name === 'sluice_refused_requests_total')
    .map(({ labels, value }) => [labels['reason'], value]);
}

function expectOneAnswer(text: string, status: number): void {
  const responses = parseResponses(text);
  expect(responses.map((response) => response.status)).toEqual([status]);
  expect(responses[0]?.headers['connection']).toBe('close');
  expect(text.endsWith(responses[0]?.body ?? '')).toBe(true);
  expect(text.match(/HTTP\/1\.1 /g)).toHaveLength(1);
}

describe('requests that are refused', () => {
  test.each(refusedRequests)('$name', async ({ bytes, status, reason }) => {
    await using origin = await startReplyingOrigin(OK);
    await using proxy = await startProxy([{ endpoints: [origin.port] }], PLAIN);
    expectOneAnswer(await exchangeRaw(proxy.port, bytes + SMUGGLED), status);
    expect(origin.received).toEqual([]);
    expect(refusals(proxy)).toEqual([[reason, 1]]);
  });

  test('are refused in the same way when they come byte by byte', async () => {
    await using proxy = await startProxy([], PLAIN);
    for (const { bytes, status } of refusedRequests.filter((rule) => rule.bytes.length < 80)) {
      using client = await connectRaw(proxy.port);
      client.socket.setNoDelay(true);
      for (const byte of bytes) client.send(byte);
      client.send(SMUGGLED);
      expectOneAnswer(await client.closed(), status);
    }
  });
});

describe('bodies that are refused', () => {
  test.each(brokenBodies)('$name', async ({ body }) => {
    await using origin = await startReplyingOrigin('');
    await using proxy = await startProxy([{ endpoints: [origin.port], policy: STREAMED }], PLAIN);
    const head = 'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n';
    expectOneAnswer(await exchangeRaw(proxy.port, head + body + SMUGGLED), 400);
    for (const sent of origin.received) {
      expect(sent).not.toContain('0\r\n\r\n');
      expect(sent).not.toContain('smuggled');
    }
  });
});

/** The whole request as the upstream must get it. */
function upstreamText(
  { line = 'GET /', host = 'a', kept = '', added = '', body = '' }: ForwardedRequest,
  port: number,
) {
  return (
    `${line} HTTP/1.1\r\nHost: ${host}\r\n${kept}X-Forwarded-Host: ${host}\r\nX-Real-IP: 127.0.0.1\r\n` +
    `X-Forwarded-For: 127.0.0.1\r\nX-Forwarded-Port: ${port}\r\nX-Forwarded-Proto: http\r\n` +
    `X-Forwarded-Scheme: http\r\nX-Scheme: http\r\n${added}\r\n${body}`
  );
}

describe('requests that are served: the exact bytes the upstream gets', () => {
  test.each(forwardedRequests)('$name', async (rule) => {
    await using proxy = await startProxy([], PLAIN);
    const expected = upstreamText(rule, proxy.port);
    await using origin = await startReplyingOrigin(OK);
    proxy.publish(
      tableOf([{ endpoints: [origin.port], policy: STREAMED }], { ...PLAIN, upstreamKeepAliveConnections: 0 }),
    );
    // A head that comes again is not parsed again: nothing may change with the second and third.
    for (let round = 0; round < 3; round++) {
      using client = await connectRaw(proxy.port);
      client.send(rule.bytes);
      const [response] = await client.responses(1);
      expect(response?.status).toBe(200);
      await client.untilTrue(() => (origin.received[round]?.length ?? 0) >= expected.length);
    }
    expect(origin.received).toEqual([expected, expected, expected]);
  });
});

describe('a path in disguise', () => {
  test.each(disguisedPaths)('$name is protected: $isProtected', async ({ target, isProtected }) => {
    await using origin = await startReplyingOrigin(OK);
    await using proxy = await startProxy([
      { path: '/admin', target: { kind: 'answer', status: 503, reason: 'denied' } },
      { endpoints: [origin.port] },
    ]);
    using client = await connectRaw(proxy.port);
    client.send(`GET ${target} HTTP/1.1\r\nHost: a\r\n\r\n`);
    const [response] = await client.responses(1);
    expect(response?.status).toBe(isProtected ? 503 : 200);
    if (isProtected) expect(origin.received).toEqual([]);
    else expect(origin.received[0]?.startsWith(`GET ${target} HTTP/1.1\r\n`)).toBe(true);
  });
});
