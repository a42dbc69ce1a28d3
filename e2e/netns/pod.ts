// A pod from birth to death, as the kubelet and the controllers around it do it: a process in a network of its own, an
// entry in the EndpointSlice when it listens, and an end in which the signal and the slice race each other.

import { setTimeout as delay } from 'node:timers/promises';
import type { EndpointSlices } from './endpoint-slices.ts';
import type { Lab, LabNode, PodNetwork } from './lab.ts';
import { LabProcess } from './lab-process.ts';

/** What a pod does at SIGTERM: ends at once, finishes what it has, or nothing until it is killed. */
export type PodBehaviour = 'stop' | 'drain' | 'hang';

export const POD_PORT = 8080;

export interface PodContext {
  readonly lab: Lab;
  readonly slices: EndpointSlices;
  /** The path of the program, see `Lab.program`. */
  readonly program: string;
  /** `terminationGracePeriodSeconds`, shorter. */
  readonly graceMs: number;
  /** The longest time by which the signal may be ahead of the slice, or the slice ahead of the signal. */
  readonly raceMs: number;
  /** From 0 (inclusive) to 1 (exclusive). */
  readonly random: () => number;
}

export class Pod {
  readonly name: string;
  readonly network: PodNetwork;
  readonly behaviour: PodBehaviour;
  /** Set before the pod is made to end: from then on it may cut its connections. */
  mayEndConnections = false;
  readonly #context: PodContext;
  readonly #process: LabProcess;

  private constructor(name: string, network: PodNetwork, behaviour: PodBehaviour, context: PodContext) {
    this.name = name;
    this.network = network;
    this.behaviour = behaviour;
    this.#context = context;
    const args = [context.program, name, network.address, String(POD_PORT), behaviour];
    let onListening = (): void => {};
    this.#listening = new Promise((resolve) => {
      onListening = resolve;
    });
    this.#process = new LabProcess({ namespace: network.namespace, args, onLine: onListening });
  }

  readonly #listening: Promise<void>;

  /** Resolves when the pod listens and its slice says that it is ready. */
  static async start(name: string, network: PodNetwork, behaviour: PodBehaviour, context: PodContext): Promise<Pod> {
    await network.bringUp();
    const pod = new Pod(name, network, behaviour, context);
    await Promise.race([pod.#listening, pod.#process.ended]);
    if (!pod.#process.isRunning) throw new Error(`pod ${name} did not start: ${pod.#process.lastLines}`);
    await context.slices.set(name, { address: network.address, nodeName: network.node.name, state: 'ready' });
    return pod;
  }

  get node(): LabNode {
    return this.network.node;
  }

  /** Deletes the pod. Resolves when nothing of it is left and its network may be given to another one. */
  async delete(): Promise<void> {
    const { slices, raceMs, random, graceMs } = this.#context;
    const { address, node } = this.network;
    // Two controllers see the deletion at the same time; nobody says which one acts first.
    const told = delay(random() * raceMs).then(() =>
      slices.set(this.name, { address, nodeName: node.name, state: 'terminating' }),
    );
    await delay(random() * raceMs);
    if (this.behaviour !== 'hang') this.mayEndConnections = true;
    await this.#process.stop(graceMs, () => {
      this.mayEndConnections = true;
    });
    await told;
    await slices.remove(this.name);
    await this.network.takeDown();
  }
}
