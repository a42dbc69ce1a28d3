// The load balancer before the nodes: a process on a machine of its own, see programs/load-balancer.ts.

import { until } from '../harness/wait.ts';
import type { Lab, LabNode } from './lab.ts';
import { LabProcess } from './lab-process.ts';
import { HEALTH_PORT, HTTP_PORT } from './sluice.ts';

const CHECK_INTERVAL_MS = 500;
const THRESHOLD = 2;

export class LoadBalancer {
  readonly address: string;
  readonly #process: LabProcess;
  readonly #healthy = new Set<string>();

  private constructor(lab: Lab, program: string, namespace: string, address: string) {
    this.address = address;
    const config = {
      address,
      port: HTTP_PORT,
      targets: lab.nodes.map((node) => node.address),
      targetPort: HTTP_PORT,
      healthPort: HEALTH_PORT,
      healthPath: '/healthz',
      intervalMs: CHECK_INTERVAL_MS,
      threshold: THRESHOLD,
    };
    const args = [program, JSON.stringify(config)];
    this.#process = new LabProcess({ namespace, args, onLine: (line) => this.#read(line) });
  }

  /** Resolves when it sends connections to every node of the lab. */
  static async start(lab: Lab): Promise<LoadBalancer> {
    const { namespace, address } = await lab.addHost('balancer');
    const balancer = new LoadBalancer(lab, await lab.program('load-balancer'), namespace, address);
    for (const node of lab.nodes) await balancer.sees(node, true);
    return balancer;
  }

  /** Waits till the balancer takes the node for healthy, or no longer does. */
  async sees(node: LabNode, isHealthy: boolean): Promise<void> {
    const read = () => this.#healthy.has(node.address);
    const what = `the load balancer to see ${node.name} ${isHealthy ? 'healthy' : 'unhealthy'}`;
    await until(what, read, (seen) => seen === isHealthy);
    if (!this.#process.isRunning) throw new Error(`the load balancer ended: ${this.#process.lastLines}`);
  }

  #read(line: string): void {
    const [address = '', state] = line.split(' ');
    if (state === 'healthy') this.#healthy.add(address);
    if (state === 'unhealthy') this.#healthy.delete(address);
  }
}
