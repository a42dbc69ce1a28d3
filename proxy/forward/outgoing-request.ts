// The request as endpoints get it: its head, rendered once, and its body, held until it is sent, or passed on as it comes
// and kept for further attempts as far as that is worth the memory. A copy for a mirror is taken here too.
//
// Reused by its exchange: begin -> hold ... -> add ... -> endBody -> end. `sendOn` may come any number of times from the
// first `add` or the end on.

import type { RequestHead } from '../http/request-head.ts';
import type { IndexedRoute } from '../match/index.ts';
import type { RequestRecord } from '../observe/observer.ts';
import type { MirrorSettings } from '../table/route-settings.ts';
import type { ClientStream } from './client-stream.ts';
import type { CurrentTable, ProxyContext } from './context.ts';
import { CopiedFields } from './copied-fields.ts';
import { forwardingParts } from './forwarding.ts';
import { KeptBody } from './kept-body.ts';
import type { MirrorCopy } from './mirror.ts';
import type { RequestFacts } from './request-facts.ts';
import { RequestRenderer, withContentLength } from './request-text.ts';
import { mayRepeat } from './retry.ts';
import type { UpstreamStream, UpstreamUser } from './upstream-stream.ts';

export class OutgoingRequest {
  readonly #context: ProxyContext;
  readonly #client: ClientStream;
  readonly #record: RequestRecord;
  readonly #facts: RequestFacts;
  readonly #renderer = new RequestRenderer();
  readonly #kept: KeptBody;
  /** What was sent may be sent again. */
  #isWorthKeeping = false;
  /** Bytes that are this request's own, whatever others hold; 0: it is not read ahead. */
  #ownBytes = 0;
  /** As it is sent. */
  #isChunked = false;
  #readsAhead = false;
  /** The copy that gathers this request's body. */
  #copy: MirrorCopy | null = null;
  #copiedFields: CopiedFields | null = null;
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
    this.#kept = new KeptBody(context.bodies);
  }

  /** Renders the head, and begins the copy of a route with a mirror: `sendCopy` when there is an endpoint. */
  begin(route: IndexedRoute, current: CurrentTable): void {
    const { head } = this.#client;
    this.#bodyBytes = 0;
    this.#maxBodyBytes = route.policy.maxBodyBytes;
    this.#maxResponseHeadBytes = route.policy.maxResponseHeadBytes;
    this.#isBodyDone = !head.hasBody;
    this.#text = this.#render(head, current);
    const { mirror } = route.route;
    if (mirror !== null) this.#beginCopy(mirror, head.hasBody);
    this.#isChunked = head.isChunked;
    this.#readsAhead = false;
    if (head.hasBody) this.#beginBody(head, route);
    else this.#kept.begin(0);
  }

  #beginCopy(mirror: MirrorSettings, hasBody: boolean): void {
    this.#copiedFields ??= new CopiedFields();
    this.#copy = this.#context.mirrors.begin(mirror, this.#facts, this.#text, this.#copiedFields, hasBody);
  }

  #beginBody(head: RequestHead, { policy }: IndexedRoute): void {
    const { isHttp2 } = this.#context.pool.transports.of(policy, this.#client.isTls);
    // An HTTP/2 upstream can say that it has not processed a request, which may then be sent again whatever it is.
    this.#isWorthKeeping = mayRepeat(head.method, policy) || isHttp2;
    this.#ownBytes = policy.bufferRequestBytes;
    this.#kept.begin(this.#isWorthKeeping ? this.#ownBytes : 0);
    // What came with the head need not be waited for, only kept, unless it is more than is kept of what is sent.
    const isShort = head.contentLength >= 0 && head.contentLength <= this.#ownBytes;
    const isAtHand = this.#client.isBodyAtHand && (isShort || !this.#isWorthKeeping);
    // Over HTTP/2 both sides may talk at a time, and a slow client holds no connection.
    this.#readsAhead = this.#ownBytes > 0 && !isHttp2 && !isAtHand;
  }

  /** The body is to be read before an endpoint is picked: begin with `hold`. */
  get readsAhead(): boolean {
    return this.#readsAhead;
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

  /** A part of the body has come that is not sent yet. `full`: send it on from here. */
  hold(buf: Buffer, start: number, end: number): 'held' | 'full' | 'tooLarge' {
    if (!this.#count(end - start)) return 'tooLarge';
    this.#kept.hold(buf, start, end);
    this.#copy?.add(buf, start, end);
    return this.#kept.isFull(this.#ownBytes) ? 'full' : 'held';
  }

  /** A part of the body has come, and is sent. False: it is larger than the route allows. */
  add(buf: Buffer, start: number, end: number): boolean {
    if (!this.#count(end - start)) return false;
    this.#kept.add(buf, start, end);
    this.#copy?.add(buf, start, end);
    return true;
  }

  #count(bytes: number): boolean {
    this.#bodyBytes += bytes;
    this.#record.requestBytes += bytes;
    return this.#maxBodyBytes === null || this.#bodyBytes <= this.#maxBodyBytes;
  }

  /** `trailers`: lines behind the body that may be forwarded, each with CRLF; '' for none. */
  endBody(trailers: string): void {
    this.#isBodyDone = true;
    this.#trailers = trailers;
    this.#copy?.end();
  }

  /** All of it is held, nothing was sent: the Service gets its length, as from nginx, and need not know chunks. */
  endHolding(): void {
    // Only chunks have room for trailers.
    if (!this.#isChunked || this.#trailers !== '') return;
    this.#isChunked = false;
    this.#text = withContentLength(this.#text, this.#kept.length);
  }

  /** Sends the head, and what came of the body so far. False: wait for `onUpstreamDrain` of `user`. */
  sendOn(stream: UpstreamStream, user: UpstreamUser): boolean {
    const { head } = this.#client;
    const hasMore = this.#kept.length > 0 || this.#trailers !== '';
    const isComplete = this.#isBodyDone && !hasMore;
    stream.begin(user, this.#text, head.method === 'HEAD', this.#isChunked, isComplete, this.#maxResponseHeadBytes);
    return !hasMore || this.#sendKept(stream);
  }

  /** An endpoint has been picked for the request: its copy may go out as well. */
  sendCopy(): void {
    this.#copy?.release();
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
    if (mayGoOn && !this.#isWorthKeeping) this.#kept.letGo();
    if (this.#isBodyDone) stream.endBody(this.#trailers);
    return mayGoOn;
  }

  #render(head: RequestHead, current: CurrentTable): string {
    const parts = forwardingParts(head, this.#client, current, this.#facts.believed, this.#context.nextRequestId);
    this.#record.requestId = parts.requestId;
    this.#facts.requestId = parts.requestId;
    return this.#renderer.render(head, parts);
  }
}
