// Turns the fields of a response into a ResponseHead, as if it had come in HTTP/1.1, or says why it is no response.
//
// PURE. For an HTTP/2 connection to an upstream. An upstream is held to RFC 9113 §8.2 and §8.3.2: what is malformed (§8.1.1)
// is no response, so that nothing ambiguous reaches a client of either protocol version.

import { CHUNKED, type ResponseHead } from '../http/response-head.ts';
import { reasonPhrase } from '../http/status.ts';
import { type HeaderField, isPseudo, NameKind } from './header-field.ts';
import type { HeaderSink } from './hpack-decoder.ts';

/** As many fields as an HTTP/1.1 upstream may send. */
const MAX_FIELDS = 256;
/** The version, in front of what is forwarded of a status line. */
const VERSION_LENGTH = 'HTTP/1.1'.length;

export class ResponseFields implements HeaderSink {
  /** What is malformed, for logs; '' for nothing. */
  fault = '';
  #head: ResponseHead | null = null;
  #text = '';
  #count = 0;
  #status = -1;
  #length = -1;

  /** Starts a response whose fields go into `head`, which is reset. */
  begin(head: ResponseHead): void {
    head.reset();
    this.#head = head;
    this.fault = '';
    this.#text = '';
    this.#count = 0;
    this.#status = -1;
    this.#length = -1;
  }

  onField(field: HeaderField): void {
    if (!field.isValueValid) return this.#refuse('forbidden bytes in a value');
    if (isPseudo(field.name.kind)) return this.#pseudo(field);
    if (this.#status === -1) return this.#refuse('no :status');
    if (++this.#count > MAX_FIELDS) return this.#refuse('too many fields');
    this.#regular(field);
  }

  /** Checks the whole. True: the head is complete, with CHUNKED for a body of undeclared length. */
  finish(isTooLarge: boolean): boolean {
    if (isTooLarge) this.#refuse('header list too large');
    if (this.#status === -1) this.#refuse('no :status');
    // RFC 9113 §8.6: there is no switching of protocols.
    if (this.#status === 101) this.#refuse('status 101');
    if (this.fault !== '') return false;
    const head = this.#head as ResponseHead;
    head.text = `${this.#text}\r\n`;
    head.status = this.#status;
    head.minorVersion = 1;
    head.contentLength = this.#length === -1 ? CHUNKED : this.#length;
    return true;
  }

  #pseudo({ name, value }: HeaderField): void {
    if (name.text !== ':status') return this.#refuse('pseudo-header field of a request');
    if (this.#count > 0) return this.#refuse(':status behind other fields');
    if (this.#status !== -1) return this.#refuse('several :status');
    if (!/^[1-5]\d\d$/.test(value)) return this.#refuse('bad :status');
    this.#status = Number(value);
    const head = this.#head as ResponseHead;
    this.#text = `HTTP/1.1 ${value} ${reasonPhrase(this.#status)}\r\n`;
    head.statusLineStart = VERSION_LENGTH;
    head.statusLineEnd = this.#text.length - 2;
  }

  #regular({ name, value, line }: HeaderField): void {
    if (name.kind === NameKind.invalid) return this.#refuse('bad field name');
    if (name.kind === NameKind.connectionSpecific) return this.#refuse(`connection-specific field ${name.text}`);
    const head = this.#head as ResponseHead;
    const start = this.#text.length;
    const end = start + line.length;
    switch (name.text) {
      case 'content-length':
        return this.#contentLength(value);
      case 'te':
      case 'trailer':
      case 'proxy-authenticate':
      case 'x-accel-redirect':
      case 'x-accel-buffering':
      case 'x-accel-limit-rate':
      case 'x-accel-expires':
      case 'x-accel-charset':
        return;
      case 'server':
        head.serverLineStart = start;
        head.serverLineEnd = end;
        break;
      case 'strict-transport-security':
        head.hstsLineStart = start;
        head.hstsLineEnd = end;
        break;
      case 'date':
        head.hasDate = true;
        head.keep(start, end);
        break;
      default:
        head.keep(start, end);
    }
    this.#text += line;
  }

  #contentLength(value: string): void {
    // Several are refused even where equal, as in HTTP/1.1.
    if (this.#length !== -1 || !/^\d{1,15}$/.test(value)) return this.#refuse('bad content-length');
    this.#length = Number(value);
  }

  #refuse(fault: string): void {
    if (this.fault === '') this.fault = fault;
  }
}

/** Gathers a trailer section as HTTP/1.1 lines (RFC 9113 §8.1): no pseudo-header fields, otherwise as any fields. */
export class TrailerLines implements HeaderSink {
  /** Each with CRLF. */
  lines = '';
  isMalformed = false;

  begin(): void {
    this.lines = '';
    this.isMalformed = false;
  }

  onField({ name, isValueValid, line }: HeaderField): void {
    const { kind } = name;
    if (isPseudo(kind) || kind === NameKind.invalid || kind === NameKind.connectionSpecific || !isValueValid) {
      this.isMalformed = true;
    } else this.lines += line;
  }
}
