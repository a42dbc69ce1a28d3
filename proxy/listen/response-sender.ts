// Writes the responses of one HTTP/1.1 client connection: heads, body framing, the proxy's own answers.
//
// In: parsed response heads, payload, answers. Out: bytes in the connection's SocketWriter. Whether the connection stays
// open is decided by the connection; this file only says so in the head.

import type { ProxyContext } from '../forward/context.ts';
import {
  type BodyFraming,
  framingOf,
  type ResponseTextParts,
  renderInformational,
  renderLines,
  renderResponseAgain,
} from '../forward/response-text.ts';
import { type Answer, renderAnswer } from '../http/answer.ts';
import { filterTrailers } from '../http/chunked.ts';
import type { ResponseHead } from '../http/response-head.ts';
import type { SocketWriter } from './socket-writer.ts';

export class ResponseSender {
  /** True once a byte of the final response head is out: from then on it cannot be replaced by another answer. */
  isHeadSent = false;
  readonly #context: ProxyContext;
  #attached: SocketWriter | null = null;
  #isTls = false;
  #framing: BodyFraming = 'none';

  constructor(context: ProxyContext) {
    this.#context = context;
  }

  /** Writes to this connection from here on. */
  attach(writer: SocketWriter, isTls: boolean): void {
    this.#attached = writer;
    this.#isTls = isTls;
  }

  detach(): void {
    this.#attached = null;
  }

  /** Makes ready for the response to the next request. */
  begin(): void {
    this.isHeadSent = false;
    this.#framing = 'none';
  }

  sendContinue(): void {
    this.#writer().addText('HTTP/1.1 100 Continue\r\n\r\n');
  }

  sendInformational(head: ResponseHead): void {
    this.#writer().addText(renderInformational(head));
  }

  /** Chooses how the body goes out. True when the body ends with the connection, which therefore must close. */
  chooseFraming(head: ResponseHead, hasBody: boolean, clientMinorVersion: number): boolean {
    this.#framing = framingOf(head, hasBody, clientMinorVersion);
    return this.#framing === 'untilClose';
  }

  /** `connection` is the value of the Connection header, `addedLines` are further lines; '' for none. */
  sendHead(head: ResponseHead, connection: string, addedLines: string): void {
    this.isHeadSent = true;
    this.#writer().addText(renderResponseAgain(head, this.#parts(connection), addedLines));
  }

  /** The 101 names the protocol it switches to, which other responses do not forward (RFC 9110 §7.8). */
  sendTunnelHead(head: ResponseHead, addedLines: string): void {
    this.isHeadSent = true;
    this.#framing = 'none';
    const upgrade = head.upgradeLineStart === -1 ? '' : head.text.slice(head.upgradeLineStart, head.upgradeLineEnd);
    this.#writer().addText(`${renderLines(head, this.#parts('upgrade'))}${addedLines}${upgrade}\r\n`);
  }

  sendBody(buf: Buffer, start: number, end: number): void {
    if (this.#framing === 'chunked') this.#writer().addChunk(buf, start, end);
    else this.#writer().addBytes(buf, start, end);
  }

  sendEnd(trailers: string, acceptsTrailers: boolean): void {
    if (this.#framing !== 'chunked') return;
    this.#writer().addText(`0\r\n${acceptsTrailers ? filterTrailers(trailers) : ''}\r\n`);
  }

  sendAnswer(answer: Answer, connection: string, isHead: boolean): void {
    this.isHeadSent = true;
    const { current, dateLine } = this.#context;
    const common = this.#isTls ? current.tlsLines : current.plainLines;
    const closing = connection === '' ? '' : `Connection: ${connection}\r\n`;
    this.#writer().addText(renderAnswer(answer, `${dateLine}${common}${closing}`, isHead));
  }

  /** No accessor: reading a private one is a call into the runtime, also in optimized code. */
  #writer(): SocketWriter {
    return this.#attached as SocketWriter;
  }

  #parts(connection: string): ResponseTextParts {
    const { current, dateLine } = this.#context;
    return {
      framing: this.#framing,
      dateLine,
      commonLines: this.#isTls ? current.tlsLines : current.plainLines,
      passServer: current.global.allowBackendServerHeader,
      passHsts: !this.#isTls || current.global.hstsValue === null,
      connection,
    };
  }
}
