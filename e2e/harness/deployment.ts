// What kubelet, Deployment and EndpointSlice controllers do for one Deployment, as far as an Ingress controller sees it:
// pods that answer with their names, and a slice that lists those that are ready. Where a cluster has those controllers,
// they find nothing to do: the Deployment is paused and its Service selects nothing.

import { setTimeout as delay } from 'node:timers/promises';
import { machineAddress } from './machine-address.ts';
import { type Pod, startPod } from './pods.ts';
import type { Scene } from './scene.ts';

const pollMs = 50;
/** A pod serves on for this long after it left its slice: what the preStop hook of a careful Deployment does. */
const drainMs = 1000;

/** Applies a Service and a Deployment of this name and keeps its pods, until disposed of. */
export async function runDeployment(scene: Scene, name: string, replicas: number): Promise<DeploymentRun> {
  await scene.apply(manifests(name, replicas));
  const run = new DeploymentRun(scene, name);
  await run.reconcile();
  run.start();
  return run;
}

export class DeploymentRun implements AsyncDisposable {
  readonly #scene: Scene;
  readonly #name: string;
  readonly #pods: Pod[] = [];
  readonly #ending: Promise<void>[] = [];
  #count = 0;
  #isOver = false;
  #running: Promise<void> = Promise.resolve();

  constructor(scene: Scene, name: string) {
    this.#scene = scene;
    this.#name = name;
  }

  /** Names of the pods in the slice. */
  get pods(): readonly string[] {
    return this.#pods.map(({ name }) => name);
  }

  start(): void {
    this.#running = this.#follow();
  }

  /** Brings pods and slices to the number of replicas that the Deployment asks for. */
  async reconcile(): Promise<void> {
    const deployment = await this.#scene.admin.get('apps/v1', 'Deployment', this.#scene.namespace, this.#name);
    const wanted = (deployment?.['spec'] as { replicas?: number } | undefined)?.replicas ?? 0;
    if (wanted === this.#pods.length) return;
    while (this.#pods.length < wanted) {
      this.#count += 1;
      const pod = await startPod(`${this.#name}-${this.#count}`);
      this.#pods.push(pod);
      await this.#scene.apply(slice(this.#name, pod));
    }
    while (this.#pods.length > wanted) await this.#end(this.#pods.pop());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isOver = true;
    await this.#running;
    await Promise.all([...this.#ending, ...this.#pods.map((pod) => pod[Symbol.asyncDispose]())]);
  }

  async #follow(): Promise<void> {
    while (!this.#isOver) {
      await this.reconcile();
      await delay(pollMs);
    }
  }

  async #end(pod: Pod | undefined): Promise<void> {
    if (pod === undefined) return;
    const metadata = { name: pod.name, namespace: this.#scene.namespace };
    await this.#scene.admin.delete({ apiVersion: 'discovery.k8s.io/v1', kind: 'EndpointSlice', metadata });
    this.#ending.push(delay(drainMs).then(() => pod[Symbol.asyncDispose]()));
  }
}

function manifests(name: string, replicas: number): string {
  return `
apiVersion: v1
kind: Service
metadata: { name: ${name}, namespace: APPS }
spec: { ports: [{ name: http, port: 80 }] }
---
apiVersion: apps/v1
kind: Deployment
metadata: { name: ${name}, namespace: APPS }
spec:
  paused: true
  replicas: ${replicas}
  selector: { matchLabels: { app: ${name} } }
  template:
    metadata: { labels: { app: ${name} } }
    spec: { containers: [{ name: ${name}, image: example.test/${name} }] }
`;
}

/** One for each pod: every pod has another port here. */
function slice(service: string, { name, port }: Pod): string {
  return `
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: { name: ${name}, namespace: APPS, labels: { kubernetes.io/service-name: ${service} } }
addressType: IPv4
ports: [{ name: http, port: ${port} }]
endpoints: [{ addresses: ["${machineAddress()}"], conditions: { ready: true } }]
`;
}
