// Every event in every phase of an exchange: the table at the head of exchange.ts, held to its word. Whatever ends a
// request, its client hears of it once, its endpoint is counted out once, and no deadline stays behind.

import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { RequestParser } from '../http/request-parser.ts';
import type { ClientStream } from './client-stream.ts';
import { Exchange, type Phase } from './exchange.ts';
import { DataPath, eventually } from './testing/data-path.ts';
import { type RawOrigin, startRawOrigin } from './testing/origin.ts';
import { tableOf } from './testing/test-proxy.ts';

const LIMITS = {
  maxRequestLineBytes: 1000,
  maxHeaderLineBytes: 1000,
  maxHeadBytes: 4000,
  maxHeaderCount: 50,
  allowUnderscoreHeaders: false,
};

/** A client that takes everything and notes what it was told. */
class NotingClient implements ClientStream {
  readonly told: string[] = [];
  readonly remotePort = 1;
  readonly remoteAddress = '10.0.0.1';
  readonly isTls = false;
  readonly localPort = 80;
  readonly forwardedLines = '';
  readonly #parser = new RequestParser();

  constructor(text: string) {
    const bytes = Buffer.from(text, 'latin1');
    if (this.#parser.parse(bytes, 0, bytes.length, LIMITS) !== bytes.length) throw new Error(this.#parser.fault);
  }

  get head() {
    return this.#parser.head;
  }

  takeBody(): void {}
  sendInformational(): void {}
  sendHead(): void {
    this.told.push('head');
  }
  sendBody(): boolean {
    return true;
  }
  sendEnd(): void {
    this.told.push('end');
  }
  sendAnswer({ status }: { readonly status: number }): void {
    this.told.push(String(status));
  }
  abortResponse(): void {
    this.told.push('abort');
  }
  beginTunnel(): void {
    this.told.push('tunnel');
  }
  sendTunnelBytes(): boolean {
    return true;
  }
  endTunnel(): void {}
  flush(): void {}
  finished(): void {
    this.told.push('finished');
  }
}

let origin: RawOrigin;
let path: DataPath;
beforeEach(async () => {
  origin = await startRawOrigin(() => {});
  path = new DataPath(tableOf([{ endpoints: [origin.port] }]), true);
});
afterEach(async () => {
  await path[Symbol.asyncDispose]();
  await origin[Symbol.asyncDispose]();
});

interface Scene {
  readonly client: NotingClient;
  readonly exchange: Exchange;
}

async function sent(): Promise<void> {
  await eventually(() => origin.received[0]?.endsWith('\r\n\r\n') === true);
}

async function answered({ exchange }: Scene, text: string, phase: Phase): Promise<void> {
  await sent();
  origin.sockets[0]?.write(text);
  await eventually(() => exchange.phase === phase);
}

const GET = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n';
const UPGRADE = 'GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n';

/** The request, and how its phase is reached once it has begun. */
const ENTER = {
  connecting: [GET, async () => {}],
  sending: [GET, sent],
  'sending a body': ['POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n', sent],
  responding: [GET, (scene: Scene) => answered(scene, 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n', 'responding')],
  tunnel: [
    UPGRADE,
    (scene: Scene) => answered(scene, 'HTTP/1.1 101 X\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n', 'tunnel'),
  ],
} as const satisfies Record<string, readonly [string, (scene: Scene) => Promise<void>]>;

const EVENTS = {
  'client gone': ({ exchange }: Scene) => exchange.onClientFailed('clientGone'),
  'client stalled': ({ exchange }: Scene) => exchange.onClientFailed('clientStalled'),
  'broken body': ({ exchange }: Scene) => exchange.onClientFailed('badBody'),
  'late body': ({ exchange }: Scene) => exchange.onClientFailed('bodyTimeout'),
  deadline: ({ exchange }: Scene) => exchange.onDeadline(),
} as const;

/** What the client is told before `finished`; status and reason in the record. */
type Outcome = readonly [told: string, status: number, reason: string];

const gone: Outcome = ['abort', 499, 'clientGone'];
const stalled: Outcome = ['abort', 499, 'clientStalled'];
const broken: Outcome = ['400', 400, 'badBody'];
const late: Outcome = ['408', 408, 'bodyTimeout'];

const TABLE: Record<keyof typeof ENTER, Record<keyof typeof EVENTS, Outcome>> = {
  connecting: {
    'client gone': gone,
    'client stalled': stalled,
    'broken body': broken,
    'late body': late,
    deadline: ['504', 504, 'connectTimeout'],
  },
  sending: {
    'client gone': gone,
    'client stalled': stalled,
    'broken body': broken,
    'late body': late,
    deadline: ['504', 504, 'upstreamTimeout'],
  },
  'sending a body': {
    'client gone': gone,
    'client stalled': stalled,
    'broken body': broken,
    'late body': late,
    deadline: ['504', 504, 'sendTimeout'],
  },
  // The head is out: whatever happens, the client can only notice that the rest is missing.
  responding: {
    'client gone': ['abort', 200, 'clientGone'],
    'client stalled': ['abort', 200, 'clientStalled'],
    'broken body': ['abort', 200, 'badBody'],
    'late body': ['abort', 200, 'bodyTimeout'],
    deadline: ['abort', 200, 'upstreamTimeout'],
  },
  tunnel: {
    'client gone': ['', 101, ''],
    'client stalled': ['', 101, 'clientStalled'],
    'broken body': ['', 101, 'badBody'],
    'late body': ['', 101, 'bodyTimeout'],
    deadline: ['abort', 101, 'tunnelIdle'],
  },
};

const rows = Object.entries(TABLE).flatMap(([phase, events]) =>
  Object.entries(events).map(([event, outcome]) => [phase, event, outcome] as [string, string, Outcome]),
);

describe('phases', () => {
  test.each(rows)('%s, %s: %j', async (phase, event, [told, status, reason]) => {
    const [text, enter] = ENTER[phase as keyof typeof ENTER];
    const client = new NotingClient(text);
    const exchange = new Exchange(path.context, client);
    const scene = { client, exchange };
    exchange.begin();
    await enter(scene);
    expect(path.leftovers().inFlight).toBe(1);
    client.told.length = 0;
    EVENTS[event as keyof typeof EVENTS](scene);
    expect(client.told).toEqual(told === '' ? ['finished'] : [told, 'finished']);
    expect(exchange.phase).toBe('idle');
    const { record } = exchange;
    expect([record.status, record.reason]).toEqual([status, reason]);
    // Counted out once, its connection closed, nothing left that could wake it.
    expect(path.leftovers()).toEqual({ ...path.leftovers(), inFlight: 0, upstreamConnections: 0 });
    client.told.length = 0;
    for (const each of Object.values(EVENTS)) each(scene);
    path.pass(100_000);
    expect(client.told).toEqual([]);
    exchange.close();
    expect(path.leftovers().deadlines).toBe(0);
  });
});

test('an exchange is good for another request after each of them', async () => {
  const client = new NotingClient(GET);
  const exchange = new Exchange(path.context, client);
  for (const event of Object.values(EVENTS)) {
    client.told.length = 0;
    exchange.begin();
    event({ client, exchange });
    expect(client.told).toHaveLength(2);
    expect(path.leftovers().inFlight).toBe(0);
  }
  exchange.close();
});
