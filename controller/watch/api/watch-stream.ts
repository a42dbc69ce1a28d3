// Reads the body of a watch: one JSON event in each line.

import { isRecord } from '../../objects/decode-report.ts';
import { ApiError } from './transport.ts';

/** An object as the API sends it, with the two facts the list/watch loop needs. */
export interface RawObject {
  /** `namespace/name`, or `name`. */
  readonly key: string;
  readonly resourceVersion: string;
  readonly json: Readonly<Record<string, unknown>>;
}

export type WatchEvent =
  | { readonly kind: 'upsert'; readonly object: RawObject }
  | { readonly kind: 'delete'; readonly object: RawObject }
  | { readonly kind: 'bookmark'; readonly resourceVersion: string; readonly endsInitialEvents: boolean }
  | { readonly kind: 'error'; readonly status: unknown };

/** No object is larger: etcd refuses 1.5 MiB. A line beyond this is no watch. */
const maxLineLength = 16 * 1024 * 1024;

/** Gives the complete lines of each piece together, so that a burst is one step. A last line without its end is dropped. */
export async function* readLines(body: AsyncIterable<string>): AsyncGenerator<readonly string[]> {
  let rest = '';
  for await (const piece of body) {
    const lines = (rest + piece).split('\n');
    rest = lines.pop() ?? '';
    if (rest.length > maxLineLength) throw malformed(`a line of more than ${maxLineLength} characters`);
    yield lines.filter((line) => line !== '');
  }
}

/** Throws ApiError for a line that is no event: the watch must start again, nothing of it can be trusted. */
export function parseWatchEvent(line: string): WatchEvent {
  const event = parseLine(line);
  const { type, object } = event;
  if (type === 'ERROR') return { kind: 'error', status: object };
  if (type === 'BOOKMARK') return parseBookmark(object);
  const raw = toRawObject(object);
  if (raw === null) throw malformed('an event without an object');
  // Types that nobody knows yet bring an object as it is now, as those two do.
  return { kind: type === 'DELETED' ? 'delete' : 'upsert', object: raw };
}

/** Reads what identifies an object; null for anything that is none. */
export function toRawObject(json: unknown): RawObject | null {
  if (!isRecord(json) || !isRecord(json['metadata'])) return null;
  const { name, namespace, resourceVersion } = json['metadata'];
  if (typeof name !== 'string' || typeof resourceVersion !== 'string') return null;
  const key = typeof namespace === 'string' && namespace !== '' ? `${namespace}/${name}` : name;
  return { key, resourceVersion, json };
}

function parseBookmark(object: unknown): WatchEvent {
  const metadata = isRecord(object) && isRecord(object['metadata']) ? object['metadata'] : {};
  const { resourceVersion, annotations } = metadata;
  if (typeof resourceVersion !== 'string') throw malformed('a bookmark without resourceVersion');
  const endsInitialEvents = isRecord(annotations) && annotations['k8s.io/initial-events-end'] === 'true';
  return { kind: 'bookmark', resourceVersion, endsInitialEvents };
}

function parseLine(line: string): Readonly<Record<string, unknown>> {
  let event: unknown;
  try {
    event = JSON.parse(line);
  } catch (error) {
    throw malformed('a line that is no JSON', error);
  }
  if (!isRecord(event)) throw malformed('a line that is no event');
  return event;
}

function malformed(what: string, cause?: unknown): ApiError {
  return new ApiError({ kind: 'server', code: 200, message: `the watch sent ${what}`, retryAfterMs: null }, cause);
}
