// `sluice serve --manifests` as a user runs it: files are edited while requests run, in all the ways files are written.

import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { RunningSluice, type ServingRecord } from '../cli/testing/run-sluice.ts';
import { ask } from './testing/ask.ts';
import { KeepAliveClient } from './testing/keep-alive-client.ts';
import { EchoSocket, StreamOrigin } from './testing/long-streams.ts';
import { TestFolder } from './testing/manifest-folder.ts';
import { ingress, ingressClass, noRedirect, serviceWith, textOf } from './testing/manifests.ts';
import { type Origin, startNamedOrigin } from './testing/origins.ts';
import { type ClientReport, SteadyLoad } from './testing/steady-load.ts';

const FREE_PORTS = ['--http-port=0', '--https-port=0', '--healthz-port=0', '--bind-address=127.0.0.1'];
/** As somebody with curl in a loop, over HTTP and HTTPS: the figures are about latency, not about a busy machine. */
const CLIENTS = 2;
const EDITS = 11;
/** Promised from save to answer. */
const MAX_USUAL_MS = 100;

let stack: AsyncDisposableStack;
let folder: TestFolder;
let origin: Origin;
let streams: StreamOrigin;

beforeEach(async () => {
  stack = new AsyncDisposableStack();
  origin = stack.use(await startNamedOrigin('web'));
  streams = stack.use(await StreamOrigin.start());
  folder = stack.use(await TestFolder.create({ 'base.yaml': baseText() }));
});

afterEach(() => stack.disposeAsync());

function baseText(): string {
  return textOf(
    ingressClass,
    ...serviceWith('web', origin.port),
    ...serviceWith('streams', streams.origin.port),
    ingress('base', { hosts: { 'base.test': { '/': 'web' } } }),
    ingress('streams', { hosts: { 'streams.test': { '/': 'streams' } }, annotations: noRedirect }),
  );
}

function editedText(host: string): string {
  return textOf(ingress('edited', { hosts: { [host]: { '/': 'web' } } }));
}

async function serve(...flags: readonly string[]): Promise<{ sluice: RunningSluice; serving: ServingRecord }> {
  const sluice = stack.use(new RunningSluice(['--manifests', folder.dir, ...FREE_PORTS, ...flags]));
  return { sluice, serving: await sluice.serving() };
}

/** Asks over and over on one connection until the host is served, and gives the time when it was. */
async function servedAtMs(client: KeepAliveClient, host: string): Promise<number> {
  while ((await client.ask({ host })).status !== 200);
  return performance.now();
}

/** A quarter of the values is below it. Other suites may have the cores for most of the time. */
function lowerQuartile(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 4)] ?? Number.NaN;
}

function expectNoFailure(reports: readonly ClientReport[]): void {
  expect(reports.map(({ failures }) => failures)).toEqual(reports.map(() => []));
}

describe('an edited Ingress answers within 100 ms of the save, and no request fails', () => {
  test.each<[string, (text: string) => Promise<void>]>([
    ['written in place', (text) => folder.write('edited.yaml', text)],
    ['renamed over', (text) => folder.replace('edited.yaml', text)],
    ['swapped by the ..data link of a mounted ConfigMap', (text) => folder.swapData({ 'mounted.yaml': text })],
  ])('%s', async (way, save) => {
    const { serving } = await serve('--workers=2');
    const load = new SteadyLoad(serving, 'base.test', CLIENTS);
    using chat = await EchoSocket.open('ws', serving.httpPort, 'streams.test');
    using prober = new KeepAliveClient('http', serving.httpPort);
    const tookMs: number[] = [];
    for (let edit = 1; edit <= EDITS; edit++) {
      await save(editedText(`edit-${edit}.test`));
      const savedAtMs = performance.now();
      tookMs.push((await servedAtMs(prober, `edit-${edit}.test`)) - savedAtMs);
      await chat.echo(`edit ${edit}`);
    }
    expectNoFailure(await load.stop());
    process.stdout.write(`${way}: ${tookMs.map((ms) => ms.toFixed()).join(', ')} ms from save to answer\n`);
    expect(lowerQuartile(tookMs)).toBeLessThan(MAX_USUAL_MS);
    // The route of the edit before is gone.
    expect((await prober.ask({ host: `edit-${EDITS - 1}.test` })).status).toBe(404);
  });
});

test('broken YAML keeps what served and is reported with file and line, until it is mended', async () => {
  const { sluice, serving } = await serve('--workers=1');
  const load = new SteadyLoad(serving, 'base.test', CLIENTS);
  await folder.replace('base.yaml', `${baseText()}---\nkind: Ingress\nspec: {\n`);
  const problem = await sluice.logged(({ msg }) => msg.startsWith('error ') && msg.includes('YAML syntax error'));
  expect(problem['source']).toEqual({ file: 'base.yaml', line: expect.any(Number) });
  using prober = new KeepAliveClient('http', serving.httpPort);
  expect((await prober.ask({ host: 'base.test' })).status).toBe(200);
  await folder.replace('base.yaml', `${baseText()}---\n${editedText('mended.test')}`);
  await sluice.logged(({ msg }) => msg === `resolved: ${problem.msg}`);
  await servedAtMs(prober, 'mended.test');
  expectNoFailure(await load.stop());
});

describe('stopping', () => {
  test('SIGTERM: not ready at once, served for the grace period, a running transfer completes, exit code 0', async () => {
    const { sluice, serving } = await serve('--workers=2', '--shutdown-grace-period=1');
    const health = (): Promise<number> =>
      ask({ port: serving.healthPort, host: 'x', path: '/healthz' }).then((a) => a.status);
    const download = await streams.download(serving.httpPort, 'streams.test');
    await download.step(Buffer.from('before'));
    expect(await health()).toBe(200);

    sluice.kill('SIGTERM');
    await sluice.logged(({ msg }) => msg.startsWith('SIGTERM: not ready any more'));
    expect(await health()).toBe(500);
    expect((await ask({ port: serving.httpPort, host: 'base.test' })).status).toBe(200);
    expect((await ask({ scheme: 'https', port: serving.httpsPort, host: 'base.test' })).status).toBe(200);

    await sluice.logged(({ msg }) => msg.startsWith('stopping:'));
    await download.step(Buffer.from(' and after'));
    const { sent, arrived } = await download.finish();
    expect(arrived).toEqual(sent);
    expect(await sluice.exited).toEqual({ code: 0, signal: null });
  });

  test('a second signal exits at once, whatever runs', async () => {
    const { sluice, serving } = await serve('--workers=1');
    using chat = await EchoSocket.open('ws', serving.httpPort, 'streams.test');
    await chat.echo('still here');
    sluice.kill('SIGTERM');
    await sluice.logged(({ msg }) => msg.startsWith('stopping:'));
    sluice.kill('SIGINT');
    expect(await sluice.exited).toEqual({ code: 130, signal: null });
  });
});

describe('a worker that dies', () => {
  /** Loaded into the process before Sluice: SIGUSR2 ends its first worker thread, as a crash would. */
  const KILL_SWITCH =
    'let seen = 0; process.on("worker", (w) => { if (seen++ === 0) process.once("SIGUSR2", () => w.terminate()); });';
  const CONNECTIONS = 16;

  test('costs its own connections only, and is replaced', async () => {
    const nodeArguments = ['--import', `data:text/javascript,${encodeURIComponent(KILL_SWITCH)}`];
    const args = ['--manifests', folder.dir, ...FREE_PORTS, '--workers=2'];
    const sluice = stack.use(new RunningSluice(args, { nodeArguments }));
    const serving = await sluice.serving();
    const load = new SteadyLoad(serving, 'base.test', CONNECTIONS);
    using prober = new KeepAliveClient('http', serving.httpPort);
    await prober.ask({ host: 'base.test' });

    sluice.kill('SIGUSR2');
    await sluice.logged(({ msg }) => /^worker \d died; the others serve/.test(msg));
    for (let i = 0; i < 50; i++) expect((await ask({ port: serving.httpPort, host: 'base.test' })).status).toBe(200);
    await untilSample(serving.healthPort, 'sluice_worker_restarts_total', '', 1);
    await untilSample(serving.healthPort, 'sluice_workers', 'phase="serving"', 2);
    const lost = (await load.stop()).filter(({ failures }) => failures.length > 0);
    expect(lost.length).toBeGreaterThan(0);
    expect(lost.length).toBeLessThan(CONNECTIONS);
  });

  /** Scrapes until the metrics hold this sample, labels in any order. */
  async function untilSample(port: number, name: string, label: string, value: number): Promise<void> {
    const isThere = async (): Promise<boolean> => {
      const { body } = await ask({ port, host: 'localhost', path: '/metrics' });
      const samples = body.split('\n').filter((line) => line.startsWith(name) && line.includes(label));
      return samples.some((line) => line.endsWith(` ${value}`));
    };
    while (!(await isThere()));
  }
});
