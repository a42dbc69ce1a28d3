// Counts and logs what is passed on: one set of numbers per service, named only when somebody scrapes.
//
// Passthrough connections share one set: server names are chosen by clients and would be labels without bound.

import type { SampleValue } from '../workers/messages.ts';
import type { StreamObserver, StreamOrigin, StreamRecord } from './stream-record.ts';

interface Counts {
  readonly labels: Readonly<Record<string, string>>;
  open: number;
  bytesSent: number;
  bytesReceived: number;
  readonly byStatus: Map<number, number>;
}

/** A service that was removed is remembered until so many others have come; its counts begin anew should it come back. */
const MAX_REMEMBERED = 1000;

export class StreamWatch implements StreamObserver {
  readonly #log: (record: StreamRecord) => void;
  readonly #counts = new Map<string, Counts>();

  /** `log` gets each finished record. */
  constructor(log: (record: StreamRecord) => void) {
    this.#log = log;
  }

  onStreamOpened(origin: StreamOrigin): void {
    this.#countsOf(origin).open++;
  }

  onStreamClosed(record: StreamRecord): void {
    const counts = this.#countsOf(record.origin);
    counts.open--;
    counts.bytesSent += record.bytesSent;
    counts.bytesReceived += record.bytesReceived;
    counts.byStatus.set(record.status, (counts.byStatus.get(record.status) ?? 0) + 1);
    this.#log(record);
  }

  counters(): SampleValue[] {
    return [...this.#counts.values()].flatMap(({ labels, bytesSent, bytesReceived, byStatus }) => [
      ...[...byStatus].map(([status, value]) => ({
        name: 'sluice_stream_connections_total',
        labels: { ...labels, status: String(status) },
        value,
      })),
      { name: 'sluice_stream_bytes_total', labels: { ...labels, direction: 'sent' }, value: bytesSent },
      { name: 'sluice_stream_bytes_total', labels: { ...labels, direction: 'received' }, value: bytesReceived },
    ]);
  }

  gauges(): SampleValue[] {
    return [...this.#counts.values()].map(({ labels, open }) => ({
      name: 'sluice_stream_open_connections',
      labels,
      value: open,
    }));
  }

  #countsOf({ protocol, port, namespace, service, serverName }: StreamOrigin): Counts {
    const isPassthrough = serverName !== '';
    const key = isPassthrough ? 'passthrough' : `${protocol} ${port} ${namespace} ${service}`;
    let counts = this.#counts.get(key);
    if (counts === undefined) {
      const labels = isPassthrough
        ? { kind: 'passthrough', port: String(port), namespace: '', service: '' }
        : { kind: protocol, port: String(port), namespace, service };
      counts = { labels, open: 0, bytesSent: 0, bytesReceived: 0, byStatus: new Map() };
      this.#forgetOne();
      this.#counts.set(key, counts);
    }
    return counts;
  }

  #forgetOne(): void {
    if (this.#counts.size < MAX_REMEMBERED) return;
    const idle = [...this.#counts].find(([, { open }]) => open === 0);
    if (idle !== undefined) this.#counts.delete(idle[0]);
  }
}
