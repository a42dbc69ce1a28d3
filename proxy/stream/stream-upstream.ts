// What passing connections on asks of an upstream: the part of the endpoints' live state that has nothing to do with requests.

import type { EndpointAddress } from '../table/types.ts';

export interface StreamEndpoint extends EndpointAddress {
  /** A connection counts; `end` exactly once for each, with what `begin` gave. */
  begin(): number;
  end(probe: number): void;
}

/** Implemented by UpstreamState. */
export interface StreamUpstream {
  /** null: there is no endpoint outside `tried`. */
  pick(tried: readonly StreamEndpoint[] | null): StreamEndpoint | null;
  /** It took the connection. */
  onAnswered(endpoint: StreamEndpoint, latencyMs: number): void;
  /** It did not. */
  onFailed(endpoint: StreamEndpoint, elapsedMs: number): void;
}
