// Runs one HTTP/2 conversation against Sluice and against node:http2 (nghttp2), and compares what each made of it.
//
// As a server: the same bytes of a client go to a proxy of ours, behind which node:http writes requests down, and to a server
// of node:http2. As a client: the same bytes of a server answer one request of our proxy and one of node:http2.

import { once } from 'node:events';
import http from 'node:http';
import http2 from 'node:http2';
import net, { type AddressInfo } from 'node:net';
import { startHttp2Origin } from '../forward/testing/http2-origin.ts';
import { startProxy, type TestProxy } from '../forward/testing/test-proxy.ts';
import { ErrorCode, Flag, FRAME_HEADER_BYTES, FrameType } from '../http2/protocol.ts';
import { Http2Client } from '../listen/testing/http2-client.ts';
import { defaultHttp2 } from '../table/defaults.ts';
import type { Conversation } from './http2-sessions.ts';

const GLOBAL = { http2: { ...defaultHttp2, hasPriorKnowledge: true }, clientHeaderTimeoutMs: 60_000 };
const COMPARED = ['x-a', 'x-b', 'x-c', 'cookie'];
/** Everything happens in this process: so many loop turns without an event mean that nothing more will come. */
const SETTLED_TURNS = 40;

interface Message {
  readonly text: string;
  readonly trailers: string;
}

/** What a peer made of a conversation: messages in a fixed order. */
export interface Outcome {
  readonly messages: readonly Message[];
  /** It said that something was wrong: with a GOAWAY or RST_STREAM with an error, a 400, or by ending the connection. */
  readonly hasRefused: boolean;
}

/** Messages as they come in; `activity` counts whatever happens. */
class Journal {
  messages: Message[] = [];
  activity = 0;

  write(parts: readonly unknown[], trailers: object): void {
    this.activity++;
    this.messages.push({ text: JSON.stringify(parts), trailers: JSON.stringify(trailers) });
  }

  async settled(more: () => number): Promise<void> {
    let last = -1;
    for (let quiet = 0; quiet < SETTLED_TURNS; quiet++) {
      await new Promise(setImmediate);
      const now = this.activity + more();
      if (now !== last) quiet = 0;
      last = now;
    }
  }

  take(): readonly Message[] {
    const messages = this.messages.sort((a, b) => (a.text + a.trailers < b.text + b.trailers ? -1 : 1));
    this.messages = [];
    return messages;
  }
}

function compared(headers: http.IncomingHttpHeaders): readonly unknown[] {
  return COMPARED.map((name) => headers[name] ?? null);
}

async function listening(server: net.Server): Promise<number> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

/** The two servers: give them the bytes of a client. */
export class Http2Servers implements AsyncDisposable {
  readonly #stack: AsyncDisposableStack;
  readonly #proxy: TestProxy;
  readonly #nodePort: number;
  readonly #ours: Journal;
  readonly #theirs: Journal;

  private constructor(
    stack: AsyncDisposableStack,
    proxy: TestProxy,
    nodePort: number,
    journals: readonly [Journal, Journal],
  ) {
    this.#stack = stack;
    this.#proxy = proxy;
    this.#nodePort = nodePort;
    [this.#ours, this.#theirs] = journals;
  }

  static async start(): Promise<Http2Servers> {
    const stack = new AsyncDisposableStack();
    const [ours, theirs] = [new Journal(), new Journal()];
    const origin = http.createServer((request, response) => {
      let body = '';
      request.setEncoding('latin1').on('data', (part: string) => {
        ours.activity++;
        body += part;
      });
      request.on('error', () => {});
      request.on('end', () => {
        const { method, url, headers, trailers } = request;
        ours.write([method, headers.host, url, ...compared(headers), body], trailers);
        response.end('done');
      });
    });
    stack.defer(() => void origin.close());
    stack.defer(() => origin.closeAllConnections());
    const proxy = stack.use(
      await startProxy([{ endpoints: [await listening(origin)], policy: { maxBodyBytes: null } }], GLOBAL),
    );
    const server = http2.createServer();
    server.on('sessionError', () => {});
    server.on('stream', (stream: http2.ServerHttp2Stream, headers) => onNodeStream(theirs, stream, headers));
    stack.defer(() => void server.close());
    return new Http2Servers(stack, proxy, await listening(server), [ours, theirs]);
  }

  /** What Sluice, or node:http2, makes of the frames behind a client's preface. */
  ours(conversation: Conversation): Promise<Outcome> {
    return this.#run(this.#proxy.port, conversation, this.#ours);
  }

  theirs(conversation: Conversation): Promise<Outcome> {
    return this.#run(this.#nodePort, conversation, this.#theirs);
  }

  async #run(port: number, conversation: Conversation, journal: Journal): Promise<Outcome> {
    const socket = net.connect(port, '127.0.0.1');
    socket.on('error', () => {});
    await once(socket, 'connect');
    using client = new Http2Client(socket);
    client.isPolite = false;
    client.greet();
    client.send(Buffer.from(conversation.join(''), 'latin1'));
    await journal.settled(() => client.frames.length + Number(client.isEnded));
    const isBadRequest = ({ streamId }: { readonly streamId: number }) => client.status(streamId) === ':status: 400';
    const hasRefused = client.isEnded || client.frames.some((each) => isRefusal(each) || isBadRequest(each));
    client.socket.destroy();
    await journal.settled(() => 0);
    return { messages: journal.take(), hasRefused };
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#stack.disposeAsync();
  }
}

function isRefusal({ type, payload }: { readonly type: number; readonly payload: Buffer }): boolean {
  if (type === FrameType.rstStream) return payload.readUInt32BE(0) !== ErrorCode.noError;
  return type === FrameType.goAway && payload.readUInt32BE(4) !== ErrorCode.noError;
}

function onNodeStream(journal: Journal, stream: http2.ServerHttp2Stream, headers: http2.IncomingHttpHeaders): void {
  let body = '';
  let trailers: http.IncomingHttpHeaders = {};
  stream.setEncoding('latin1').on('data', (part: string) => {
    journal.activity++;
    body += part;
  });
  stream.on('trailers', (fields: http2.IncomingHttpHeaders) => {
    trailers = fields;
  });
  stream.on('error', () => {});
  stream.on('end', () => {
    // What is reset ends as well.
    if (stream.aborted || stream.destroyed) return;
    const host = headers[':authority'] ?? headers.host;
    journal.write([headers[':method'], host, headers[':path'], ...compared(headers), body], { ...trailers });
    stream.respond({ ':status': 200 });
    stream.end('done');
  });
}

/** The two clients: give them the bytes of a server. */
export class Http2Clients implements AsyncDisposable {
  readonly #stack: AsyncDisposableStack;
  readonly #proxy: TestProxy;
  readonly #port: number;
  readonly #script: { bytes: Buffer };

  private constructor(stack: AsyncDisposableStack, proxy: TestProxy, port: number, script: { bytes: Buffer }) {
    this.#stack = stack;
    this.#proxy = proxy;
    this.#port = port;
    this.#script = script;
  }

  static async start(): Promise<Http2Clients> {
    const stack = new AsyncDisposableStack();
    const script = { bytes: Buffer.alloc(0) };
    const origin = stack.use(
      await startHttp2Origin(({ socket }) => {
        // Whoever waits for more is told that nothing more comes.
        socket.end(script.bytes);
      }),
    );
    const policy = { protocol: 'http2' as const, maxAttempts: 1 };
    const proxy = stack.use(await startProxy([{ endpoints: [origin.port], policy }], GLOBAL));
    return new Http2Clients(stack, proxy, origin.port, script);
  }

  /** The response as a client of the proxy sees it; null when it is none, or not whole. */
  async ours(conversation: Conversation): Promise<string | null> {
    this.#script.bytes = Buffer.from(conversation.join(''), 'latin1');
    const { promise, resolve } = Promise.withResolvers<string | null>();
    const request = http.get(
      { port: this.#proxy.port, host: '127.0.0.1', agent: false, headers: { host: 'one.test', te: 'trailers' } },
      (response) => {
        let body = '';
        response.setEncoding('latin1').on('data', (part: string) => {
          body += part;
        });
        response.on('error', () => resolve(null));
        response.on('end', () => {
          const { statusCode, headers, trailers } = response;
          // What the proxy says itself is no response of the server's.
          if (statusCode === 502 || statusCode === 503 || statusCode === 504) return resolve(null);
          resolve(JSON.stringify([statusCode, ...compared(headers), body, trailers]));
        });
      },
    );
    request.on('error', () => resolve(null));
    return await promise;
  }

  async theirs(conversation: Conversation): Promise<string | null> {
    this.#script.bytes = Buffer.from(conversation.join(''), 'latin1');
    const { promise, resolve } = Promise.withResolvers<string | null>();
    const session = http2.connect(`http://127.0.0.1:${this.#port}`);
    session.on('error', () => resolve(null));
    session.on('close', () => resolve(null));
    const stream = session.request({ ':path': '/', ':authority': 'one.test' });
    let head: http2.IncomingHttpHeaders & http2.IncomingHttpStatusHeader = {};
    let trailers: http2.IncomingHttpHeaders = {};
    let body = '';
    stream.on('response', (fields) => {
      head = fields;
    });
    stream.on('trailers', (fields: http2.IncomingHttpHeaders) => {
      trailers = { ...fields };
    });
    stream.on('error', () => resolve(null));
    stream.setEncoding('latin1').on('data', (part: string) => {
      body += part;
    });
    stream.on('end', () => {
      const isWhole = head[':status'] !== undefined && !stream.aborted && stream.rstCode === 0;
      resolve(isWhole ? JSON.stringify([head[':status'], ...compared(head), body, trailers]) : null);
    });
    const outcome = await promise;
    session.destroy();
    return outcome;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#stack.disposeAsync();
  }
}

/** A sound conversation of a client means the same to both, and neither objects. */
export async function checkClientConversation(servers: Http2Servers, conversation: Conversation): Promise<void> {
  const [ours, theirs] = [await servers.ours(conversation), await servers.theirs(conversation)];
  const isSame = JSON.stringify(ours.messages) === JSON.stringify(theirs.messages);
  if (!isSame || ours.hasRefused || theirs.hasRefused) throw new Error(`differ: ${JSON.stringify({ ours, theirs })}`);
}

/**
 * What breaks a rule to node:http2 does so to us. Where it finds nothing wrong with a broken one, nothing reaches an origin
 * that it has not also taken, in the same words. Where it does, it ends the whole connection in cases in which RFC 9113 has
 * only a stream error (such as HEADERS on a half-closed stream, §5.1), and we go on with the others.
 */
export async function checkBrokenClient(servers: Http2Servers, conversation: Conversation): Promise<void> {
  if (hasOddity(conversation)) return;
  const [ours, theirs] = [await servers.ours(conversation), await servers.theirs(conversation)];
  // Trailers are left out: node:http2 may end a stream without them when its connection ends in the same read.
  const rest = theirs.messages.map(({ text }) => text);
  const isSubset = ours.messages.every(({ text }) => {
    const at = rest.indexOf(text);
    if (at !== -1) rest.splice(at, 1);
    return at !== -1;
  });
  // What is cut short we wait for, while nghttp2 already decodes the fragment.
  const isLaxer = theirs.hasRefused && !ours.hasRefused && !isCutShort(conversation);
  if ((!isSubset && !theirs.hasRefused) || isLaxer) throw new Error(`differ: ${JSON.stringify({ ours, theirs })}`);
}

/** The bytes end in the midst of a frame, or of a header block; `onFrame` is told type and flags of each frame. */
function isCutShort(conversation: Conversation, onFrame: (type: number, flags: number) => void = () => {}): boolean {
  const bytes = Buffer.from(conversation.join(''), 'latin1');
  let at = 0;
  let isWithinBlock = false;
  while (at + FRAME_HEADER_BYTES <= bytes.length) {
    const type = bytes[at + 3] as number;
    onFrame(type, bytes[at + 4] as number);
    const isBlock = type === FrameType.headers || type === FrameType.continuation;
    if (isBlock) isWithinBlock = ((bytes[at + 4] as number) & Flag.endHeaders) === 0;
    at += FRAME_HEADER_BYTES + bytes.readUIntBE(at, 3);
  }
  return at !== bytes.length || isWithinBlock;
}

/** A sound response is the same to both. */
export async function checkServerConversation(clients: Http2Clients, conversation: Conversation): Promise<void> {
  const [ours, theirs] = [await clients.ours(conversation), await clients.theirs(conversation)];
  if (ours === null || ours !== theirs) throw new Error(`differ: ${JSON.stringify({ ours, theirs })}`);
}

/** A broken one that we take as a whole response, node:http2 takes as the same. */
export async function checkBrokenServer(clients: Http2Clients, conversation: Conversation): Promise<void> {
  if (hasOddity(conversation)) return;
  const ours = await clients.ours(conversation);
  if (ours === null) return;
  const theirs = await clients.theirs(conversation);
  if (ours !== theirs) throw new Error(`differ: ${JSON.stringify({ ours, theirs })}`);
}

/**
 * Frames that RFC 9113 lets pass and node:http2 does not: ALTSVC (RFC 7838) and ORIGIN (RFC 8336), which it checks and we
 * ignore, and answers to a PING or to SETTINGS that nobody has sent.
 */
function hasOddity(conversation: Conversation): boolean {
  let isThere = false;
  isCutShort(conversation, (type, flags) => {
    const isAnswer = (type === FrameType.ping || type === FrameType.settings) && (flags & Flag.ack) !== 0;
    isThere ||= type === 0x0a || type === 0x0c || isAnswer;
  });
  return isThere;
}
