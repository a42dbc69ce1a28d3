// Every rule about responses, on the wire: an upstream is held to the rules that clients are held to.

import { describe, expect, test } from '@jest/globals';
import { type RawOrigin, startRawOrigin } from './testing/origin.ts';
import { connectRaw, parseResponses, type RawResponse } from './testing/raw-client.ts';
import { cutResponses, refusedResponses, spoiledConnections } from './testing/response-attacks.ts';
import { startProxy } from './testing/test-proxy.ts';

const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfine';
const GET = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n';

/** Sends `bytes` on its first connection, and serves well on the others. */
function startHostileOrigin(bytes: string, andCloses = false): Promise<RawOrigin> {
  return startRawOrigin((socket, soFar, connection) => {
    if (!soFar.endsWith('\r\n\r\n')) return;
    if (connection > 0) socket.write(OK);
    else if (andCloses) socket.end(bytes, 'latin1');
    else socket.write(bytes, 'latin1');
  });
}

/** Complete responses, those with a status below 200 excepted. */
function final(text: string): RawResponse[] {
  return parseResponses(text).filter(({ status }) => status >= 200);
}

/** The first connection was ended by the proxy, and saw one request only. */
async function expectAbandoned(origin: RawOrigin): Promise<void> {
  const first = origin.sockets[0];
  while (first !== undefined && !first.destroyed && !first.readableEnded) await new Promise(setImmediate);
  expect(origin.received[0]?.match(/ HTTP\/1\.1\r\n/g)).toHaveLength(1);
}

describe('responses that are refused', () => {
  test.each(refusedResponses)('$name', async ({ bytes }) => {
    await using origin = await startHostileOrigin(bytes);
    await using proxy = await startProxy([{ endpoints: [origin.port] }]);
    using client = await connectRaw(proxy.port);
    client.send(GET);
    await client.until((text) => final(text).length === 1);
    expect(client.received).not.toMatch(/evil/);
    await expectAbandoned(origin);
    client.send(GET);
    await client.until((text) => final(text).length === 2);
    expect(final(client.received).map(({ status, body }) => [status, body])).toEqual([
      [502, '502 Bad Gateway\n'],
      [200, 'fine'],
    ]);
    expect(origin.connections).toBe(2);
  });
});

describe('responses that are cut', () => {
  test.each(cutResponses)('$name', async ({ bytes, delivered }) => {
    await using origin = await startHostileOrigin(bytes, true);
    await using proxy = await startProxy([{ endpoints: [origin.port] }]);
    using client = await connectRaw(proxy.port);
    client.send(GET);
    const text = await client.closed();
    expect(client.ended).toBe('ECONNRESET');
    expect(parseResponses(text)).toEqual([]);
    expect(text).not.toMatch(/evil|\r\n0\r\n/);
    const seen = text.slice(text.indexOf('\r\n\r\n') + 4).replace(/^[0-9a-f]+\r\n|\r\n$/g, '');
    expect(delivered.startsWith(seen)).toBe(true);
  });
});

describe('responses that cost their connection', () => {
  test.each(spoiledConnections)('$name', async ({ method = 'GET', bytes, body }) => {
    await using origin = await startHostileOrigin(bytes);
    await using proxy = await startProxy([{ endpoints: [origin.port] }]);
    using client = await connectRaw(proxy.port);
    client.send(`${method} / HTTP/1.1\r\nHost: a\r\n\r\n`);
    const first = await client.until((text) => text.includes('\r\n\r\n') && text.endsWith(body));
    expect(first).not.toMatch(/evil/);
    await expectAbandoned(origin);
    client.send(GET);
    const all = await client.until((text) => text.endsWith('fine'));
    expect(all.slice(first.length)).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
    expect(all).not.toMatch(/evil/);
    expect(origin.connections).toBe(2);
  });
});
