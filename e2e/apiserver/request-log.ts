// Every request the server answered, for tests that count: "no write storms" is a number here.

import type { RequestInfo } from './request-info.ts';

export interface LoggedRequest {
  readonly atMs: number;
  readonly user: string;
  readonly userAgent: string;
  /** As in RBAC; the HTTP method in lower case for paths that are no resource. */
  readonly verb: string;
  /** `ingresses.networking.k8s.io`, `ingresses.networking.k8s.io/status`, `services`; '' for other paths. */
  readonly resource: string;
  readonly namespace: string;
  readonly name: string;
  /** Path and query as sent. */
  readonly url: string;
  /** 0 while it is not answered. */
  status: number;
}

/** Members that must be equal; `verb: 'write'` stands for everything that changes objects. */
export interface RequestFilter {
  readonly verb?: string;
  readonly resource?: string;
  readonly user?: string;
  readonly namespace?: string;
  readonly name?: string;
  readonly status?: number;
}

const WRITES = new Set(['create', 'update', 'patch', 'delete', 'deletecollection']);

export class RequestLog {
  readonly #requests: LoggedRequest[] = [];

  get requests(): readonly LoggedRequest[] {
    return this.#requests;
  }

  add(request: LoggedRequest): void {
    this.#requests.push(request);
  }

  /** How many requests match; all of them without a filter. */
  count(filter: RequestFilter = {}): number {
    return this.#requests.filter((request) => matchesRequest(request, filter)).length;
  }

  /** Counts by `verb resource`, the largest first. */
  counts(): Readonly<Record<string, number>> {
    const counts = new Map<string, number>();
    for (const { verb, resource, url } of this.#requests) {
      const key = `${verb} ${resource || url}`;
      counts.set(key, (counts.get(key) ?? 0) + 1);
    }
    return Object.fromEntries([...counts].sort(([, a], [, b]) => b - a));
  }

  clear(): void {
    this.#requests.length = 0;
  }
}

export function matchesRequest(
  request: Pick<LoggedRequest, 'verb' | 'resource' | 'user' | 'namespace' | 'name'> & { readonly status?: number },
  filter: RequestFilter,
): boolean {
  const { verb, ...members } = filter;
  if (verb === 'write' ? !WRITES.has(request.verb) : verb !== undefined && verb !== request.verb) return false;
  return Object.entries(members).every(([key, value]) => request[key as keyof typeof members] === value);
}

/** The resource a request is counted under, with its subresource. */
export function loggedResource(info: RequestInfo): string {
  if (!info.isResource) return '';
  const { group, plural, subresource } = info;
  return `${plural}${group === '' ? '' : `.${group}`}${subresource === '' ? '' : `/${subresource}`}`;
}
