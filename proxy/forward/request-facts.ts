// The facts of a request that templates of the routing table may name: keys of limits and hashes, URLs of mirrors.
//
// One object serves all requests of a client stream: `bind` it, render, forget. What costs work is asked for at most once
// per request, and not at all where no template names it.

import type { TemplateSource } from '../filters/template.ts';
import type { ClientStream } from './client-stream.ts';
import type { CurrentTable } from './context.ts';
import { believedValues } from './forwarding.ts';

export class RequestFacts implements TemplateSource {
  requestId = '';
  readonly #client: ClientStream;
  #current: CurrentTable | null = null;
  #remoteAddr = '';
  #scheme = '';

  constructor(client: ClientStream) {
    this.#client = client;
  }

  /** Makes ready for the request at hand; its head must stay as it is while the facts are asked for. */
  bind(current: CurrentTable): this {
    this.#current = current;
    this.#remoteAddr = '';
    this.#scheme = '';
    this.requestId = '';
    return this;
  }

  /** An idle client connection must not keep an old table alive. */
  clear(): void {
    this.#current = null;
  }

  get text(): string {
    return this.#client.head.text;
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
    if (this.#remoteAddr === '') this.#believe();
    return this.#remoteAddr;
  }

  get remotePort(): number {
    return this.#client.remotePort;
  }

  get scheme(): string {
    if (this.#scheme === '') this.#believe();
    return this.#scheme;
  }

  get serverPort(): number {
    return this.#client.localPort;
  }

  get serverProtocol(): string {
    return this.#client.head.minorVersion === 0 ? 'HTTP/1.0' : 'HTTP/1.1';
  }

  #believe(): void {
    const client = this.#client;
    const values = this.#current === null ? null : believedValues(client.head, client, this.#current);
    this.#remoteAddr = values?.realIp ?? client.remoteAddress;
    this.#scheme = values?.scheme ?? (client.isTls ? 'https' : 'http');
  }
}
