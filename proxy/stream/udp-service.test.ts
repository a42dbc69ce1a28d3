// UDP services over real sockets: sessions, their ends, their bounds.

import dgram from 'node:dgram';
import { once } from 'node:events';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { TestProxy } from '../forward/testing/test-proxy.ts';
import { UdpOrigin } from './testing/stream-origin.ts';
import { publishServices, streamTable } from './testing/stream-table.ts';

const ID = 'udp:1';

let proxy: TestProxy;
let clients: dgram.Socket[] = [];

beforeEach(() => {
  proxy = new TestProxy();
});
afterEach(async () => {
  for (const client of clients) client.close();
  clients = [];
  await proxy.stop();
});

async function openClient(): Promise<dgram.Socket> {
  const client = dgram.createSocket('udp4');
  clients.push(client);
  client.connect(proxy.worker.streams.portOf(ID), '127.0.0.1');
  await once(client, 'connect');
  return client;
}

/** Sends a datagram and gives the answer. */
async function ask(client: dgram.Socket, text: string): Promise<string> {
  client.send(text);
  const [answer] = (await once(client, 'message')) as [Buffer];
  return String(answer);
}

function openSessions(): number {
  const { gauges } = proxy.worker.sample();
  return gauges.find(({ name }) => name === 'sluice_stream_open_connections')?.value ?? 0;
}

/** Waits until the number of sessions is this, turn by turn; the test's own limit ends it otherwise. */
async function untilSessions(count: number): Promise<void> {
  while (openSessions() !== count) await new Promise((resolve) => setImmediate(resolve));
}

test('datagrams go to an endpoint, and answers come back to whoever asked', async () => {
  await using origin = await UdpOrigin.start((datagram) => [`re: ${datagram}`]);
  await publishServices(proxy, [{ id: ID, endpoints: [origin.port] }]);
  const [a, b] = await Promise.all([openClient(), openClient()]);
  expect(await Promise.all([ask(a, 'one'), ask(b, 'two')])).toEqual(['re: one', 're: two']);
});

test('a datagram of 60 KB goes both ways', async () => {
  const large = 'x'.repeat(60_000);
  await using origin = await UdpOrigin.start((datagram) => [datagram]);
  await publishServices(proxy, [{ id: ID, endpoints: [origin.port] }]);
  expect(await ask(await openClient(), large)).toBe(large);
});

test('with one answer expected, a session is over with it, and logged', async () => {
  await using origin = await UdpOrigin.start(() => ['four']);
  await publishServices(proxy, [{ id: ID, endpoints: [origin.port] }]);
  expect(await ask(await openClient(), 'question')).toBe('four');
  await untilSessions(0);
  expect(await proxy.stop()).toEqual([expect.stringMatching(/^\[127\.0\.0\.1\] \[[^\]]+\] UDP 200 4 8 \d+\.\d{3}$/)]);
});

test('with two expected, it stays for the second', async () => {
  await using origin = await UdpOrigin.start(() => ['one', 'two']);
  await publishServices(proxy, [{ id: ID, endpoints: [origin.port] }], { udpResponses: 2 });
  const client = await openClient();
  const answers: string[] = [];
  const both = new Promise<void>((resolve) => {
    client.on('message', (bytes) => {
      if (answers.push(String(bytes)) === 2) resolve();
    });
  });
  client.send('question');
  await both;
  expect(answers.sort()).toEqual(['one', 'two']);
  await untilSessions(0);
});

test('with none expected, it is over when the datagram is out', async () => {
  const arrived = Promise.withResolvers<void>();
  await using origin = await UdpOrigin.start(() => {
    arrived.resolve();
    return [];
  });
  await publishServices(proxy, [{ id: ID, endpoints: [origin.port] }], { udpResponses: 0 });
  (await openClient()).send('log line');
  await arrived.promise;
  await untilSessions(0);
  expect(origin.datagrams).toEqual(['log line']);
});

test('a client stays with its endpoint while its session lasts', async () => {
  await using a = await UdpOrigin.start(() => ['a']);
  await using b = await UdpOrigin.start(() => ['b']);
  await publishServices(proxy, [{ id: ID, endpoints: [a.port, b.port] }], { udpResponses: 100 });
  const client = await openClient();
  const answers = [await ask(client, '1'), await ask(client, '2'), await ask(client, '3')];
  expect(new Set(answers).size).toBe(1);
  expect(openSessions()).toBe(1);
});

test('a session stays at an endpoint that left; the next client goes elsewhere', async () => {
  await using leaving = await UdpOrigin.start(() => ['old']);
  await using staying = await UdpOrigin.start(() => ['new']);
  await publishServices(proxy, [{ id: ID, endpoints: [leaving.port] }], { udpResponses: 100 });
  const client = await openClient();
  expect(await ask(client, '1')).toBe('old');
  await publishServices(proxy, [{ id: ID, endpoints: [staying.port] }], { udpResponses: 100 });
  expect(await ask(client, '2')).toBe('old');
  expect(await ask(await openClient(), '3')).toBe('new');
  expect(openSessions()).toBe(2);
});

test('a session without answer ends when it has been idle', async () => {
  await using origin = await UdpOrigin.start(() => []);
  await publishServices(proxy, [{ id: ID, endpoints: [origin.port] }], { idleTimeoutMs: 200 });
  (await openClient()).send('question');
  await untilSessions(1);
  await untilSessions(0);
});

test('the table of sessions is bounded', async () => {
  await using origin = await UdpOrigin.start(() => []);
  await publishServices(proxy, [{ id: ID, endpoints: [origin.port] }], { maxUdpSessions: 2 });
  const three = await Promise.all([openClient(), openClient(), openClient()]);
  for (const client of three) client.send('question');
  const refused = () => proxy.worker.sample().counters.find(({ labels }) => labels['status'] === '503')?.value;
  while (refused() !== 1) await new Promise((resolve) => setImmediate(resolve));
  expect(openSessions()).toBe(2);
});

test('a place in the table of sessions is free again when its session is over', async () => {
  await using origin = await UdpOrigin.start(() => ['answer']);
  await publishServices(proxy, [{ id: ID, endpoints: [origin.port] }], { maxUdpSessions: 1 });
  for (let times = 0; times < 3; times++) {
    expect(await ask(await openClient(), 'question')).toBe('answer');
    await untilSessions(0);
  }
});

test('an endpoint that is not there ends the session, and another one is asked next', async () => {
  const gone = await UdpOrigin.start(() => []);
  const { port } = gone;
  await gone[Symbol.asyncDispose]();
  await publishServices(proxy, [{ id: ID, endpoints: [port] }]);
  const client = await openClient();
  client.send('first');
  await untilSessions(1);
  await untilSessions(0);
  await using origin = await UdpOrigin.start(() => ['here']);
  await publishServices(proxy, [{ id: ID, endpoints: [origin.port] }]);
  expect(await ask(client, 'second')).toBe('here');
});

test('a removed service takes no new clients, but owes no answers', async () => {
  const pending = Promise.withResolvers<void>();
  await using origin = await UdpOrigin.start(() => {
    pending.resolve();
    return [];
  });
  await publishServices(proxy, [{ id: ID, endpoints: [origin.port] }]);
  const client = await openClient();
  client.send('question');
  await pending.promise;
  proxy.publish(streamTable([]));
  expect(openSessions()).toBe(1);
  expect(await proxy.worker.drain(50)).toBe(1);
  expect(openSessions()).toBe(0);
});

test('a removed service goes on with the clients it has, takes no others, and gives its port up after the last', async () => {
  const first = Promise.withResolvers<void>();
  await using origin = await UdpOrigin.start((text) => {
    first.resolve();
    return text === 'more' ? ['one', 'two'] : [];
  });
  await publishServices(proxy, [{ id: ID, endpoints: [origin.port] }], { udpResponses: 1 });
  const port = proxy.worker.streams.portOf(ID);
  const [client, stranger] = [await openClient(), await openClient()];
  client.send('question');
  await first.promise;
  proxy.publish(streamTable([]));
  stranger.send('too late');
  expect(await ask(client, 'more')).toMatch(/one|two/);
  await untilSessions(0);
  expect(origin.datagrams).toEqual(['question', 'more']);
  // Nobody has it any more: it can be taken without sharing.
  const taker = dgram.createSocket('udp4');
  clients.push(taker);
  taker.bind(port, '127.0.0.1');
  await once(taker, 'listening');
});

test('an endpoint that the system has no way to ends the session, and nothing else', async () => {
  // Refused within `connect` (EACCES), as one in a network without a route is (ENETUNREACH).
  await publishServices(proxy, [{ id: ID, endpoints: [9], address: '255.255.255.255' }]);
  const client = await openClient();
  client.send('question');
  const failed = () => proxy.worker.sample().counters.find(({ labels }) => labels['status'] === '502')?.value;
  while (failed() !== 1) await new Promise((resolve) => setImmediate(resolve));
  expect(openSessions()).toBe(0);
  await using origin = await UdpOrigin.start(() => ['here']);
  await publishServices(proxy, [{ id: ID, endpoints: [origin.port] }]);
  expect(await ask(client, 'again')).toBe('here');
});
