// Watch streams: one JSON event a line, from a revision on, until the client leaves or timeoutSeconds are over.
//
// A stream ends by itself only at its timeout or at an ERROR event. Everything it sends comes from the store's log and
// then its live events, without a gap between them: both are read in the same turn of the event loop.

import type { ServerResponse } from 'node:http';
import { expired, fieldError, internalError, invalid } from './api-error.ts';
import type { Faults, TurnOff } from './faults.ts';
import type { KubeObject } from './objects.ts';
import { selectorOf, shown } from './reading.ts';
import { isTrue, type ResourceRequest } from './request-info.ts';
import { apiVersionOf, type Kind, resourceName } from './resources/kind.ts';
import type { Selector } from './selectors.ts';
import { COMPACTED, type Storage, type StoreEvent } from './storage.ts';
import { type Form, renderMetadata, renderTable } from './table.ts';

export interface WatchDeps {
  readonly storage: Storage;
  readonly faults: Faults;
  /** Time between bookmarks. A real server sends one about every minute. */
  readonly bookmarkIntervalMs: number;
}

export interface WatchRequest {
  readonly kind: Kind;
  readonly request: ResourceRequest;
  readonly user: string;
  readonly form: Form;
  readonly response: ServerResponse;
}

/** A recorded server sends its last bookmark this long before the stream's end. */
const BOOKMARK_BEFORE_END_MS = 1_300;
/** Without timeoutSeconds a stream lasts between one and two times this long (--min-request-timeout). */
const MIN_TIMEOUT_SECONDS = 1_800;
const INITIAL_EVENTS_END = { 'k8s.io/initial-events-end': 'true' };

/** Starts a stream. Throws what a real server answers with a status code; an expired revision is an event instead. */
export function startWatch(deps: WatchDeps, watch: WatchRequest): void {
  const { query } = watch.request;
  const start = parseStart(query);
  const stream = new WatchStream(deps, watch, selectorOf(watch.kind, watch.request));
  stream.open(start, Number(query.get('timeoutSeconds') ?? 0));
}

interface Start {
  /** null sends the state first. */
  readonly revision: number | null;
  readonly bookmarks: boolean;
  /** A bookmark tells when the state has been sent (streaming list). */
  readonly marksInitialEnd: boolean;
}

function parseStart(query: URLSearchParams): Start {
  const version = query.get('resourceVersion') ?? '';
  const match = query.get('resourceVersionMatch');
  const initial = query.get('sendInitialEvents');
  const bookmarks = isTrue(query.get('allowWatchBookmarks'));
  if (!/^\d*$/.test(version))
    throw internalError(`strconv.ParseUint: parsing ${JSON.stringify(version)}: invalid syntax`);
  if (initial !== null && match !== 'NotOlderThan') {
    const why = 'sendInitialEvents requires setting resourceVersionMatch to NotOlderThan';
    throw invalid({ kind: 'ListOptions', group: 'meta.k8s.io' }, '', [
      fieldError.forbidden('resourceVersionMatch', why),
    ]);
  }
  if (initial === null && match !== null) {
    const why = 'resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided';
    throw invalid({ kind: 'ListOptions', group: 'meta.k8s.io' }, '', [
      fieldError.forbidden('resourceVersionMatch', why),
    ]);
  }
  const wantsState = initial === null ? version === '' || version === '0' : isTrue(initial);
  return {
    revision: wantsState ? null : Number(version || 0),
    bookmarks,
    marksInitialEnd: bookmarks && isTrue(initial),
  };
}

class WatchStream {
  readonly resource: string;
  readonly user: string;
  readonly #deps: WatchDeps;
  readonly #watch: WatchRequest;
  readonly #selects: Selector;
  readonly #timers: NodeJS.Timeout[] = [];
  /** Events that came while the stream was held or paused. */
  #kept: StoreEvent[] = [];
  #turnOffs: TurnOff[] = [];
  /** The next table event carries the column definitions. */
  #isFirst = true;
  /** Events up to this revision are of no interest: a future revision waits for its turn. */
  #after = 0;

  constructor(deps: WatchDeps, watch: WatchRequest, selects: Selector) {
    this.#deps = deps;
    this.#watch = watch;
    this.#selects = selects;
    this.resource = resourceName(watch.kind);
    this.user = watch.user;
  }

  open(start: Start, timeoutSeconds: number): void {
    const { response } = this.#watch;
    const { storage, faults } = this.#deps;
    response.writeHead(200, { 'content-type': 'application/json', 'cache-control': 'no-cache, private' });
    response.flushHeaders();
    const missed = this.#readStart(start);
    if (missed === COMPACTED) {
      this.#writeExpired(start.revision ?? 0);
      return;
    }
    this.#turnOffs = [storage.subscribe(this.resource, (event) => this.#onEvent(event)), faults.register(this)];
    response.on('close', () => this.#close());
    for (const event of missed) this.#onEvent(event);
    this.#setTimers(start.bookmarks, timeoutSeconds || randomTimeoutSeconds());
  }

  drop(): void {
    this.#watch.response.socket?.destroy();
  }

  flush(): void {
    if (this.#deps.faults.isHeld(this.resource)) return;
    const kept = this.#kept;
    this.#kept = [];
    for (const event of kept) this.#writeEvent(event);
  }

  /** Sends the state, or returns the events since the revision the client has. */
  #readStart({ revision, marksInitialEnd }: Start): readonly StoreEvent[] | typeof COMPACTED {
    const { storage } = this.#deps;
    if (revision !== null) {
      this.#after = revision;
      return storage.eventsAfter(this.resource, revision);
    }
    const state = storage.list(this.resource);
    if (state === COMPACTED) return COMPACTED;
    for (const [, object] of state) if (this.#selects(object)) this.#writeObject('ADDED', object);
    if (marksInitialEnd) this.#writeBookmark(INITIAL_EVENTS_END);
    return [];
  }

  #onEvent(event: StoreEvent): void {
    if (event.revision <= this.#after) return;
    if (this.#deps.faults.isHeld(this.resource)) this.#kept.push(event);
    else this.#writeEvent(event);
  }

  /** An object that starts or stops matching the selectors is added or deleted for this client. */
  #writeEvent({ type, object, previous }: StoreEvent): void {
    const isIn = type !== 'DELETED' && this.#selects(object);
    const wasIn = previous !== null && this.#selects(previous);
    if (isIn) this.#writeObject(wasIn ? 'MODIFIED' : 'ADDED', object);
    else if (wasIn) this.#writeObject('DELETED', type === 'DELETED' ? object : atRevisionOf(previous, object));
  }

  #writeObject(type: string, object: KubeObject): void {
    const { kind, form } = this.#watch;
    const whole = shown(kind, object);
    if (form.kind === 'object') this.#writeLine(type, whole);
    else if (form.kind === 'metadata') this.#writeLine(type, renderMetadata(whole, form.version));
    else {
      const { resourceVersion } = object.metadata;
      this.#writeLine(type, renderTable(kind, [whole], { resourceVersion }, form, Date.now(), this.#isFirst));
      this.#isFirst = false;
    }
  }

  #writeBookmark(annotations?: Readonly<Record<string, string>>): void {
    const { kind, form } = this.#watch;
    const resourceVersion = String(this.#deps.storage.revision);
    const metadata = { resourceVersion, ...(annotations !== undefined && { annotations }) };
    if (form.kind === 'table') {
      const object = { kind: kind.kind, apiVersion: apiVersionOf(kind), metadata } as unknown as KubeObject;
      this.#writeLine('BOOKMARK', renderTable(kind, [object], { resourceVersion }, form, Date.now(), this.#isFirst));
    } else {
      this.#writeLine('BOOKMARK', { kind: kind.kind, apiVersion: apiVersionOf(kind), metadata });
    }
  }

  #writeExpired(revision: number): void {
    const error = expired(`too old resource version: ${revision} (${this.#deps.storage.revision})`);
    this.#writeLine('ERROR', error.body);
    this.#watch.response.end();
  }

  #writeLine(type: string, object: object): void {
    const { response } = this.#watch;
    if (response.destroyed || this.#isDead()) return;
    response.write(`${JSON.stringify({ type, object })}\n`);
  }

  #setTimers(bookmarks: boolean, timeoutSeconds: number): void {
    const timeoutMs = timeoutSeconds * 1000;
    this.#timers.push(setTimeout(() => this.#end(), timeoutMs));
    if (!bookmarks) return;
    const { bookmarkIntervalMs } = this.#deps;
    this.#timers.push(setInterval(() => this.#sendPeriodicBookmark(), bookmarkIntervalMs));
    const lastAtMs = timeoutMs - BOOKMARK_BEFORE_END_MS;
    if (lastAtMs > 0) this.#timers.push(setTimeout(() => this.#sendPeriodicBookmark(), lastAtMs));
  }

  /** A bookmark promises that everything up to its revision was sent, so none while events are kept back. */
  #sendPeriodicBookmark(): void {
    if (!this.#deps.faults.isHeld(this.resource)) this.#writeBookmark();
  }

  #end(): void {
    if (!this.#isDead()) this.#watch.response.end();
  }

  #isDead(): boolean {
    const { socket } = this.#watch.response;
    return socket !== null && this.#deps.faults.isDead(socket);
  }

  #close(): void {
    for (const timer of this.#timers) clearTimeout(timer);
    for (const turnOff of this.#turnOffs) turnOff();
  }
}

/** What left the selection is shown as it last matched, at the revision of the change that took it out. */
function atRevisionOf(previous: KubeObject, { metadata }: KubeObject): KubeObject {
  return { ...previous, metadata: { ...previous.metadata, resourceVersion: metadata.resourceVersion ?? '' } };
}

function randomTimeoutSeconds(): number {
  return MIN_TIMEOUT_SECONDS * (1 + Math.random());
}
