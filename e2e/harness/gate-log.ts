// Every request that passed the gate in front of the API server, for tests that count: "no write storm" is a number here.

export interface PassedRequest {
  readonly atMs: number;
  /** Name given to the token (`ApiGate.name`); '' for a token without one. */
  readonly client: string;
  /** As in RBAC: get, list, watch, create, update, patch, delete, deletecollection. */
  readonly verb: string;
  /** API group; '' for core. */
  readonly group: string;
  /** With its subresource: `ingresses/status`. */
  readonly resource: string;
  /** '' for all namespaces and kinds without. */
  readonly namespace: string;
  /** '' for none; that of a `metadata.name` selector for lists and watches. */
  readonly name: string;
  readonly url: string;
  /** A watch that wants the state first (`sendInitialEvents`): older servers answer 422. */
  readonly isStreamingList: boolean;
  /** 0 until it is answered. */
  status: number;
}

/** Members that must be equal. `verb: 'write'` stands for all that changes objects. */
export type RequestFilter = Partial<Omit<PassedRequest, 'atMs' | 'url'>>;

const writes: ReadonlySet<string> = new Set(['create', 'update', 'patch', 'delete', 'deletecollection']);

export function matches(request: PassedRequest, { verb, ...members }: RequestFilter): boolean {
  if (verb === 'write' ? !writes.has(request.verb) : verb !== undefined && verb !== request.verb) return false;
  return Object.entries(members).every(([key, value]) => request[key as keyof typeof members] === value);
}

export class GateLog {
  readonly #requests: PassedRequest[] = [];

  get requests(): readonly PassedRequest[] {
    return this.#requests;
  }

  add(request: PassedRequest): void {
    this.#requests.push(request);
  }

  count(filter: RequestFilter = {}): number {
    return this.#requests.filter((request) => matches(request, filter)).length;
  }

  /** A mark; `since` gives what came after it. */
  get mark(): number {
    return this.#requests.length;
  }

  since(mark: number): readonly PassedRequest[] {
    return this.#requests.slice(mark);
  }

  /**
   * Writes since a mark as `verb resource name`, in this order; renewals of Leases are left out: those come at a fixed
   * pace for ever, and have a count of their own.
   */
  writesSince(mark: number): readonly string[] {
    return this.#writes(mark).map(renderWrite).sort();
  }

  /** Those that the server carried out. */
  doneSince(mark: number): readonly string[] {
    const isDone = ({ status }: PassedRequest) => status >= 200 && status < 300;
    return this.#writes(mark).filter(isDone).map(renderWrite).sort();
  }

  /** Lease renewals since a mark. */
  leaseWritesSince(mark: number): number {
    return this.since(mark).filter((request) => writes.has(request.verb) && request.resource === 'leases').length;
  }

  #writes(mark: number): readonly PassedRequest[] {
    return this.since(mark).filter((request) => writes.has(request.verb) && request.resource !== 'leases');
  }
}

function renderWrite({ verb, resource, name }: PassedRequest): string {
  return `${verb} ${resource} ${name}`.trim();
}
