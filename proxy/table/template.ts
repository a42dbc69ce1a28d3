// Text with variables in it (`$request_uri$host`, `${remote_addr}-text`), parsed by the compiler so that a request costs
// no parsing. The routing table holds it; `proxy/filters/template.ts` renders it for a request.

/** Parts in order of appearance. Never empty; neighbouring texts are one part. */
export type Template = readonly TemplatePart[];

export type TemplatePart =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'variable'; readonly name: RequestVariable }
  /** nginx `$http_<name>`: lower-case name with dashes. Several lines are joined by `, `. */
  | { readonly kind: 'header'; readonly name: string }
  /** nginx `$arg_<name>`: first value of this query parameter, as written (not decoded). Lower case, found in any case. */
  | { readonly kind: 'argument'; readonly name: string }
  /** nginx `$cookie_<name>`: first cookie of this name. */
  | { readonly kind: 'cookie'; readonly name: string };

/**
 * What a request can be asked for, by nginx's names in camel case. `host`: without port, lower case. `httpHost`: as the
 * client wrote it. `requestUri`: the target as received. `uri`: the normalised path. `args`: the query without `?`.
 */
export type RequestVariable =
  | 'remoteAddr'
  | 'remotePort'
  | 'requestUri'
  | 'uri'
  | 'args'
  | 'host'
  | 'httpHost'
  | 'scheme'
  | 'requestMethod'
  | 'requestId'
  | 'serverPort'
  | 'serverProtocol';
