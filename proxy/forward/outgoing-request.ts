// The request as endpoints get it: its head, rendered once, and its body, passed on as it comes and kept for further
// attempts as far as that is worth the memory. A copy for a mirror is taken here too.
//
// Reused by its exchange: begin -> add ... -> endBody -> end. `sendOn` may come any number of times in between.

import type { RequestHead } from '../http/request-head.ts';
import type { IndexedRoute } from '../match/index.ts';
import type { RequestRecord } from '../observe/observer.ts';
import type { ClientStream } from './client-stream.ts';
import type { CurrentTable, ProxyContext } from './context.ts';
import { forwardingParts } from './forwarding.ts';
import { KeptBody } from './kept-body.ts';
import type { MirrorCopy } from './mirror.ts';
import type { RequestFacts } from './request-facts.ts';
import { RequestRenderer } from './request-text.ts';
import { mayRepeat } from './retry.ts';
import type { UpstreamStream, UpstreamUser } from './upstream-stream.ts';

export class OutgoingRequest {
  readonly #context: ProxyContext;
  readonly #client: ClientStream;
  readonly #record: RequestRecord;
  readonly #facts: RequestFacts;
  readonly #renderer = new RequestRenderer();
  readonly #kept = new KeptBody();
  /** The copy that gathers this request's body. */
  #copy: MirrorCopy | null = null;
  #text = '';
  #bodyBytes = 0;
  #maxBodyBytes: number | null = null;
  #maxResponseHeadBytes = 0;
  #isBodyDone = false;
  #trailers = '';

  constructor(context: ProxyContext, client: ClientStream, record: RequestRecord, facts: RequestFacts) {
    this.#context = context;
    this.#client = client;
    this.#record = record;
    this.#facts = facts;
  }

  /** Renders the head, and begins the copy of a route with a mirror. */
  begin(route: IndexedRoute, current: CurrentTable): void {
    const { head } = this.#client;
    this.#bodyBytes = 0;
    this.#maxBodyBytes = route.policy.maxBodyBytes;
    this.#maxResponseHeadBytes = route.policy.maxResponseHeadBytes;
    this.#isBodyDone = !head.hasBody;
    this.#text = this.#render(head, current);
    const { mirror } = route.route;
    if (mirror !== null) this.#copy = this.#context.mirrors.begin(mirror, this.#facts, this.#text, head.hasBody);
    this.#kept.begin(head.hasBody ? this.#keptBytes(head, route) : 0);
  }

  /** The client has sent all of it. */
  get isBodyDone(): boolean {
    return this.#isBodyDone;
  }

  /** Whatever of the body came so far can be sent to another endpoint. */
  get canSendAgain(): boolean {
    return this.#kept.isWhole;
  }

  /** It is complete, and all of it is at hand: a second attempt may be sent beside the first. */
  get isWhole(): boolean {
    return this.#isBodyDone && this.#kept.isWhole;
  }

  /** A part of the body has come. False: it is larger than the route allows. */
  add(buf: Buffer, start: number, end: number): boolean {
    this.#bodyBytes += end - start;
    this.#record.requestBytes += end - start;
    if (this.#maxBodyBytes !== null && this.#bodyBytes > this.#maxBodyBytes) return false;
    this.#kept.add(buf, start, end);
    this.#copy?.add(buf, start, end);
    return true;
  }

  /** `trailers`: lines behind the body that may be forwarded, each with CRLF; '' for none. */
  endBody(trailers: string): void {
    this.#isBodyDone = true;
    this.#trailers = trailers;
    this.#copy?.end();
  }

  /** Sends the head, and what came of the body so far. False: wait for `onUpstreamDrain` of `user`. */
  sendOn(stream: UpstreamStream, user: UpstreamUser): boolean {
    const { head } = this.#client;
    const hasMore = this.#kept.length > 0 || this.#trailers !== '';
    const isComplete = this.#isBodyDone && !hasMore;
    stream.begin(user, this.#text, head.method === 'HEAD', head.isChunked, isComplete, this.#maxResponseHeadBytes);
    return !hasMore || this.#sendKept(stream);
  }

  /** The request is over, however it ended: an idle client connection keeps nothing of it. */
  end(): void {
    this.#kept.clear();
    this.#text = '';
    this.#trailers = '';
    if (this.#copy === null) return;
    this.#copy.requestEnded();
    this.#copy = null;
  }

  #sendKept(stream: UpstreamStream): boolean {
    const mayGoOn = this.#kept.sendTo(stream);
    if (this.#isBodyDone) stream.endBody(this.#trailers);
    return mayGoOn;
  }

  #render(head: RequestHead, current: CurrentTable): string {
    const parts = forwardingParts(head, this.#client, current, this.#facts.believed, this.#context.nextRequestId);
    this.#record.requestId = parts.requestId;
    this.#facts.requestId = parts.requestId;
    return this.#renderer.render(head, parts);
  }

  /** An HTTP/2 upstream can say that it has not processed a request, which may then be sent again whatever it is. */
  #keptBytes(head: RequestHead, { policy }: IndexedRoute): number {
    const { transports } = this.#context.pool;
    const isWorthIt = mayRepeat(head.method, policy) || transports.of(policy, this.#client.isTls).isHttp2;
    return isWorthIt ? policy.bufferRequestBytes : 0;
  }
}
