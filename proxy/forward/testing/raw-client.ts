// A client that sends exactly the bytes it is told and keeps exactly the bytes it got.

import { once } from 'node:events';
import net from 'node:net';

export class RawClient {
  readonly socket: net.Socket;
  received = '';
  /** How the connection ended: 'end' is orderly, an error code otherwise; '' while it is open. */
  ended = '';
  #waiting: Array<() => void> = [];

  constructor(socket: net.Socket) {
    this.socket = socket;
    socket.setEncoding('latin1');
    socket.on('data', (text: string) => {
      this.received += text;
      this.#wake();
    });
    socket.on('end', () => {
      this.ended ||= 'end';
      this.#wake();
    });
    socket.on('error', (error: NodeJS.ErrnoException) => {
      this.ended = error.code ?? error.message;
      this.#wake();
    });
    socket.on('close', () => {
      this.ended ||= 'close';
      this.#wake();
    });
  }

  send(text: string): void {
    this.socket.write(text, 'latin1');
  }

  /** Waits until what was received satisfies `test`; fails after 5 s with what there is. */
  async until(test: (received: string) => boolean): Promise<string> {
    return this.#wait(() => test(this.received));
  }

  /** Waits until `isDone`, which may look at anything; fails after 5 s. */
  async untilTrue(isDone: () => boolean): Promise<void> {
    await this.#wait(isDone);
  }

  /** Waits for `count` complete responses that carry a Content-Length or are chunked. */
  async responses(count: number): Promise<RawResponse[]> {
    await this.#wait(() => parseResponses(this.received).length >= count);
    return parseResponses(this.received);
  }

  /** Waits until the peer has closed; gives all that was received. */
  async closed(): Promise<string> {
    return this.#wait(() => this.ended !== '');
  }

  async #wait(isDone: () => boolean): Promise<string> {
    const deadline = Date.now() + 5_000;
    while (!isDone()) {
      if (Date.now() > deadline) throw new Error(`timed out: ${summary(this.received)}, ended ${this.ended}`);
      await new Promise<void>((resolve) => {
        this.#waiting.push(resolve);
        setTimeout(resolve, 100).unref();
      });
    }
    return this.received;
  }

  #wake(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const resolve of waiting) resolve();
  }

  [Symbol.dispose](): void {
    this.socket.destroy();
  }
}

function summary(text: string): string {
  const shown = text.length > 600 ? `${text.slice(0, 300)} ... ${text.slice(-300)}` : text;
  return `received ${text.length} bytes ${JSON.stringify(shown)}`;
}

/** Connects to a loopback port. */
export async function connectRaw(port: number): Promise<RawClient> {
  const socket = net.connect({ port, host: '127.0.0.1', allowHalfOpen: true });
  await once(socket, 'connect');
  return new RawClient(socket);
}

/** Sends `text` on a new connection and gives what came back until the peer closed. */
export async function exchangeRaw(port: number, text: string): Promise<string> {
  using client = await connectRaw(port);
  client.send(text);
  return await client.closed();
}

export interface RawResponse {
  readonly status: number;
  readonly head: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** Reads complete responses off the front of `text`. A HEAD response must not be among them. */
export function parseResponses(text: string): RawResponse[] {
  const responses: RawResponse[] = [];
  let rest = text;
  for (;;) {
    const end = rest.indexOf('\r\n\r\n');
    if (end === -1) return responses;
    const head = rest.slice(0, end + 2);
    const headers = parseHeaders(head);
    const body = takeBody(rest.slice(end + 4), headers, Number(head.slice(9, 12)));
    if (body === null) return responses;
    responses.push({ status: Number(head.slice(9, 12)), head, headers, body: body.text });
    rest = rest.slice(end + 4 + body.used);
  }
}

function parseHeaders(head: string): Record<string, string> {
  const headers: Record<string, string> = {};
  for (const line of head.split('\r\n').slice(1)) {
    const colon = line.indexOf(':');
    if (colon > 0) headers[line.slice(0, colon).toLowerCase()] = line.slice(colon + 1).trim();
  }
  return headers;
}

function takeBody(
  rest: string,
  headers: Readonly<Record<string, string>>,
  status: number,
): { text: string; used: number } | null {
  if (status < 200 || status === 204 || status === 304) return { text: '', used: 0 };
  if (headers['transfer-encoding'] === 'chunked') return takeChunks(rest);
  const length = Number(headers['content-length'] ?? '0');
  return rest.length < length ? null : { text: rest.slice(0, length), used: length };
}

function takeChunks(rest: string): { text: string; used: number } | null {
  let at = 0;
  let text = '';
  for (;;) {
    const lineEnd = rest.indexOf('\r\n', at);
    if (lineEnd === -1) return null;
    const size = Number.parseInt(rest.slice(at, lineEnd), 16);
    if (size === 0) {
      const end = rest.indexOf('\r\n\r\n', lineEnd);
      return end === -1 ? null : { text, used: end + 4 };
    }
    if (rest.length < lineEnd + 2 + size + 2) return null;
    text += rest.slice(lineEnd + 2, lineEnd + 2 + size);
    at = lineEnd + 2 + size + 2;
  }
}
