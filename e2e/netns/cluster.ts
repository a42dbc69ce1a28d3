// What all cases begin with: a lab with nodes, an API server (whichever the suite runs against) behind a gate at an
// address of its own, a Service behind an Ingress, and Sluice on every node with exactly the rights it asks for.

import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Admin } from '../harness/admin.ts';
import { openGate } from '../harness/api-gate.ts';
import { renderKubeconfig } from '../harness/backends/backend.ts';
import { startBackend } from '../harness/backends/choose.ts';
import type { Manifest } from '../harness/kinds.ts';
import { grantRules } from '../harness/rules.ts';
import { until } from '../harness/wait.ts';
import { ask } from './ask.ts';
import { EndpointSlices, sliceManifest } from './endpoint-slices.ts';
import { Lab, type LabNode } from './lab.ts';
import { POD_PORT, type PodContext } from './pod.ts';
import { seededRandom } from './randomness.ts';
import { NodeSluice, podNameOf } from './sluice.ts';

export const HOST = 'web.test';
/** Back-off of a watch that could not connect goes up to 30 s. */
const WATCH_LIMIT_MS = 90_000;

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

export class Cluster implements AsyncDisposable {
  readonly lab: Lab;
  readonly admin: Admin;
  readonly slices: EndpointSlices;
  readonly pods: PodContext;
  readonly random: () => number;
  readonly sluices: NodeSluice[] = [];
  readonly #stack: AsyncDisposableStack;
  #proofs = 0;

  private constructor(lab: Lab, admin: Admin, program: string, options: ClusterOptions, stack: AsyncDisposableStack) {
    this.lab = lab;
    this.admin = admin;
    this.slices = new EndpointSlices(admin, 'web', POD_PORT);
    this.random = seededRandom(1);
    const { graceMs, raceMs } = options;
    this.pods = { lab, slices: this.slices, program, graceMs, raceMs, random: this.random };
    this.#stack = stack;
  }

  static async start(options: ClusterOptions): Promise<Cluster> {
    await using stack = new AsyncDisposableStack();
    const lab = stack.use(await Lab.create());
    for (let i = 1; i <= options.nodes; i++) await lab.addNode(`node-${i}`, options.podsPerNode);
    const backend = stack.use(await startBackend(lab.dir));
    const gate = stack.use(await openGate({ server: backend.admin.server, caPem: backend.caPem }, lab.apiAddress));
    const admin = new Admin(backend.admin);
    const cluster = new Cluster(lab, admin, await lab.program('pod'), options, stack.move());
    try {
      await cluster.#applyScenery(options);
      const kubeconfig = renderKubeconfig(gate.url, gate.caPem, { token: await admin.token('default', ACCOUNT) });
      const starting = lab.nodes.map((node) => NodeSluice.start(lab, node, kubeconfig, options.flags));
      cluster.sluices.push(...(await Promise.all(starting)));
      return cluster;
    } catch (error) {
      await cluster[Symbol.asyncDispose]();
      throw error;
    }
  }

  get addresses(): readonly string[] {
    return this.lab.nodes.map(({ address }) => address);
  }

  /** An Ingress for the host, named after it, to a Service. */
  async addIngress(host: string, service = 'web', annotations: Readonly<Record<string, string>> = {}): Promise<void> {
    const backend = { service: { name: service, port: { number: 80 } } };
    const entries = Object.entries(annotations).map(([key, value]) => [`nginx.ingress.kubernetes.io/${key}`, value]);
    await this.admin.apply([
      {
        apiVersion: 'networking.k8s.io/v1',
        kind: 'Ingress',
        metadata: { name: nameOf(host), namespace: 'default', annotations: Object.fromEntries(entries) },
        spec: {
          ingressClassName: 'nginx',
          rules: [{ host, http: { paths: [{ path: '/', pathType: 'Prefix', backend }] } }],
        },
      },
    ]);
  }

  /**
   * Waits till changes of Ingresses, Services and EndpointSlices reach every node: after a cut, each watch comes back when
   * its own back-off is over, and a test that begins before would see the cut of the one before.
   */
  async watchesAreUp(): Promise<void> {
    await using outside = await startOutsideServer(this.lab.clientAddress);
    const service = `proof-${this.#proofs++}`;
    const host = `${service}.test`;
    await this.admin.apply([
      serviceManifest(service),
      sliceManifest(service, outside.port, [{ addresses: [this.lab.clientAddress], conditions: { ready: true } }]),
    ]);
    await this.addIngress(host, service);
    for (const { name, address } of this.lab.nodes) {
      const isGood = ({ status }: { readonly status: number }) => status === 200;
      await until(`watches on ${name}`, () => ask(address, host), isGood, WATCH_LIMIT_MS);
    }
  }

  /** The addresses in the status of the host's Ingress. */
  async publishedAddresses(host: string): Promise<readonly string[]> {
    const ingress = await this.admin.get('networking.k8s.io/v1', 'Ingress', 'default', nameOf(host));
    const status = ingress?.['status'] as { readonly loadBalancer?: { readonly ingress?: readonly { ip: string }[] } };
    return (status?.loadBalancer?.ingress ?? []).map((entry) => entry.ip);
  }

  /** The node whose Sluice holds the Lease. Throws when nobody's does. */
  async leaderNode(): Promise<LabNode> {
    const lease = await this.admin.get('coordination.k8s.io/v1', 'Lease', 'default', 'ingress-controller-leader');
    const { holderIdentity } = (lease?.['spec'] ?? {}) as { readonly holderIdentity?: string };
    const leader = this.lab.nodes.find((node) => holderIdentity === podNameOf(node));
    if (leader === undefined) throw new Error(`the leader is on no node: ${holderIdentity}`);
    return leader;
  }

  /** What the kubelet reports of the pod that Sluice is on the node; the node controller, when the node is lost. */
  async reportSluice(node: LabNode, isReady: boolean): Promise<void> {
    const pod = podManifest(node);
    const conditions = [{ type: 'Ready', status: isReady ? 'True' : 'False' }];
    await this.admin.mergePatch(pod, { status: { phase: 'Running', conditions } }, '/status');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // Sluice is ended with the lab, not by a signal: an orderly end has tests of its own.
    await this.#stack.disposeAsync();
  }

  async #applyScenery({ flags = [], annotations }: ClusterOptions): Promise<void> {
    const { admin, lab } = this;
    await admin.apply([
      { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: ACCOUNT, namespace: 'default' } },
      {
        apiVersion: 'networking.k8s.io/v1',
        kind: 'IngressClass',
        metadata: { name: 'nginx' },
        spec: { controller: 'k8s.io/ingress-nginx' },
      },
      serviceManifest('web'),
      ...lab.nodes.map(({ name }) => ({ apiVersion: 'v1', kind: 'Node', metadata: { name } })),
      ...lab.nodes.map(podManifest),
    ]);
    for (const { name, address } of lab.nodes) {
      const node: Manifest = { apiVersion: 'v1', kind: 'Node', metadata: { name } };
      await admin.mergePatch(node, { status: { addresses: [{ type: 'InternalIP', address }] } }, '/status');
    }
    await grantRules(admin, { name: 'sluice', flags, account: { namespace: 'default', name: ACCOUNT } });
    await this.addIngress(HOST, 'web', annotations);
  }
}

const ACCOUNT = 'sluice';

function serviceManifest(name: string): object {
  const spec = { ports: [{ name: 'http', port: 80 }] };
  return { apiVersion: 'v1', kind: 'Service', metadata: { name, namespace: 'default' }, spec };
}

/** The member of the DaemonSet on the node; it stands for the process, which asks for it to find its siblings. */
function podManifest(node: LabNode): Manifest {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: podNameOf(node), namespace: 'default', labels: { app: 'sluice' } },
    spec: { nodeName: node.name, containers: [{ name: 'sluice', image: 'example.test/sluice' }] },
  };
}

/** A server beside the cluster, for an endpoint that no other test touches. */
async function startOutsideServer(address: string): Promise<AsyncDisposable & { readonly port: number }> {
  const server = createServer((_, response) => response.end('outside'));
  await new Promise<void>((resolve) => server.listen(0, address, resolve));
  return {
    port: (server.address() as AddressInfo).port,
    async [Symbol.asyncDispose]() {
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      await closed;
    },
  };
}

function nameOf(host: string): string {
  return host.replaceAll('.', '-');
}
