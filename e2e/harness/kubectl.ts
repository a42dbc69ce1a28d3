// kubectl as a process, as a person uses it.

import { spawn } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';

export interface KubectlOutcome {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface KubectlCall {
  /** For `-f -`. */
  readonly input?: string;
  readonly env?: Readonly<Record<string, string>>;
}

/** The one KUBECTL names; otherwise the first in PATH; null when there is none. */
export function findKubectl(): string | null {
  const candidates = [
    process.env['KUBECTL'] ?? '',
    ...(process.env['PATH'] ?? '').split(delimiter).map((folder) => join(folder, 'kubectl')),
  ];
  return candidates.find(isExecutable) ?? null;
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return path !== '';
  } catch {
    return false;
  }
}

export class Kubectl {
  readonly #path: string;
  readonly #flags: readonly string[];
  readonly #home: string;

  /** @param home a folder for its cache, so that runs do not share what they discovered. */
  constructor(path: string, kubeconfigPath: string, home: string) {
    this.#path = path;
    this.#home = home;
    this.#flags = ['--kubeconfig', kubeconfigPath, '--cache-dir', join(home, 'kubectl-cache')];
  }

  /** Runs it and gives what it said, whatever the exit code. */
  async try(args: readonly string[], { input, env = {} }: KubectlCall = {}): Promise<KubectlOutcome> {
    const { promise, resolve, reject } = Promise.withResolvers<number | null>();
    const child = spawn(this.#path, [...this.#flags, ...args], {
      env: { ...process.env, HOME: this.#home, KUBE_EDITOR: '', ...env },
    });
    const [stdout, stderr] = [child.stdout.setEncoding('utf8').toArray(), child.stderr.setEncoding('utf8').toArray()];
    child.once('error', reject);
    child.once('close', resolve);
    child.stdin.end(input ?? '');
    const code = await promise;
    return { code, stdout: (await stdout).join(''), stderr: (await stderr).join('') };
  }

  /** Runs it and gives stdout; rejects with its words when it fails. */
  async run(args: readonly string[], call: KubectlCall = {}): Promise<string> {
    const { code, stdout, stderr } = await this.try(args, call);
    if (code !== 0) throw new Error(`kubectl ${args.join(' ')}: ${stderr}`);
    return stdout;
  }
}
