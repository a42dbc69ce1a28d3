// The open connections of one endpoint that further requests may use.

/** `Idle` has one request at a time and is listed while it has none; `Shared` has many, and is listed while it is open. */
export class EndpointSlot<Idle, Shared> {
  /** HTTP/1.1 without TLS, the most recently used last. */
  readonly plain: Idle[] = [];
  /** Other HTTP/1.1 connections, by transport. null: there never was one. */
  secure: Map<string, Idle[]> | null = null;
  /** HTTP/2 connections, by transport. */
  shared: Map<string, Shared[]> | null = null;

  /** The idle list of a transport, made where it is missing. */
  secureOf(transportId: string): Idle[] {
    this.secure ??= new Map();
    return listOf(this.secure, transportId);
  }

  /** The HTTP/2 connections of a transport. */
  sharedOf(transportId: string): Shared[] {
    this.shared ??= new Map();
    return listOf(this.shared, transportId);
  }

  /** All idle lists. */
  *idleLists(): Iterable<Idle[]> {
    yield this.plain;
    if (this.secure !== null) yield* this.secure.values();
  }
}

function listOf<T>(lists: Map<string, T[]>, id: string): T[] {
  let list = lists.get(id);
  if (list === undefined) {
    list = [];
    lists.set(id, list);
  }
  return list;
}
