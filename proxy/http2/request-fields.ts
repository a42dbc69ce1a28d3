// Turns the fields of one request into a RequestHead, as if it had come in HTTP/1.1, or says why it is no request.
//
// PURE. Everything of RFC 9113 §8.2 and §8.3 is checked here, before anything reaches an origin. What makes a request
// malformed (§8.1.1) is answered with a reset; what HTTP/1.1 would answer with a status is answered with that status.
// The head's text is the request in HTTP/1.1 form, made of lines that were rendered when they were decoded.

import { type HostName, parseAuthority } from '../http/authority.ts';
import { TARGET } from '../http/bytes.ts';
import { Field } from '../http/field-names.ts';
import { type HeadFault, type HeadLimits, isNameForwarded } from '../http/head-scanner.ts';
import { isMethod } from '../http/method.ts';
import type { RequestHead, TextRange } from '../http/request-head.ts';
import { normalizePath, type RequestPath } from '../http/request-path.ts';
import { type HeaderField, isPseudo, NameKind } from './header-field.ts';
import type { HeaderSink } from './hpack-decoder.ts';
import { DEFAULT_URGENCY, type Priority, readPriority } from './priority.ts';

/** `malformed`: RFC 9113 §8.1.1, a stream error. The others have a status. */
export type RequestFault = HeadFault | 'malformed';

/** Method and version around the path in the request line, for the limit on its length. */
const REQUEST_LINE_EXTRA = ' '.length + ' HTTP/2.0'.length;

export class RequestFields implements HeaderSink, Priority {
  fault: RequestFault | null = null;
  /** What is malformed, for people. */
  detail = '';
  urgency = DEFAULT_URGENCY;
  isIncremental = false;
  /** Extended CONNECT for WebSocket (RFC 8441). */
  isWebSocket = false;
  /** The declared content-length, -1 when there is none. */
  declaredLength = -1;
  #head: RequestHead | null = null;
  #limits: HeadLimits | null = null;
  #method: string | null = null;
  #scheme: string | null = null;
  #authority: string | null = null;
  #path: string | null = null;
  #protocol: string | null = null;
  #host: string | null = null;
  #cookie: string | null = null;
  #text = '';
  #count = 0;
  // The last Host and path of this connection with what they came to: both repeat from request to request.
  #lastRawHost = '';
  #lastHost = '' as HostName;
  #lastRawPath = '';
  #lastPath: RequestPath | null = null;

  /** Starts a request whose fields go into `head`, which is reset. */
  begin(head: RequestHead, limits: HeadLimits): void {
    head.reset();
    head.trustedRuns.length = 0;
    this.#head = head;
    this.#limits = limits;
    this.fault = null;
    this.detail = '';
    this.urgency = DEFAULT_URGENCY;
    this.isIncremental = false;
    this.isWebSocket = false;
    this.declaredLength = -1;
    this.#method = null;
    this.#scheme = null;
    this.#authority = null;
    this.#path = null;
    this.#protocol = null;
    this.#host = null;
    this.#cookie = null;
    this.#text = '';
    this.#count = 0;
  }

  onField(field: HeaderField): void {
    const { name } = field;
    if (!field.isValueValid) return this.#malformed('forbidden bytes in a value');
    if (isPseudo(name.kind)) return this.#pseudo(name.kind, field.value);
    const limits = this.#limits as HeadLimits;
    if (field.line.length - 2 > limits.maxHeaderLineBytes) return this.#refuse('headersTooLarge');
    if (++this.#count > limits.maxHeaderCount) return this.#refuse('tooManyHeaders');
    // Pseudo-header fields come first (§8.3), so the request line is known with the first other field.
    if (this.#text === '') this.#text = this.#requestLine();
    this.#regular(name.kind, field);
  }

  /**
   * Checks the whole. `hasBody`: DATA will follow; `isTooLarge`: the list went beyond its limit. `webSocketKey` makes the
   * Sec-WebSocket-Key for the HTTP/1.1 handshake of an extended CONNECT. On success the head is complete.
   */
  finish(hasBody: boolean, isTooLarge: boolean, webSocketKey: () => string): boolean {
    if (isTooLarge) this.#refuse('headersTooLarge');
    if (this.#text === '') this.#text = this.#requestLine();
    this.#checkPseudo();
    if (this.fault === null && this.#method === 'CONNECT') this.#connect(webSocketKey);
    const head = this.#head as RequestHead;
    if (this.#cookie !== null) this.#keepText(`cookie: ${this.#cookie}\r\n`);
    head.text = `${this.#text}\r\n`;
    head.minorVersion = 1;
    this.#finishLength(head, hasBody && !this.isWebSocket);
    if (this.fault === null) this.#finishHost(head);
    if (this.fault === null) this.#finishPath(head);
    return this.fault === null;
  }

  #pseudo(kind: number, value: string): void {
    if (this.#text !== '') return this.#malformed('pseudo-header field behind other fields');
    switch (kind) {
      case NameKind.method:
        if (this.#method !== null) return this.#malformed('several :method');
        this.#method = value;
        return;
      case NameKind.scheme:
        if (this.#scheme !== null) return this.#malformed('several :scheme');
        this.#scheme = value;
        return;
      case NameKind.authority:
        if (this.#authority !== null) return this.#malformed('several :authority');
        this.#authority = value;
        return;
      case NameKind.path:
        if (this.#path !== null) return this.#malformed('several :path');
        this.#path = value;
        return;
      case NameKind.protocol:
        if (this.#protocol !== null) return this.#malformed('several :protocol');
        this.#protocol = value;
        return;
      default:
        return this.#malformed('unknown pseudo-header field');
    }
  }

  #requestLine(): string {
    return `${this.#method ?? ''} ${this.#path ?? ''} HTTP/2.0\r\n`;
  }

  #regular(kind: number, field: HeaderField): void {
    const head = this.#head as RequestHead;
    switch (kind) {
      case Field.other:
        if (isNameForwarded(field.name.classes, this.#limits as HeadLimits)) this.#keepText(field.line);
        return;
      case NameKind.invalid:
        return this.#malformed('bad field name');
      case NameKind.connectionSpecific:
        return this.#malformed('connection-specific field');
      case NameKind.cookie:
        // Cookie may come in crumbs, which HTTP/1.1 does not know (§8.2.3).
        this.#cookie = this.#cookie === null ? field.value : `${this.#cookie}; ${field.value}`;
        return;
      case NameKind.priority:
        readPriority(field.value, this);
        return this.#keepText(field.line);
      case Field.host:
        if (this.#host !== null) return this.#refuse('severalHosts');
        this.#host = field.value;
        return;
      case Field.contentLength:
        return this.#contentLength(field.value);
      case Field.te:
        // §8.2.2: nothing but trailers.
        if (field.value.toLowerCase() !== 'trailers') return this.#malformed('te other than trailers');
        head.acceptsTrailers = true;
        return;
      case Field.expect:
        if (field.value.toLowerCase() !== '100-continue') return this.#refuse('badExpect');
        head.expectContinue = true;
        return;
      case Field.trustedOnly: {
        const start = this.#text.length;
        this.#text += field.line;
        head.trustedRuns.push(start, this.#text.length);
        return;
      }
      default:
        return this.#named(kind, field, head);
    }
  }

  /** Fields whose value the proxy reads later. */
  #named(kind: number, field: HeaderField, head: RequestHead): void {
    switch (kind) {
      case Field.xForwardedFor:
        head.keepEarlierForwardedFor();
        return this.#note(head.xForwardedFor, field);
      case Field.xForwardedHost:
        return this.#noteFirst(head.xForwardedHost, field);
      case Field.xForwardedProto:
        return this.#noteFirst(head.xForwardedProto, field);
      case Field.xForwardedPort:
        return this.#noteFirst(head.xForwardedPort, field);
      case Field.xRequestId:
        return this.#note(head.xRequestId, field);
      case Field.referer:
        this.#note(head.referer, field);
        return head.keep(this.#text.length - field.line.length, this.#text.length);
      case Field.userAgent:
        this.#note(head.userAgent, field);
        return head.keep(this.#text.length - field.line.length, this.#text.length);
      case Field.authorization:
        this.#note(head.authorization, field);
        return head.keep(this.#text.length - field.line.length, this.#text.length);
      case Field.hopByHop:
      case Field.ownForwarding:
      case Field.httpoxy:
        return;
      default:
        // A name that only responses or later additions give a meaning to.
        return this.#keepText(field.line);
    }
  }

  /** Puts the line into the text, without forwarding it, and notes where its value is. */
  #note(range: TextRange, field: HeaderField): void {
    const start = this.#text.length + field.name.text.length + 2;
    this.#text += field.line;
    range.set(start, start + field.value.length);
  }

  /** Several lines are one list, of which the first entry counts. */
  #noteFirst(range: TextRange, field: HeaderField): void {
    if (range.start === -1) this.#note(range, field);
  }

  #keepText(line: string): void {
    const start = this.#text.length;
    this.#text += line;
    (this.#head as RequestHead).keep(start, this.#text.length);
  }

  #contentLength(value: string): void {
    // Several are refused even where equal, as in HTTP/1.1.
    if (this.declaredLength !== -1 || !/^\d{1,15}$/.test(value)) return this.#malformed('bad content-length');
    this.declaredLength = Number(value);
  }

  /** §8.3.1, and RFC 8441 §4 for CONNECT. */
  #checkPseudo(): void {
    const method = this.#method;
    if (method === null || method === '') return this.#malformed('no :method');
    if (!isToken(method)) return this.#malformed('bad :method');
    if (!isMethod(method)) return this.#refuse('badMethod');
    if (method === 'CONNECT' && this.#protocol === null) {
      if (this.#scheme !== null || this.#path !== null || this.#authority === null) {
        return this.#malformed('CONNECT with :scheme or :path, or without :authority');
      }
      return this.#refuse('methodNotAllowed');
    }
    if (method !== 'CONNECT' && this.#protocol !== null) return this.#malformed(':protocol without CONNECT');
    if (this.#scheme === null) return this.#malformed('no :scheme');
    if (this.#path === null || this.#path === '') return this.#malformed('no :path');
    const scheme = this.#scheme.toLowerCase();
    if (scheme !== 'http' && scheme !== 'https') return this.#malformed('bad :scheme');
    if (method === 'TRACE') return this.#refuse('methodNotAllowed');
  }

  /** Extended CONNECT becomes the GET with Upgrade that RFC 6455 §4.1 describes (RFC 8441 §5). */
  #connect(webSocketKey: () => string): void {
    if (this.#authority === null) return this.#malformed('extended CONNECT without :authority');
    // Other protocols are unknown to HTTP/1.1 upstreams (RFC 8441 §4: 501 or any other error).
    if (this.#protocol !== 'websocket') return this.#refuse('methodNotAllowed');
    const head = this.#head as RequestHead;
    this.isWebSocket = true;
    head.connection.upgrade = true;
    const start = this.#text.length + 'upgrade: '.length;
    this.#text += 'upgrade: websocket\r\n';
    head.upgrade.set(start, start + 'websocket'.length);
    this.#keepText(`sec-websocket-key: ${webSocketKey()}\r\n`);
  }

  #finishLength(head: RequestHead, hasBody: boolean): void {
    const declared = this.declaredLength;
    head.method = this.isWebSocket ? 'GET' : (this.#method ?? '');
    head.requestLineEnd = Math.max(0, this.#text.indexOf('\r'));
    if (!hasBody) {
      // §8.1.1: a declared length that DATA frames cannot add up to.
      if (declared > 0 && !this.isWebSocket) this.#malformed('content-length without a body');
      head.contentLength = 0;
    } else head.contentLength = declared === -1 ? -1 : declared;
  }

  #finishHost(head: RequestHead): void {
    const authority = this.#authority;
    const host = this.#host;
    if (authority === null && host === null) return this.#refuse('missingHost');
    // §8.3.1: they must not contradict each other.
    if (authority !== null && host !== null && authority !== host && authority.toLowerCase() !== host.toLowerCase()) {
      return this.#refuse('hostMismatch');
    }
    const raw = authority ?? (host as string);
    // An http or https URI has a host (RFC 9110 §4.2.1).
    if (raw === '') return this.#refuse('badHost');
    head.rawHost = raw;
    if (raw !== this.#lastRawHost) {
      const parsed = parseAuthority(raw);
      if (parsed === null) return this.#refuse('badHost');
      this.#lastRawHost = raw;
      this.#lastHost = parsed;
    }
    head.host = this.#lastHost;
  }

  #finishPath(head: RequestHead): void {
    const raw = this.#path as string;
    const limit = (this.#limits as HeadLimits).maxRequestLineBytes;
    if (raw.length + head.method.length + REQUEST_LINE_EXTRA > limit) return this.#refuse('requestLineTooLong');
    head.target = raw;
    if (raw !== this.#lastRawPath || this.#lastPath === null) {
      if (!isTarget(raw)) return this.#malformed('bad :path');
      // `*` as in HTTP/1.1: there is no route for it.
      if (raw.charCodeAt(0) !== 47) return this.#refuse('badTarget');
      const query = raw.indexOf('?');
      const path = normalizePath(query === -1 ? raw : raw.slice(0, query));
      if (path === null) return this.#refuse('badPath');
      this.#lastRawPath = raw;
      this.#lastPath = path;
    }
    head.path = this.#lastPath;
  }

  #malformed(detail: string): void {
    if (this.fault === 'malformed') return;
    this.fault = 'malformed';
    this.detail = detail;
  }

  #refuse(fault: HeadFault): void {
    this.fault ??= fault;
  }
}

/**
 * Reads a trailer section (§8.1): no pseudo-header fields, and the rules of §8.2 as for any other fields. Kept are fields
 * without any meaning to a proxy: servers that put trailers among the headers must not find there what we vouch for, and
 * nothing of RFC 9110 §6.5.1.
 */
export class TrailerFields implements HeaderSink {
  isMalformed = false;
  /** What may be forwarded, as HTTP/1.1 lines; '' for nothing. */
  lines = '';
  #limits: HeadLimits | null = null;

  begin(limits: HeadLimits): void {
    this.isMalformed = false;
    this.lines = '';
    this.#limits = limits;
  }

  onField(field: HeaderField): void {
    const { kind, classes } = field.name;
    if (isPseudo(kind) || kind === NameKind.invalid || kind === NameKind.connectionSpecific || !field.isValueValid) {
      this.isMalformed = true;
    }
    if (kind === Field.other && isNameForwarded(classes, this.#limits as HeadLimits)) this.lines += field.line;
  }
}

function isToken(text: string): boolean {
  return /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/.test(text);
}

function isTarget(raw: string): boolean {
  for (let i = 0; i < raw.length; i++) if (TARGET[raw.charCodeAt(i)] !== 1) return false;
  return true;
}
