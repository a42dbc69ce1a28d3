// Sends the copies of requests with undici, one connection for each that is under way to a target, and drops the answers.
//
// In: a copy and the limits that hold for it. Out: how it ended. What is still connecting when a copy is given up goes
// away with its own time limit, so that a target which swallows connections never holds more than its share of them.

import { lookup as systemLookup } from 'node:dns';
import type { LookupFunction } from 'node:net';
import type { Agent, Dispatcher } from 'undici';
import type { MirrorLimits } from '../table/mirror-limits.ts';
import { sharedLookup } from './shared-lookup.ts';

/** `sent`: answered, whatever the answer was. */
export type CopyEnd = 'sent' | 'failed' | 'timedOut';

export interface CopyTarget {
  /** Scheme, host and port. */
  readonly origin: string;
  /** Path and query. */
  readonly path: string;
}

export interface CopyToSend {
  readonly target: CopyTarget;
  readonly host: string;
  readonly method: string;
  /** The head that the upstream of the request gets. */
  readonly text: string;
  readonly body: Buffer | null;
}

/** Fields of the request to the upstream that are about its own connection and framing; the rest goes with the copy. */
const NOT_COPIED = new Set([
  'connection',
  'content-length',
  'expect',
  'host',
  'http2-settings',
  'keep-alive',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]);
/** More of an answer than this is not waited for: the connection is closed instead. */
const MAX_ANSWER_BYTES = 128 * 1024;
/** Names at a time: the system answers one after the other, and may take a minute for each that has no server. */
const MAX_LOOKUPS = 16;

type Client = typeof import('undici');

/** What `Mirrors` sends with. */
export type CopyClient = Pick<MirrorClient, 'isLoaded' | 'load' | 'send' | 'close'>;

export class MirrorClient {
  readonly #lookup: LookupFunction;
  #loading: Promise<Client> | null = null;
  #agent: Agent | null = null;
  /** What `#agent` was made for. */
  #limits: MirrorLimits | null = null;
  #isClosed = false;

  /** `lookup` finds the addresses of targets. */
  constructor(lookup: LookupFunction = sharedLookup(systemLookup, MAX_LOOKUPS)) {
    this.#lookup = lookup;
  }

  /** Or will be soon. */
  get isLoaded(): boolean {
    return this.#loading !== null;
  }

  load(): void {
    this.#loading ??= import('undici');
    // Whoever sends sees the failure.
    this.#loading.catch(() => undefined);
  }

  /** Sends a copy and waits for the end of its answer. Never rejects. */
  async send({ target, host, method, text, body }: CopyToSend, limits: MirrorLimits): Promise<CopyEnd> {
    try {
      const signal = AbortSignal.timeout(limits.timeoutMs);
      const agent = await this.#agentFor(limits);
      // undici knows the methods of its types, and sends others as well.
      const named = method as Dispatcher.HttpMethod;
      const answer = await agent.request({ ...target, method: named, headers: copiedFields(text, host), body, signal });
      await answer.body.dump({ limit: MAX_ANSWER_BYTES, signal });
      return 'sent';
    } catch (error) {
      return isTimeout(error) ? 'timedOut' : 'failed';
    }
  }

  /** Cuts what is under way. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#agent?.destroy();
  }

  async #agentFor(limits: MirrorLimits): Promise<Agent> {
    this.load();
    const undici = await (this.#loading as Promise<Client>);
    if (this.#isClosed) throw new Error('closed before the copy was sent');
    if (this.#agent !== null && this.#limits !== null && isSame(this.#limits, limits)) return this.#agent;
    // What it has under way may end.
    void this.#agent?.close();
    this.#limits = limits;
    this.#agent = new undici.Agent({
      // Variables let clients choose the target.
      maxOrigins: Math.max(1, limits.maxRequests),
      connections: limits.maxRequestsPerTarget,
      allowH2: false,
      // The signal is the time limit.
      headersTimeout: 0,
      bodyTimeout: 0,
      connect: {
        timeout: limits.timeoutMs,
        // As nginx without `proxy_ssl_verify`: copies go to test deployments with certificates of their own.
        rejectUnauthorized: false,
        lookup: this.#lookup,
      },
    });
    return this.#agent;
  }
}

function isSame(a: MirrorLimits, b: MirrorLimits): boolean {
  return (
    a.timeoutMs === b.timeoutMs && a.maxRequests === b.maxRequests && a.maxRequestsPerTarget === b.maxRequestsPerTarget
  );
}

function isTimeout(error: unknown): boolean {
  const { name } = error as { readonly name?: unknown };
  return name === 'TimeoutError' || name === 'ConnectTimeoutError';
}

/** Splits a URL where it must be split and leaves its path as it is; null when it is none, or has a user in it. */
export function readTarget(url: string): CopyTarget | null {
  const match = /^(https?:\/\/[^/?#@]+)((?:[/?][^#]*)?)$/i.exec(url);
  const [, origin = '', path = ''] = match ?? [];
  if (!URL.canParse(origin) || /[^!-\u00ff]/.test(path)) return null;
  return { origin, path: path.startsWith('/') ? path : `/${path}` };
}

/** The fields of a request as undici takes them: name, value, name, value ... */
function copiedFields(requestText: string, host: string): string[] {
  const fields = ['Host', host];
  for (const line of requestText.split('\r\n').slice(1)) {
    const colon = line.indexOf(':');
    if (colon <= 0 || NOT_COPIED.has(line.slice(0, colon).toLowerCase())) continue;
    fields.push(line.slice(0, colon), line.slice(colon + 1).trim());
  }
  return fields;
}
