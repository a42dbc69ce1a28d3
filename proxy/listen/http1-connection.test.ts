// Every event in every state of a client connection: the table at the head of http1-connection.ts, held to its word.

import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { DataPath, eventually } from '../forward/testing/data-path.ts';
import { type RawOrigin, startRawOrigin } from '../forward/testing/origin.ts';
import { tableOf } from '../forward/testing/test-proxy.ts';
import { type ConnectionState, Http1Connection } from './http1-connection.ts';
import { Http1Streams } from './http1-stream.ts';
import { Peers } from './peers.ts';
import { FakeSocket } from './testing/fake-socket.ts';

let origin: RawOrigin;

beforeAll(async () => {
  origin = await startRawOrigin((socket, soFar) => {
    if (soFar.includes('Upgrade: test'))
      socket.write('HTTP/1.1 101 Ok\r\nUpgrade: test\r\nConnection: upgrade\r\n\r\n');
  });
});

afterAll(() => origin[Symbol.asyncDispose]());

class Fixture {
  readonly path: DataPath;
  readonly socket = new FakeSocket();
  readonly connection: Http1Connection;
  readonly streams: Http1Streams;
  closed = 0;

  constructor(port = origin.port) {
    this.path = new DataPath(tableOf([{ path: '/up', endpoints: [port] }]), true);
    this.streams = new Http1Streams(this.path.context);
    const home = { context: this.path.context, streams: this.streams, closed: () => this.closed++ };
    this.connection = new Http1Connection(home, new Peers(false, 80).of('10.0.0.1'));
    this.connection.open(this.socket.asSocket());
  }

  readonly read = (text: string): void => {
    const bytes = Buffer.from(text, 'latin1');
    this.connection.onRead(bytes, 0, bytes.length, false);
  };
}

/** Resolves when what was put off to the end of this turn has been done. */
function turnEnd(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}

const UPGRADE = 'GET /up HTTP/1.1\r\nHost: a\r\nUpgrade: test\r\nConnection: upgrade\r\n\r\n';

/** Brings a new connection into a state. */
const ENTER: Record<ConnectionState, (fixture: Fixture) => void | Promise<void>> = {
  waiting: () => {},
  head: ({ read }) => read('GET / HT'),
  exchange: ({ read }) => read('POST /up HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n'),
  tunnel: async ({ read, connection, socket }) => {
    read(UPGRADE);
    await eventually(() => connection.state === 'tunnel' && socket.firstLine !== '');
  },
  lingering: ({ read }) => read('GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n'),
  closed: ({ connection }) => connection.cut(),
};

const EVENTS = {
  deadline: ({ connection }: Fixture) => connection.onDeadline(),
  drain: ({ connection }: Fixture) => connection.drain(),
  written: ({ connection }: Fixture) => connection.onDrain(),
  end: ({ connection }: Fixture) => connection.onEnd(),
  error: ({ connection }: Fixture) => connection.onError(),
  close: ({ connection }: Fixture) => connection.onClose(),
  cut: ({ connection }: Fixture) => connection.cut(),
  'stray bytes': ({ read }: Fixture) => read('\0'),
} as const;

/** What each event leads to, and the first line that was answered, '' for none. */
const TABLE: Record<ConnectionState, Record<keyof typeof EVENTS, readonly [ConnectionState, string]>> = {
  waiting: {
    deadline: ['closed', ''],
    drain: ['closed', ''],
    written: ['waiting', ''],
    end: ['closed', ''],
    error: ['waiting', ''],
    close: ['closed', ''],
    cut: ['closed', ''],
    'stray bytes': ['lingering', 'HTTP/1.1 400 Bad Request'],
  },
  head: {
    deadline: ['lingering', 'HTTP/1.1 408 Request Timeout'],
    drain: ['head', ''],
    written: ['head', ''],
    end: ['closed', ''],
    error: ['head', ''],
    close: ['closed', ''],
    cut: ['closed', ''],
    // The version cannot be judged before its line has ended.
    'stray bytes': ['head', ''],
  },
  exchange: {
    deadline: ['lingering', 'HTTP/1.1 408 Request Timeout'],
    drain: ['exchange', ''],
    written: ['exchange', ''],
    end: ['closed', ''],
    error: ['exchange', ''],
    close: ['closed', ''],
    cut: ['closed', ''],
    // A part of the body: held until the upstream is connected.
    'stray bytes': ['exchange', ''],
  },
  tunnel: {
    deadline: ['closed', 'HTTP/1.1 101 Ok'],
    drain: ['tunnel', 'HTTP/1.1 101 Ok'],
    written: ['tunnel', 'HTTP/1.1 101 Ok'],
    end: ['tunnel', 'HTTP/1.1 101 Ok'],
    error: ['tunnel', 'HTTP/1.1 101 Ok'],
    close: ['closed', 'HTTP/1.1 101 Ok'],
    cut: ['closed', 'HTTP/1.1 101 Ok'],
    'stray bytes': ['tunnel', 'HTTP/1.1 101 Ok'],
  },
  lingering: {
    deadline: ['closed', 'HTTP/1.1 404 Not Found'],
    drain: ['lingering', 'HTTP/1.1 404 Not Found'],
    written: ['lingering', 'HTTP/1.1 404 Not Found'],
    end: ['closed', 'HTTP/1.1 404 Not Found'],
    error: ['lingering', 'HTTP/1.1 404 Not Found'],
    close: ['closed', 'HTTP/1.1 404 Not Found'],
    cut: ['closed', 'HTTP/1.1 404 Not Found'],
    'stray bytes': ['lingering', 'HTTP/1.1 404 Not Found'],
  },
  closed: {
    deadline: ['closed', ''],
    drain: ['closed', ''],
    written: ['closed', ''],
    end: ['closed', ''],
    error: ['closed', ''],
    close: ['closed', ''],
    cut: ['closed', ''],
    'stray bytes': ['closed', ''],
  },
};

describe.each(Object.keys(TABLE) as ConnectionState[])('in state %s', (state) => {
  test.each(Object.entries(TABLE[state]) as [keyof typeof EVENTS, readonly [ConnectionState, string]][])(
    '%s leads to %s',
    async (event, [next, answer]) => {
      const fixture = new Fixture();
      await using path = fixture.path;
      await ENTER[state](fixture);
      expect(fixture.connection.state).toBe(state);
      EVENTS[event](fixture);
      expect([fixture.connection.state, fixture.socket.firstLine]).toEqual([next, answer]);
      // Whatever came before: it ends once, destroys its socket, and leaves nothing behind.
      fixture.connection.cut();
      expect([fixture.connection.state, fixture.closed, fixture.socket.destroyed]).toEqual(['closed', 1, true]);
      const { inFlight, openConnections, deadlines } = path.leftovers();
      expect([inFlight, openConnections, deadlines]).toEqual([0, 0, 0]);
    },
  );
});

test('a connection that waits for its next request owns no stream, one that reads or answers does', async () => {
  const { connection, streams, socket, read, path } = new Fixture();
  expect(streams.freeCount).toBe(0);
  read('GET /none HTTP/1.1\r\nHo');
  expect(streams.freeCount).toBe(0);
  read('st: a\r\n\r\n');
  await turnEnd();
  expect([connection.state, streams.freeCount, socket.firstLine]).toEqual(['waiting', 1, 'HTTP/1.1 404 Not Found']);
  // The next request takes the same one, also for several requests in one read.
  read('GET /a HTTP/1.1\r\nHost: a\r\n\r\nGET /b HTTP/1.1\r\nHost: a\r\n\r\n');
  await turnEnd();
  expect([connection.state, streams.freeCount, socket.text.match(/HTTP\/1.1 404/g)?.length]).toEqual(['waiting', 1, 3]);
  connection.cut();
  expect(path.leftovers().openConnections).toBe(0);
});

test('what waits for the end of the turn still goes out when the connection ends in it', () => {
  const { connection, socket, read } = new Fixture();
  read('GET /none HTTP/1.1\r\nHost: a\r\n\r\n');
  expect([connection.state, socket.text]).toEqual(['waiting', '']);
  connection.drain();
  expect([connection.state, socket.firstLine, socket.isEnded]).toEqual(['lingering', 'HTTP/1.1 404 Not Found', true]);
  connection.cut();
});

test('what a client said last goes through its tunnel, also when it is gone in the same turn', async () => {
  const fixture = new Fixture();
  await using path = fixture.path;
  await ENTER.tunnel(fixture);
  fixture.read('last words');
  fixture.connection.cut();
  await eventually(() => origin.received.some((text) => text.endsWith('last words')));
  expect(path.leftovers().openConnections).toBe(0);
});

test('drain lets bytes out that the system has not taken', () => {
  const { connection, socket } = new Fixture();
  socket.writableLength = 10;
  connection.drain();
  expect([connection.state, socket.destroyed, socket.isEnded]).toEqual(['lingering', false, true]);
  connection.cut();
});

test('a client that takes its response slowly is cut only when it takes nothing', async () => {
  const big = 'x'.repeat(60_000);
  await using replying = await startRawOrigin((socket) =>
    socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${big.length}\r\n\r\n${big}`),
  );
  const fixture = new Fixture(replying.port);
  const { path, socket, connection, read } = fixture;
  // What was written stays, as the handle tells, but for what the client takes.
  const handle = { writeQueueSize: 60_000 };
  Object.assign(socket, { _handle: handle, writableLength: 60_000, write: () => false });
  read('GET /up HTTP/1.1\r\nHost: a\r\n\r\n');
  await eventually(() => path.context.buffers.waitingBytes > 0);
  const { clientSendTimeoutMs } = path.context.current.global.peerLimits;
  for (let i = 0; i < 5; i++) {
    path.pass(clientSendTimeoutMs - 5_000);
    handle.writeQueueSize -= 1_000;
    path.pass(6_000);
    expect(connection.state).not.toBe('closed');
  }
  path.pass(clientSendTimeoutMs + 1_000);
  expect(connection.state).toBe('closed');
  await path.cutAll();
});
