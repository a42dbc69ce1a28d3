// A whole Sluice in this process: real source, store, compiler, publisher and worker threads, on free loopback ports.

import { type Logger, pino } from 'pino';
import type { Diagnostic } from '../../objects/diagnostic.ts';
import type { ObjectSource } from '../../objects/snapshot.ts';
import { parseOptions } from '../../options.ts';
import { type Sluice, startSluice } from '../../serve/sluice.ts';
import { openManifestFolder } from '../../watch/manifests.ts';
import { type Answer, ask, type Question } from './ask.ts';

/** Nothing that Sluice does on request takes this long, so waiting longer would only hide what went wrong. */
const WAIT_MS = 10_000;

/** A record of the process log. */
export type LogRecord = Readonly<Record<string, unknown>> & { readonly level: number; readonly msg: string };

export interface FeatureOptions {
  /** Flags of `sluice serve` beside the ports. */
  readonly flags?: readonly string[];
  /** Default: the folder as it is, with the limits of the flags. */
  readonly openSource?: (folder: ObjectSource) => ObjectSource;
}

export class FeatureSluice implements AsyncDisposable {
  readonly httpPort: number;
  readonly httpsPort: number;
  readonly #sluice: Sluice;
  readonly #log: LogRecorder;

  private constructor(sluice: Sluice, log: LogRecorder) {
    this.#sluice = sluice;
    this.#log = log;
    this.httpPort = sluice.facts.httpPort;
    this.httpsPort = sluice.facts.httpsPort;
  }

  /** Starts to serve the folder `dir`; resolves when all workers do. */
  static async start(dir: string, { flags = [], openSource }: FeatureOptions = {}): Promise<FeatureSluice> {
    const ports = ['--http-port=0', '--https-port=0', '--healthz-port=0', '--bind-address=127.0.0.1'];
    const outcome = parseOptions(['serve', '--manifests', dir, ...ports, ...flags], {});
    if (!outcome.ok) throw new Error(outcome.message);
    const { options } = outcome;
    const log = new LogRecorder();
    const folder = openManifestFolder(dir, { log: log.logger, maxFileBytes: options.maxManifestBytes });
    const source = openSource?.(folder) ?? folder;
    const sluice = await startSluice({ options, log: log.logger, source, writeAccessLog: () => {} });
    return new FeatureSluice(sluice, log);
  }

  get diagnostics(): readonly Diagnostic[] {
    return this.#sluice.facts.diagnostics;
  }

  /** The table that was compiled last. */
  get table(): Sluice['facts']['table'] {
    return this.#sluice.facts.table;
  }

  /** Every record that was logged so far, from level debug on. */
  get records(): readonly LogRecord[] {
    return this.#log.records;
  }

  /** Messages of level warn and above: a worker that died is among them. */
  get complaints(): readonly string[] {
    return this.records.filter(({ level }) => level >= 40).map(({ msg }) => msg);
  }

  /** Asks over HTTP, or HTTPS when the question says so. */
  ask(question: Omit<Question, 'port'>): Promise<Answer> {
    return ask({ ...question, port: question.scheme === 'https' ? this.httpsPort : this.httpPort });
  }

  /** Waits until something logged made this true, or it is true already. Rejects after ten seconds without it. */
  until(isReached: () => boolean): Promise<void> {
    return this.#log.until(isReached);
  }

  /** Runs `change` and waits until all workers serve a table for which `isInForce` holds. */
  async live(change: () => unknown, isInForce: () => boolean): Promise<void> {
    const before = this.#log.records.length;
    await change();
    await this.until(() => isInForce() && this.#log.records.slice(before).some(isLiveRecord));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#sluice.close();
  }
}

/** Logged when all workers have acknowledged a table. */
function isLiveRecord({ msg }: LogRecord): boolean {
  return /^routing table \d+ is live$/.test(msg);
}

class LogRecorder {
  readonly records: LogRecord[] = [];
  readonly logger: Logger;
  #waiting: (() => void)[] = [];

  constructor() {
    this.logger = pino({ level: 'debug', base: null }, { write: (line) => this.#record(line) });
  }

  async until(isReached: () => boolean): Promise<void> {
    const signal = AbortSignal.timeout(WAIT_MS);
    while (!isReached()) {
      if (signal.aborted) throw new Error(`not reached within ${WAIT_MS} ms; last logged: ${this.#lastMessages()}`);
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#waiting.push(resolve);
      signal.addEventListener('abort', () => resolve());
      await promise;
    }
  }

  #lastMessages(): string {
    return JSON.stringify(this.records.slice(-5).map(({ msg }) => msg));
  }

  #record(line: string): void {
    this.records.push(JSON.parse(line) as LogRecord);
    for (const wake of this.#waiting.splice(0)) wake();
  }
}
