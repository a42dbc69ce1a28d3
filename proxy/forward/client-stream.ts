// What the forwarding core asks of a client stream, whatever protocol it speaks: HTTP/1.1 implements it in proxy/listen.
//
// A stream serves one request at a time. The core calls it from `Exchange.begin` to `finished`, which is the last call;
// between those two the stream must keep `head` as it is.

import type { Answer } from '../http/answer.ts';
import type { RequestHead } from '../http/request-head.ts';
import type { ResponseHead } from '../http/response-head.ts';
import type { ForwardingClient } from './forwarding.ts';

export interface ClientStream extends ForwardingClient {
  readonly head: RequestHead;
  /** Port of the client; 0 when the connection is gone. */
  readonly remotePort: number;
  /** The whole request body has come along with the head: `takeBody` gives it without waiting for the client. */
  readonly isBodyAtHand: boolean;
  /** The request body may be read now; asks for `100 Continue` to be sent where the client waits for it. */
  takeBody(): void;
  /** From here on the body need not come at `sluice-client-body-min-rate`: it is one side of a conversation. */
  liftBodyRate(): void;
  sendInformational(head: ResponseHead): void;
  /** False: a final head or 101 that this client's protocol has no way to pass on, which is the upstream's fault. */
  takesHead(head: ResponseHead): boolean;
  /** `addedLines`: header lines that come from us, each with CRLF; '' for none. */
  sendHead(head: ResponseHead, hasBody: boolean, addedLines: string): void;
  /** See `UpstreamUser.onResponseBody`. */
  sendBody(buf: Buffer, start: number, end: number): boolean;
  sendEnd(trailers: string): void;
  sendAnswer(answer: Answer): void;
  /** The response cannot be completed: the client must notice. */
  abortResponse(): void;
  /** From here on bytes go through `Exchange.onTunnelBytes`. `addedLines` as of `sendHead`. */
  beginTunnel(head: ResponseHead, addedLines: string): void;
  sendTunnelBytes(buf: Buffer, start: number, end: number, isOwned: boolean): boolean;
  endTunnel(): void;
  flush(): void;
  /** The exchange is over; the stream may start the next one. */
  finished(): void;
}
