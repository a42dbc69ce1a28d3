// Every event in every state of an upstream connection: the table at the head of upstream-connection.ts, held to its word.

import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { EndpointState } from '../endpoints/registry.ts';
import { LoopTurn } from '../listen/loop-turn.ts';
import { ReadBuffers } from '../listen/read-buffers.ts';
import { ResponseLimits } from './response-limits.ts';
import { eventually } from './testing/data-path.ts';
import { type RawOrigin, startRawOrigin } from './testing/origin.ts';
import { UpstreamConnection, type UpstreamSlot } from './upstream-connection.ts';
import type { UpstreamUser } from './upstream-stream.ts';
import { Transports } from './upstream-transport.ts';

let origin: RawOrigin;
/** It only takes connections: what it would say is put into the connection by hand. */
beforeAll(async () => {
  origin = await startRawOrigin(() => {});
});
afterAll(() => origin[Symbol.asyncDispose]());

class Fixture {
  readonly connection: UpstreamConnection;
  told: string[] = [];
  isConnected = false;
  isForgotten = false;
  readonly #user: UpstreamUser;

  constructor() {
    const tell = (what: string) => () => {
      this.told.push(what);
    };
    const taking = (what: string) => () => this.told.push(what) > 0;
    this.#user = {
      onConnected: () => {
        this.isConnected = true;
      },
      onUpstreamFailed: (code) => tell(code)(),
      onInformational: tell('informational'),
      onResponseHead: tell('head'),
      onResponseBody: taking('body'),
      onResponseEnd: tell('end'),
      onTunnelData: taking('tunnel'),
      onTunnelEnd: tell('tunnelEnd'),
      onUpstreamDrain: tell('drain'),
      onUpstreamReadDone: () => {},
    };
    const forget = (): void => {
      this.isForgotten = true;
    };
    const home = {
      buffers: new ReadBuffers(),
      turn: new LoopTurn(),
      responseLimits: new ResponseLimits(),
      keep: () => true,
      forget,
    };
    const endpoint = new EndpointState<UpstreamSlot>('u', { address: '127.0.0.1', port: origin.port });
    this.connection = new UpstreamConnection(endpoint, home, this.#user, 0, new Transports().plain);
  }

  async connected(): Promise<void> {
    await eventually(() => this.isConnected);
  }

  async begun(): Promise<void> {
    await this.connected();
    this.ask();
  }

  ask(): void {
    this.connection.begin(this.#user, 'GET / HTTP/1.1\r\nHost: a\r\n\r\n', false, false, true, 1000);
  }

  read(text: string): void {
    const bytes = Buffer.from(text, 'latin1');
    this.connection.onRead(bytes, 0, bytes.length, false);
  }

  /** `idle` is ready for a request, `open` is not, `closed` is never again. */
  get condition(): 'closed' | 'idle' | 'open' {
    if (this.isForgotten) return 'closed';
    return this.connection.isIdle ? 'idle' : 'open';
  }
}

const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n';

const ENTER = {
  connecting: async () => {},
  connected: (fixture: Fixture) => fixture.connected(),
  pooled: async (fixture: Fixture) => {
    await fixture.begun();
    fixture.read(`${OK}hello`);
  },
  'awaiting its first head': (fixture: Fixture) => fixture.begun(),
  'awaiting a later head': async (fixture: Fixture) => {
    await fixture.begun();
    fixture.read(`${OK}hello`);
    fixture.ask();
  },
  'amid a head': async (fixture: Fixture) => {
    await fixture.begun();
    fixture.read('HTTP/1.1 2');
  },
  'behind a 103': async (fixture: Fixture) => {
    await fixture.begun();
    fixture.read('HTTP/1.1 103 Early Hints\r\n\r\n');
  },
  'amid a counted body': async (fixture: Fixture) => {
    await fixture.begun();
    fixture.read(`${OK}he`);
  },
  'amid a chunked body': async (fixture: Fixture) => {
    await fixture.begun();
    fixture.read('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhe');
  },
  'amid a body until close': async (fixture: Fixture) => {
    await fixture.begun();
    fixture.read('HTTP/1.1 200 OK\r\n\r\nhe');
  },
  tunnel: async (fixture: Fixture) => {
    await fixture.begun();
    fixture.read('HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n');
  },
  closed: async (fixture: Fixture) => fixture.connection.abandon(),
} as const;

const EVENTS = {
  end: ({ connection }: Fixture) => connection.onEnd(),
  close: ({ connection }: Fixture) => connection.onClose(),
  deadline: ({ connection }: Fixture) => connection.onDeadline(),
  abandon: ({ connection }: Fixture) => connection.abandon(),
  stray: (fixture: Fixture) => fixture.read('\0\r\n\r\n'),
} as const;

type Outcome = readonly [condition: 'closed' | 'idle' | 'open', ...told: string[]];

/** What each event leads to, and what the user is told of it. */
const TABLE: Record<keyof typeof ENTER, Record<keyof typeof EVENTS, Outcome>> = {
  connecting: {
    end: ['closed', 'connectFailed'],
    close: ['closed', 'connectFailed'],
    deadline: ['open'],
    abandon: ['closed'],
    stray: ['closed', 'connectFailed'],
  },
  connected: {
    end: ['closed', 'upstreamClosed'],
    close: ['closed', 'upstreamClosed'],
    deadline: ['closed'],
    abandon: ['closed'],
    stray: ['closed', 'upstreamClosed'],
  },
  pooled: { end: ['closed'], close: ['closed'], deadline: ['closed'], abandon: ['closed'], stray: ['closed'] },
  'awaiting its first head': {
    end: ['closed', 'upstreamClosed'],
    close: ['closed', 'upstreamClosed'],
    deadline: ['open'],
    abandon: ['closed'],
    stray: ['closed', 'upstreamFault'],
  },
  'awaiting a later head': {
    end: ['closed', 'staleConnection'],
    close: ['closed', 'staleConnection'],
    deadline: ['open'],
    abandon: ['closed'],
    stray: ['closed', 'upstreamFault'],
  },
  'amid a head': {
    end: ['closed', 'upstreamTruncated'],
    close: ['closed', 'upstreamTruncated'],
    deadline: ['open'],
    abandon: ['closed'],
    stray: ['closed', 'upstreamFault'],
  },
  'behind a 103': {
    end: ['closed', 'upstreamTruncated'],
    close: ['closed', 'upstreamTruncated'],
    deadline: ['open'],
    abandon: ['closed'],
    stray: ['closed', 'upstreamFault'],
  },
  'amid a counted body': {
    end: ['closed', 'upstreamTruncated'],
    close: ['closed', 'upstreamTruncated'],
    deadline: ['open'],
    abandon: ['closed'],
    // Three of the five bytes belong to the body; the others spoil the connection.
    stray: ['closed', 'body', 'end'],
  },
  'amid a chunked body': {
    end: ['closed', 'upstreamTruncated'],
    close: ['closed', 'upstreamTruncated'],
    deadline: ['open'],
    abandon: ['closed'],
    // Three bytes of the chunk and the line end behind it.
    stray: ['open', 'body'],
  },
  'amid a body until close': {
    end: ['closed', 'end'],
    close: ['closed', 'upstreamTruncated'],
    deadline: ['open'],
    abandon: ['closed'],
    stray: ['open', 'body'],
  },
  tunnel: {
    end: ['open', 'tunnelEnd'],
    close: ['closed', 'upstreamTruncated'],
    deadline: ['open'],
    abandon: ['closed'],
    stray: ['open', 'tunnel'],
  },
  closed: { end: ['closed'], close: ['closed'], deadline: ['closed'], abandon: ['closed'], stray: ['closed'] },
};

const rows = Object.entries(TABLE).flatMap(([state, events]) =>
  Object.entries(events).map(([event, outcome]) => [state, event, outcome] as [string, string, Outcome]),
);

describe('states', () => {
  test.each(rows)('%s, %s: %j', async (state, event, [condition, ...told]) => {
    const fixture = new Fixture();
    await ENTER[state as keyof typeof ENTER](fixture);
    fixture.told = [];
    EVENTS[event as keyof typeof EVENTS](fixture);
    expect([fixture.condition, ...fixture.told]).toEqual([condition, ...told]);
    // Nothing is told twice, whatever follows.
    fixture.told = [];
    fixture.connection.abandon();
    fixture.connection.onClose();
    expect([fixture.condition, ...fixture.told]).toEqual(['closed']);
  });
});

test.each([
  ['a whole response', `${OK}hello`, 'idle'],
  ['a response with a byte behind it', `${OK}hello!`, 'closed'],
  ['Connection: close', `${OK.replace('\r\n\r\n', '\r\nConnection: close\r\n\r\n')}hello`, 'closed'],
  ['HTTP/1.0', `${OK.replace('1.1', '1.0')}hello`, 'closed'],
  [
    'HTTP/1.0 with keep-alive',
    `${OK.replace('1.1', '1.0').replace('\r\n\r\n', '\r\nConnection: keep-alive\r\n\r\n')}hello`,
    'idle',
  ],
  ['a 204', 'HTTP/1.1 204 No Content\r\n\r\n', 'idle'],
  ['a 204 that declares a body', 'HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n', 'closed'],
  ['chunks', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n', 'idle'],
] as const)('after %s', async (_name, text, condition) => {
  const fixture = new Fixture();
  await fixture.begun();
  fixture.read(text);
  expect([fixture.told.at(-1), fixture.condition]).toEqual(['end', condition]);
  fixture.connection.abandon();
});
