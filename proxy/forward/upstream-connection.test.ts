// What an upstream connection may do with the memory it reads into.

import { expect, test } from '@jest/globals';
import { EndpointState } from '../endpoints/registry.ts';
import { LoopTurn } from '../listen/loop-turn.ts';
import { ReadBuffers } from '../listen/read-buffers.ts';
import { ResponseLimits } from './response-limits.ts';
import { eventually } from './testing/data-path.ts';
import { startRawOrigin } from './testing/origin.ts';
import { UpstreamConnection, type UpstreamSlot } from './upstream-connection.ts';
import type { UpstreamUser } from './upstream-stream.ts';
import { Transports } from './upstream-transport.ts';

test('bytes that the client has not taken yet stay as they are after the response has ended', async () => {
  const body = 'x'.repeat(20_000);
  await using origin = await startRawOrigin((socket, soFar) => {
    if (soFar.endsWith('\r\n\r\n')) socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
  });
  const buffers = new ReadBuffers();
  const kept: Buffer[] = [];
  let isEnded = false;
  const nothing = (): void => {};
  const user: UpstreamUser = {
    onConnected: () => connection.begin(user, 'GET / HTTP/1.1\r\nHost: a\r\n\r\n', false, false, true, 1000),
    onUpstreamFailed: (code) => {
      throw new Error(code);
    },
    onInformational: nothing,
    onResponseHead: nothing,
    // A client that is slow all the time: it keeps what it got and could not take more.
    onResponseBody: (buf, start, end) => {
      kept.push(buf.subarray(start, end));
      queueMicrotask(() => connection.resume());
      return false;
    },
    onResponseEnd: () => {
      isEnded = true;
    },
    onTunnelData: () => true,
    onTunnelEnd: nothing,
    onUpstreamDrain: nothing,
    onUpstreamReadDone: nothing,
  };
  const home = {
    buffers,
    turn: new LoopTurn(),
    responseLimits: new ResponseLimits(),
    keep: () => true,
    forget: nothing,
  };
  const endpoint = new EndpointState<UpstreamSlot>('u', { address: '127.0.0.1', port: origin.port });
  const connection = new UpstreamConnection(endpoint, home, user, 0, new Transports().plain);
  const flushing = setInterval(() => connection.writer.flush(), 1);
  await eventually(() => isEnded);
  clearInterval(flushing);
  await new Promise(setImmediate);
  // Whoever leases next, and whoever reads next, must not write over them.
  const last = kept.at(-1) as Buffer;
  buffers.lease(false).fill('!');
  buffers.shared.fill('!');
  expect(last.toString('latin1')).toBe('x'.repeat(last.length));
  connection.abandon();
});
