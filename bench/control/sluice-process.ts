// `sluice serve` as a process of its own, against the API server of a kubeconfig file.
//
// It is the only replica and thus the leader: it writes the status of each Ingress, and Events, as in a cluster.

import type { ChildProcess } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { spawnBound } from '../../e2e/harness/bound-process.ts';

const MAIN = fileURLToPath(new URL('../../controller/sluice.js', import.meta.url));
const ARGS = [
  '--workers=1',
  '--http-port=0',
  '--https-port=0',
  '--healthz-port=0',
  '--log-format=json',
  '--publish-status-address=192.0.2.1',
];

interface Ports {
  readonly httpPort: number;
  readonly httpsPort: number;
  readonly healthPort: number;
}

export interface SluiceProcess extends Ports {
  /** From spawn to the log record that says it serves, which is after the first table is in the worker. */
  readonly readyMs: number;
  readonly pid: number;
  readonly stop: () => Promise<void>;
}

/** Rejects when the process ends before it serves. */
export async function startSluice(kubeconfig: string): Promise<SluiceProcess> {
  const startMs = performance.now();
  const args = [MAIN, 'serve', `--kubeconfig=${kubeconfig}`, ...ARGS];
  const env = { ...process.env, POD_NAME: 'sluice-0', POD_NAMESPACE: 'default' };
  const child = spawnBound(process.execPath, args, { env, stdio: ['ignore', 'ignore', 'pipe'] });
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const ports = await servingPorts(child);
  return {
    ...ports,
    readyMs: performance.now() - startMs,
    pid: child.pid ?? 0,
    stop: async () => {
      child.kill('SIGTERM');
      await ended;
    },
  };
}

function servingPorts(child: ChildProcess): Promise<Ports> {
  return new Promise((resolve, reject) => {
    if (child.stderr === null) throw new Error('stderr is piped');
    child.once('exit', (code) => reject(new Error(`sluice ended with exit code ${code}`)));
    createInterface({ input: child.stderr }).on('line', (line) => {
      const record = line.startsWith('{') ? (JSON.parse(line) as Ports & { readonly msg?: string }) : null;
      if (record?.msg === 'serving') resolve(record);
    });
  });
}

/** Resident memory of a process, main thread and workers alike, as `ps` shows it, in bytes: now, or the highest so far. */
export function residentBytes(pid: number, field: 'VmRSS' | 'VmHWM' = 'VmRSS'): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const kib = new RegExp(`^${field}:\\s+(\\d+) kB$`, 'm').exec(status)?.[1];
  if (kib === undefined) throw new Error(`status has no ${field} line`);
  return Number(kib) * 1024;
}

/** The sum of all series of a metric. */
export async function metricSum({ healthPort }: Ports, name: string): Promise<number> {
  const text = await (await fetch(`http://127.0.0.1:${healthPort}/metrics`)).text();
  return text
    .split('\n')
    .filter((line) => line.startsWith(`${name} `) || line.startsWith(`${name}{`))
    .reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' ') + 1)), 0);
}
