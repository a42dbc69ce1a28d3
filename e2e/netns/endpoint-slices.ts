// The part of the EndpointSlice controller: tells the API server which pods of a Service there are and how they are.
//
// Changes are written one after the other, each with all that is known at that moment, as the controller does.

import type { Admin } from '../harness/admin.ts';

/** `terminating`: not ready, serving while terminating (Kubernetes docs, EndpointSlices, "Conditions"). */
export type EndpointState = 'ready' | 'notReady' | 'terminating';

interface KnownEndpoint {
  readonly address: string;
  readonly nodeName: string;
  readonly state: EndpointState;
}

export class EndpointSlices {
  readonly #admin: Admin;
  readonly #service: string;
  readonly #port: number;
  readonly #endpoints = new Map<string, KnownEndpoint>();
  #writing: Promise<unknown> = Promise.resolve();

  /** For a Service of namespace `default`; pods listen on `port`. */
  constructor(admin: Admin, service: string, port: number) {
    this.#admin = admin;
    this.#service = service;
    this.#port = port;
  }

  /** Resolves when it is written. */
  async set(pod: string, endpoint: KnownEndpoint): Promise<void> {
    this.#endpoints.set(pod, endpoint);
    await this.#write();
  }

  async remove(pod: string): Promise<void> {
    this.#endpoints.delete(pod);
    await this.#write();
  }

  /** Gives all pods of a node another state, as the node controller has it done when a node is lost or comes back. */
  async setNode(nodeName: string, state: EndpointState): Promise<void> {
    for (const [pod, endpoint] of this.#endpoints) {
      if (endpoint.nodeName === nodeName) this.#endpoints.set(pod, { ...endpoint, state });
    }
    await this.#write();
  }

  async #write(): Promise<void> {
    const write = () => this.#admin.apply([this.#manifest()]);
    const written = this.#writing.then(write, write);
    this.#writing = written;
    await written;
  }

  #manifest(): object {
    const endpoints = [...this.#endpoints].map(([pod, { address, nodeName, state }]) => ({
      addresses: [address],
      nodeName,
      targetRef: { kind: 'Pod', namespace: 'default', name: pod },
      conditions: { ready: state === 'ready', serving: state !== 'notReady', terminating: state === 'terminating' },
    }));
    return sliceManifest(this.#service, this.#port, endpoints);
  }
}

/** The one slice of a Service of namespace `default`. */
export function sliceManifest(service: string, port: number, endpoints: readonly object[]): object {
  return {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { name: `${service}-1`, namespace: 'default', labels: { 'kubernetes.io/service-name': service } },
    addressType: 'IPv4',
    ports: [{ name: 'http', port, protocol: 'TCP' }],
    endpoints,
  };
}
