// Clients that ask for much and never read a byte of it, so that their TCP windows close: over HTTP/1.1, HTTP/2 and
// WebSocket, against `sluice serve` as it is run. Each connection is cut after its time, and costs next to no memory.

import { readFile, rm } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import net, { type Socket } from 'node:net';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { listenOnLoopback } from '../harness/loopback-server.ts';
import { writeManifests } from '../harness/manifest-folder.ts';
import { SluiceProcess } from '../harness/sluice-process.ts';
import { until } from '../harness/wait.ts';
import { END_HEADERS, END_STREAM, frame, PREFACE, request, setting, Type, uint32 } from '../http2/frames.ts';

const HOST = 'victim.test';
/** More than the system keeps for a connection. */
const BIG = Buffer.alloc(16_000_000, 'x');
const CLIENTS = 60;
const MAX_GROWTH_MB = 10;
const INITIAL_WINDOW_SIZE = 4;
const LARGEST = 0x7fffffff;

const UPGRADE = `GET /ws HTTP/1.1\r\nHost: ${HOST}\r\nUpgrade: websocket\r\nConnection: upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n`;

/** What one client sends; the same again and again while it waits in `more`. */
const CASES = [
  { name: 'HTTP/1.1', first: `GET /big HTTP/1.1\r\nHost: ${HOST}\r\n\r\n`, more: '' },
  { name: 'HTTP/1.1, pipelined', first: `GET /big HTTP/1.1\r\nHost: ${HOST}\r\n\r\n`.repeat(50), more: '' },
  { name: 'HTTP/2, with all windows open', first: http2Requests(), more: '' },
  { name: 'WebSocket, with a client that goes on sending', first: UPGRADE, more: 'still here' },
] as const;

function http2Requests(): Buffer {
  const asked = [1, 3, 5, 7].map((id) => frame(Type.headers, END_HEADERS | END_STREAM, id, request(HOST, '/big')));
  const windows = frame(Type.settings, 0, 0, setting(INITIAL_WINDOW_SIZE, LARGEST));
  return Buffer.concat([PREFACE, windows, frame(Type.windowUpdate, 0, 0, uint32(LARGEST - 65_535)), ...asked]);
}

let stack: AsyncDisposableStack;
let sluice: SluiceProcess;
let port: number;

beforeAll(async () => {
  stack = new AsyncDisposableStack();
  const folder = await writeManifests({
    services: { [HOST]: await startOrigin() },
    settings: {
      'sluice-client-send-timeout': '1',
      'sluice-http2-stall-timeout': '1s',
      'sluice-http2-prior-knowledge': 'true',
      'ssl-redirect': 'false',
      'disable-access-log': 'true',
    },
  });
  stack.defer(() => rm(folder, { recursive: true }));
  const args = ['--manifests', folder, '--configmap=default/settings', '--bind-address=127.0.0.1', '--workers=1'];
  sluice = new SluiceProcess(args);
  stack.defer(() => sluice.kill());
  port = (await sluice.serving()).httpPort;
  // Memory of an attack is what it costs beyond code that is compiled and buffers that have their size.
  for (const each of CASES) await attack(each);
}, 240_000);

afterAll(() => stack.disposeAsync());

async function startOrigin(): Promise<number> {
  const server: Server = createServer((_request, response) => response.end(BIG));
  server.on('upgrade', (_request, socket: Socket) => {
    socket.on('error', () => {});
    // Nobody reads what the clients send, beyond what makes room for more of it.
    socket.resume();
    socket.write('HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade\r\n');
    socket.write('Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n');
    socket.write(BIG);
  });
  return await listenOnLoopback(server, stack);
}

async function residentMb(): Promise<number> {
  const status = await readFile(`/proc/${sluice.pid}/status`, 'utf8');
  return Number(/^VmRSS:\s+(\d+) kB/m.exec(status)?.[1]) / 1024;
}

function connect({ first, more }: (typeof CASES)[number]): Socket & AsyncDisposable {
  const socket = net.connect(port, '127.0.0.1');
  socket.pause();
  socket.on('error', () => {});
  socket.write(first);
  if (more !== '') {
    const timer = setInterval(() => socket.write(more), 100);
    socket.once('close', () => clearInterval(timer));
  }
  return socket;
}

/** Client connections so far, and those that are open. */
const accepted = (): Promise<number> => sluice.metric('sluice_connections_total{state="accepted"}');
const open = (): Promise<number> => sluice.metric('sluice_open_connections{protocol="http"}');

/** Attacks that are made again while memory grows: the heap grows for the first few, a leak for each. */
const MORE_ROUNDS = 5;

/** Gives the growth of memory while the clients were there. */
async function attack(each: (typeof CASES)[number]): Promise<number> {
  const beforeMb = await residentMb();
  const before = await accepted();
  const sockets = Array.from({ length: CLIENTS }, () => connect(each));
  let peakMb = 0;
  const watched = async (value: () => Promise<number>): Promise<number> => {
    peakMb = Math.max(peakMb, await residentMb());
    return await value();
  };
  try {
    await until(
      'all clients',
      () => watched(accepted),
      (count) => count === before + CLIENTS,
    );
    await until(
      'the end of all connections',
      () => watched(open),
      (count) => count === 0,
      60_000,
    );
  } finally {
    for (const socket of sockets) socket.destroy();
  }
  return peakMb - beforeMb;
}

test.each(CASES.map((each) => [each.name, each] as const))(
  'clients that never read: %s',
  async (_name, each) => {
    // The heap grows once, a proxy that keeps memory for them does so each time.
    let growthMb = await attack(each);
    for (let round = 0; round < MORE_ROUNDS && growthMb >= MAX_GROWTH_MB; round++) growthMb = await attack(each);
    expect(growthMb).toBeLessThan(MAX_GROWTH_MB);
  },
  240_000,
);
