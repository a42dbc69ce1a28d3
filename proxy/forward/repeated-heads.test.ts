// Heads that are byte for byte the ones before are not parsed again, and neither are the texts made of them rendered again.
// Nobody may gain anything by that: not with a head that only begins like the last one, not on a connection that is
// served with what another one has used, and not by what has changed in between on our side.

import net from 'node:net';
import { describe, expect, test } from '@jest/globals';
import { startRawOrigin, startReplyingOrigin } from './testing/origin.ts';
import { connectRaw, exchangeRaw, parseResponses, RawClient } from './testing/raw-client.ts';
import { refusedRequests } from './testing/request-attacks.ts';
import { STREAMED, startProxy, tableOf } from './testing/test-proxy.ts';

const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';
const GET = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n';
const SMUGGLED = 'GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n';
const PLAIN = { generateRequestId: false };

/** A request that is served and begins as most of the attacks do. */
function twinOf(bytes: string): string {
  const line = bytes.startsWith('POST / HTTP/1.1\r\n') ? 'POST / HTTP/1.1' : 'GET / HTTP/1.1';
  return `${line}\r\nHost: a\r\nContent-Length: 0\r\n\r\n`;
}

describe('attacks behind a head that is remembered', () => {
  test.each(refusedRequests)('$name', async ({ bytes, status }) => {
    await using origin = await startReplyingOrigin(OK);
    await using proxy = await startProxy([{ endpoints: [origin.port] }], PLAIN);
    const twin = twinOf(bytes);
    // The second connection is served with what the first has left behind.
    for (let round = 1; round <= 2; round++) {
      using client = await connectRaw(proxy.port);
      client.send(twin);
      await client.responses(1);
      client.send(twin);
      await client.responses(2);
      client.send(bytes + SMUGGLED);
      const answers = parseResponses(await client.closed());
      expect(answers.map((each) => each.status)).toEqual([200, 200, status]);
      expect(answers[2]?.headers['connection']).toBe('close');
      expect(origin.received.join('').match(/ HTTP\/1\.1\r\n/g)).toHaveLength(round * 2);
    }
  });
});

describe('the next connection, served with what the last one has used', () => {
  test('is named by its own address', async () => {
    await using origin = await startReplyingOrigin(OK);
    await using proxy = await startProxy([{ endpoints: [origin.port] }], PLAIN);
    for (const localAddress of ['127.0.0.1', '127.0.0.2', '127.0.0.1']) {
      using client = new RawClient(net.connect({ port: proxy.port, host: '127.0.0.1', localAddress }));
      for (let i = 1; i <= 3; i++) {
        client.send(GET);
        await client.responses(i);
      }
    }
    const named = [...origin.received.join('').matchAll(/X-Real-IP: (\S+)/g)].map((match) => match[1]);
    expect(named).toEqual([1, 1, 1, 2, 2, 2, 1, 1, 1].map((last) => `127.0.0.${last}`));
  });

  test('is believed or not by its own address', async () => {
    await using origin = await startReplyingOrigin(OK);
    const global = { ...PLAIN, useForwardedHeaders: true, trustedCidrs: ['127.0.0.2/32'] };
    await using proxy = await startProxy([{ endpoints: [origin.port] }], global);
    const request = 'GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 9.9.9.9\r\nForwarded: for=9.9.9.9\r\n\r\n';
    for (const localAddress of ['127.0.0.2', '127.0.0.1', '127.0.0.2', '127.0.0.3']) {
      using client = new RawClient(net.connect({ port: proxy.port, host: '127.0.0.1', localAddress }));
      for (let i = 1; i <= 3; i++) {
        client.send(request);
        await client.responses(i);
      }
    }
    const named = [...origin.received.join('').matchAll(/X-Real-IP: (\S+)/g)].map((match) => match[1]);
    expect([named[2], named[5], named[8], named[11]]).toEqual(['9.9.9.9', '127.0.0.1', '9.9.9.9', '127.0.0.3']);
    expect(origin.received.join('').match(/\r\nForwarded: for=9/g)).toHaveLength(6);
  });

  test('gets the tunnel it asks for, with its own bytes', async () => {
    const switching = 'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n';
    await using origin = await startRawOrigin((socket, soFar) => {
      if (soFar.endsWith('\r\n\r\n')) socket.write(switching);
      else socket.write(`echo ${soFar.slice(soFar.indexOf('\r\n\r\n') + 4)}`);
    });
    await using proxy = await startProxy([{ endpoints: [origin.port] }], PLAIN);
    const request = 'GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n';
    for (const name of ['one', 'two', 'three']) {
      using client = await connectRaw(proxy.port);
      client.send(request);
      await client.until((text) => text.endsWith('\r\n\r\n'));
      client.send(name);
      expect(await client.until((text) => text.endsWith(name))).toMatch(new RegExp(`\\r\\n\\r\\necho ${name}$`));
    }
    expect(new Set(origin.received.map((text) => text.slice(0, text.indexOf('\r\n\r\n')))).size).toBe(1);
  });
});

describe('equal heads with bodies', () => {
  test.each([
    ['counted', 'Content-Length: 3\r\n', (body: string) => body],
    ['chunked', 'Transfer-Encoding: chunked\r\n', (body: string) => `3\r\n${body}\r\n0\r\n\r\n`],
  ])('%s: every one brings its own, with its own 100 (Continue)', async (_name, framing, render) => {
    await using origin = await startRawOrigin((socket, soFar) => {
      const ends = [...soFar.matchAll(/(?:^|[^\d])(b\d\d)/g)];
      if (ends.length > 0 && soFar.endsWith(render(ends.at(-1)?.[1] ?? ''))) {
        socket.write(`HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n${ends.at(-1)?.[1]}`);
      }
    });
    await using proxy = await startProxy([{ endpoints: [origin.port], policy: STREAMED }], PLAIN);
    using client = await connectRaw(proxy.port);
    for (let i = 10; i < 16; i++) {
      const before = client.received.length;
      client.send(`POST / HTTP/1.1\r\nHost: a\r\n${framing}Expect: 100-continue\r\n\r\n`);
      await client.until((text) => text.slice(before).endsWith('HTTP/1.1 100 Continue\r\n\r\n'));
      client.send(render(`b${i}`));
      await client.until((text) => text.slice(before).endsWith(`b${i}`));
    }
    expect([...client.received.matchAll(/\r\n\r\n(b\d\d)/g)].map((match) => match[1])).toEqual(
      [10, 11, 12, 13, 14, 15].map((i) => `b${i}`),
    );
  });

  test('a response is framed for its request: HEAD, GET and HTTP/1.0 in turns', async () => {
    await using origin = await startRawOrigin((socket, soFar) => {
      const isHead = soFar.slice(soFar.slice(0, -4).lastIndexOf('\r\n\r\n') + 1).includes('HEAD /');
      socket.write(`HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n${isHead ? '' : '2\r\nok\r\n0\r\n\r\n'}`);
    });
    await using proxy = await startProxy([{ endpoints: [origin.port] }], PLAIN);
    const close = 'Host: a\r\nConnection: close\r\n\r\n';
    for (let i = 0; i < 3; i++) {
      expect(await exchangeRaw(proxy.port, `GET / HTTP/1.1\r\n${close}`)).toMatch(/\r\n\r\n2\r\nok\r\n0\r\n\r\n$/);
      expect(await exchangeRaw(proxy.port, `HEAD / HTTP/1.1\r\n${close}`)).toMatch(/Connection: close\r\n\r\n$/);
      const old = await exchangeRaw(proxy.port, `GET / HTTP/1.0\r\n${close}`);
      expect(old).toMatch(/\r\n\r\nok$/);
      expect(old).not.toMatch(/chunked/);
    }
  });
});

describe('what changes in between holds for the same bytes', () => {
  test('routes, limits, headers of every response', async () => {
    await using first = await startReplyingOrigin('HTTP/1.1 200 OK\r\nServer: own\r\nContent-Length: 2\r\n\r\n1.');
    await using second = await startReplyingOrigin('HTTP/1.1 200 OK\r\nServer: own\r\nContent-Length: 2\r\n\r\n2.');
    await using proxy = await startProxy([{ endpoints: [first.port] }], PLAIN);
    using client = await connectRaw(proxy.port);
    const request = 'GET / HTTP/1.1\r\nHost: a\r\nX_A: 1\r\n\r\n';
    let count = 0;
    const ask = async () => {
      client.send(request);
      return (await client.responses(++count))[count - 1];
    };
    for (let i = 0; i < 3; i++) expect((await ask())?.body).toBe('1.');
    proxy.publish(tableOf([{ endpoints: [second.port] }], { ...PLAIN, serverTokens: true }));
    for (let i = 0; i < 3; i++) expect(await ask()).toMatchObject({ body: '2.', headers: { server: 'sluice' } });
    expect(second.received.join('')).not.toMatch(/X_A/);
    const open = { ...PLAIN, allowUnderscoreHeaders: true, allowBackendServerHeader: true, serverTokens: false };
    proxy.publish(tableOf([{ endpoints: [second.port] }], open));
    for (let i = 0; i < 3; i++) expect(await ask()).toMatchObject({ body: '2.', headers: { server: 'own' } });
    expect(second.received.join('').match(/X_A: 1/g)).toHaveLength(3);
    proxy.publish(tableOf([{ target: { kind: 'answer', status: 503, reason: 'denied' } }], PLAIN));
    expect((await ask())?.status).toBe(503);
    proxy.publish(tableOf([{ endpoints: [second.port] }], { ...PLAIN, maxHeaderCount: 1 }));
    expect(await ask()).toMatchObject({ status: 431, headers: { connection: 'close' } });
  });

  test('the last request of a connection is told so', async () => {
    await using origin = await startReplyingOrigin(OK);
    await using proxy = await startProxy([{ endpoints: [origin.port] }], { ...PLAIN, clientKeepAliveRequests: 4 });
    using client = await connectRaw(proxy.port);
    client.send(GET.repeat(6));
    await client.closed();
    const told = parseResponses(client.received).map((each) => each.headers['connection']);
    expect(told).toEqual([undefined, undefined, undefined, 'close']);
  });

  test('every request has an id of its own', async () => {
    await using origin = await startReplyingOrigin(OK);
    await using proxy = await startProxy([{ endpoints: [origin.port] }], { generateRequestId: true });
    using client = await connectRaw(proxy.port);
    for (let i = 1; i <= 5; i++) {
      client.send(GET);
      await client.responses(i);
    }
    const ids = [...origin.received.join('').matchAll(/X-Request-ID: (\w{32})\r\n/g)].map((match) => match[1]);
    expect(new Set(ids).size).toBe(5);
  });
});

describe('an upstream that answers with the same head', () => {
  test('cannot end its body elsewhere than it said, nor have a byte behind it delivered', async () => {
    const head = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n';
    const replies = [`${head}ab`, `${head}cd`, `${head}ef${head}zz`, `${head}gh`];
    let next = 0;
    await using origin = await startRawOrigin((socket) => socket.write(replies[next++] ?? ''));
    await using proxy = await startProxy([{ endpoints: [origin.port] }], PLAIN);
    using client = await connectRaw(proxy.port);
    for (let i = 1; i <= 4; i++) {
      client.send(GET);
      await client.responses(i);
    }
    expect(parseResponses(client.received).map((each) => each.body)).toEqual(['ab', 'cd', 'ef', 'gh']);
    // What stood behind the third spoiled its connection.
    expect(origin.connections).toBe(2);
  });

  test('up to a fault: the head that is like the last one in all but its framing is refused', async () => {
    const good = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nab';
    const replies = [good, good, good.replace('\r\n\r\n', '\r\nContent-Length: 3\r\n\r\n'), good];
    let next = 0;
    await using origin = await startRawOrigin((socket) => socket.write(replies[next++] ?? ''));
    await using proxy = await startProxy([{ endpoints: [origin.port] }], PLAIN);
    using client = await connectRaw(proxy.port);
    for (let i = 1; i <= 4; i++) {
      client.send(GET);
      await client.responses(i);
    }
    expect(parseResponses(client.received).map((each) => each.status)).toEqual([200, 200, 502, 200]);
  });
});
