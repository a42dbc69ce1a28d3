// A thousand random changes under load: no request fails, no connection is dropped, and every answer belongs to exactly one
// revision of the table. `npm test -- swap-under-load --seed=<seed>` repeats a run with the seed that Jest prints.

import { expect, jest, test } from '@jest/globals';
import { ask } from './testing/ask.ts';
import { KeepAliveClient } from './testing/keep-alive-client.ts';
import { EchoSocket } from './testing/long-streams.ts';
import { Random } from './testing/random.ts';
import { PATHS } from './testing/random-cluster.ts';
import { CHANGES_PER_ROUND, CHANGING_HOSTS, STREAM_HOST, SwapScene, TLS_HOST } from './testing/swap-scene.ts';

const ROUNDS = 250;
/** In this round the route and the endpoint of all long streams disappear. */
const STREAMS_REMOVED_ROUND = 125;
/** One a round: 10 MB in all. */
const CHUNK_BYTES = 40_000;
const WEB_SOCKETS = 20;
const CLIENTS = ['http', 'http', 'http', 'http', 'http', 'http', 'https', 'https', 'https'] as const;

/** What went wrong under load. The loops end when there is anything: one failure is enough. */
class Verdict {
  readonly problems: string[] = [];
  isOver = false;
  answers = 0;

  get mayGoOn(): boolean {
    return !this.isOver && this.problems.length === 0;
  }

  /** Repeats `step` until the test is over or something failed. */
  async repeat(what: string, step: () => Promise<void>): Promise<void> {
    try {
      while (this.mayGoOn) {
        await step();
        this.answers++;
      }
    } catch (error) {
      this.note(what, error);
    }
  }

  note(what: string, error: unknown): void {
    this.problems.push(`${what}: ${error instanceof Error ? error.message : String(error)}`);
  }
}

/** Asks random hosts and paths on one connection and checks each answer against the history. */
async function loadWith(scheme: 'http' | 'https', scene: SwapScene, random: Random, verdict: Verdict): Promise<void> {
  const { sluice, history } = scene;
  using client = new KeepAliveClient(scheme, scheme === 'http' ? sluice.httpPort : sluice.httpsPort);
  await verdict.repeat(scheme, async () => {
    const question = { host: random.pick(CHANGING_HOSTS), path: random.pick(['/', ...PATHS]) };
    const isPost = random.below(4) === 0;
    const startMs = performance.now();
    const answer = await client.ask({ ...question, ...(isPost ? { method: 'POST', body: 'x'.repeat(2000) } : {}) });
    const text = `${isPost ? 'POST' : 'GET'} ${question.path}`;
    if (answer.status !== 200 || answer.body !== text) throw new Error(`${text} of ${question.host}: ${answer.status}`);
    if (!history.allowsAnswer(startMs, performance.now(), question, Number(answer.headers['x-port'])))
      throw new Error(`${text} of ${question.host} was answered by ${answer.headers['x-origin']}, as in no revision`);
  });
}

/** Makes one new TLS connection after the other and checks its certificate against the history. */
async function handshakeWith(scene: SwapScene, verdict: Verdict): Promise<void> {
  const question = { scheme: 'https', port: scene.sluice.httpsPort, host: TLS_HOST } as const;
  await verdict.repeat('handshake', async () => {
    const startMs = performance.now();
    const { status, serialNumber } = await ask(question);
    if (status !== 200) throw new Error(`status ${status}`);
    if (!scene.history.allowsCertificate(startMs, performance.now(), serialNumber))
      throw new Error(`certificate ${serialNumber} was not in force`);
  });
}

function openSockets({ sluice }: SwapScene): Promise<EchoSocket[]> {
  const open = (i: number): Promise<EchoSocket> =>
    i % 2 === 0
      ? EchoSocket.open('ws', sluice.httpPort, STREAM_HOST)
      : EchoSocket.open('wss', sluice.httpsPort, STREAM_HOST);
  return Promise.all(Array.from({ length: WEB_SOCKETS }, (_, i) => open(i)));
}

test('a thousand changes under load: nothing fails, nothing is dropped, each answer is of one revision', async () => {
  const random = new Random(jest.getSeed());
  await using scene = await SwapScene.start(random);
  expect(scene.sluice.diagnostics).toEqual([]);
  const verdict = new Verdict();
  const sockets = await openSockets(scene);
  const download = await scene.streams.download(scene.sluice.httpPort, STREAM_HOST);
  const { transfer: upload, status: uploadStatus } = await scene.streams.upload(scene.sluice.httpPort, STREAM_HOST);
  const loads = CLIENTS.map((scheme, i) => loadWith(scheme, scene, new Random(jest.getSeed() + i), verdict));
  loads.push(handshakeWith(scene, verdict));

  try {
    for (let round = 1; round <= ROUNDS && verdict.mayGoOn; round++) {
      const chunk = Buffer.alloc(CHUNK_BYTES, `${round},`);
      await Promise.all([
        round === STREAMS_REMOVED_ROUND ? scene.removeStreamHost(round) : scene.change(round),
        download.step(chunk),
        upload.step(chunk),
        ...sockets.map((socket) => socket.echo(`round ${round}`)),
      ]);
    }
  } catch (error) {
    verdict.note('long streams', error);
  }
  verdict.isOver = true;
  await Promise.all(loads);
  const dropped = sockets.flatMap(({ closed }) => closed ?? []);
  for (const socket of sockets) socket[Symbol.dispose]();

  // A worker that died would explain every other failure: look for it first.
  expect(scene.sluice.complaints).toEqual([]);
  expect(verdict.problems).toEqual([]);
  expect(dropped).toEqual([]);
  for (const transfer of [download, upload]) {
    const { sent, arrived } = await transfer.finish();
    expect(arrived).toEqual(sent);
    expect(arrived.bytes).toBe(ROUNDS * CHUNK_BYTES);
  }
  expect(await uploadStatus).toBe(200);
  // The load was a load: several answers for each change.
  expect(verdict.answers).toBeGreaterThan(ROUNDS * CHANGES_PER_ROUND);
}, 180_000);
