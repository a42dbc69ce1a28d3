// Renders a Template of the routing table for one request: hash keys, keys of limits, URLs of mirrors.
//
// Allocates only the resulting string. Values are as the client sent them: whoever uses the text in a head must check it.

import { argumentValue, cookieValue, headerValue, queryOf } from '../http/header-value.ts';
import type { RequestVariable, Template, TemplatePart } from '../table/template.ts';

/** The facts of a request that a template may name. One object serves all requests of a connection. */
export interface TemplateSource {
  /** The whole request head, see `RequestHead.text`. */
  readonly text: string;
  /** All Cookie lines as one list, '' when there are none. */
  readonly cookies: string;
  readonly method: string;
  /** As it is sent upstream, with query. */
  readonly target: string;
  /** Normalised. */
  readonly path: string;
  /** Lower case, without port. */
  readonly host: string;
  /** As the client wrote it. */
  readonly rawHost: string;
  /** Of the client as Sluice believes it, without port. */
  readonly remoteAddr: string;
  readonly remotePort: number;
  /** `http` or `https`. */
  readonly scheme: string;
  readonly requestId: string;
  /** Port that the client connected to. */
  readonly serverPort: number;
  /** `HTTP/1.1` or the like. */
  readonly serverProtocol: string;
}

/** The text for this request. What the request does not have is the empty text, as in nginx. */
export function renderTemplate(template: Template, source: TemplateSource): string {
  const [first] = template;
  // Nearly all templates are one variable: no concatenation then.
  if (template.length === 1 && first !== undefined) return renderPart(first, source);
  let text = '';
  for (const part of template) text += renderPart(part, source);
  return text;
}

function renderPart(part: TemplatePart, source: TemplateSource): string {
  switch (part.kind) {
    case 'text':
      return part.text;
    case 'variable':
      return renderVariable(part.name, source);
    case 'header':
      return part.name === 'cookie' ? source.cookies : headerValue(source.text, part.name);
    case 'argument':
      return argumentValue(source.target, part.name);
    case 'cookie':
      return cookieValue(source.cookies, part.name);
    default:
      return part satisfies never;
  }
}

function renderVariable(name: RequestVariable, source: TemplateSource): string {
  switch (name) {
    case 'remoteAddr':
      return source.remoteAddr;
    case 'remotePort':
      return String(source.remotePort);
    case 'requestUri':
      return source.target;
    case 'uri':
      return source.path;
    case 'args':
      return queryOf(source.target);
    case 'host':
      return source.host;
    case 'httpHost':
      return source.rawHost;
    case 'scheme':
      return source.scheme;
    case 'requestMethod':
      return source.method;
    case 'requestId':
      return source.requestId;
    case 'serverPort':
      return String(source.serverPort);
    case 'serverProtocol':
      return source.serverProtocol;
    default:
      return name satisfies never;
  }
}
