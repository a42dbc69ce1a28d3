// What a request asks for: method and URL turned into the verb, group, resource and name that authorisation, handlers,
// faults and the request log all speak of (apiserver pkg/endpoints/request/requestinfo.go).

export type Verb = 'get' | 'list' | 'watch' | 'create' | 'update' | 'patch' | 'delete' | 'deletecollection';

export interface ResourceRequest {
  readonly isResource: true;
  readonly verb: Verb;
  readonly group: string;
  readonly version: string;
  /** The plural name in the URL. */
  readonly plural: string;
  /** '' on the main resource. */
  readonly subresource: string;
  /** '' for all namespaces and for cluster-wide kinds. */
  readonly namespace: string;
  /** '' on a collection. A list or watch by metadata.name has that name, so that RBAC can allow one object. */
  readonly name: string;
  readonly path: string;
  readonly query: URLSearchParams;
}

export interface PathRequest {
  readonly isResource: false;
  /** The HTTP method in lower case. */
  readonly verb: string;
  readonly path: string;
  readonly query: URLSearchParams;
}

export type RequestInfo = ResourceRequest | PathRequest;

/** Parses a request line. Any path is something: what is no resource is a PathRequest. */
export function parseRequestInfo(method: string, url: string): RequestInfo {
  const { pathname, searchParams: query } = new URL(url, 'http://apiserver');
  const path = decodeURI(pathname);
  const [root, ...rest] = path.split('/').filter((part) => part !== '');
  const [group, version, ...parts] = root === 'api' ? ['', ...rest] : rest;
  const isApi = root === 'api' || root === 'apis';
  if (!isApi || group === undefined || version === undefined || parts.length === 0) {
    return { isResource: false, verb: method.toLowerCase(), path, query };
  }
  const place = parsePlace(parts);
  return {
    isResource: true,
    verb: verbOf(method, place.name, query),
    group,
    version,
    ...place,
    name: place.name || nameBySelector(query),
    path,
    query,
  };
}

function parsePlace(parts: readonly string[]) {
  const [first = '', second = '', third] = parts;
  // Below namespaces/<name> lies another resource, except for the namespace's own subresources.
  const isInNamespace = first === 'namespaces' && third !== undefined && third !== 'status' && third !== 'finalize';
  const [plural = '', name = '', subresource = ''] = isInNamespace ? parts.slice(2) : parts;
  // A Namespace lies in itself, so that a RoleBinding can let somebody read it.
  const namespace = isInNamespace || (first === 'namespaces' && second !== '') ? second : '';
  return { plural, name, subresource, namespace };
}

function verbOf(method: string, name: string, query: URLSearchParams): Verb {
  switch (method) {
    case 'POST':
      return 'create';
    case 'PUT':
      return 'update';
    case 'PATCH':
      return 'patch';
    case 'DELETE':
      return name === '' ? 'deletecollection' : 'delete';
    default: {
      const isWatch = isTrue(query.get('watch'));
      return isWatch ? 'watch' : name === '' ? 'list' : 'get';
    }
  }
}

function nameBySelector(query: URLSearchParams): string {
  return /(?:^|,)metadata\.name==?([^,]+)/.exec(query.get('fieldSelector') ?? '')?.[1] ?? '';
}

export function isTrue(text: string | null): boolean {
  return text === 'true' || text === '1';
}
