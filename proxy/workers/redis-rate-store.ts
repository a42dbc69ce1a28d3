// Asks a Redis-compatible store for rates, one connection per worker, commands pipelined.
//
//   ask -> EVALSHA -> verdict, or `failed` after the time limit
//   no connection, or time-outs in a row -> `failed` at once, for a while: a dead store adds no latency to requests
// The client library reconnects when a connection breaks; nothing is queued while there is none. A connection that does
// not break but says nothing any more (its host is gone, its address has moved) is given up here.

import { createHash } from 'node:crypto';
import { isIP } from 'node:net';
import { createClient, ErrorReply } from '@redis/client';
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
const CONNECT_TIMEOUT_MS = 5_000;
/** Silence of a connection that was asked something, after which another one is made. TCP itself waits a quarter of an hour. */
const MAX_SILENCE_MS = 3_000;
/** Likewise of one that is being made: longer than the client library takes to fail and try again. */
const MAX_DIALLING_MS = CONNECT_TIMEOUT_MS + 2 * MAX_RECONNECT_MS;
/** A store that refuses says so with each request: the log hears of it so often. */
const REFUSAL_NEWS_MS = 60_000;

export interface RedisRateStoreOptions {
  readonly url: string;
  /** Certificates (PEM) that a `rediss://` store is checked against; null: those of Node. */
  readonly ca: string | null;
  readonly timeoutMs: number;
  readonly nowMs: () => number;
  /** Told when the connection is lost or made; the code holds neither URL nor password. */
  readonly onChange: (isConnected: boolean, code: string) => void;
  /** Told once a minute while the store is there but answers with errors; `code` is Redis's word, such as `OOM`. */
  readonly onRefused: (code: string) => void;
}

type Client = ReturnType<typeof createClient>;

interface Waiting {
  readonly decided: (verdict: RateVerdict) => void;
  readonly untilMs: number;
  isDone: boolean;
}

export class RedisRateStore implements RateStore {
  readonly #options: RedisRateStoreOptions;
  #client: Client | null = null;
  /** In the order of their time limits. */
  readonly #waiting: Waiting[] = [];
  #timer: NodeJS.Timeout | null = null;
  #timeouts = 0;
  #restsUntilMs = 0;
  /** Commands of the connection at hand that have no reply yet, and since when it owes one. */
  #unanswered = 0;
  #silentSinceMs = 0;
  /** When the connection at hand was begun, or last failed. */
  #diallingSinceMs = 0;
  /** null before the first news. */
  #wasConnected: boolean | null = null;
  #nextRefusalNewsMs = 0;

  constructor(options: RedisRateStoreOptions) {
    this.#options = options;
  }

  /** True while the store can be asked. */
  get isConnected(): boolean {
    return this.#client?.isReady ?? false;
  }

  /** Connects, and goes on trying until `close`. */
  start(): void {
    this.#dial();
  }

  ask(questions: readonly RateQuestion[], decided: (verdict: RateVerdict) => void): void {
    const nowMs = this.#options.nowMs();
    this.#redialIfSilent(nowMs);
    const client = this.#client;
    if (client === null || !client.isReady || nowMs < this.#restsUntilMs) {
      return queueMicrotask(() => decided('failed'));
    }
    const waiting = { decided, untilMs: nowMs + this.#options.timeoutMs, isDone: false };
    this.#waiting.push(waiting);
    this.#arm(this.#options.timeoutMs);
    if (this.#unanswered++ === 0) this.#silentSinceMs = nowMs;
    run(client, questions).then(
      (refused) => {
        this.#answered(client, true);
        this.#decide(waiting, refused === 0 ? 'passed' : refused - 1);
      },
      (error: Error) => {
        this.#answered(client, error instanceof ErrorReply);
        this.#decide(waiting, 'failed');
        if (error instanceof ErrorReply) this.#refused(client, codeOf(error));
      },
    );
  }

  /** Ends the connection; what waits fails. */
  close(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#hangUp();
  }

  #dial(): void {
    this.#hangUp();
    const client = connectionTo(this.#options);
    this.#client = client;
    this.#unanswered = 0;
    this.#diallingSinceMs = this.#options.nowMs();
    client.on('ready', () => this.#changed(true, ''));
    // Errors come on every try to reconnect; only the first one is news.
    const onError = (error: Error): void => {
      if (client !== this.#client) return;
      this.#diallingSinceMs = this.#options.nowMs();
      this.#changed(false, codeOf(error));
    };
    client.on('error', onError);
    client.connect().catch(onError);
  }

  #hangUp(): void {
    const client = this.#client;
    this.#client = null;
    if (client?.isOpen) client.destroy();
  }

  /** Looked at when something is asked: a store that nobody asks needs no other connection. */
  #redialIfSilent(nowMs: number): void {
    if (this.#client === null) return;
    const silentMs = this.#unanswered === 0 ? 0 : nowMs - this.#silentSinceMs;
    const isSilent = this.#client.isReady
      ? silentMs > Math.max(MAX_SILENCE_MS, 2 * this.#options.timeoutMs)
      : nowMs - this.#diallingSinceMs > MAX_DIALLING_MS;
    if (!isSilent) return;
    this.#changed(false, 'ETIMEDOUT');
    this.#dial();
  }

  /** `isReply`: by the store. The library itself refuses what is too much to wait: that ends no silence. */
  #answered(client: Client, isReply: boolean): void {
    // What a connection that was given up owed is rejected now, and says nothing about the one at hand.
    if (client !== this.#client) return;
    this.#unanswered--;
    if (isReply) this.#silentSinceMs = this.#options.nowMs();
  }

  #refused(client: Client, code: string): void {
    const nowMs = this.#options.nowMs();
    if (nowMs >= this.#nextRefusalNewsMs) {
      this.#nextRefusalNewsMs = nowMs + REFUSAL_NEWS_MS;
      this.#options.onRefused(code);
    }
    // What was the primary is a replica now: the name leads to the new one, sooner or later.
    const isOld = nowMs - this.#diallingSinceMs >= REST_MS;
    if (code === 'READONLY' && client === this.#client && isOld) this.#dial();
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
      // A turn later: after a pause of this thread the answers may be there, and are read only after the timers.
      setImmediate(() => this.#expire());
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

function connectionTo({ url, ca }: RedisRateStoreOptions): Client {
  const { protocol, hostname } = new URL(url);
  const tls = {
    tls: true as const,
    // The name is told to the store as well (SNI): several may stand behind one address. An IP address is none.
    ...(isIP(hostname.replace(/^\[|\]$/g, '')) === 0 ? { servername: hostname } : {}),
    ...(ca === null ? {} : { ca }),
  };
  return createClient({
    url,
    disableOfflineQueue: true,
    commandsQueueMaxLength: MAX_WAITING,
    socket: {
      connectTimeout: CONNECT_TIMEOUT_MS,
      reconnectStrategy: (tries) => Math.min(50 * 2 ** tries, MAX_RECONNECT_MS),
      ...(protocol === 'rediss:' ? tls : {}),
    },
  });
}

async function run(client: Client, questions: readonly RateQuestion[]): Promise<number> {
  const { keys, values } = scriptArguments(questions);
  const rest = [String(keys.length), ...keys, ...values];
  try {
    return Number(await client.sendCommand(['EVALSHA', SCRIPT_HASH, ...rest]));
  } catch (error) {
    // A store that was restarted has forgotten the script.
    if (!String((error as Error).message).startsWith('NOSCRIPT')) throw error;
    return Number(await client.sendCommand(['EVAL', RATE_SCRIPT, ...rest]));
  }
}

/** What went wrong, without addresses and secrets: a system's code, or the word with which Redis begins an error. */
function codeOf(error: NodeJS.ErrnoException): string {
  return error.code ?? /^[A-Z]{3,}/.exec(error.message)?.[0] ?? error.name;
}
