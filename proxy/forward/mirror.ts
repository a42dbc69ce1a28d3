// Sends copies of requests to another place (ingress-nginx `mirror-target`) and throws the answers away.
//
//   request admitted -> begin -> (its body is copied) -> body complete -> sent by undici -> answer dropped
// A copy never delays or fails its request. Whatever is over a limit is dropped and counted by reason.

import type { Agent, Dispatcher } from 'undici';
import { renderTemplate, type TemplateSource } from '../filters/template.ts';
import type { MirrorLimits } from '../table/mirror-limits.ts';
import type { MirrorSettings } from '../table/route-settings.ts';

/** How a copy ended. `requestFailed`: the request itself was given up before its body was complete. */
export type MirrorOutcome =
  | 'sent'
  | 'failed'
  | 'timedOut'
  | 'tooMany'
  | 'bodyTooLarge'
  | 'memoryFull'
  | 'badTarget'
  | 'requestFailed';

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
/** Targets at a time, connections to each: variables let clients choose the target. */
const MAX_ORIGINS = 64;
const MAX_CONNECTIONS_PER_ORIGIN = 32;

interface CopyTarget {
  readonly origin: string;
  readonly path: string;
}

export class Mirrors {
  readonly outcomes = new Map<MirrorOutcome, number>();
  readonly #limits: () => MirrorLimits;
  #agent: Agent | null = null;
  #isClosed = false;
  #underWay = 0;
  #memoryBytes = 0;

  /** `limits` are asked for each copy. */
  constructor(limits: () => MirrorLimits) {
    this.#limits = limits;
  }

  /** Copies under way, those that still gather their body included. */
  get underWay(): number {
    return this.#underWay;
  }

  /** Bytes of bodies held. */
  get memoryBytes(): number {
    return this.#memoryBytes;
  }

  /**
   * Begins the copy of a request. `requestText` is the head that its upstream gets. Gives the copy when it needs the
   * request's body, null when there is nothing more to do.
   */
  begin(settings: MirrorSettings, source: TemplateSource, requestText: string, hasBody: boolean): MirrorCopy | null {
    const limits = this.#limits();
    if (this.#underWay >= limits.maxRequests) return this.#drop('tooMany');
    const target = readTarget(renderTemplate(settings.target, source));
    if (target === null) return this.#drop('badTarget');
    this.#underWay++;
    const options = { ...target, method: source.method, headers: copiedFields(requestText, settings.host) };
    if (hasBody && settings.sendBody) return new MirrorCopy(this, options, limits.maxBodyBytes);
    void this.send(options, null);
    return null;
  }

  /** Reserves memory for a body part; false: there is none left. */
  reserve(bytes: number): boolean {
    if (this.#memoryBytes + bytes > this.#limits().maxMemoryBytes) return false;
    this.#memoryBytes += bytes;
    return true;
  }

  /** Ends a copy: gives back its memory. */
  end(outcome: MirrorOutcome, bytes: number): void {
    this.#underWay--;
    this.#memoryBytes -= bytes;
    this.#count(outcome);
  }

  /** Sends a complete copy. Never rejects. */
  async send(options: Dispatcher.RequestOptions, body: Buffer | null): Promise<void> {
    const { timeoutMs } = this.#limits();
    let outcome: MirrorOutcome = 'sent';
    try {
      const signal = AbortSignal.timeout(timeoutMs);
      const agent = this.#agent ?? (await this.#createAgent());
      const answer = await agent.request({ ...options, body, signal });
      await answer.body.dump({ limit: MAX_ANSWER_BYTES, signal });
    } catch (error) {
      outcome = (error as { readonly name?: unknown }).name === 'TimeoutError' ? 'timedOut' : 'failed';
    }
    this.end(outcome, body?.length ?? 0);
  }

  /** Cuts what is under way. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#agent?.destroy();
  }

  /** Loads the client with the first copy: it is 10 MB in each worker, and most clusters mirror nothing. */
  async #createAgent(): Promise<Agent> {
    const undici = await import('undici');
    if (this.#isClosed) throw new Error('closed before the first copy was sent');
    this.#agent ??= new undici.Agent({
      maxOrigins: MAX_ORIGINS,
      connections: MAX_CONNECTIONS_PER_ORIGIN,
      allowH2: false,
      // The signal is the time limit.
      headersTimeout: 0,
      bodyTimeout: 0,
      // As nginx without `proxy_ssl_verify`: copies go to test deployments with certificates of their own.
      connect: { rejectUnauthorized: false },
    });
    return this.#agent;
  }

  #drop(outcome: MirrorOutcome): null {
    this.#count(outcome);
    return null;
  }

  #count(outcome: MirrorOutcome): void {
    this.outcomes.set(outcome, (this.outcomes.get(outcome) ?? 0) + 1);
  }
}

/** A copy that gathers the body of its request. */
export class MirrorCopy {
  readonly #mirrors: Mirrors;
  readonly #options: Dispatcher.RequestOptions;
  readonly #maxBytes: number;
  readonly #parts: Buffer[] = [];
  #bytes = 0;
  #isOver = false;

  constructor(mirrors: Mirrors, options: Dispatcher.RequestOptions, maxBytes: number) {
    this.#mirrors = mirrors;
    this.#options = options;
    this.#maxBytes = maxBytes;
  }

  /** Copies a part of the body; beyond a limit the whole copy is dropped. */
  add(buf: Buffer, start: number, end: number): void {
    if (this.#isOver) return;
    const length = end - start;
    if (this.#bytes + length > this.#maxBytes) return this.#drop('bodyTooLarge');
    if (!this.#mirrors.reserve(length)) return this.#drop('memoryFull');
    this.#bytes += length;
    this.#parts.push(Buffer.from(buf.subarray(start, end)));
  }

  /** The body is complete: sends the copy. */
  end(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    void this.#mirrors.send(this.#options, Buffer.concat(this.#parts));
  }

  /** The request has ended. Drops the copy unless it is on its way already. */
  requestEnded(): void {
    if (!this.#isOver) this.#drop('requestFailed');
  }

  #drop(outcome: MirrorOutcome): void {
    this.#isOver = true;
    this.#parts.length = 0;
    this.#mirrors.end(outcome, this.#bytes);
  }
}

/** Splits a URL where it must be split and leaves its path as it is; null when it is none, or has a user in it. */
function readTarget(url: string): CopyTarget | null {
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
