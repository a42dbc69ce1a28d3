// Reads a whole collection page by page, at one resourceVersion.
//
// No resourceVersion is asked for: the answer is then as new as anything written before, also behind a load balancer
// with a server that lags. `resourceVersion=0` would be cheaper, but may go back in time and ignores `limit` (recorded:
// limit=3 with resourceVersion=0 answers 8 items).

import { isRecord } from '../../objects/decode-report.ts';
import { failureOf } from './failure.ts';
import { ApiError, type ApiResponse, type ApiTransport } from './transport.ts';

export interface ListRequest {
  readonly transport: ApiTransport;
  readonly path: string;
  /** Selectors. */
  readonly query: Readonly<Record<string, string>>;
  /** Items of one page; null asks for all at once. */
  readonly pageSize: number | null;
  readonly signal: AbortSignal;
  /** Called when a piece of an answer arrived. */
  readonly onProgress: () => void;
}

/** Calls `onItems` once for each page. Returns the resourceVersion that the whole list is of. Rejects with ApiError. */
export async function listPages(
  request: ListRequest,
  onItems: (items: readonly unknown[]) => void,
): Promise<{ readonly resourceVersion: string; readonly pages: number }> {
  let next = '';
  let pages = 0;
  let resourceVersion: string;
  do {
    const page = await readPage(request, next);
    pages += 1;
    onItems(page.items);
    ({ next, resourceVersion } = page);
  } while (next !== '');
  return { resourceVersion, pages };
}

interface Page {
  readonly items: readonly unknown[];
  readonly next: string;
  readonly resourceVersion: string;
}

async function readPage(request: ListRequest, next: string): Promise<Page> {
  const { transport, path, query, pageSize, signal } = request;
  const response = await transport.send({
    method: 'GET',
    path,
    query: {
      ...query,
      ...(pageSize === null ? {} : { limit: String(pageSize) }),
      ...(next === '' ? {} : { continue: next }),
    },
    signal,
  });
  const text = await readBody(response, request.onProgress);
  if (response.status !== 200) throw new ApiError(failureOf(response.status, text, response.retryAfterSeconds));
  return parsePage(text);
}

/** Reads a whole answer as text. */
export async function readBody(response: ApiResponse, onProgress: () => void): Promise<string> {
  const pieces: string[] = [];
  for await (const piece of response.body) {
    onProgress();
    pieces.push(piece);
  }
  return pieces.join('');
}

function parsePage(text: string): Page {
  const list = parseJson(text);
  const metadata = isRecord(list) ? list['metadata'] : null;
  if (!isRecord(list) || !isRecord(metadata)) throw new ApiError(failureOf(200, text, null));
  const { items } = list;
  const { resourceVersion, continue: next } = metadata;
  // An empty list may come as null (recorded for EndpointSlice endpoints; Go encodes nil slices so). What is no list of a
  // version (a Status, a stranger's page) must not count as an empty one: all that is served would go.
  const isList = Array.isArray(items) || items === null || items === undefined;
  if (!isList || typeof resourceVersion !== 'string' || resourceVersion === '')
    throw new ApiError({ kind: 'server', code: 200, message: 'the answer is no list', retryAfterMs: null });
  return { items: items ?? [], next: typeof next === 'string' ? next : '', resourceVersion };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    // Cut short, or no API server at all.
    throw new ApiError({ kind: 'server', code: 200, message: 'the answer is no JSON', retryAfterMs: null }, error);
  }
}
