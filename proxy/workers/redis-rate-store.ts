// Asks a Redis-compatible store for rates, one connection per worker, commands pipelined.
//
//   ask -> EVALSHA -> verdict, or `failed` after the time limit
//   no connection, or time-outs in a row -> `failed` at once, for a while: a dead store adds no latency to requests
// The client library reconnects by itself; nothing is queued while there is no connection.

import { createHash } from 'node:crypto';
import { createClient } from '@redis/client';
import {
  RATE_SCRIPT,
  type RateQuestion,
  type RateStore,
  type RateVerdict,
  scriptArguments,
} from '../filters/rate-store.ts';

const SCRIPT_HASH = createHash('sha1').update(RATE_SCRIPT).digest('hex');
/** Commands that may wait for an answer; beyond, the store is too slow and counts as failed. */
const MAX_WAITING = 10_000;
const MAX_RECONNECT_MS = 2_000;
/** After so many time-outs in a row the store is left alone for `REST_MS`. */
const MAX_TIMEOUTS = 5;
const REST_MS = 1_000;

export interface RedisRateStoreOptions {
  readonly url: string;
  readonly timeoutMs: number;
  readonly nowMs: () => number;
  /** Told when the connection is lost or made; the message holds neither URL nor password. */
  readonly onChange: (isConnected: boolean, message: string) => void;
}

interface Waiting {
  readonly decided: (verdict: RateVerdict) => void;
  readonly untilMs: number;
  isDone: boolean;
}

export class RedisRateStore implements RateStore {
  readonly #options: RedisRateStoreOptions;
  readonly #client: ReturnType<typeof createClient>;
  /** In the order of their time limits. */
  readonly #waiting: Waiting[] = [];
  #timer: NodeJS.Timeout | null = null;
  #timeouts = 0;
  #restsUntilMs = 0;
  /** null before the first news. */
  #wasConnected: boolean | null = null;

  constructor(options: RedisRateStoreOptions) {
    this.#options = options;
    this.#client = createClient({
      url: options.url,
      disableOfflineQueue: true,
      commandsQueueMaxLength: MAX_WAITING,
      socket: { connectTimeout: 5_000, reconnectStrategy: (tries) => Math.min(50 * 2 ** tries, MAX_RECONNECT_MS) },
    });
    this.#client.on('ready', () => this.#changed(true, ''));
    // Errors come on every try to reconnect; only the first one is news.
    this.#client.on('error', (error: NodeJS.ErrnoException) => this.#changed(false, error.code ?? error.name));
  }

  /** True while the store can be asked. */
  get isConnected(): boolean {
    return this.#client.isReady;
  }

  /** Connects, and goes on trying until `close`. */
  start(): void {
    this.#client.connect().catch((error: NodeJS.ErrnoException) => this.#changed(false, error.code ?? error.name));
  }

  ask(questions: readonly RateQuestion[], decided: (verdict: RateVerdict) => void): void {
    const nowMs = this.#options.nowMs();
    if (!this.#client.isReady || nowMs < this.#restsUntilMs) return queueMicrotask(() => decided('failed'));
    const waiting = { decided, untilMs: nowMs + this.#options.timeoutMs, isDone: false };
    this.#waiting.push(waiting);
    this.#arm(this.#options.timeoutMs);
    this.#run(questions).then(
      (refused) => this.#decide(waiting, refused === 0 ? 'passed' : refused - 1),
      () => this.#decide(waiting, 'failed'),
    );
  }

  /** Ends the connection; what waits fails. */
  close(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    if (this.#client.isOpen) this.#client.destroy();
  }

  async #run(questions: readonly RateQuestion[]): Promise<number> {
    const { keys, values } = scriptArguments(questions);
    const rest = [String(keys.length), ...keys, ...values];
    try {
      return Number(await this.#client.sendCommand(['EVALSHA', SCRIPT_HASH, ...rest]));
    } catch (error) {
      // A store that was restarted has forgotten the script.
      if (!String((error as Error).message).startsWith('NOSCRIPT')) throw error;
      return Number(await this.#client.sendCommand(['EVAL', RATE_SCRIPT, ...rest]));
    }
  }

  #decide(waiting: Waiting, verdict: RateVerdict): void {
    if (waiting.isDone) return;
    waiting.isDone = true;
    if (verdict !== 'failed') this.#timeouts = 0;
    waiting.decided(verdict);
  }

  /** One timer for all that waits: limits are equal, so they come up in order. */
  #arm(delayMs: number): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = null;
      this.#expire();
    }, delayMs);
  }

  #expire(): void {
    const nowMs = this.#options.nowMs();
    let expired = 0;
    for (const waiting of this.#waiting) {
      if (!waiting.isDone && waiting.untilMs > nowMs) break;
      expired++;
      if (waiting.isDone) continue;
      if (++this.#timeouts >= MAX_TIMEOUTS) this.#restsUntilMs = nowMs + REST_MS;
      this.#decide(waiting, 'failed');
    }
    this.#waiting.splice(0, expired);
    const [first] = this.#waiting;
    if (first !== undefined) this.#arm(Math.max(1, first.untilMs - nowMs));
  }

  #changed(isConnected: boolean, message: string): void {
    if (isConnected === this.#wasConnected) return;
    this.#wasConnected = isConnected;
    this.#options.onChange(isConnected, message);
  }
}
