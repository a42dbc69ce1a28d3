// TCP services over real sockets: bytes both ways, ends, failures, and ports that come and go.

import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import net from 'node:net';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { TestProxy } from '../forward/testing/test-proxy.ts';
import { closedPort, readAll, readBytes, TcpOrigin } from './testing/stream-origin.ts';
import { publishServices, streamTable } from './testing/stream-table.ts';

let proxy: TestProxy;
let clients: net.Socket[] = [];

beforeEach(() => {
  proxy = new TestProxy();
});
afterEach(async () => {
  for (const client of clients) client.destroy();
  clients = [];
  await proxy.stop();
});

function connect(id = 'tcp:1', host = '127.0.0.1'): net.Socket {
  const client = net.connect({ port: proxy.worker.streams.portOf(id), host, allowHalfOpen: true });
  // Cut connections are what some tests are about.
  client.on('error', () => undefined);
  clients.push(client);
  return client;
}

/** Everything there is to get on a connection that sends `bytes` and then ends its direction. */
function exchange(bytes: string | Buffer, id?: string): Promise<Buffer> {
  const client = connect(id);
  client.end(bytes);
  return readAll(client);
}

function sample(name: string): Record<string, number> {
  const { counters, gauges } = proxy.worker.sample();
  const found = [...counters, ...gauges].filter((value) => value.name === name);
  return Object.fromEntries(
    found.map(({ labels, value }) => [labels['status'] ?? labels['state'] ?? labels['direction'] ?? '', value]),
  );
}

describe.each([true, false])('bytes (static read buffer %p)', (staticReadBuffer) => {
  test.each([0, 1, 4096, 4097, 100_000, 5_000_000])('%i bytes come back as they were', async (size) => {
    await using proxyHere = new TestProxy({ staticReadBuffer });
    await using origin = await TcpOrigin.echo();
    await publishServices(proxyHere, [{ endpoints: [origin.port] }]);
    const bytes = randomBytes(size);
    const client = net.connect({
      port: proxyHere.worker.streams.portOf('tcp:1'),
      host: '127.0.0.1',
      allowHalfOpen: true,
    });
    client.end(bytes);
    expect((await readAll(client)).equals(bytes)).toBe(true);
  });

  test('many connections at once keep their bytes apart', async () => {
    await using proxyHere = new TestProxy({ staticReadBuffer });
    await using origin = await TcpOrigin.echo();
    await publishServices(proxyHere, [{ endpoints: [origin.port] }]);
    const port = proxyHere.worker.streams.portOf('tcp:1');
    const one = async (i: number) => {
      const bytes = Buffer.alloc(300_000 + i, i);
      const client = net.connect({ port, host: '127.0.0.1', allowHalfOpen: true });
      client.end(bytes);
      return (await readAll(client)).equals(bytes);
    };
    const results = await Promise.all(Array.from({ length: 40 }, (_, i) => one(i)));
    expect(results.every(Boolean)).toBe(true);
  });
});

describe('ends', () => {
  test('the client may end first, and the endpoint answer afterwards', async () => {
    await using origin = await TcpOrigin.start((socket) => {
      void readAll(socket).then((got) => socket.end(`got ${got.length}`));
    });
    await publishServices(proxy, [{ endpoints: [origin.port] }]);
    expect(String(await exchange('question'))).toBe('got 8');
  });

  test('the endpoint may end first, and the client go on sending', async () => {
    const received = Promise.withResolvers<Buffer>();
    await using origin = await TcpOrigin.start((socket) => {
      socket.end('bye');
      void readAll(socket).then(received.resolve);
    });
    await publishServices(proxy, [{ endpoints: [origin.port] }]);
    const client = connect();
    expect(String(await readAll(client))).toBe('bye');
    client.end('still here');
    expect(String(await received.promise)).toBe('still here');
  });

  test('an endpoint that resets the connection resets it for the client', async () => {
    await using origin = await TcpOrigin.start((socket) => {
      socket.write('part');
      socket.once('data', () => socket.resetAndDestroy());
    });
    await publishServices(proxy, [{ endpoints: [origin.port] }]);
    const client = connect();
    const failed = once(client, 'error');
    expect(String(await readBytes(client, 4))).toBe('part');
    client.write('x');
    client.resume();
    const [error] = (await failed) as [NodeJS.ErrnoException];
    expect(error.code).toBe('ECONNRESET');
  });

  test('a client that does not read makes the endpoint wait', async () => {
    let sent = 0;
    await using origin = await TcpOrigin.start((socket) => {
      const chunk = Buffer.alloc(65_536);
      const write = () => {
        while (socket.write(chunk)) sent += chunk.length;
      };
      socket.on('drain', write);
      write();
    });
    await publishServices(proxy, [{ endpoints: [origin.port] }]);
    const client = connect();
    await readBytes(client, 1);
    const before = process.memoryUsage().arrayBuffers;
    // Whatever the kernel takes, the origin stands still in the end: two looks apart see the same.
    let last = -1;
    for (let turns = 0; turns < 50 && last !== sent; turns++) {
      last = sent;
      await once(proxyTick(), 'tick');
    }
    expect(last).toBe(sent);
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(4 * 1024 * 1024);
  });

  test('an idle connection ends after the limit, a busy one does not', async () => {
    await using origin = await TcpOrigin.echo();
    await publishServices(proxy, [{ endpoints: [origin.port] }], { idleTimeoutMs: 300 });
    const [idle, busy] = [connect(), connect()];
    const chat = setInterval(() => busy.write('x'), 50);
    busy.resume();
    expect(String(await readAll(idle))).toBe('');
    expect(busy.destroyed).toBe(false);
    clearInterval(chat);
    await once(busy, 'end');
  });
});

describe('endpoints', () => {
  const naming = (name: string) => TcpOrigin.start((socket) => socket.end(name));

  test('connections are spread', async () => {
    await using a = await naming('a');
    await using b = await naming('b');
    await publishServices(proxy, [{ endpoints: [a.port, b.port] }]);
    const answers = await Promise.all(['', '', '', ''].map((bytes) => exchange(bytes)));
    expect(answers.map(String).sort()).toEqual(['a', 'a', 'b', 'b']);
  });

  test('one that refuses is passed over', async () => {
    await using good = await naming('good');
    await publishServices(proxy, [{ endpoints: [await closedPort(), good.port] }]);
    const answers = await Promise.all(['', '', '', ''].map((bytes) => exchange(bytes)));
    expect(answers.map(String)).toEqual(['good', 'good', 'good', 'good']);
    expect(sample('sluice_stream_connections_total')).toEqual({ 200: 4 });
  });

  test('with one attempt only, it is not', async () => {
    await publishServices(proxy, [{ endpoints: [await closedPort(), await closedPort()] }], { maxAttempts: 1 });
    expect(String(await exchange(''))).toBe('');
    expect((await proxy.stop())[0]).toMatch(/^\[127\.0\.0\.1\] \[[^\]]+\] TCP 502 0 0 \d+\.\d{3}$/);
  });

  test('no endpoint: the connection is closed and logged as 502', async () => {
    await publishServices(proxy, [{ endpoints: [] }]);
    expect(String(await exchange(''))).toBe('');
    expect(sample('sluice_stream_connections_total')).toEqual({ 502: 1 });
  });

  test('a change is in force for the next connection; those that are open stay where they are', async () => {
    await using a = await TcpOrigin.echo();
    await using b = await naming('b');
    await publishServices(proxy, [{ endpoints: [a.port] }]);
    const old = connect();
    old.write('one');
    await readBytes(old, 3);
    await publishServices(proxy, [{ endpoints: [b.port] }]);
    expect(String(await exchange(''))).toBe('b');
    old.end('two');
    expect(String(await readAll(old))).toBe('two');
  });
});

describe('ports', () => {
  test('come and go without touching the others', async () => {
    await using origin = await TcpOrigin.echo();
    const service = (id: string) => ({ id, endpoints: [origin.port] });
    await publishServices(proxy, [service('tcp:1'), service('tcp:2')]);
    const [first, second] = [connect('tcp:1'), connect('tcp:2')];
    for (const client of [first, second]) client.write('a');
    for (const client of [first, second]) await readBytes(client, 1);
    const oldPort = proxy.worker.streams.portOf('tcp:1');
    await publishServices(proxy, [service('tcp:2'), service('tcp:3')]);
    expect(String(await exchange('three', 'tcp:3'))).toBe('three');
    await expect(once(net.connect(oldPort, '127.0.0.1'), 'connect')).rejects.toMatchObject({ code: 'ECONNREFUSED' });
    // The connection of the removed service goes on until its end.
    first.end('still');
    expect(String(await readAll(first))).toBe('still');
    second.end('here');
    expect(String(await readAll(second))).toBe('here');
  });

  test('connections of a removed service end at the drain limit', async () => {
    await using origin = await TcpOrigin.echo();
    await publishServices(proxy, [{ endpoints: [origin.port] }], {}, { workerShutdownTimeoutMs: 200 });
    const client = connect();
    client.write('a');
    await readBytes(client, 1);
    proxy.publish(streamTable([], {}, { workerShutdownTimeoutMs: 200 }));
    expect(String(await readAll(client))).toBe('');
  });

  test('a taken port is told, disturbs no other, and is opened when it is free', async () => {
    await using origin = await TcpOrigin.echo();
    const taken = net.createServer().listen(0, '127.0.0.1');
    await once(taken, 'listening');
    const { port } = taken.address() as net.AddressInfo;
    const services = [
      { id: 'tcp:1', port, endpoints: [origin.port] },
      { id: 'tcp:2', endpoints: [origin.port] },
    ];
    await publishServices(proxy, services);
    expect(proxy.portFaults).toEqual([
      expect.stringContaining('tcp:1 TCP port 1 cannot be opened: another process uses it (EADDRINUSE)'),
    ]);
    expect(sample('sluice_stream_ports')).toEqual({ open: 1, failed: 1 });
    expect(String(await exchange('two', 'tcp:2'))).toBe('two');
    taken.close();
    await once(taken, 'close');
    // A service that goes and comes back does not wait for the next try.
    await publishServices(proxy, [services[1] ?? {}]);
    expect(proxy.portFaults.slice(1)).toEqual(['tcp:1 null']);
    await publishServices(proxy, services);
    expect(String(await exchange('one', 'tcp:1'))).toBe('one');
    expect(proxy.portFaults).toHaveLength(2);
  });

  test('a worker that stops lets connections end, and cuts the rest', async () => {
    await using origin = await TcpOrigin.echo();
    await publishServices(proxy, [{ endpoints: [origin.port] }]);
    const [polite, endless] = [connect(), connect()];
    for (const client of [polite, endless]) client.write('a');
    for (const client of [polite, endless]) await readBytes(client, 1);
    const drained = proxy.worker.drain(300);
    polite.end('b');
    expect(String(await readAll(polite))).toBe('b');
    expect(await drained).toBe(1);
    expect(String(await readAll(endless))).toBe('');
  });
});

/** Tells of the next turn of the event loop but ten. */
function proxyTick(): NodeJS.EventEmitter {
  const server = new net.Server();
  let turns = 10;
  const next = () => (turns-- > 0 ? setImmediate(next) : server.emit('tick'));
  setImmediate(next);
  return server;
}

test('a service that is removed while its port is being opened holds up no other', async () => {
  proxy.publish(streamTable([{ id: 'tcp:1' }]));
  // Node has been told to listen, and says in the next turn that it does.
  await Promise.resolve();
  proxy.publish(streamTable([]));
  await proxy.worker.streams.settled();
  expect(proxy.logs.filter((line) => line.includes('cannot be opened'))).toEqual([]);
  await publishServices(proxy, [{ id: 'tcp:2' }]);
  expect(proxy.worker.streams.portOf('tcp:2')).toBeGreaterThan(0);
});
