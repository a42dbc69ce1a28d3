// Ports of TCP and UDP services that workers could not open, as diagnostics of the ConfigMap that asks for them: whoever
// wrote the entry is told where they look, and not only whoever reads the log of the pod.

import type { StreamId } from '#proxy/table/types.ts';
import type { Diagnostic } from '../objects/diagnostic.ts';
import type { StoreChange } from '../objects/snapshot.ts';
import type { ObjectKey } from '../objects/types.ts';

export interface StreamPortFaultsOptions {
  /** `--tcp-services-configmap` and `--udp-services-configmap`. */
  readonly configMaps: Readonly<Record<'tcp' | 'udp', ObjectKey>>;
  /** Takes changes of diagnostics into the store. */
  readonly apply: (changes: readonly StoreChange[]) => void;
}

export class StreamPortFaults {
  readonly #options: StreamPortFaultsOptions;
  /** By port, then by worker: all of them open the same ports. Ports without a fault have no entry. */
  readonly #faults = new Map<StreamId, Map<number, string>>();

  constructor(options: StreamPortFaultsOptions) {
    this.#options = options;
  }

  /** A worker could not open a port; null takes back what it said before. */
  onFault(workerId: number, id: StreamId, fault: string | null): void {
    const ofPort = this.#faults.get(id) ?? new Map<number, string>();
    const before = firstOf(ofPort);
    if (fault === null) ofPort.delete(workerId);
    else ofPort.set(workerId, fault);
    if (ofPort.size === 0) this.#faults.delete(id);
    else this.#faults.set(id, ofPort);
    const after = firstOf(ofPort);
    if (after !== before) this.#tell(id, after);
  }

  /** What a dead worker has said is void: the next one tries for itself. */
  onWorkerGone(workerId: number): void {
    for (const id of [...this.#faults.keys()]) this.onFault(workerId, id, null);
  }

  #tell(id: StreamId, fault: string | null): void {
    const diagnostics = fault === null ? [] : [this.#diagnosticOf(id, fault)];
    this.#options.apply([{ kind: 'sourceDiagnostics', origin: `streamPort//${id}`, diagnostics }]);
  }

  #diagnosticOf(id: StreamId, fault: string): Diagnostic {
    const [protocol = '', port = ''] = id.split(':');
    const key = this.#options.configMaps[protocol === 'udp' ? 'udp' : 'tcp'];
    const [namespace = '', name = ''] = key.split('/');
    return {
      severity: 'error',
      reason: 'StreamPortNotOpen',
      object: { kind: 'ConfigMap', namespace, name },
      field: `data[${port}]`,
      message: `${key} key "${port}": ${fault}`,
      source: null,
    };
  }
}

/** Workers fail for the same reason; one of them speaks for all. */
function firstOf(faults: ReadonlyMap<number, string>): string | null {
  return faults.values().next().value ?? null;
}
