// Limits of what an HTTP/1.1 upstream may send before and behind a body.
//
// The head's limit is a setting of the route (`proxy-buffer-size`), and connections serve many routes: each size has one
// object, since the parser recognises a repeated head only under the very limits that it was parsed with.

import type { HeadLimits } from '../http/head-scanner.ts';

/** Sizes remembered; all are forgotten when there are more. */
const MAX_SIZES = 64;

/** The limits of heads of one size. */
export interface ResponseHeadLimits {
  /** As the setting says it: the whole head. */
  readonly bytes: number;
  readonly limits: HeadLimits;
}

/** Of the trailers behind a chunked body. nginx has no limit to compare with. */
export const TRAILER_LIMITS: HeadLimits = {
  maxRequestLineBytes: 0,
  maxHeaderLineBytes: 16 * 1024,
  maxHeadBytes: 64 * 1024,
  maxHeaderCount: 256,
  allowUnderscoreHeaders: true,
  allowUnusualHeaders: true,
};

/** Of a connection that has sent no request. */
export const NO_HEAD: ResponseHeadLimits = { bytes: -1, limits: TRAILER_LIMITS };

/** The CRLF of the last line and the empty line, which nginx counts and the parser's limit does not. */
const END_BYTES = 4;

export class ResponseLimits {
  readonly #bySize = new Map<number, ResponseHeadLimits>();

  /** Limits of a head of `bytes` in all. One line may fill it: large cookies are why users raise it. */
  of(bytes: number): ResponseHeadLimits {
    let known = this.#bySize.get(bytes);
    if (known === undefined) {
      const most = Math.max(0, bytes - END_BYTES);
      known = { bytes, limits: { ...TRAILER_LIMITS, maxHeaderLineBytes: most, maxHeadBytes: most } };
      if (this.#bySize.size >= MAX_SIZES) this.#bySize.clear();
      this.#bySize.set(bytes, known);
    }
    return known;
  }
}
