// Sluice as a member of a DaemonSet: one process on a node, with the usual ports on the node's address (hostPort), that
// reads the API server of the lab.

import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { SLUICE_MAIN } from '../harness/sluice-process.ts';
import { until } from '../harness/wait.ts';
import type { Lab, LabNode } from './lab.ts';
import { LabProcess } from './lab-process.ts';

const START_LIMIT_MS = 60_000;
const STOP_LIMIT_MS = 20_000;
const KEPT_FAILURES = 20;

export const HTTP_PORT = 80;
export const HEALTH_PORT = 10254;

export class NodeSluice {
  readonly node: LabNode;
  readonly #process: LabProcess;
  readonly #failedRequests: string[] = [];
  readonly #messages = new Set<unknown>();

  private constructor(node: LabNode, args: readonly string[]) {
    this.node = node;
    const cache = process.env['NODE_COMPILE_CACHE'];
    const env = {
      POD_NAMESPACE: 'default',
      POD_NAME: podNameOf(node),
      ...(cache === undefined ? {} : { NODE_COMPILE_CACHE: cache }),
    };
    this.#process = new LabProcess({ namespace: node.namespace, args, env, onLine: (line) => this.#read(line) });
  }

  /** Resolves when it serves. `kubeconfig` is the text of the file. */
  static async start(lab: Lab, node: LabNode, kubeconfig: string, flags: readonly string[] = []): Promise<NodeSluice> {
    const path = join(lab.dir, `${node.name}.kubeconfig`);
    await writeFile(path, kubeconfig);
    const ports = [`--http-port=${HTTP_PORT}`, '--https-port=443', `--healthz-port=${HEALTH_PORT}`, '--workers=1'];
    const args = [SLUICE_MAIN, 'serve', `--kubeconfig=${path}`, ...ports, '--log-format=json', ...flags];
    const sluice = new NodeSluice(node, args);
    const isUp = () => sluice.#messages.has('serving') || !sluice.#process.isRunning;
    await until(`Sluice on ${node.name}`, isUp, (up) => up, START_LIMIT_MS);
    if (!sluice.#process.isRunning) throw new Error(`Sluice on ${node.name} ended: ${sluice.#process.lastLines}`);
    return sluice;
  }

  /** Access log lines of requests that were answered by a 5xx since the last call: the last 20 of them. */
  takeFailedRequests(): readonly string[] {
    return this.#failedRequests.splice(0);
  }

  get isRunning(): boolean {
    return this.#process.isRunning;
  }

  async stop(): Promise<void> {
    await this.#process.stop(STOP_LIMIT_MS);
  }

  #read(line: string): void {
    if (line.startsWith('{')) {
      this.#messages.add((JSON.parse(line) as { readonly msg?: unknown }).msg);
      return;
    }
    // An access log line: the status follows the quoted request line.
    if (/" 5\d\d /.test(line) && this.#failedRequests.push(line) > KEPT_FAILURES) this.#failedRequests.shift();
  }
}

export function podNameOf(node: LabNode): string {
  return `sluice-${node.name}`;
}
