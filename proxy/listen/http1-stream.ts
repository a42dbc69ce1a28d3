// What an HTTP/1.1 client connection needs from the first byte of a request to the end of its response, and the answers.
//
//   free -> attached to a connection (take) -> one or more requests -> free (give)
// A waiting connection owns none of this: it is most of a connection's memory. Reading, state and time limits are the
// connection's (StreamHost); this side is the exchange's ClientStream and writes what it is told into the host's writer.

import type { ClientStream } from '../forward/client-stream.ts';
import type { ProxyContext } from '../forward/context.ts';
import { Exchange } from '../forward/exchange.ts';
import { type Answer, answerBody, answerOf } from '../http/answer.ts';
import type { RequestHead } from '../http/request-head.ts';
import { RequestParser } from '../http/request-parser.ts';
import type { ResponseHead } from '../http/response-head.ts';
import { BodyPace, bodyGraceMs } from './body-pace.ts';
import { HeadStash } from './head-stash.ts';
import type { Peer } from './peers.ts';
import { RequestBody } from './request-body.ts';
import { ResponseSender } from './response-sender.ts';
import type { SocketWriter } from './socket-writer.ts';

/** The connection as its stream sees it. */
export interface StreamHost {
  readonly peer: Peer;
  /** Of the client; 0 when its connection is gone. */
  readonly remotePort: number;
  readonly writer: SocketWriter;
  /** The request body may be read now. */
  readBody(): void;
  /** The rest of the request body may come as slowly as it likes. */
  bodyRateLifted(): void;
  /** Response bytes wait for the client. */
  responseStalled(): void;
  tunnelBegun(): void;
  /** Sends an orderly end behind what was written. */
  endWriting(): void;
  /** Closes; with a reset where the client could take what it has for a complete response. */
  cutResponse(isHeadSent: boolean): void;
  /** The response is complete. `isLast`: no further request is read. */
  requestFinished(isLast: boolean): void;
}

export class Http1Stream implements ClientStream {
  readonly parser = new RequestParser();
  readonly body = new RequestBody();
  readonly pace = new BodyPace();
  readonly stash = new HeadStash();
  readonly exchange: Exchange;
  isTls = false;
  remoteAddress = '';
  localPort = 0;
  forwardedLines = '';
  readonly #context: ProxyContext;
  readonly #sender: ResponseSender;
  #host: StreamHost | null = null;
  #keepAlive = true;
  #wantsContinue = false;
  isBodyAtHand = false;
  #bytesOutBefore = 0;

  constructor(context: ProxyContext) {
    this.#context = context;
    this.#sender = new ResponseSender(context);
    this.exchange = new Exchange(context, this);
  }

  get head(): RequestHead {
    return this.parser.head;
  }

  get remotePort(): number {
    return this.#host?.remotePort ?? 0;
  }

  /** Attaches it to a connection. */
  attach(host: StreamHost): void {
    const { peer } = host;
    this.#host = host;
    this.isTls = peer.isTls;
    this.remoteAddress = peer.remoteAddress;
    this.localPort = peer.localPort;
    this.forwardedLines = peer.forwardedLines;
    this.#sender.attach(host.writer, peer.isTls);
  }

  /** Makes it free again: nothing of the connection and its last request stays linked. */
  detach(): void {
    this.#host = null;
    this.stash.clear();
    this.exchange.close();
    this.#sender.detach();
  }

  /** A request's first byte has come. */
  beginRequest(): void {
    this.parser.reset();
    this.#bytesOutBefore = this.#writer().bytesOut;
  }

  /**
   * The head is complete, and `bytesBehind` it were read with it. `mayKeepAlive`: the connection takes further requests.
   * The answer may come within this call.
   */
  beginExchange(mayKeepAlive: boolean, bytesBehind: number): void {
    const { head } = this.parser;
    this.isBodyAtHand = head.contentLength >= 0 && head.contentLength <= bytesBehind;
    this.#sender.begin();
    this.#wantsContinue = head.expectContinue && head.hasBody && head.minorVersion === 1;
    const wants = head.minorVersion === 1 ? !head.connection.close : head.connection.keepAlive;
    this.#keepAlive = wants && mayKeepAlive;
    this.body.begin(head.contentLength);
    if (head.hasBody) {
      const { peerLimits, clientBodyTimeoutMs } = this.#context.current.global;
      this.pace.begin(peerLimits.minBodyRate, bodyGraceMs(clientBodyTimeoutMs));
    }
    this.exchange.begin();
  }

  /** Answers a head that is no request; the connection must end, since nobody knows where the next one would begin. */
  refuse(status: number, reason: string): void {
    this.#keepAlive = false;
    this.#sender.begin();
    this.exchange.record.beginUnrouted(this.remoteAddress, this.#context.current.revision, status, reason);
    this.sendAnswer(answerOf(status, reason));
    this.#observe(true);
    this.flush();
  }

  /** The framing of the request's body is broken: no further request can be found behind it. */
  giveUpKeepAlive(): void {
    this.#keepAlive = false;
  }

  // ---- ClientStream

  takeBody(): void {
    if (this.#wantsContinue) {
      this.#wantsContinue = false;
      this.#sender.sendContinue();
      this.flush();
    }
    this.#host?.readBody();
  }

  liftBodyRate(): void {
    this.pace.lift();
    this.#host?.bodyRateLifted();
  }

  sendInformational(head: ResponseHead): void {
    this.#sender.sendInformational(head);
  }

  sendHead(head: ResponseHead, hasBody: boolean, addedLines: string): void {
    if (this.#sender.chooseFraming(head, hasBody, this.head.minorVersion)) this.#keepAlive = false;
    this.#sender.sendHead(head, this.#connectionValue(), addedLines);
    if (!this.body.isDone) this.liftBodyRate();
  }

  sendBody(buf: Buffer, start: number, end: number): boolean {
    this.exchange.record.responseBodyBytes += end - start;
    this.#sender.sendBody(buf, start, end);
    if (!this.#writer().isBlocked) return true;
    this.#host?.responseStalled();
    return false;
  }

  sendEnd(trailers: string): void {
    this.#sender.sendEnd(trailers, this.head.acceptsTrailers);
  }

  sendAnswer(answer: Answer): void {
    if (this.#sender.isHeadSent) return this.abortResponse();
    const isHead = this.head.method === 'HEAD';
    if (!isHead) this.exchange.record.answerBodyBytes = answerBody(answer).length;
    this.#sender.sendAnswer(answer, this.#connectionValue(), isHead);
  }

  abortResponse(): void {
    this.#keepAlive = false;
    this.#host?.cutResponse(this.#sender.isHeadSent);
  }

  takesHead(): boolean {
    return true;
  }

  beginTunnel(head: ResponseHead, addedLines: string): void {
    this.#keepAlive = false;
    this.#sender.sendTunnelHead(head, addedLines);
    this.flush();
    this.#host?.tunnelBegun();
  }

  sendTunnelBytes(buf: Buffer, start: number, end: number, isOwned: boolean): boolean {
    const writer = this.#writer();
    writer.addCopiedBytes(buf, start, end, isOwned);
    writer.flushSoon();
    if (!writer.isBlocked) return true;
    this.#host?.responseStalled();
    return false;
  }

  endTunnel(): void {
    this.#host?.endWriting();
  }

  flush(): void {
    this.#host?.writer.flushSoon();
  }

  finished(): void {
    this.#observe(false);
    this.#host?.requestFinished(!this.body.isDone || !this.#keepAlive || this.#context.isDraining);
  }

  /** A response that starts before its request has ended is the last one: nobody waits for the rest of that request. */
  #connectionValue(): string {
    if (this.#context.isDraining || !this.body.isDone) this.#keepAlive = false;
    if (!this.#keepAlive) return 'close';
    return this.head.minorVersion === 0 ? 'keep-alive' : '';
  }

  #writer(): SocketWriter {
    return (this.#host as StreamHost).writer;
  }

  #observe(isRefused: boolean): void {
    const { bytesOut } = this.#writer();
    this.exchange.record.report(this.#context.observer, this, bytesOut - this.#bytesOutBefore, isRefused);
    this.#bytesOutBefore = bytesOut;
  }
}

/** Free streams kept for the next request; as many connections can be busy at a time without making a new one. */
const MAX_FREE = 1024;

/** The streams of one worker. */
export class Http1Streams {
  readonly #context: ProxyContext;
  readonly #free: Http1Stream[] = [];
  /** Connections cut between requests, since their clients took nothing of waiting responses for the time limit. */
  stalledConnections = 0;

  constructor(context: ProxyContext) {
    this.#context = context;
  }

  /** Streams that wait for a request. */
  get freeCount(): number {
    return this.#free.length;
  }

  take(host: StreamHost): Http1Stream {
    const stream = this.#free.pop() ?? new Http1Stream(this.#context);
    stream.attach(host);
    return stream;
  }

  /** Takes a stream back whose exchange is over. */
  give(stream: Http1Stream): void {
    stream.detach();
    if (this.#free.length < MAX_FREE) this.#free.push(stream);
  }
}
