// Sends requests to a real API server: node:https with kept-alive connections, credentials of kube-config.ts.
//
// HTTP/1.1 on purpose: each watch has a connection of its own, so that one that hangs or is slow holds up no other.

import { request as httpRequest, type IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import type { Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { noAnswer } from './failure.ts';
import { ApiCredentials, type ApiLocation, type SignIn } from './kube-config.ts';
import { ApiError, type ApiRequest, type ApiResponse, type ApiTransport } from './transport.ts';

/** Rejects with one line when the flags lead to no API server. Does not connect yet. */
export async function openHttpTransport(location: ApiLocation, userAgent: string): Promise<ApiTransport> {
  const credentials = await ApiCredentials.load(location, () => performance.now());
  return new HttpTransport(credentials, userAgent);
}

class HttpTransport implements ApiTransport {
  readonly #credentials: ApiCredentials;
  readonly #userAgent: string;
  #renewal: Promise<void> = Promise.resolve();

  constructor(credentials: ApiCredentials, userAgent: string) {
    this.#credentials = credentials;
    this.#userAgent = userAgent;
  }

  async send(request: ApiRequest): Promise<ApiResponse> {
    // An exec plugin may hang: that must not outlive the request it is for.
    const signIn = await orAborted(this.#signIn(), request.signal);
    const message = await this.#exchange(request, signIn);
    const isGzip = message.headers['content-encoding'] === 'gzip';
    return {
      status: message.statusCode ?? 0,
      retryAfterSeconds: readSeconds(message.headers['retry-after']),
      body: readText(isGzip ? gunzip(message) : message),
    };
  }

  renewCredentials(): void {
    this.#renewal = this.#credentials.renew();
  }

  close(): void {
    this.#credentials.close();
  }

  async #exchange(request: ApiRequest, signIn: SignIn): Promise<IncomingMessage> {
    try {
      return await exchange(request, signIn, this.#userAgent);
    } catch (error) {
      // No answer in time: the machine behind it may be gone, and with it every other idle connection to it.
      if (request.signal.aborted) dropIdle(signIn.agent);
      throw error;
    }
  }

  async #signIn(): Promise<SignIn> {
    try {
      await this.#renewal;
      return await this.#credentials.signIn();
    } catch (error) {
      // Not its message: what an exec plugin prints may hold a token.
      throw new ApiError(noAnswer('network', `credentials: ${codeOf(error)}`), error);
    }
  }
}

function dropIdle(agent: SignIn['agent']): void {
  for (const sockets of Object.values(agent?.freeSockets ?? {})) {
    for (const socket of sockets ?? []) socket.destroy();
  }
}

function orAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  const { promise, resolve, reject } = Promise.withResolvers<T>();
  const abort = () => reject(new ApiError(noAnswer('timeout', 'ABORT_ERR')));
  if (signal.aborted) abort();
  signal.addEventListener('abort', abort, { once: true });
  work.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort));
  return promise;
}

function exchange(
  request: ApiRequest,
  { server, headers, agent }: SignIn,
  userAgent: string,
): Promise<IncomingMessage> {
  const url = new URL(server + request.path);
  for (const [name, value] of Object.entries(request.query ?? {})) url.searchParams.set(name, value);
  const text = request.body === undefined ? null : JSON.stringify(request.body);
  const options = {
    method: request.method,
    signal: request.signal,
    ...(agent === null ? {} : { agent }),
    headers: {
      accept: 'application/json',
      // A watch is not compressed by the server either way; lists above 128 KiB are.
      'accept-encoding': 'gzip',
      'user-agent': userAgent,
      ...(text === null
        ? {}
        : {
            'content-type': request.contentType ?? 'application/json',
            'content-length': String(Buffer.byteLength(text)),
          }),
      ...headers,
    },
  };
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
  const outgoing = url.protocol === 'http:' ? httpRequest(url, options) : httpsRequest(url, options);
  outgoing.on('response', resolve);
  // Also after the answer began: then the reader of the body sees the error, and this one must not be unhandled.
  outgoing.on('error', (error) => reject(toApiError(error)));
  outgoing.end(text ?? undefined);
  return promise;
}

/** An error of either stream must end the other: `pipe` alone would leave the reader waiting. */
function gunzip(message: IncomingMessage): Readable {
  const stream = createGunzip();
  message.on('error', (error) => stream.destroy(error));
  stream.on('close', () => message.destroy());
  return message.pipe(stream);
}

async function* readText(stream: Readable): AsyncGenerator<string> {
  stream.setEncoding('utf8');
  try {
    for await (const piece of stream) yield String(piece);
  } catch (error) {
    throw toApiError(error);
  }
}

function toApiError(error: unknown): ApiError {
  const code = codeOf(error);
  return new ApiError(noAnswer(code === 'ABORT_ERR' ? 'timeout' : 'network', code), error);
}

function codeOf(error: unknown): string {
  const code = typeof error === 'object' && error !== null && 'code' in error ? error.code : null;
  return typeof code === 'string' ? code : error instanceof Error ? error.name : 'unknown';
}

function readSeconds(header: string | undefined): number | null {
  return header !== undefined && /^\d{1,6}$/.test(header) ? Number(header) : null;
}
