// Some sites with the Sluice processes before them: for tests that change endpoints, processes and annotations on the way.

import { stringify } from 'yaml';
import { Edge, ManifestFolder } from './edge.ts';
import { Endpoints } from './endpoints.ts';
import { Site, type Surroundings } from './site.ts';

export class Town implements AsyncDisposable {
  readonly sites: readonly Site[];
  readonly #folder: ManifestFolder;
  readonly #flags: readonly string[];
  readonly #stack: AsyncDisposableStack;
  #edge: Edge | null = null;

  private constructor(
    sites: readonly Site[],
    folder: ManifestFolder,
    flags: readonly string[],
    stack: AsyncDisposableStack,
  ) {
    this.sites = sites;
    this.#folder = folder;
    this.#flags = flags;
    this.#stack = stack;
  }

  /**
   * Starts a Sluice with two workers, and a site for each of the surroundings. `settings` are those of the ConfigMap
   * `default/settings`, which a flag has to name.
   */
  static async start(
    surroundings: readonly Surroundings[],
    flags: readonly string[] = [],
    settings: Readonly<Record<string, string>> = {},
  ): Promise<Town> {
    await using stack = new AsyncDisposableStack();
    const endpoints = stack.use(await Endpoints.start());
    const sites = surroundings.map((each, number) => stack.use(new Site(number, endpoints, each, {})));
    const files = Object.fromEntries(sites.map(({ name, yaml }) => [name, yaml]));
    const folder = stack.use(await ManifestFolder.create({ ...files, settings: configMap(settings) }));
    const town = new Town(sites, folder, flags, stack.move());
    await town.restart();
    return town;
  }

  /** The process that the sites are asked through. */
  get edge(): Edge {
    if (this.#edge === null) throw new Error('no Sluice has been started');
    return this.#edge;
  }

  /** Ends the process in order, if there is one, and starts another, which knows nothing of it. */
  async restart(): Promise<void> {
    await this.#edge?.process.stop();
    await this.startReplica();
  }

  /** Where the manifests are. */
  get folder(): string {
    return this.#folder.path;
  }

  /**
   * Starts one more process on the same objects; the sites are asked through it from now on. `flags`: default as the first.
   * `env`: variables beside those of this process.
   */
  async startReplica(flags = this.#flags, env: Readonly<Record<string, string>> = {}): Promise<Edge> {
    this.#edge = this.#stack.use(await Edge.start(this.#folder, flags, env));
    this.askThrough(this.#edge);
    return this.#edge;
  }

  askThrough(edge: Edge): void {
    this.#edge = edge;
    for (const site of this.sites) site.open(edge.ports);
  }

  /** Writes what a site looks like now; resolves when all workers serve it. */
  async update(site: Site): Promise<void> {
    await this.edge.change(this.#folder, site.name, site.yaml);
  }

  /** As {@link update}, of the settings in the ConfigMap. */
  async set(settings: Readonly<Record<string, string>>): Promise<void> {
    await this.edge.change(this.#folder, 'settings', configMap(settings));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack.disposeAsync();
  }
}

function configMap(data: Readonly<Record<string, string>>): string {
  return stringify({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'settings' }, data });
}
