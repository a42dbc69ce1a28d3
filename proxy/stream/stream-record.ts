// What is noted about one finished TCP connection or UDP session, and who wants to know.

import type { EndpointAddress } from '../table/types.ts';

/** Whose connection it is: the socket's ends, or what a PROXY header says of them. IPv4-mapped addresses are shown as IPv4. */
export interface StreamClient {
  readonly address: string;
  readonly port: number;
  readonly localAddress: string;
  readonly localPort: number;
}

/** Where it belongs, for metrics and logs. */
export interface StreamOrigin {
  readonly protocol: 'tcp' | 'udp';
  /** Port of the listener. */
  readonly port: number;
  readonly namespace: string;
  readonly service: string;
  readonly servicePort: string;
  /** Server name of a passthrough; '' for a service. */
  readonly serverName: string;
}

/**
 * As nginx's `$status` of a stream: 200 fine, 400 no or a malformed PROXY header, 502 no endpoint could be reached, 503 refused
 * because of a limit, 500 cut by us.
 */
export type StreamStatus = 200 | 400 | 500 | 502 | 503;

export interface StreamRecord {
  readonly origin: StreamOrigin;
  readonly client: StreamClient;
  readonly status: StreamStatus;
  /** To the client. */
  readonly bytesSent: number;
  /** From the client, without a PROXY header. */
  readonly bytesReceived: number;
  readonly durationMs: number;
  /** The last one that was tried; null for none. */
  readonly endpoint: EndpointAddress | null;
  /** Why it did not go well, for people; ''. */
  readonly detail: string;
}

export interface StreamObserver {
  onStreamOpened(origin: StreamOrigin): void;
  /** Exactly once for each `onStreamOpened`. */
  onStreamClosed(record: StreamRecord): void;
}
