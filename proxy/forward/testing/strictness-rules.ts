// The shape of a strictness rule: one attack, where it is forbidden, what Sluice answers, and the bytes that prove it.
//
// The rules are data so that three readers share them: the wire tests (one test per rule, named by it), the page
// docs/http-strictness.md, and whoever wants to try the same bytes on another proxy.

/** What every rule says about itself. */
export interface Rule {
  /** Names the attack; the test has the same name. Unique in its list. */
  readonly name: string;
  /** Where it is forbidden or described: RFC and section, or the CVE. */
  readonly source: string;
}

/** A request that is refused as a whole: no byte of it reaches an upstream. */
export interface RefusedRequest extends Rule {
  /** latin1. Another request follows it on the wire and must never be served. */
  readonly bytes: string;
  readonly status: number;
  /** Stable word of the metric `sluice_refused_requests_total`. */
  readonly reason: string;
}

/** A request whose head is fine and whose body is not: what the upstream gets of it is never a complete request. */
export interface BrokenBody extends Rule {
  /** Body bytes behind `Transfer-Encoding: chunked`, latin1. */
  readonly body: string;
}

/** A request that is served; what the upstream gets is compared byte by byte. */
export interface ForwardedRequest extends Rule {
  readonly bytes: string;
  /** Request line without version, e.g. `GET /x`. Default: `GET /`. */
  readonly line?: string;
  /** Host sent upstream. Default `a`. */
  readonly host?: string;
  /** Header lines of the client that go on, each with CRLF. Default none. */
  readonly kept?: string;
  /** Lines behind the forwarding headers, each with CRLF. Default none. */
  readonly added?: string;
  /** Body bytes, as framed for the upstream. Default none. */
  readonly body?: string;
}

/** A path that means a protected one, in disguise. */
export interface DisguisedPath extends Rule {
  readonly target: string;
  /** True: the protected route answers. False: it is another resource for nginx too, and the open route gets `target`. */
  readonly isProtected: boolean;
}

/** A response that is not passed on. */
export interface RefusedResponse extends Rule {
  /** All that the upstream sends, latin1. */
  readonly bytes: string;
  /** What the upstream connection noted, shown in logs. */
  readonly reason: 'upstreamFault' | 'upstreamTruncated' | 'upstreamClosed';
}

/** A response that is cut amid its body: the client sees a reset, never a complete message. */
export interface CutResponse extends Rule {
  readonly bytes: string;
  /** Body bytes that the client may have seen, chunk framing removed. */
  readonly delivered: string;
}

/** A response that is passed on, but whose connection nobody may use again. */
export interface SpoiledConnection extends Rule {
  readonly method?: 'GET' | 'HEAD';
  readonly bytes: string;
  /** All that the client gets behind the head, chunk framing included. */
  readonly body: string;
}
