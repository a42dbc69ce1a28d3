// What a UDP session counts, holds and reports, however it ends: one client, one endpoint, a clock that is moved by hand.

import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { type DataPath, eventually, startDataPath } from '../forward/testing/data-path.ts';
import { defaultStreamSettings, type StreamSettings } from '../table/stream-settings.ts';
import type { StreamRecord } from './stream-record.ts';
import { closedPort, UdpOrigin } from './testing/stream-origin.ts';
import { UdpSession } from './udp-session.ts';

const ORIGIN = { protocol: 'udp', port: 53, namespace: '', service: '', servicePort: '', serverName: '' } as const;
const CLIENT = { address: '192.0.2.1', port: 4000, localAddress: '192.0.2.2', localPort: 53 };

let stack: AsyncDisposableStack;
beforeEach(() => {
  stack = new AsyncDisposableStack();
});
afterEach(() => stack.disposeAsync());

interface Scene {
  readonly session: UdpSession;
  readonly proxy: DataPath;
  /** What was sent to the client. */
  readonly replies: string[];
  /** What was told to the observer when it was over, and to whoever counts. */
  readonly ends: StreamRecord[];
  readonly calls: string[];
}

/** A session to this port of loopback, not yet connected. */
async function begin(port: number, stream: Partial<StreamSettings> = {}): Promise<Scene> {
  const proxy = stack.use(await startDataPath([], { stream: { ...defaultStreamSettings, ...stream } }));
  const [replies, ends, calls]: [string[], StreamRecord[], string[]] = [[], [], []];
  const endpoint = {
    address: '127.0.0.1',
    port,
    begin: () => 7,
    end: (probe: number) => void calls.push(`end ${probe}`),
  };
  const home = {
    context: proxy.context,
    observer: { onStreamOpened: () => undefined, onStreamClosed: (end: StreamRecord) => void ends.push(end) },
    reply: (_session: UdpSession, datagram: Buffer) => void replies.push(String(datagram)),
    sessionClosed: () => void calls.push('closed'),
  };
  const upstream = {
    pick: () => null,
    onAnswered: () => void calls.push('answered'),
    onFailed: () => void calls.push('failed'),
  };
  const session = new UdpSession(home, 'key', CLIENT, { origin: ORIGIN, upstream, endpoint });
  stack.defer(() => session.cut());
  session.start();
  return { session, proxy, replies, ends, calls };
}

const answering = async (answer: (text: string) => readonly string[]) => stack.use(await UdpOrigin.start(answer));

test('answered as often as asked: told as an answer once, counted out once, and logged with the bytes of each way', async () => {
  const origin = await answering((text) => [`${text}!`]);
  const { session, proxy, replies, ends, calls } = await begin(origin.port);
  session.send(Buffer.from('one'));
  session.send(Buffer.from('three'));
  await eventually(() => ends.length > 0);
  expect(replies.toSorted()).toEqual(['one!', 'three!']);
  expect(calls).toEqual(['answered', 'end 7', 'closed']);
  expect(ends[0]).toMatchObject({ status: 200, bytesReceived: 8, bytesSent: 10, client: CLIENT, detail: '' });
  // What comes after that is nobody's.
  session.send(Buffer.from('late'));
  expect(proxy.context.wheel.size).toBe(0);
});

test('an endpoint that is not there is told as a failure', async () => {
  const { session, ends, calls } = await begin(await closedPort());
  session.send(Buffer.from('one'));
  await eventually(() => ends.length > 0);
  expect(calls).toEqual(['failed', 'end 7', 'closed']);
  expect(ends[0]).toMatchObject({ status: 502, detail: 'ECONNREFUSED' });
});

describe('idle', () => {
  test.each<[string, (scene: Scene, origin: UdpOrigin) => Promise<void>]>([
    [
      'a datagram of the client',
      async ({ session }, origin) => {
        session.send(Buffer.from('quiet'));
        await eventually(() => origin.datagrams.length === 2);
      },
    ],
    [
      'an answer',
      async ({ replies }, origin) => {
        origin.answerAgain('more');
        await eventually(() => replies.length === 2);
      },
    ],
  ])('%s begins the time anew', async (_name, stir) => {
    const origin = await answering((text) => (text === 'quiet' ? [] : ['first']));
    const scene = await begin(origin.port, { udpResponses: 5, idleTimeoutMs: 10_000 });
    scene.session.send(Buffer.from('ask'));
    await eventually(() => scene.replies.length === 1);
    scene.proxy.pass(9_000);
    await stir(scene, origin);
    scene.proxy.pass(9_000);
    expect(scene.ends).toEqual([]);
    scene.proxy.pass(1_500);
    expect(scene.ends[0]).toMatchObject({ status: 200, detail: 'idle' });
  });
});

test.each([
  ['with an answer owed', 2, 500],
  ['with none owed', 1, 200],
])('cut %s: status', async (_name, asked, status) => {
  const origin = await answering((text) => (text === 'ask 0' ? ['only one'] : []));
  const scene = await begin(origin.port, { udpResponses: 1 });
  for (let at = 0; at < asked; at++) scene.session.send(Buffer.from(`ask ${at}`));
  // A session that is owed nothing has ended by itself.
  await eventually(() => scene.replies.length === 1);
  scene.session.cut();
  expect(scene.ends.map((end) => end.status)).toEqual([status]);
  expect(scene.calls).toEqual(['answered', 'end 7', 'closed']);
});

test('before the socket knows its endpoint sixteen datagrams are held, and what is beyond is dropped', async () => {
  const origin = await answering(() => []);
  const { session } = await begin(origin.port);
  for (let at = 0; at < 20; at++) session.send(Buffer.from(`${at}`));
  await eventually(() => origin.datagrams.length >= 16);
  session.send(Buffer.from('last'));
  await eventually(() => origin.datagrams.includes('last'));
  expect(origin.datagrams).toEqual([...Array.from({ length: 16 }, (_, at) => `${at}`), 'last']);
});
