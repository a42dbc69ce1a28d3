// TLS handshakes: bounded in number and time, by settings that change while the listener is open.

import net from 'node:net';
import { expect, test } from '@jest/globals';
import { connectRaw } from '../forward/testing/raw-client.ts';
import { TestProxy, tableOf } from '../forward/testing/test-proxy.ts';
import { defaultPeerLimits, type PeerLimits } from '../table/peer-limits.ts';
import { Handshakes } from './handshakes.ts';

function publish(proxy: TestProxy, limits: Partial<PeerLimits>): void {
  proxy.publish(tableOf([], { peerLimits: { ...defaultPeerLimits, ...limits } }));
}

function failures(proxy: TestProxy): Record<string, number> {
  const values = proxy.worker.sample().counters.filter(({ name }) => name === 'sluice_tls_handshake_failures_total');
  return Object.fromEntries(values.map(({ labels, value }) => [labels['reason'], value]));
}

test('a client that does not shake hands is cut, by the time limit in force when it came', async () => {
  await using proxy = new TestProxy();
  publish(proxy, {});
  await proxy.listenTls();
  publish(proxy, { handshakeTimeoutMs: 50 });
  using client = await connectRaw(proxy.tlsPort);
  await client.closed();
  expect(failures(proxy)).toEqual({ failed: 0, timeout: 1, limit: 0 });
});

test('handshakes beyond the limit are refused, and there is room again when one is over', async () => {
  await using proxy = new TestProxy();
  publish(proxy, { maxHandshakes: 1 });
  await proxy.listenTls();
  using first = await connectRaw(proxy.tlsPort);
  using second = await connectRaw(proxy.tlsPort);
  await second.closed();
  expect(failures(proxy)).toEqual({ failed: 0, timeout: 0, limit: 1 });
  // A reset: an orderly end of the client's side alone leaves the handshake to its time limit.
  first.socket.resetAndDestroy();
  while (failures(proxy)['failed'] === 0) await new Promise(setImmediate);
  using third = await connectRaw(proxy.tlsPort);
  third.send('no TLS\r\n\r\n');
  await third.closed();
  expect(failures(proxy)).toEqual({ failed: 2, timeout: 0, limit: 1 });
});

test('every handshake that was begun is counted out again', () => {
  const handshakes = new Handshakes();
  const socket = new net.Socket();
  const limits = { ...defaultPeerLimits, maxHandshakes: 2 };
  expect([1, 2, 3].map(() => handshakes.begin(socket, limits))).toEqual([true, true, false]);
  handshakes.completed();
  handshakes.failed(new Error('reset'));
  expect(handshakes.underWay).toBe(0);
  expect(socket.destroyed).toBe(true);
});

test.each(['GET / HTTP/1.1\r\nHost: a\r\n\r\n', 'POST / HTTP/1.0\r\n\r\n'])(
  'plain HTTP on the HTTPS port is answered 400 and counted: %j',
  async (request) => {
    await using proxy = new TestProxy();
    publish(proxy, {});
    await proxy.listenTls();
    using client = await connectRaw(proxy.tlsPort);
    client.send(request);
    await client.closed();
    expect(client.received).toBe(
      'HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Type: text/plain; charset=utf-8\r\n' +
        'Content-Length: 16\r\n\r\n400 Bad Request\n',
    );
    expect(failures(proxy)).toEqual({ failed: 1, timeout: 0, limit: 0 });
  },
);
