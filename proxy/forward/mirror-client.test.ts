// The client of copies against real targets: whatever they answer, and however they end it, a copy ends once, and no
// connection is left that nobody may use.

import { once } from 'node:events';
import https from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { generate } from 'selfsigned';
import { defaultMirrorLimits, type MirrorLimits } from '../table/mirror-limits.ts';
import type { CopyEnd, CopyToSend } from './copy-connection.ts';
import { MirrorClient } from './mirror-client.ts';
import { eventually } from './testing/data-path.ts';
import { type RawOrigin, startRawOrigin, startReplyingOrigin } from './testing/origin.ts';
import { TimerWheel } from './timer-wheel.ts';

const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';
const MB = 1024 * 1024;

let wheel: TimerWheel;
let client: MirrorClient;

beforeEach(() => {
  wheel = new TimerWheel(0);
  client = new MirrorClient(wheel);
});

afterEach(() => {
  client.close();
  expect(client.connections).toBe(0);
  expect(wheel.isEmpty).toBe(true);
});

/** Sends a copy, and gives how often and how it ended: empty at first. */
function copyTo(port: number, more: Partial<CopyToSend> = {}, limits: Partial<MirrorLimits> = {}): CopyEnd[] {
  const ends: CopyEnd[] = [];
  const onSent = (end: CopyEnd) => void ends.push(end);
  const copy: CopyToSend = { path: '/', method: 'GET', fields: ['Host', 'copy.test'], body: null, onSent, ...more };
  client.send(`http://127.0.0.1:${port}`, copy, { ...defaultMirrorLimits, ...limits });
  return ends;
}

async function ended(ends: readonly CopyEnd[]): Promise<readonly CopyEnd[]> {
  await eventually(() => ends.length > 0);
  return ends;
}

/** Nobody is connected to it any more. */
async function closed({ sockets }: RawOrigin): Promise<void> {
  await eventually(() => sockets.every(({ destroyed }) => destroyed));
}

describe('a copy ends once', () => {
  test.each<[string, (socket: Socket) => void, CopyEnd]>([
    ['in one piece', (socket) => socket.write(OK), 'sent'],
    ['and closes', (socket) => socket.end(OK.replace('\r\n', '\r\nConnection: close\r\n')), 'sent'],
    ['until the end', (socket) => socket.end('HTTP/1.0 200 OK\r\n\r\nall of it'), 'sent'],
    [
      'with chunks',
      (s) => s.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n'),
      'sent',
    ],
    ['behind a 103', (socket) => socket.write(`HTTP/1.1 103 Early Hints\r\n\r\n${OK}`), 'sent'],
    ['with no body', (socket) => socket.write('HTTP/1.1 204 No Content\r\n\r\n'), 'sent'],
    ['with 300 KB', (s) => s.write(`HTTP/1.1 200 OK\r\nContent-Length: 300000\r\n\r\n${'x'.repeat(300_000)}`), 'sent'],
    ['a part, and closes', (socket) => socket.end(OK.slice(0, -1)), 'failed'],
    ['half a head, and closes', (socket) => socket.end('HTTP/1.1 200 OK\r\nContent-'), 'failed'],
    ['garbage', (socket) => socket.write('SSH-2.0-OpenSSH_9.2\r\n'), 'failed'],
    [
      'with a switch of protocols',
      (s) => s.write('HTTP/1.1 101 S\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n'),
      'failed',
    ],
    ['nothing, and closes', (socket) => socket.end(), 'failed'],
    ['by a reset', (socket) => socket.resetAndDestroy(), 'failed'],
  ])('when the target answers %s', async (_name, answer, expected) => {
    await using target = await startRawOrigin(answer);
    expect(await ended(copyTo(target.port))).toEqual([expected]);
  });

  test('when its head comes byte by byte: what keeps the connection is read as in one piece', async () => {
    const closing = OK.replace('\r\n', '\r\nConnection: close\r\n');
    await using target = await startRawOrigin((socket) => {
      socket.setNoDelay(true);
      let at = 0;
      // Each byte is a read of its own: the next one leaves when this one has.
      const next = (): void =>
        void (at < closing.length && socket.write(closing.charAt(at++), () => setImmediate(next)));
      next();
    });
    expect(await ended(copyTo(target.port))).toEqual(['sent']);
    await eventually(() => client.connections === 0);
  });

  test('when nothing is sent at all', async () => {
    expect(await ended(copyTo(1, { method: 'NO SUCH' }))).toEqual(['failed']);
    expect(await ended(copyTo(1, { path: '/a b' }))).toEqual(['failed']);
    expect(await ended(copyTo(1))).toEqual(['failed']);
    expect(client.connections).toBe(0);
    client.close();
    expect(copyTo(1)).toEqual(['failed']);
  });

  test.each([
    ['is being connected to', 0],
    ['has the copy', 1],
    ['has answered a part', 2],
  ])('at its time limit when the target %s, with its connection', async (_name, stage) => {
    await using target = await startRawOrigin((socket) => stage === 2 && socket.write(OK.slice(0, -1)));
    // A lookup that is never answered is a connection that never opens.
    client = stage === 0 ? new MirrorClient(wheel, () => {}) : client;
    const ends: CopyEnd[] = [];
    const copy = { path: '/', method: 'GET', fields: [], body: null, onSent: (end: CopyEnd) => void ends.push(end) };
    const limits = { ...defaultMirrorLimits, timeoutMs: 1000 };
    client.send(`http://localhost:${target.port}`, copy, limits);
    await eventually(() => client.connections === 1 && target.received.length === Math.min(stage, 1));
    wheel.advance(999);
    expect(ends).toEqual([]);
    wheel.advance(1200);
    expect(ends).toEqual(['timedOut']);
    expect(client.connections).toBe(0);
    await closed(target);
  });
});

describe('a connection', () => {
  test('serves one copy after the other', async () => {
    await using target = await startReplyingOrigin(OK);
    for (let i = 0; i < 20; i++) expect(await ended(copyTo(target.port))).toEqual(['sent']);
    expect([target.connections, client.connections]).toEqual([1, 1]);
  });

  test('is opened for each copy that is under way, and closed when it is given up', async () => {
    await using target = await startRawOrigin(() => {});
    const all = Array.from({ length: 5 }, () => copyTo(target.port));
    await eventually(() => target.received.length === 5);
    client.close();
    expect(all).toEqual(Array.from({ length: 5 }, () => ['failed']));
    await closed(target);
  });

  test('is not kept when the target has closed it, and the next copy goes by another', async () => {
    const sockets: Socket[] = [];
    await using target = await startRawOrigin((socket) => {
      sockets.push(socket);
      socket.write(OK);
    });
    expect(await ended(copyTo(target.port))).toEqual(['sent']);
    sockets[0]?.end();
    await eventually(() => client.connections === 0);
    expect(await ended(copyTo(target.port))).toEqual(['sent']);
    expect(target.connections).toBe(2);
  });

  test('is closed behind an answer that is not read to its end', async () => {
    await using target = await startRawOrigin((socket) => {
      // The client closes it in between.
      socket.on('error', () => {});
      socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${8 * MB}\r\n\r\n`);
      socket.write(Buffer.alloc(4 * MB));
    });
    expect(await ended(copyTo(target.port))).toEqual(['sent']);
    expect(client.connections).toBe(0);
    await closed(target);
  });

  test('makes room for one to another target when there are as many as may be', async () => {
    const targets: RawOrigin[] = [];
    for (let i = 0; i < 3; i++) targets.push(await startReplyingOrigin(OK));
    const limits = { maxRequests: 2 };
    for (let round = 1; round <= 2; round++) {
      for (const { port } of targets) {
        expect(await ended(copyTo(port, {}, limits))).toEqual(['sent']);
        expect(client.connections).toBeLessThanOrEqual(2);
      }
    }
    // The one that had waited longest went, each time.
    expect(targets.map(({ connections }) => connections)).toEqual([2, 2, 2]);
    for (const target of targets) await target[Symbol.asyncDispose]();
  });
});

test('targets are found by the lookup it is given', async () => {
  await using target = await startReplyingOrigin(OK);
  const asked: string[] = [];
  client = new MirrorClient(wheel, (name, _options, answer) => {
    asked.push(name);
    answer(null, [{ address: '127.0.0.1', family: 4 }]);
  });
  const ends: CopyEnd[] = [];
  const copy = { path: '/', method: 'GET', fields: [], body: null, onSent: (end: CopyEnd) => void ends.push(end) };
  client.send(`http://copy.test:${target.port}`, copy, defaultMirrorLimits);
  expect(await ended(ends)).toEqual(['sent']);
  expect(asked).toEqual(['copy.test']);
});

test('over TLS copies go by one connection too, whoever signed, under the name of their Host', async () => {
  const pair = await generate([{ name: 'commonName', value: 'shadow' }], { keyType: 'ec' });
  const names: unknown[] = [];
  const server = https.createServer({ key: pair.private, cert: pair.cert }, (_request, response) => response.end('ok'));
  server.on('secureConnection', (socket) => names.push(socket.servername));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  for (let i = 0; i < 3; i++) {
    const ends: CopyEnd[] = [];
    const onSent = (end: CopyEnd) => void ends.push(end);
    const copy: CopyToSend = { path: '/', method: 'GET', fields: ['Host', 'copy.test'], body: null, onSent };
    client.send(`https://127.0.0.1:${port}`, copy, defaultMirrorLimits);
    expect(await ended(ends)).toEqual(['sent']);
  }
  expect(names).toEqual(['copy.test']);
  client.close();
  server.close();
  await once(server, 'close');
});
