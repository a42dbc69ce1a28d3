// Writes Events one after the other, within a rate. A note that waits already is not queued twice; one that was written
// before is counted up by a patch. A server that is away or overloaded is asked again, with growing waits, a few times.

import { backOffMs } from '../watch/api/back-off.ts';
import { type ApiCaller, callApi } from '../watch/api/call.ts';
import type { ApiFailure } from '../watch/api/failure.ts';
import { sleep } from '../watch/api/sleep.ts';
import { ApiError, type ApiTransport } from '../watch/api/transport.ts';
import type { Clock } from '../watch/clock.ts';
import type { WatchLog } from '../watch/log.ts';
import { type EventNote, type EventWriter, eventTime, renderEvent, TokenBucket } from './events.ts';

export interface EventRecorderOptions {
  readonly transport: ApiTransport;
  readonly writer: EventWriter;
  readonly clock: Clock;
  /** Unix time in milliseconds. */
  readonly wallMs: () => number;
  /** From 0 (inclusive) to 1 (exclusive). */
  readonly random: () => number;
  readonly log: WatchLog;
}

/** Rate over all objects. */
const burst = 50;
const perSecond = 5;
/** Rate of one Event, as client-go's: an object that changes every second is told at first, then every 5 minutes. */
const burstOfOne = 25;
const perSecondOfOne = 1 / 300;
/** Notes beyond this are dropped: ten thousand broken Ingresses are a fact for the log. */
const maxQueue = 1000;
/** Events are remembered for counting; the server forgets them after an hour. */
const maxRemembered = 2000;
/** Then a note is lost, as Events may be: others wait behind it. With the waits between them, about 20 s. */
const maxAttempts = 6;

interface Written {
  count: number;
  readonly bucket: TokenBucket;
}

export class EventRecorder {
  readonly #options: EventRecorderOptions;
  readonly #closing = new AbortController();
  readonly #bucket: TokenBucket;
  readonly #queue = new Map<string, EventNote>();
  readonly #written = new Map<string, Written>();
  #running: Promise<void> | null = null;
  #dropped = 0;

  constructor(options: EventRecorderOptions) {
    this.#options = options;
    this.#bucket = new TokenBucket(burst, perSecond, options.clock.nowMs());
  }

  /** Queues a note. Never waits, never fails. */
  record(note: EventNote): void {
    if (this.#closing.signal.aborted) return;
    const id = `${note.object.namespace}/${note.name}`;
    if (this.#queue.size >= maxQueue && !this.#queue.has(id)) {
      if (this.#dropped === 0)
        this.#options.log.warn({ limit: maxQueue }, 'too many Events; the rest is only in the log');
      this.#dropped += 1;
      return;
    }
    this.#queue.set(id, note);
    this.#running ??= this.#run();
  }

  /** Drops what waits. */
  async close(): Promise<void> {
    this.#closing.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { clock } = this.#options;
    for (const [id, note] of this.#queue) {
      await this.#takeTurn();
      if (this.#closing.signal.aborted) break;
      this.#queue.delete(id);
      if (this.#entryOf(id).bucket.take(clock.nowMs()) === 0) await this.#writeOne(id, note);
    }
    this.#dropped = 0;
    this.#running = null;
  }

  async #takeTurn(): Promise<void> {
    const { clock } = this.#options;
    for (let waitMs = this.#bucket.take(clock.nowMs()); waitMs > 0; waitMs = this.#bucket.take(clock.nowMs())) {
      await sleep(waitMs, clock, this.#closing.signal);
      if (this.#closing.signal.aborted) return;
    }
  }

  #entryOf(id: string): Written {
    const known = this.#written.get(id);
    if (known !== undefined) return known;
    const entry = { count: 0, bucket: new TokenBucket(burstOfOne, perSecondOfOne, this.#options.clock.nowMs()) };
    this.#written.set(id, entry);
    const oldest = this.#written.keys().next();
    if (this.#written.size > maxRemembered && !oldest.done) this.#written.delete(oldest.value);
    return entry;
  }

  async #writeOne(id: string, note: EventNote): Promise<void> {
    const { clock, random, log } = this.#options;
    for (let attempts = 1; ; attempts += 1) {
      const failure = await this.#attempt(id, note);
      if (failure === null) return;
      if (!isPassing(failure) || attempts === maxAttempts) {
        // The namespace is on its way out, or nobody may write Events here, or it took too long.
        log.debug({ event: note.reason, why: failure.message }, 'an Event could not be written');
        this.#entryOf(id).count = 0;
        return;
      }
      await sleep(backOffMs(attempts, failure, random()), clock, this.#closing.signal);
      if (this.#closing.signal.aborted) return;
    }
  }

  async #attempt(id: string, note: EventNote): Promise<ApiFailure | null> {
    const entry = this.#entryOf(id);
    try {
      const json = entry.count > 0 ? await this.#repeat(note, entry.count + 1) : await this.#createOrRepeat(note);
      entry.count = typeof json['count'] === 'number' ? json['count'] : entry.count + 1;
      return null;
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      return error.failure;
    }
  }

  /** A name that is taken is our own note from before a restart, or of the leader before. */
  async #createOrRepeat(note: EventNote) {
    const { writer, wallMs } = this.#options;
    try {
      const path = pathOf(note);
      return await callApi(this.#caller, { method: 'POST', path, body: renderEvent(note, wallMs(), writer) });
    } catch (error) {
      if (!(error instanceof ApiError) || error.failure.kind !== 'conflict') throw error;
      return await this.#repeat(note, null);
    }
  }

  /** @param count null leaves the count as it is: the answer tells it, for the next time. */
  async #repeat(note: EventNote, count: number | null) {
    return await callApi(this.#caller, {
      method: 'PATCH',
      path: `${pathOf(note)}/${note.name}`,
      contentType: 'application/merge-patch+json',
      body: { lastTimestamp: eventTime(this.#options.wallMs()), ...(count === null ? {} : { count }) },
    });
  }

  get #caller(): ApiCaller {
    const { transport, clock } = this.#options;
    return { transport, clock, signal: this.#closing.signal };
  }
}

function pathOf({ object }: EventNote): string {
  return `/api/v1/namespaces/${object.namespace}/events`;
}

function isPassing({ kind }: ApiFailure): boolean {
  return kind === 'throttled' || kind === 'server' || kind === 'network' || kind === 'timeout';
}
