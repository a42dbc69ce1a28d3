// A running `sluice serve`, seen from outside: its log, its ports, its metrics, its end.

import type { ChildProcess } from 'node:child_process';
import type { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { ask } from './ask.ts';
import { spawnBound } from './bound-process.ts';
import { until } from './wait.ts';

export const SLUICE_MAIN = fileURLToPath(new URL('../../controller/main.ts', import.meta.url));

export type LogRecord = Readonly<Record<string, unknown>> & { readonly msg?: string };

const freePorts = ['--http-port=0', '--https-port=0', '--healthz-port=0', '--workers=1', '--log-format=json'];

export class SluiceProcess {
  readonly #child: ChildProcess;
  readonly #records: LogRecord[] = [];
  readonly #accessLog: string[] = [];
  readonly #exit: Promise<number | null>;

  /** Starts it on free ports with one worker. Later flags win over those. */
  constructor(
    args: readonly string[],
    env: Readonly<Record<string, string>> = {},
    { keepsAccessLog = false }: { readonly keepsAccessLog?: boolean } = {},
  ) {
    this.#child = spawnBound(process.execPath, [SLUICE_MAIN, 'serve', ...freePorts, ...args], {
      stdio: ['ignore', keepsAccessLog ? 'pipe' : 'ignore', 'pipe'],
      env: { ...process.env, NODE_OPTIONS: '', ...env },
    });
    this.#exit = new Promise((resolve) => this.#child.once('exit', resolve));
    onLines(this.#child.stderr, (line) => {
      if (line.startsWith('{')) this.#records.push(JSON.parse(line));
    });
    onLines(this.#child.stdout, (line) => this.#accessLog.push(line));
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** Everything it logged. */
  get records(): readonly LogRecord[] {
    return this.#records;
  }

  /** Lines of its access log so far; nothing unless it was asked to keep them. */
  get accessLog(): readonly string[] {
    return this.#accessLog;
  }

  get isServing(): boolean {
    return this.#servingRecord() !== undefined;
  }

  /** The first record whose message holds the text. */
  find(text: string): LogRecord | undefined {
    return this.#records.find(({ msg }) => msg?.includes(text) ?? false);
  }

  async serving(): Promise<{ readonly httpPort: number; readonly httpsPort: number; readonly healthPort: number }> {
    const record = await until(
      'a start',
      () => this.#servingRecord() ?? this.#endedRecord(),
      (found) => found !== undefined,
    );
    if (record?.msg !== 'serving') throw new Error(`sluice did not start: ${JSON.stringify(this.#records.slice(-5))}`);
    return record as unknown as { httpPort: number; httpsPort: number; healthPort: number };
  }

  /** The value of the one series that begins with `series`, NaN when there is none. */
  async metric(series: string): Promise<number> {
    const line = (await this.metrics()).split('\n').find((text) => text.startsWith(`${series} `)) ?? '';
    return line === '' ? Number.NaN : Number(line.slice(line.lastIndexOf(' ') + 1));
  }

  /** The page `/metrics`. */
  async metrics(): Promise<string> {
    const { healthPort } = await this.serving();
    return (await ask(healthPort, 'localhost', '/metrics')).body;
  }

  async isLeader(): Promise<boolean> {
    return /^\S*leader_election_status\{[^}]*\} 1$/m.test(await this.metrics());
  }

  /** Ends it in order; resolves with the exit code. */
  async stop(): Promise<number | null> {
    this.#child.kill('SIGTERM');
    return await this.#exit;
  }

  /** kill -9: no goodbye to anybody. */
  async kill(): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.#exit;
  }

  #servingRecord(): LogRecord | undefined {
    return this.#records.find(({ msg }) => msg === 'serving');
  }

  #endedRecord(): LogRecord | undefined {
    return this.#child.exitCode === null ? undefined : { msg: `ended with ${this.#child.exitCode}` };
  }
}

function onLines(stream: Readable | null, take: (line: string) => void): void {
  let rest = '';
  stream?.setEncoding('utf8').on('data', (text: string) => {
    const lines = (rest + text).split('\n');
    rest = lines.pop() ?? '';
    lines.forEach(take);
  });
}
