// What all cases begin with: a lab with nodes, an API server at an address of its own, a Service behind an Ingress, and
// Sluice on every node.

import { type ApiServer, startApiServer } from '../apiserver/server.ts';
import { EndpointSlices } from './endpoint-slices.ts';
import { Lab, type LabNode } from './lab.ts';
import { POD_PORT, type PodContext } from './pod.ts';
import { seededRandom } from './randomness.ts';
import { NodeSluice, podNameOf } from './sluice.ts';

export const HOST = 'web.test';

export interface ClusterOptions {
  readonly nodes: number;
  /** How many pods a node has room for. */
  readonly podsPerNode: number;
  readonly graceMs: number;
  readonly raceMs: number;
  /** More flags of `sluice serve`. */
  readonly flags?: readonly string[];
  /** Annotations of the Ingress, without their prefix. */
  readonly annotations?: Readonly<Record<string, string>>;
}

export class Cluster {
  readonly lab: Lab;
  readonly api: ApiServer;
  readonly slices: EndpointSlices;
  readonly pods: PodContext;
  readonly random: () => number;
  readonly sluices: NodeSluice[] = [];

  private constructor(lab: Lab, api: ApiServer, program: string, { graceMs, raceMs }: ClusterOptions) {
    this.lab = lab;
    this.api = api;
    this.slices = new EndpointSlices(api, 'web', POD_PORT);
    this.random = seededRandom(1);
    this.pods = { lab, slices: this.slices, program, graceMs, raceMs, random: this.random };
  }

  static async start(options: ClusterOptions): Promise<Cluster> {
    const lab = await Lab.create();
    try {
      for (let i = 1; i <= options.nodes; i++) await lab.addNode(`node-${i}`, options.podsPerNode);
      const api = await startApiServer({ host: lab.apiAddress });
      const cluster = new Cluster(lab, api, await lab.program('pod'), options);
      await api.apply(cluster.#objects());
      await cluster.addIngress(HOST, options.annotations);
      const starting = lab.nodes.map((node) => NodeSluice.start(lab, node, api, options.flags));
      cluster.sluices.push(...(await Promise.all(starting)));
      return cluster;
    } catch (error) {
      await lab[Symbol.asyncDispose]();
      throw error;
    }
  }

  get addresses(): readonly string[] {
    return this.lab.nodes.map(({ address }) => address);
  }

  /** An Ingress for the host, to the one Service there is, named after the host. */
  async addIngress(host: string, annotations: Readonly<Record<string, string>> = {}): Promise<void> {
    const service = { name: 'web', port: { number: 80 } };
    const entries = Object.entries(annotations).map(([key, value]) => [`nginx.ingress.kubernetes.io/${key}`, value]);
    await this.api.apply([
      {
        apiVersion: 'networking.k8s.io/v1',
        kind: 'Ingress',
        metadata: { name: nameOf(host), namespace: 'default', annotations: Object.fromEntries(entries) },
        spec: {
          ingressClassName: 'nginx',
          rules: [{ host, http: { paths: [{ path: '/', pathType: 'Prefix', backend: { service } }] } }],
        },
      },
    ]);
  }

  /** The addresses in the status of the host's Ingress. */
  publishedAddresses(host: string): readonly string[] {
    const ingress = this.api.get('networking.k8s.io/v1', 'Ingress', 'default', nameOf(host));
    const status = ingress?.['status'] as { readonly loadBalancer?: { readonly ingress?: readonly { ip: string }[] } };
    return (status?.loadBalancer?.ingress ?? []).map((entry) => entry.ip);
  }

  /** The node whose Sluice holds the Lease. Throws when nobody's does. */
  leaderNode(): LabNode {
    const lease = this.api.get('coordination.k8s.io/v1', 'Lease', 'default', 'ingress-controller-leader');
    const { holderIdentity } = (lease?.['spec'] ?? {}) as { readonly holderIdentity?: string };
    const leader = this.lab.nodes.find((node) => holderIdentity === podNameOf(node));
    if (leader === undefined) throw new Error(`the leader is on no node: ${holderIdentity}`);
    return leader;
  }

  /** What the kubelet reports of the pod that Sluice is on the node; the node controller, when the node is lost. */
  async reportSluice(nodeName: string, isReady: boolean): Promise<void> {
    const node = this.lab.nodes.find(({ name }) => name === nodeName);
    if (node === undefined) throw new Error(`no node ${nodeName}`);
    const conditions = [{ type: 'Ready', status: isReady ? 'True' : 'False' }];
    await this.api.apply([
      {
        apiVersion: 'v1',
        kind: 'Pod',
        metadata: { name: podNameOf(node), namespace: 'default', labels: { app: 'sluice' } },
        spec: { nodeName, containers: [{ name: 'sluice', image: 'sluice' }] },
        status: { phase: 'Running', conditions },
      },
    ]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // Ended with the lab, not by a signal: an orderly end has tests of its own.
    await this.lab[Symbol.asyncDispose]();
    await this.api[Symbol.asyncDispose]();
  }

  #objects(): object[] {
    return [
      {
        apiVersion: 'networking.k8s.io/v1',
        kind: 'IngressClass',
        metadata: { name: 'nginx' },
        spec: { controller: 'k8s.io/ingress-nginx' },
      },
      {
        apiVersion: 'v1',
        kind: 'Service',
        metadata: { name: 'web', namespace: 'default' },
        spec: { ports: [{ name: 'http', port: 80 }] },
      },
      ...this.lab.nodes.map(({ name, address }) => ({
        apiVersion: 'v1',
        kind: 'Node',
        metadata: { name },
        status: { addresses: [{ type: 'InternalIP', address }] },
      })),
    ];
  }
}

function nameOf(host: string): string {
  return host.replaceAll('.', '-');
}
