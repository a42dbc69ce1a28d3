// An API server whose every answer a test gives by hand.

import { type ApiFailure, noAnswer } from '../failure.ts';
import { ApiError, type ApiRequest, type ApiResponse, type ApiTransport } from '../transport.ts';

/** Lets everything run that can run without time passing. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 10; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}

type Piece = { readonly text: string } | { readonly failure: ApiFailure } | 'end';

/** One request, and the means to answer it. */
export class ScriptedRequest {
  readonly method: string;
  readonly path: string;
  readonly query: Readonly<Record<string, string>>;
  readonly body: unknown;
  readonly contentType: string | undefined;
  readonly response: Promise<ApiResponse>;
  readonly #signal: AbortSignal;
  readonly #answer = Promise.withResolvers<ApiResponse>();
  readonly #pieces: Piece[] = [];
  #wake: () => void = () => {};

  constructor({ method, path, query, body, contentType, signal }: ApiRequest) {
    this.method = method;
    this.path = path;
    this.query = query ?? {};
    this.body = body;
    this.contentType = contentType;
    this.response = this.#answer.promise;
    this.#signal = signal;
    signal.addEventListener('abort', () => this.fail('timeout', 'ABORT_ERR'));
  }

  get isWatch(): boolean {
    return this.query['watch'] === 'true';
  }

  get isAborted(): boolean {
    return this.#signal.aborted;
  }

  /** Answers whole. */
  answer(status: number, body: unknown, retryAfterSeconds: number | null = null): void {
    this.#pieces.push({ text: typeof body === 'string' ? body : JSON.stringify(body) }, 'end');
    this.#answer.resolve({ status, retryAfterSeconds, body: this.#read() });
  }

  /** Answers 200 and leaves the body open. */
  open(): this {
    this.#answer.resolve({ status: 200, retryAfterSeconds: null, body: this.#read() });
    return this;
  }

  /** Sends watch events. */
  push(...events: readonly { readonly type: string; readonly object: unknown }[]): this {
    return this.pushText(events.map((event) => `${JSON.stringify(event)}\n`).join(''));
  }

  pushText(text: string): this {
    this.#put({ text });
    return this;
  }

  end(): void {
    this.#put('end');
  }

  /** Breaks the connection, before or after the answer began. */
  fail(kind: 'network' | 'timeout' = 'network', code = 'ECONNRESET'): void {
    const failure = noAnswer(kind, code);
    this.#answer.reject(new ApiError(failure));
    this.#answer.promise.catch(() => {});
    this.#put({ failure });
  }

  #put(piece: Piece): void {
    this.#pieces.push(piece);
    this.#wake();
  }

  async *#read(): AsyncGenerator<string> {
    for (;;) {
      const piece = this.#pieces.shift();
      if (piece === 'end') return;
      if (piece === undefined) {
        const { promise, resolve } = Promise.withResolvers<void>();
        this.#wake = resolve;
        await promise;
      } else if ('failure' in piece) {
        throw new ApiError(piece.failure);
      } else {
        yield piece.text;
      }
    }
  }
}

/** Keeps requests until the test answers them. */
export class ScriptedTransport implements ApiTransport {
  /** All that were ever sent. */
  readonly requests: ScriptedRequest[] = [];
  readonly #unanswered: ScriptedRequest[] = [];
  renewals = 0;
  isClosed = false;

  send(request: ApiRequest): Promise<ApiResponse> {
    const scripted = new ScriptedRequest(request);
    this.requests.push(scripted);
    this.#unanswered.push(scripted);
    return scripted.response;
  }

  renewCredentials(): void {
    this.renewals += 1;
  }

  close(): void {
    this.isClosed = true;
  }

  /** Takes the oldest request that was not taken yet, optionally the oldest that fits. Fails when there is none. */
  async take(fits: (request: ScriptedRequest) => boolean = () => true): Promise<ScriptedRequest> {
    const request = await this.takeIfAny(fits);
    if (request === null)
      throw new Error(`no such request; open: ${this.#unanswered.map(({ path }) => path).join(', ')}`);
    return request;
  }

  async takeIfAny(fits: (request: ScriptedRequest) => boolean = () => true): Promise<ScriptedRequest | null> {
    await settle();
    const index = this.#unanswered.findIndex(fits);
    return index < 0 ? null : (this.#unanswered.splice(index, 1)[0] ?? null);
  }
}

/** A `Status` as the API server sends it with a failure. */
export function statusObject(code: number, reason: string, message: string): Readonly<Record<string, unknown>> {
  return { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Failure', message, reason, code };
}
