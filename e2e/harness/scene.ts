// The scenery of an e2e test: an API server of the chosen kind, a gate before it, namespaces and an IngressClass of this
// run, a service account with exactly the rules that Sluice asks for, and Sluice processes that sign in as it.

import { randomBytes } from 'node:crypto';
import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Admin } from './admin.ts';
import { type ApiGate, openGate } from './api-gate.ts';
import { type Backend, renderKubeconfig } from './backends/backend.ts';
import { startBackend } from './backends/choose.ts';
import type { Manifest } from './kinds.ts';
import { grantRules } from './rules.ts';
import { SluiceProcess } from './sluice-process.ts';

export const publishedAddress = '192.0.2.1';
const serviceAccount = 'sluice';

export interface SceneOptions {
  /** Flags of every Sluice, besides those that connect it. */
  readonly flags?: readonly string[];
  /** Address given by `--publish-status-address`; null leaves the flag out. Default 192.0.2.1. */
  readonly address?: string | null;
  /** Pods of Sluice run, and are ready, on this node. Default: they are on none. */
  readonly node?: string;
}

/** One started replica. */
export interface Replica {
  readonly process: SluiceProcess;
  /** As it stands in the Lease and in the gate's log. */
  readonly name: string;
  /** Gives it another token through its token file; returns the one before. */
  rotateToken(): Promise<string>;
}

export class Scene implements AsyncDisposable {
  readonly backend: Backend;
  readonly gate: ApiGate;
  readonly admin: Admin;
  /** Names of this run begin with it. */
  readonly prefix: string;
  /** Where applications live. */
  readonly namespace: string;
  /** Where Sluice lives: Lease, service account, pods. */
  readonly edge: string;
  readonly className: string;
  readonly folder: string;
  /** The roles of Sluice's service account. */
  roles: readonly Manifest[] = [];
  readonly #flags: readonly string[];
  readonly #node: string;
  readonly #stack: AsyncDisposableStack;
  readonly #replicas: Replica[] = [];

  private constructor(
    parts: { backend: Backend; gate: ApiGate; folder: string },
    options: SceneOptions,
    stack: AsyncDisposableStack,
  ) {
    this.backend = parts.backend;
    this.gate = parts.gate;
    this.folder = parts.folder;
    this.admin = new Admin(parts.backend.admin);
    this.prefix = `sluice-e2e-${randomBytes(3).toString('hex')}`;
    this.namespace = `${this.prefix}-apps`;
    this.edge = `${this.prefix}-edge`;
    this.className = this.prefix;
    const { flags = [], address = publishedAddress, node = '' } = options;
    this.#node = this.fill(node);
    const published = address === null ? [] : [`--publish-status-address=${address}`];
    this.#flags = [`--controller-class=${this.#controller}`, ...published, ...flags.map((flag) => this.fill(flag))];
    this.#stack = stack;
  }

  static async open(options: SceneOptions = {}): Promise<Scene> {
    await using stack = new AsyncDisposableStack();
    const folder = await mkdtemp(join(tmpdir(), 'sluice-e2e-'));
    stack.defer(() => rm(folder, { recursive: true }));
    const backend = stack.use(await startBackend(folder));
    const gate = stack.use(await openGate({ server: backend.admin.server, caPem: backend.caPem }));
    const scene = new Scene({ backend, gate, folder }, options, stack.move());
    await scene.#build();
    return scene;
  }

  /** Puts names of this run into a text: APPS and EDGE (namespaces), CLASS. */
  fill(text: string): string {
    return text.replaceAll('APPS', this.namespace).replaceAll('EDGE', this.edge).replaceAll('CLASS', this.className);
  }

  /** {@link Admin.apply} of YAML with the names of this run. */
  apply(yaml: string): Promise<readonly Manifest[]> {
    return this.admin.apply(this.fill(yaml));
  }

  /** Starts a replica with a pod, a token and a kubeconfig of its own. It is ended with the scene. */
  async startSluice(flags: readonly string[] = [], env: Readonly<Record<string, string>> = {}): Promise<Replica> {
    const name = `sluice-${this.#replicas.length + 1}`;
    await this.#makePod(name);
    const tokenFile = join(this.folder, `${name}.token`);
    const kubeconfig = join(this.folder, `${name}.kubeconfig`);
    let token = await this.#writeToken(name, tokenFile);
    await writeFile(kubeconfig, renderKubeconfig(this.gate.url, this.gate.caPem, { tokenFile }));
    const process = new SluiceProcess([`--kubeconfig=${kubeconfig}`, ...this.#flags, ...flags], {
      POD_NAMESPACE: this.edge,
      POD_NAME: name,
      ...env,
    });
    const rotateToken = async () => {
      const before = token;
      token = await this.#writeToken(name, tokenFile);
      return before;
    };
    const replica = { process, name, rotateToken };
    this.#replicas.push(replica);
    await process.serving();
    return replica;
  }

  /** Status of an Ingress as `kubectl get` shows it: its addresses. */
  async addressesOf(name: string): Promise<readonly string[]> {
    const ingress = await this.admin.get('networking.k8s.io/v1', 'Ingress', this.namespace, name);
    const status = ingress?.['status'] as { loadBalancer?: { ingress?: readonly { ip?: string }[] } } | undefined;
    return (status?.loadBalancer?.ingress ?? []).map(({ ip }) => ip ?? '');
  }

  /** Events on an Ingress, as `reason count message`. */
  async eventsOf(name: string): Promise<readonly string[]> {
    const events = await this.admin.list('v1', 'Event', this.namespace, `fieldSelector=involvedObject.name%3D${name}`);
    return events.map(({ reason, count, message }) => `${reason} ${count} ${message}`);
  }

  /** The holder of the Lease; '' for nobody. */
  async leader(): Promise<string> {
    return (await this.#lease()).holderIdentity ?? '';
  }

  /** When the Lease was renewed by the holder's clock, in Unix milliseconds; NaN before the first time. */
  async renewTime(): Promise<number> {
    return Date.parse((await this.#lease()).renewTime ?? '');
  }

  /** Requests of Sluice that were refused for missing rights, as `verb url`. */
  get refused(): readonly string[] {
    return this.gate.log.requests.filter(({ status }) => status === 403).map(({ verb, url }) => `${verb} ${url}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { process } of this.#replicas) await process.kill();
    await this.#removeObjects();
    await this.#stack.disposeAsync();
  }

  async #lease(): Promise<{ readonly holderIdentity?: string; readonly renewTime?: string }> {
    const lease = await this.admin.get('coordination.k8s.io/v1', 'Lease', this.edge, 'ingress-controller-leader');
    return lease?.['spec'] ?? {};
  }

  get #controller(): string {
    return `example.test/${this.prefix}`;
  }

  async #build(): Promise<void> {
    await this.apply(sceneryYaml(this.#controller));
    this.roles = await grantRules(this.admin, {
      name: this.prefix,
      flags: this.#flags,
      account: { namespace: this.edge, name: serviceAccount },
    });
  }

  /** Never started anywhere: it only stands for the process, which looks for itself and counts its siblings. */
  async #makePod(name: string): Promise<void> {
    const where = this.#node === '' ? 'schedulingGates: [{ name: example.test/never }]' : `nodeName: ${this.#node}`;
    const [pod] = await this.apply(`
apiVersion: v1
kind: Pod
metadata: { name: ${name}, namespace: EDGE, labels: { app: sluice } }
spec: { ${where}, containers: [{ name: sluice, image: example.test/sluice }] }
`);
    if (pod === undefined || this.#node === '') return;
    const status = { phase: 'Running', conditions: [{ type: 'Ready', status: 'True' }] };
    await this.admin.mergePatch(pod, { status }, '/status');
  }

  async #writeToken(client: string, file: string): Promise<string> {
    const token = await this.admin.token(this.edge, serviceAccount);
    this.gate.name(token, client);
    // As the kubelet does: never half a file.
    await writeFile(`${file}.next`, token);
    await rename(`${file}.next`, file);
    return token;
  }

  /** A server of our own goes with all it has; one that was lent gets everything removed. */
  async #removeObjects(): Promise<void> {
    if (this.backend.kind !== 'cluster') return;
    const wide = { metadata: { name: this.prefix } };
    const rbac = { apiVersion: 'rbac.authorization.k8s.io/v1', ...wide };
    const objects = [
      { apiVersion: 'admissionregistration.k8s.io/v1', kind: 'ValidatingWebhookConfiguration', ...wide },
      { ...rbac, kind: 'ClusterRoleBinding' },
      { ...rbac, kind: 'ClusterRole' },
      { apiVersion: 'networking.k8s.io/v1', kind: 'IngressClass', ...wide },
      { apiVersion: 'v1', kind: 'Namespace', metadata: { name: this.namespace } },
      { apiVersion: 'v1', kind: 'Namespace', metadata: { name: this.edge } },
    ];
    for (const object of objects) await this.admin.delete(object);
  }
}

function sceneryYaml(controller: string): string {
  return `
apiVersion: v1
kind: Namespace
metadata: { name: APPS, labels: { e2e: "CLASS" } }
---
apiVersion: v1
kind: Namespace
metadata: { name: EDGE }
---
apiVersion: v1
kind: ServiceAccount
metadata: { name: ${serviceAccount}, namespace: EDGE }
---
apiVersion: networking.k8s.io/v1
kind: IngressClass
metadata: { name: CLASS }
spec: { controller: ${controller} }
`;
}
