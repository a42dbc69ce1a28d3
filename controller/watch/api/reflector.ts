// Keeps a copy of one collection of the API server, by list and watch. client-node's informer is not used: it knows no
// pages, no bookmarks, no streaming lists and stops at the first error (docs/design/0007-list-watch.md).
//
//   read all (streaming list, or pages) --complete--> watch --ended--> watch from the last version
//        ^---- expired (410), or silent for too long ------+  any failure: wait with jitter, then go on where it stood
//
// A failure never takes anything away: what was read last stays until a complete new state says otherwise.

import type { ObjectKey } from '../../objects/types.ts';
import { backOffMs } from './back-off.ts';
import { Deadline } from './deadline.ts';
import { type ApiFailure, failureOf, failureOfEvent, noAnswer } from './failure.ts';
import { listPages, readBody } from './list-pages.ts';
import type { ReflectorOptions, ReflectorState } from './reflector-options.ts';
import { sleep } from './sleep.ts';
import { ApiError } from './transport.ts';
import { parseWatchEvent, type RawObject, readLines, toRawObject, type WatchEvent } from './watch-stream.ts';

const pageSize = 500;
/** Bookmarks come every 60 to 75 s: a watch that says nothing for longer than this is dead. */
const silenceMs = 100_000;
/** A server begins to answer a watch at once: without that, the connection is dead. */
const watchAnswerMs = 30_000;
/** Limit between two pieces of a list. */
const listSilenceMs = 60_000;
/** A watch shorter than this that brought nothing is a failure: without a wait it would be a busy loop. */
const shortWatchMs = 1000;
/** After this long a watch has proved itself, and the next failure is a first one. */
const provenWatchMs = 10_000;
/** The server ends a watch after 5 to 10 minutes; at random, so that not all are renewed at once. */
const minWatchSeconds = 300;
/** Streaming lists that end early this often are not tried again. */
const maxStreamingFailures = 2;

/** A complete state that is being read. */
interface Reading<T> {
  readonly seen: Set<ObjectKey>;
  readonly upserts: Map<ObjectKey, { readonly value: T; readonly resourceVersion: string }>;
}

export class Reflector<T> {
  readonly #options: ReflectorOptions<T>;
  readonly #closing = new AbortController();
  readonly #firstSync = Promise.withResolvers<void>();
  /** resourceVersion of each object that the sink has. */
  readonly #known = new Map<ObjectKey, string>();
  /** Where to watch from; null when everything must be read. */
  #version: string | null = null;
  #hasStreamingList = true;
  #streamingFailures = 0;
  #failuresInRow = 0;
  #isSynced = false;
  #readAtMs = 0;
  #lastContactAtMs: number | null = null;
  #reads = 0;
  #watches = 0;
  #failures = 0;
  #failure: ApiFailure | null = null;
  #running: Promise<void> | null = null;

  constructor(options: ReflectorOptions<T>) {
    this.#options = options;
  }

  /** Resolves when the first complete state has been applied; never rejects. */
  get synced(): Promise<void> {
    return this.#firstSync.promise;
  }

  get state(): ReflectorState {
    return {
      name: this.#options.name,
      resource: this.#options.resource,
      isSynced: this.#isSynced,
      lastContactAtMs: this.#lastContactAtMs,
      objects: this.#known.size,
      relists: Math.max(0, this.#reads - 1),
      watchRestarts: Math.max(0, this.#watches - 1),
      failures: this.#failures,
      failure: this.#failure,
    };
  }

  start(): void {
    this.#running ??= this.#run();
  }

  /** True when the sink has the object from here. */
  has(key: ObjectKey): boolean {
    return this.#known.has(key);
  }

  /** Notes that the sink has dropped the object: if it is wanted again, it counts as new. */
  forget(key: ObjectKey): void {
    this.#known.delete(key);
  }

  /** resourceVersion of the object as the sink has it; null when it has none from here. */
  versionOf(key: ObjectKey): string | null {
    return this.#known.get(key) ?? null;
  }

  /** Takes over an object that the sink got by another way, so that its end is noticed here. */
  adopt(key: ObjectKey, resourceVersion: string): void {
    if (!this.#known.has(key)) this.#known.set(key, resourceVersion);
  }

  /** Stops; what was applied stays with the sink. */
  async close(): Promise<void> {
    this.#closing.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    while (!this.#closing.signal.aborted) {
      try {
        await this.#readAndWatch();
      } catch (error) {
        if (this.#closing.signal.aborted) return;
        if (!(error instanceof ApiError)) throw error;
        await this.#recover(error.failure);
      }
    }
  }

  /** Returns when a watch has ended as watches do. */
  async #readAndWatch(): Promise<void> {
    if (this.#isRelistDue()) this.#version = null;
    if (this.#version === null && !this.#hasStreamingList) await this.#list();
    if (this.#version === null) await this.#watchFromNothing();
    else await this.#watch({ resourceVersion: this.#version }, null);
  }

  #isRelistDue(): boolean {
    const { relistMs, clock } = this.#options;
    return relistMs > 0 && this.#isSynced && clock.nowMs() - this.#readAtMs >= relistMs;
  }

  // Reading everything

  /** A streaming list is a watch that first tells what there is (`sendInitialEvents`), then goes on. */
  async #watchFromNothing(): Promise<void> {
    const reading: Reading<T> = { seen: new Set(), upserts: new Map() };
    try {
      await this.#watch({ sendInitialEvents: 'true', resourceVersionMatch: 'NotOlderThan' }, reading);
    } catch (error) {
      this.#noteStreamingFailure(error);
    }
    if (this.#version === null) this.#noteStreamingFailure(null);
  }

  /** Servers before 1.32 answer 400 or 422; others may promise and not deliver. Both are read in pages from then on. */
  #noteStreamingFailure(error: unknown): void {
    const kind = error instanceof ApiError ? error.failure.kind : null;
    const isRefused = kind === 'invalid';
    if (this.#version === null && (isRefused || kind === null || kind === 'timeout' || kind === 'server')) {
      this.#streamingFailures += 1;
      if (isRefused || this.#streamingFailures >= maxStreamingFailures) this.#hasStreamingList = false;
    }
    if (error !== null && !isRefused) throw error;
  }

  async #list(): Promise<void> {
    try {
      await this.#listWith(pageSize);
    } catch (error) {
      if (!(error instanceof ApiError) || error.failure.kind !== 'expired') throw error;
      // The answer offers a token to go on with, but at a newer version: changes to the pages read before would be lost.
      await this.#listWith(null);
    }
  }

  async #listWith(size: number | null): Promise<void> {
    const { transport, path, clock } = this.#options;
    const reading: Reading<T> = { seen: new Set(), upserts: new Map() };
    const deadline = new Deadline(clock, listSilenceMs, this.#closing.signal);
    const onProgress = () => deadline.touch();
    try {
      const request = {
        transport,
        path,
        query: this.#selectors(),
        pageSize: size,
        signal: deadline.signal,
        onProgress,
      };
      const { resourceVersion } = await listPages(request, (items) => this.#readItems(items, reading));
      this.#complete(reading, resourceVersion);
    } finally {
      deadline.end();
    }
  }

  #readItems(items: readonly unknown[], reading: Reading<T>): void {
    for (const item of items) {
      const raw = toRawObject(item);
      if (raw !== null) this.#readOne(raw, reading);
    }
  }

  /** An object at the version that the sink has is not decoded again: a relist without news costs little and says nothing. */
  #readOne(raw: RawObject, { seen, upserts }: Reading<T>): void {
    seen.add(raw.key);
    upserts.delete(raw.key);
    if (this.#known.get(raw.key) === raw.resourceVersion) return;
    const value = this.#options.sink.decode(raw);
    if (value !== null) upserts.set(raw.key, { value, resourceVersion: raw.resourceVersion });
  }

  /** Replaces the copy as one step. */
  #complete({ seen, upserts }: Reading<T>, resourceVersion: string): void {
    const deletes = [...this.#known.keys()].filter((key) => !seen.has(key));
    for (const key of deletes) this.#known.delete(key);
    for (const [key, entry] of upserts) this.#known.set(key, entry.resourceVersion);
    this.#version = resourceVersion;
    this.#reads += 1;
    this.#readAtMs = this.#options.clock.nowMs();
    this.#noteContact();
    this.#options.sink.apply({ upserts: [...upserts.values()].map(({ value }) => value), deletes });
    // The watch that read it runs on, and would hold all objects of this moment for as long.
    seen.clear();
    upserts.clear();
    this.#isSynced = true;
    this.#firstSync.resolve();
    this.#options.log.debug({ resource: this.#options.name, objects: this.#known.size, resourceVersion }, 'read all');
  }

  // Watching

  /** @param reading Collects the initial events of a streaming list; null when there are none. */
  async #watch(query: Readonly<Record<string, string>>, reading: Reading<T> | null): Promise<void> {
    const { clock } = this.#options;
    const startedAtMs = clock.nowMs();
    const deadline = new Deadline(clock, watchAnswerMs, this.#closing.signal);
    const progress = { events: 0 };
    this.#watches += 1;
    try {
      await this.#readWatch(query, reading, deadline, progress);
    } catch (error) {
      if (deadline.hasExpired) throw new ApiError(noAnswer('timeout', 'the watch fell silent'), error);
      throw error;
    } finally {
      deadline.end();
      this.#judgeWatch(clock.nowMs() - startedAtMs, progress.events);
    }
    if (progress.events === 0 && clock.nowMs() - startedAtMs < shortWatchMs) {
      throw new ApiError(noAnswer('network', 'the watch ended at once'));
    }
  }

  async #readWatch(
    query: Readonly<Record<string, string>>,
    reading: Reading<T> | null,
    deadline: Deadline,
    progress: { events: number },
  ): Promise<void> {
    const { transport, path } = this.#options;
    const response = await transport.send({
      method: 'GET',
      path,
      query: { ...this.#selectors(), watch: 'true', allowWatchBookmarks: 'true', ...query, ...this.#watchTime() },
      signal: deadline.signal,
    });
    if (response.status !== 200) {
      const text = await readBody(response, () => {});
      throw new ApiError(failureOf(response.status, text, response.retryAfterSeconds));
    }
    deadline.touch(silenceMs);
    this.#noteContact();
    let initial = reading;
    for await (const lines of readLines(response.body)) {
      deadline.touch();
      progress.events += lines.length;
      initial = this.#takeEvents(lines.map(parseWatchEvent), initial);
    }
  }

  #watchTime(): { readonly timeoutSeconds: string } {
    const { random, relistMs } = this.#options;
    const seconds = minWatchSeconds * (1 + random());
    const limit = relistMs > 0 ? Math.min(seconds, Math.max(1, relistMs / 1000)) : seconds;
    return { timeoutSeconds: String(Math.round(limit)) };
  }

  /** Returns what still has to be collected: null when the initial events are complete. */
  #takeEvents(events: readonly WatchEvent[], reading: Reading<T> | null): Reading<T> | null {
    let initial = reading;
    const changes: WatchEvent[] = [];
    for (const event of events) {
      if (event.kind === 'error') {
        // What came before it counts.
        this.#applyEvents(changes);
        throw new ApiError(failureOfEvent(event.status));
      }
      if (initial === null) {
        changes.push(event);
      } else if (event.kind === 'bookmark') {
        if (!event.endsInitialEvents) continue;
        this.#complete(initial, event.resourceVersion);
        initial = null;
      } else if (event.kind === 'delete') {
        initial.seen.delete(event.object.key);
        initial.upserts.delete(event.object.key);
      } else {
        this.#readOne(event.object, initial);
      }
    }
    this.#applyEvents(changes);
    return initial;
  }

  #applyEvents(events: readonly WatchEvent[]): void {
    if (events.length === 0) return;
    const upserts = new Map<ObjectKey, T>();
    const deletes = new Set<ObjectKey>();
    for (const event of events) {
      if (event.kind === 'error') continue;
      if (event.kind === 'bookmark') this.#version = event.resourceVersion;
      else this.#applyObject(event, upserts, deletes);
    }
    this.#noteContact();
    this.#options.sink.apply({ upserts: [...upserts.values()], deletes: [...deletes] });
  }

  #applyObject(
    { kind, object }: Extract<WatchEvent, { readonly object: RawObject }>,
    upserts: Map<ObjectKey, T>,
    deletes: Set<ObjectKey>,
  ): void {
    this.#version = object.resourceVersion;
    if (kind === 'delete') {
      upserts.delete(object.key);
      if (this.#known.delete(object.key)) deletes.add(object.key);
      return;
    }
    const value = this.#options.sink.decode(object);
    if (value === null) return;
    deletes.delete(object.key);
    upserts.set(object.key, value);
    this.#known.set(object.key, object.resourceVersion);
  }

  /** Looks back on a watch, however it ended. */
  #judgeWatch(livedMs: number, events: number): void {
    // A version from the future (a restored etcd) is watched without a word for ever, as is a server that hangs.
    if (events === 0 && livedMs >= silenceMs) this.#version = null;
    if (livedMs >= provenWatchMs) this.#failuresInRow = 0;
  }

  // Failures

  async #recover(failure: ApiFailure): Promise<void> {
    const { transport, sink, clock, random, log, name } = this.#options;
    if (failure.kind === 'expired') this.#version = null;
    if (failure.kind === 'unauthorized') transport.renewCredentials();
    this.#failuresInRow += 1;
    this.#failures += 1;
    this.#failure = failure;
    sink.onFailure(failure, this.#failuresInRow);
    const waitMs = backOffMs(this.#failuresInRow, failure, random());
    const facts = { resource: name, failures: this.#failuresInRow, waitMs: Math.round(waitMs) };
    log.debug(facts, `list or watch failed: ${failure.message}`);
    await sleep(waitMs, clock, this.#closing.signal);
  }

  #noteContact(): void {
    this.#lastContactAtMs = this.#options.clock.nowMs();
    this.#failure = null;
    this.#options.sink.onContact();
  }

  #selectors(): Readonly<Record<string, string>> {
    const { fieldSelector, labelSelector } = this.#options;
    return {
      ...(fieldSelector === undefined ? {} : { fieldSelector }),
      ...(labelSelector === undefined ? {} : { labelSelector }),
    };
  }
}
