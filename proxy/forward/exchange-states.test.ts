// Every event in every state of an exchange: the tables at the heads of exchange.ts and upstream-request.ts, held to their
// word. Whatever ends a request, its client hears of it once, its endpoint is counted out once, and no deadline stays behind.

import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { RequestParser } from '../http/request-parser.ts';
import type { RateLimitFilter } from '../table/route-settings.ts';
import { noLimits } from '../table/testing/build.ts';
import type { UpstreamLimits } from '../table/upstream-settings.ts';
import type { ClientStream } from './client-stream.ts';
import { Exchange, type Phase } from './exchange.ts';
import { DataPath, eventually, NOTHING_LEFT } from './testing/data-path.ts';
import { type RawOrigin, startRawOrigin } from './testing/origin.ts';
import { STREAMED, tableOf } from './testing/test-proxy.ts';

const LIMITS = {
  maxRequestLineBytes: 1000,
  maxHeaderLineBytes: 1000,
  maxHeadBytes: 4000,
  maxHeaderCount: 50,
  allowUnderscoreHeaders: false,
  allowUnusualHeaders: false,
};

/** A client that takes everything and notes what it was told. */
class NotingClient implements ClientStream {
  readonly told: string[] = [];
  readonly remotePort = 1;
  readonly remoteAddress = '10.0.0.1';
  readonly isTls = false;
  readonly localPort = 80;
  readonly forwardedLines = '';
  readonly isBodyAtHand = false;
  readonly #parser = new RequestParser();

  constructor(text: string) {
    const bytes = Buffer.from(text, 'latin1');
    if (this.#parser.parse(bytes, 0, bytes.length, LIMITS) !== bytes.length) throw new Error(this.#parser.fault);
  }

  get head() {
    return this.#parser.head;
  }

  takeBody(): void {}
  liftBodyRate(): void {}
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
  takesHead(): boolean {
    return true;
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

/** One request at a time, one that waits. */
const ONE: UpstreamLimits = { ...noLimits, maxRequests: 1, maxPending: 1 };
const RATE: RateLimitFilter = {
  kind: 'rateLimit',
  zone: 'z',
  key: [{ kind: 'variable', name: 'remoteAddr' }],
  allowCidrs: [],
  requests: 1,
  per: 'second',
  burst: 0,
  status: 429,
};

let origin: RawOrigin;
let path: DataPath;
beforeEach(async () => {
  origin = await startRawOrigin((socket, soFar) => {
    if (soFar.startsWith('POST /stuck')) socket.pause();
  });
  const endpoints = [origin.port];
  path = new DataPath(
    tableOf([
      { endpoints, policy: { maxBodyBytes: null, ...STREAMED } },
      { endpoints, path: '/limited', upstream: { limits: ONE } },
      { endpoints, path: '/rated', filters: [RATE] },
      { endpoints, path: '/ahead', policy: { maxBodyBytes: null } },
    ]),
    true,
  );
  // It never says a word.
  path.context.limits.useStore({ ask: () => {} }, 'closed');
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
  await eventually(() => origin.received[0]?.includes('\r\n\r\n') === true);
}

async function answered({ exchange }: Scene, text: string, phase: Phase): Promise<void> {
  await sent();
  origin.sockets[0]?.write(text);
  await eventually(() => exchange.phase === phase);
}

/** Sends until the upstream takes no more. */
async function blocked({ exchange }: Scene): Promise<void> {
  await sent();
  const block = Buffer.alloc(1 << 20);
  for (let mayGoOn = true; mayGoOn; ) {
    for (let i = 0; i < 16 && mayGoOn; i++) {
      mayGoOn = exchange.onBody(block, 0, block.length);
      exchange.flushUpstream();
    }
    await new Promise(setImmediate);
  }
}

const GET = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n';
const UPGRADE = 'GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n';
const post = (target: string) => `POST ${target} HTTP/1.1\r\nHost: a\r\nContent-Length: 900000000\r\n\r\n`;

/** What the request asks the upstream for, and how the state is reached once it has begun. */
const ENTER = {
  filtering: [GET.replace('/', '/rated'), async () => {}],
  queued: [GET.replace('/', '/limited'), async () => {}],
  buffering: [post('/ahead'), async ({ exchange }: Scene) => void exchange.onBody(Buffer.from('abc'), 0, 3)],
  connecting: [GET, async () => {}],
  sending: [GET, sent],
  'sending a body': [post('/'), sent],
  'sending what is not taken': [post('/stuck'), blocked],
  responding: [GET, (scene: Scene) => answered(scene, 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n', 'responding')],
  tunnel: [
    UPGRADE,
    (scene: Scene) => answered(scene, 'HTTP/1.1 101 X\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n', 'tunnel'),
  ],
} as const satisfies Record<string, readonly [string, (scene: Scene) => Promise<void>]>;

type State = keyof typeof ENTER;

const CLIENT_EVENTS = {
  'client gone': ({ exchange }: Scene) => exchange.onClientFailed('clientGone'),
  'client stalled': ({ exchange }: Scene) => exchange.onClientFailed('clientStalled'),
  'broken body': ({ exchange }: Scene) => exchange.onClientFailed('badBody'),
  'late body': ({ exchange }: Scene) => exchange.onClientFailed('bodyTimeout'),
} as const;

const EVENTS = {
  ...CLIENT_EVENTS,
  'time passes': () => path.pass(61_000),
  'upstream closes': () => origin.sockets[0]?.end(),
  'upstream resets': () => origin.sockets[0]?.resetAndDestroy(),
  'whole response': () => origin.sockets[0]?.write('HTTP/1.1 204 No Content\r\n\r\n'),
  '400 and close': () => origin.sockets[0]?.end('HTTP/1.1 400 Bad\r\nContent-Length: 0\r\n\r\n'),
  'no HTTP': () => origin.sockets[0]?.write('hello\r\n'),
  'unwanted 101': () => origin.sockets[0]?.write('HTTP/1.1 101 X\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n'),
} as const;

type Event = keyof typeof EVENTS;

/** What the client is told before `finished`; status and reason in the record. null: the exchange goes on. */
type Outcome = readonly [told: string, status: number, reason: string] | null;

const gone: Outcome = ['abort', 499, 'clientGone'];
const stalled: Outcome = ['abort', 499, 'clientStalled'];
const broken: Outcome = ['400', 400, 'badBody'];
const late: Outcome = ['408', 408, 'bodyTimeout'];
const closed: Outcome = ['502', 502, 'upstreamClosed'];
const fault: Outcome = ['502', 502, 'upstreamFault'];
const clientEvents = { 'client gone': gone, 'client stalled': stalled, 'broken body': broken, 'late body': late };
/** Nothing is different before and after the end of the body: a response may come early. */
const upstreamEvents: Partial<Record<Event, Outcome>> = {
  'upstream closes': closed,
  'upstream resets': closed,
  'whole response': ['head end', 204, ''],
  '400 and close': ['head end', 400, ''],
  'no HTTP': fault,
  'unwanted 101': fault,
};

const TABLE: Record<State, Partial<Record<Event, Outcome>>> = {
  // The store has a time limit of its own.
  filtering: { ...clientEvents, 'time passes': null },
  queued: { ...clientEvents, 'time passes': ['503', 503, 'pendingTimeout'] },
  // As while a body is sent: the client's connection has the time limit.
  buffering: { ...clientEvents, 'time passes': null },
  connecting: { ...clientEvents, 'time passes': ['504', 504, 'connectTimeout'] },
  sending: { ...clientEvents, ...upstreamEvents, 'time passes': ['504', 504, 'upstreamTimeout'] },
  // It is the client's turn, and its connection has a time limit for it.
  'sending a body': { ...clientEvents, ...upstreamEvents, 'time passes': null },
  'sending what is not taken': { ...clientEvents, 'time passes': ['504', 504, 'sendTimeout'] },
  // The head is out: whatever happens, the client can only notice that the rest is missing.
  responding: {
    'client gone': ['abort', 200, 'clientGone'],
    'client stalled': ['abort', 200, 'clientStalled'],
    'broken body': ['abort', 200, 'badBody'],
    'late body': ['abort', 200, 'bodyTimeout'],
    'time passes': ['abort', 200, 'upstreamTimeout'],
    'upstream closes': ['abort', 200, 'upstreamTruncated'],
    'upstream resets': ['abort', 200, 'upstreamTruncated'],
    // Five bytes of it are the body.
    'whole response': ['end', 200, ''],
  },
  tunnel: {
    'client gone': ['', 101, ''],
    'client stalled': ['', 101, 'clientStalled'],
    'broken body': ['', 101, 'badBody'],
    'late body': ['', 101, 'bodyTimeout'],
    'time passes': ['abort', 101, 'tunnelIdle'],
    'upstream closes': null,
    'upstream resets': ['abort', 101, ''],
    'whole response': null,
  },
};

const rows = Object.entries(TABLE).flatMap(([state, events]) =>
  Object.entries(events).map(([event, outcome]) => [state as State, event as Event, outcome] as const),
);

/** Takes the only place of the limited upstream. */
function takePlace(): void {
  path.context.endpoints.get('u1')?.gate?.enter({ onAdmitted() {}, onTimedOut() {} }, 0);
}

describe('states', () => {
  test.each(rows)('%s, %s: %j', async (state, event, outcome) => {
    const [text, enter] = ENTER[state];
    const client = new NotingClient(text);
    const exchange = new Exchange(path.context, client);
    const scene = { client, exchange };
    takePlace();
    exchange.begin();
    await enter(scene);
    expect(path.leftovers().inFlight).toBe(['filtering', 'queued', 'buffering'].includes(state) ? 0 : 1);
    client.told.length = 0;
    EVENTS[event](scene);
    if (outcome === null) {
      for (let turn = 0; turn < 20; turn++) await new Promise(setImmediate);
      expect(client.told).toEqual([]);
      return exchange.onClientFailed('clientGone');
    }
    const [told, status, reason] = outcome;
    await eventually(() => client.told.includes('finished'));
    expect(client.told.join(' ')).toBe(`${told} finished`.trim());
    expect(exchange.phase).toBe('idle');
    const { record } = exchange;
    expect([record.status, record.reason]).toEqual([status, reason]);
    // Counted out once, and nothing left that could wake it.
    expect(path.leftovers().inFlight).toBe(0);
    expect(path.leftovers().upstreamConnections).toBe(path.leftovers().idleUpstreamConnections);
    client.told.length = 0;
    for (const each of Object.values(CLIENT_EVENTS)) each(scene);
    path.pass(100_000);
    expect(client.told).toEqual([]);
    exchange.close();
    expect(path.leftovers()).toEqual(NOTHING_LEFT);
  });
});

test('an exchange is good for another request after each of them', () => {
  const client = new NotingClient(GET);
  const exchange = new Exchange(path.context, client);
  for (const event of Object.values(CLIENT_EVENTS)) {
    client.told.length = 0;
    exchange.begin();
    event({ client, exchange });
    expect(client.told).toHaveLength(2);
    expect(path.leftovers().inFlight).toBe(0);
  }
  exchange.close();
});
