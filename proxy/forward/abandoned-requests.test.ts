// Clients that go away at every stage of a request: nothing of it stays counted, in this worker or in the shared memory, or
// least_conn and breakers would be wrong for ever.

import type { Socket } from 'node:net';
import { expect, test } from '@jest/globals';
import type { SharedLoads } from '../endpoints/shared-loads.ts';
import { FrameType } from '../http2/protocol.ts';
import { connectHttp2, frame, GET, POST, uint32 } from '../listen/testing/http2-client.ts';
import { defaultHttp2 } from '../table/defaults.ts';
import { noLimits, noPassiveHealth } from '../table/testing/build.ts';
import type { RoutePolicy } from '../table/types.ts';
import type { UpstreamLimits } from '../table/upstream-settings.ts';
import { type DataPath, eventually, NOTHING_LEFT, startSharedPath } from './testing/data-path.ts';
import { startHttp2Origin } from './testing/http2-origin.ts';
import { startRawOrigin } from './testing/origin.ts';
import { connectRaw } from './testing/raw-client.ts';
import { SilentListener } from './testing/silent-listener.ts';
import { STREAMED } from './testing/test-proxy.ts';

const limits: UpstreamLimits = {
  ...noLimits,
  maxRequests: 2,
  maxRequestsPerEndpoint: 2,
  maxPending: 5,
  pendingTimeoutMs: 600_000,
};
/** An endpoint that answers by what is asked, over HTTP/1.1 or HTTP/2, and how to see that a request has come. */
interface Backend {
  readonly ports: readonly number[];
  /** Requests whose head has come. */
  readonly requests: () => number;
  [Symbol.asyncDispose](): Promise<void>;
}

const ANSWERS: Readonly<Record<string, string>> = {
  '/body': 'HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf ',
  '/101': 'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n',
};

async function http1Backend(): Promise<Backend> {
  let requests = 0;
  /** Each connection is asked once. */
  const asked = new Set<Socket>();
  const serve = () =>
    startRawOrigin((socket, soFar) => {
      const head = /^(?:GET|POST) (\S+) .*?\r\n\r\n/s.exec(soFar);
      if (head === null || asked.has(socket)) return;
      asked.add(socket);
      requests++;
      // The first one of a request that is tried again refuses it.
      if (head[1] === '/again' && requests === 1)
        return void socket.write('HTTP/1.1 502 Bad\r\nContent-Length: 0\r\n\r\n');
      socket.write(ANSWERS[head[1] as string] ?? '');
    });
  const origins = [await serve(), await serve()];
  return {
    ports: origins.map(({ port }) => port).toSorted((a, b) => a - b),
    requests: () => requests,
    async [Symbol.asyncDispose]() {
      for (const origin of origins) await origin[Symbol.asyncDispose]();
    },
  };
}

async function http2Backend(): Promise<Backend> {
  let requests = 0;
  const serve = () =>
    startHttp2Origin((server, id) => {
      requests++;
      const [head = []] = server.heads(id);
      if (head.includes(':path: /again') && requests === 1) return server.respond(id, '', [[':status', '502']]);
      if (!head.includes(':path: /body')) return;
      server.request(id, [[':status', '200']], false);
      server.data(id, 'half ', false);
    });
  const origins = [await serve(), await serve()];
  return {
    ports: origins.map(({ port }) => port).toSorted((a, b) => a - b),
    requests: () => requests,
    async [Symbol.asyncDispose]() {
      for (const origin of origins) await origin[Symbol.asyncDispose]();
    },
  };
}

async function silentBackend(): Promise<Backend> {
  const silent = await SilentListener.start();
  return { ports: [silent.port], requests: () => 0, [Symbol.asyncDispose]: () => silent[Symbol.asyncDispose]() };
}

/** Requests of one client, over HTTP/1.1 or HTTP/2, which all go away at once. */
interface Client {
  /** Sends a request of which `missing` bytes of the body do not come. */
  ask(path: string, missing?: number): Promise<void>;
  readonly received: () => string;
  leave(): void;
}

function http1Client({ port }: DataPath): Client {
  const clients: Awaited<ReturnType<typeof connectRaw>>[] = [];
  return {
    async ask(path, missing = 0) {
      const client = await connectRaw(port);
      clients.push(client);
      const upgrade = path === '/101' ? 'Connection: Upgrade\r\nUpgrade: echo\r\n' : '';
      const length = missing === 0 ? '' : `Content-Length: ${missing + 4}\r\n`;
      client.send(`${missing === 0 ? 'GET' : 'POST'} ${path} HTTP/1.1\r\nHost: a\r\n${upgrade}${length}\r\n`);
      if (missing > 0) client.send('part');
    },
    received: () => clients.map(({ received }) => received).join(''),
    leave: () => {
      for (const { socket } of clients) socket.resetAndDestroy();
    },
  };
}

/** Its streams are reset one by one; the connection stays. */
async function http2Client({ port }: DataPath): Promise<Client> {
  const client = (await connectHttp2(port)).greet();
  let streams = 0;
  return {
    ask: (path, missing = 0) => {
      const id = 2 * streams++ + 1;
      const fields = (missing === 0 ? GET : POST).map(
        ([name, value]) => [name, name === ':path' ? path : value] as const,
      );
      client.request(id, fields, missing === 0);
      if (missing > 0) client.data(id, 'part', false);
      return Promise.resolve();
    },
    received: () => client.frames.map(({ payload }) => payload.latin1Slice()).join(''),
    leave: () => {
      const CANCEL = uint32(8);
      for (let at = 0; at < streams; at++) client.send(frame(FrameType.rstStream, 0, 2 * at + 1, CANCEL));
    },
  };
}

interface Stage {
  readonly policy?: Partial<RoutePolicy>;
  /** Default: the backend of the row. */
  readonly isSilent?: boolean;
  /** Brings the requests there; resolves when they are. */
  readonly reach: (client: Client, proxy: DataPath, backend: Backend) => Promise<void>;
  /** HTTP/2 has no upgrade. */
  readonly isHttp1Only?: boolean;
}

const gateOf = (proxy: DataPath) => proxy.context.endpoints.get('u0')?.gate;
const inFlight = (proxy: DataPath) => proxy.leftovers().inFlight;

const STAGES: Readonly<Record<string, Stage>> = {
  'its body is read ahead': {
    reach: async (client, proxy) => {
      await client.ask('/', 100_000);
      await eventually(() => proxy.leftovers().heldBodyBytes > 0);
    },
  },
  'it waits for a place': {
    reach: async (client, proxy) => {
      for (let at = 0; at < 4; at++) await client.ask('/');
      await eventually(() => gateOf(proxy)?.pending === 2);
    },
  },
  'its connection is being opened': {
    isSilent: true,
    reach: async (client, proxy) => {
      await client.ask('/');
      await eventually(() => inFlight(proxy) === 1);
    },
  },
  'its body is being sent': {
    policy: STREAMED,
    reach: async (client, _proxy, backend) => {
      await client.ask('/', 100_000);
      await eventually(() => backend.requests() === 1);
    },
  },
  'it waits for the head': {
    reach: async (client, _proxy, backend) => {
      await client.ask('/');
      await eventually(() => backend.requests() === 1);
    },
  },
  'it waits for the head of a further attempt': {
    policy: { retryOn: ['error', 'http502'] },
    reach: async (client, _proxy, backend) => {
      await client.ask('/again');
      await eventually(() => backend.requests() === 2);
    },
  },
  'two attempts race': {
    policy: { hedge: { afterMs: 50, budget: { percent: 100, minPerSecond: 100 } } },
    reach: async (client, proxy, backend) => {
      await client.ask('/');
      await eventually(() => backend.requests() === 1);
      proxy.pass(60);
      await eventually(() => backend.requests() === 2);
    },
  },
  'its response has begun': {
    reach: async (client) => {
      await client.ask('/body');
      await eventually(() => client.received().includes('half '));
    },
  },
  'it is a tunnel': {
    isHttp1Only: true,
    reach: async (client) => {
      await client.ask('/101');
      await eventually(() => client.received().includes('101 '));
    },
  },
};

const rows = Object.entries(STAGES).flatMap(([name, stage]) =>
  (['http1', 'http2'] as const).flatMap((down) =>
    (['http1', 'http2'] as const)
      .filter((up) => stage.isHttp1Only !== true || (down === 'http1' && up === 'http1'))
      .map((up) => [name, down, up, stage] as const),
  ),
);

/** Of all counters that workers share. */
function sharedSum(loads: SharedLoads): number {
  let sum = 0;
  for (let row = 0; row < loads.rows; row++) sum += loads.sum(row);
  return sum;
}

test.each(rows)('%s (client %s, upstream %s)', async (_name, down, up, stage) => {
  await using backend = await (stage.isSilent === true
    ? silentBackend()
    : up === 'http1'
      ? http1Backend()
      : http2Backend());
  const policy = { ...stage.policy, ...(up === 'http2' ? { protocol: 'http2' as const } : {}) };
  const upstream = {
    limits,
    balancer: { kind: 'leastConnections' } as const,
    health: noPassiveHealth,
  };
  const { proxy, loads } = await startSharedPath([{ endpoints: backend.ports, policy, upstream }], {
    global: { http2: { ...defaultHttp2, hasPriorKnowledge: true } },
  });
  await using _ = proxy;
  const client = down === 'http1' ? http1Client(proxy) : await http2Client(proxy);
  await stage.reach(client, proxy, backend);
  client.leave();
  await eventually(
    () => sharedSum(loads) === 0 && inFlight(proxy) === 0,
    () => [sharedSum(loads), proxy.leftovers()],
  );
  expect([gateOf(proxy)?.requests, gateOf(proxy)?.pending]).toEqual([0, 0]);
  await proxy.cutAll();
  await eventually(() => proxy.leftovers().openConnections === 0);
  // Deadlines that were cleared hang in the wheel until their time would have come.
  proxy.pass(120_000);
  expect(proxy.leftovers()).toEqual(NOTHING_LEFT);
});
