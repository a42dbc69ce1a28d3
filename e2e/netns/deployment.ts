// The Deployment controller's rolling update: new pods while there are fewer than replicas + surge, old ones go while
// enough are available (Kubernetes docs, Deployments, "Rolling Update Deployment": 25 % rounded up, 25 % rounded down).

import type { PodNetwork } from './lab.ts';
import { Pod, type PodBehaviour, type PodContext } from './pod.ts';

export class Deployment implements AsyncDisposable {
  readonly #context: PodContext;
  readonly #behaviour: PodBehaviour;
  readonly #replicas: number;
  /** Longest unused first, so that an address comes back as late as possible. */
  readonly #freeNetworks: PodNetwork[];
  readonly #pods = new Map<string, { readonly pod: Pod; readonly revision: number }>();
  /** Every pod there ever was, by name. */
  readonly #history = new Map<string, Pod>();
  readonly #ending = new Set<Promise<void>>();
  #starting = 0;
  #revision = 0;
  #names = 0;
  #failure: unknown = null;
  #wake: () => void = () => {};

  constructor(context: PodContext, behaviour: PodBehaviour, replicas: number) {
    this.#context = context;
    this.#behaviour = behaviour;
    this.#replicas = replicas;
    const { nodes } = context.lab;
    const rows = Math.max(...nodes.map(({ podNetworks }) => podNetworks.length));
    // Node after node, as a scheduler spreads pods.
    this.#freeNetworks = Array.from({ length: rows }, (_, row) =>
      nodes.flatMap(({ podNetworks }) => podNetworks[row] ?? []),
    ).flat();
  }

  /** Starts a new revision of all pods; resolves when all of it is available and the old ones have been told to end. */
  async rollOut(): Promise<void> {
    this.#revision += 1;
    const maxSurge = Math.ceil(this.#replicas / 4);
    const minAvailable = this.#replicas - Math.floor(this.#replicas / 4);
    for (;;) {
      if (this.#failure !== null) throw this.#failure;
      const old = [...this.#pods.values()].filter(({ revision }) => revision < this.#revision).map(({ pod }) => pod);
      const fresh = this.#pods.size - old.length;
      if (old.length === 0 && fresh === this.#replicas) return;
      for (const pod of old.slice(0, Math.max(0, this.#pods.size - minAvailable))) this.#end(pod);
      while (this.#canStart(fresh, maxSurge)) this.#start();
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  /** Deletes all pods and waits for their end. */
  async close(): Promise<void> {
    for (const { pod } of [...this.#pods.values()]) this.#end(pod);
    await Promise.all(this.#ending);
    if (this.#failure !== null) throw this.#failure;
  }

  /** Leaves no pod to the next test, however this one ended. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /** A pod that runs or ran; undefined for a name that was never given. */
  find(name: string): Pod | undefined {
    return this.#history.get(name);
  }

  #canStart(fresh: number, maxSurge: number): boolean {
    return (
      this.#freeNetworks.length > 0 &&
      fresh + this.#starting < this.#replicas &&
      this.#pods.size + this.#starting < this.#replicas + maxSurge
    );
  }

  #start(): void {
    const network = this.#freeNetworks.shift();
    if (network === undefined) return;
    const revision = this.#revision;
    const name = `pod-${this.#names++}`;
    this.#starting += 1;
    void Pod.start(name, network, this.#behaviour, this.#context)
      .then(
        (pod) => {
          this.#pods.set(name, { pod, revision });
          this.#history.set(name, pod);
        },
        (error: unknown) => {
          this.#failure = error;
        },
      )
      .finally(() => {
        this.#starting -= 1;
        this.#wake();
      });
  }

  #end(pod: Pod): void {
    this.#pods.delete(pod.name);
    const ending = pod
      .delete()
      .then(
        () => void this.#freeNetworks.push(pod.network),
        (error: unknown) => {
          this.#failure = error;
        },
      )
      .finally(() => {
        this.#ending.delete(ending);
        this.#wake();
      });
    this.#ending.add(ending);
  }
}
