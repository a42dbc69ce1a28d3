// Writes the response of one HTTP/2 stream: heads, the proxy's own answers, what a tunnel begins with.
//
// In: parsed response heads, answers. Out: header sections and payload in the stream's Http2Sending. Whether anything may
// still be sent is the stream's matter.

import type { ProxyContext } from '../forward/context.ts';
import { renderInformational, renderResponseAgain } from '../forward/response-text.ts';
import { type Answer, renderAnswer } from '../http/answer.ts';
import type { ResponseHead } from '../http/response-head.ts';
import type { Http2Sending } from './http2-sending.ts';

export class Http2Response {
  /** The final response head is sent: from then on it cannot be replaced by another answer. */
  isHeadSent = false;
  readonly #context: ProxyContext;
  readonly #sending: Http2Sending;
  #isTls = false;

  constructor(context: ProxyContext, sending: Http2Sending) {
    this.#context = context;
    this.#sending = sending;
  }

  /** Begins anew. */
  open(isTls: boolean): void {
    this.#isTls = isTls;
    this.isHeadSent = false;
  }

  sendContinue(): void {
    this.#sending.headers(100, '', 0, false);
  }

  sendInformational(head: ResponseHead): void {
    this.#send(head.status, renderInformational(head));
  }

  /** `status` instead of the upstream's own, where HTTP/2 has another word for it. */
  sendHead(head: ResponseHead, addedLines: string, status = head.status): void {
    const { current, dateLine } = this.#context;
    this.isHeadSent = true;
    const text = renderResponseAgain(head, {
      framing: 'none',
      dateLine,
      commonLines: (this.#isTls ? current.tlsLines : current.plainLines) + addedLines,
      passServer: current.global.allowBackendServerHeader,
      passHsts: !this.#isTls || current.global.hstsValue === null,
      connection: '',
    });
    this.#send(status, text);
  }

  /** The head of an answer of ours; gives its body, which follows. */
  sendAnswer(answer: Answer, isHead: boolean): Buffer | null {
    const { current, dateLine } = this.#context;
    this.isHeadSent = true;
    const text = renderAnswer(answer, `${dateLine}${this.#isTls ? current.tlsLines : current.plainLines}`, isHead);
    const bodyStart = text.indexOf('\r\n\r\n') + 4;
    this.#send(answer.status, text);
    return bodyStart < text.length ? Buffer.from(text.slice(bodyStart), 'latin1') : null;
  }

  /** `text` begins with a status line, which HTTP/2 does not have. */
  #send(status: number, text: string): void {
    this.#sending.headers(status, text, text.indexOf('\n') + 1, false);
  }
}
