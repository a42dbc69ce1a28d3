// A `sluice serve` process on a folder of manifests, with the sites of a test run in it.

import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SluiceProcess } from '../harness/sluice-process.ts';
import { until } from '../harness/wait.ts';
import type { Ports } from './client.ts';

const CLASS = `
apiVersion: networking.k8s.io/v1
kind: IngressClass
metadata: { name: nginx }
spec: { controller: k8s.io/ingress-nginx }
`;

export class ManifestFolder implements AsyncDisposable {
  readonly path: string;

  private constructor(path: string) {
    this.path = path;
  }

  static async create(files: Readonly<Record<string, string>>): Promise<ManifestFolder> {
    const folder = new ManifestFolder(await mkdtemp(join(tmpdir(), 'sluice-edge-')));
    for (const [name, text] of Object.entries({ class: CLASS, ...files })) await folder.write(name, text);
    return folder;
  }

  /** Writes `<name>.yaml` beside and renames it, so that nobody reads half of it. */
  async write(name: string, text: string): Promise<void> {
    const draft = join(this.path, `.${name}.draft`);
    await writeFile(draft, text);
    await rename(draft, join(this.path, `${name}.yaml`));
  }

  async remove(name: string): Promise<void> {
    await rm(join(this.path, `${name}.yaml`));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.path, { recursive: true, force: true });
  }
}

export class Edge implements AsyncDisposable {
  readonly process: SluiceProcess;
  #ports: Ports = { http: 0, https: 0 };

  private constructor(process: SluiceProcess) {
    this.process = process;
  }

  /** Starts a Sluice with two workers on a folder; resolves when all of them serve. Later flags win. */
  static async start(
    folder: ManifestFolder,
    flags: readonly string[] = [],
    env: Readonly<Record<string, string>> = {},
  ): Promise<Edge> {
    const fixed = [`--manifests=${folder.path}`, '--bind-address=127.0.0.1', '--healthz-host=127.0.0.1', '--workers=2'];
    await using starting = new AsyncDisposableStack();
    const edge = starting.use(new Edge(new SluiceProcess([...fixed, ...flags], env)));
    const { httpPort, httpsPort } = await edge.process.serving();
    edge.#ports = { http: httpPort, https: httpsPort };
    starting.move();
    return edge;
  }

  get ports(): Ports {
    return this.#ports;
  }

  /**
   * Writes a file of the folder, or removes it with null, and waits until all workers serve what it says. It must change the
   * routing table.
   */
  async change(folder: ManifestFolder, name: string, text: string | null): Promise<void> {
    const before = await this.#revision();
    if (text === null) await folder.remove(name);
    else await folder.write(name, text);
    await until(
      'a new routing table',
      () => this.#revision(),
      (revision) => revision > before,
    );
  }

  /** Sum of all series of a metric whose labels hold all of `labels`; 0 when there is none. */
  async metric(name: string, labels: Readonly<Record<string, string>> = {}): Promise<number> {
    const lines = (await this.process.metrics()).split('\n').filter((line) => isSeries(line, name, labels));
    return lines.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' ') + 1)), 0);
  }

  /** Warnings and errors about the objects that `owns` names: without the name of the object, and where it was read. */
  complaints(owns: (objectName: string) => boolean): readonly string[] {
    return this.process.records.flatMap(({ object, msg = '', level }) => {
      const { kind = '', name = '' } = (object ?? {}) as { kind?: string; name?: string };
      if (!owns(name) || Number(level) < 40) return [];
      return [msg.replace(`${kind} default/${name} `, '').replace(/ \([^()]*\)$/, '')];
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.process.kill();
  }

  #revision(): Promise<number> {
    return this.metric('sluice_table_revision');
  }
}

function isSeries(line: string, name: string, labels: Readonly<Record<string, string>>): boolean {
  if (!line.startsWith(`${name} `) && !line.startsWith(`${name}{`)) return false;
  return Object.entries(labels).every(([label, value]) => line.includes(`${label}="${value}"`));
}
