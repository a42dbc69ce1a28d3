// The facts of a request that templates of the routing table may name: keys of limits and hashes, URLs of mirrors.
//
// One object serves all requests of a client stream: `bind` it, render, forget. What costs work is asked for at most once
// per request, and not at all where no template names it.

import type { TemplateSource } from '../filters/template.ts';
import type { ForwardedValues } from '../http/forwarded.ts';
import { headerValue } from '../http/header-value.ts';
import type { ClientStream } from './client-stream.ts';
import type { CurrentTable } from './context.ts';
import { believedValues } from './forwarding.ts';

export class RequestFacts implements TemplateSource {
  requestId = '';
  readonly #client: ClientStream;
  #current: CurrentTable | null = null;
  /** What a trusted peer says about the client; null when there is none, undefined when nobody has asked yet. */
  #believed: ForwardedValues | null | undefined = null;
  /** Those of the last request that was asked for them; null when they are not those of the request at hand. */
  #cookies: string | null = null;
  /** `linesKey` of the head they are from. */
  #cookiesOf = 0;

  constructor(client: ClientStream) {
    this.#client = client;
  }

  /** Makes ready for the request at hand; its head must stay as it is while the facts are asked for. */
  bind(current: CurrentTable): this {
    this.#current = current;
    // Trusting nobody is the default and costs nothing.
    this.#believed = current.isTrusted === null ? null : undefined;
    this.requestId = '';
    if (this.#cookies !== null) this.#keepCookies();
    return this;
  }

  /** An idle client connection must not keep an old table alive. */
  clear(): void {
    this.#current = null;
    this.#believed = null;
  }

  /** What the peer says about the client, when it is trusted; null when it is not. */
  get believed(): ForwardedValues | null {
    if (this.#believed === undefined) {
      const client = this.#client;
      this.#believed = this.#current === null ? null : believedValues(client.head, client, this.#current);
    }
    return this.#believed;
  }

  /** A client sends the same header lines over and over: what was found in them is found no second time. */
  #keepCookies(): void {
    const { linesKey } = this.#client.head;
    if (linesKey === 0 || linesKey !== this.#cookiesOf) this.#cookies = null;
  }

  get text(): string {
    return this.#client.head.text;
  }

  /** All Cookie lines as one (RFC 9113 §8.2.3), '' when there are none. */
  get cookies(): string {
    if (this.#cookies === null) {
      const { text, linesKey } = this.#client.head;
      this.#cookies = headerValue(text, 'cookie', '; ');
      this.#cookiesOf = linesKey;
    }
    return this.#cookies;
  }

  get method(): string {
    return this.#client.head.method;
  }

  get target(): string {
    return this.#client.head.target;
  }

  get path(): string {
    return this.#client.head.path;
  }

  get host(): string {
    return this.#client.head.host;
  }

  get rawHost(): string {
    return this.#client.head.rawHost;
  }

  get remoteAddr(): string {
    return this.believed?.realIp ?? this.#client.remoteAddress;
  }

  get remotePort(): number {
    return this.#client.remotePort;
  }

  get scheme(): string {
    return this.believed?.scheme ?? (this.#client.isTls ? 'https' : 'http');
  }

  get serverPort(): number {
    return this.#client.localPort;
  }

  get serverProtocol(): string {
    return this.#client.head.minorVersion === 0 ? 'HTTP/1.0' : 'HTTP/1.1';
  }
}
