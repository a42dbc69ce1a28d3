// A test API server, and the cluster side of a Sluice that reads it and writes to it: everything but the proxy.

import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { type Logger, pino } from 'pino';
import { type ApiServer, startApiServer } from '../../../e2e/apiserver/server.ts';
import type { Snapshot, StoreChange } from '../../objects/snapshot.ts';
import { type Options, parseOptions } from '../../options.ts';
import { type Cluster, openCluster } from '../../serve/cluster.ts';
import type { PolicyRule, RbacRules } from '../../watch/api/rbac.ts';
import { ObjectStore } from '../../watch/store.ts';

/** Far more than anything here takes. */
const WAIT_MS = 10_000;
const USER = 'sluice';

export interface ApiClusterOptions {
  readonly flags?: readonly string[];
  readonly env?: { readonly POD_NAMESPACE?: string; readonly POD_NAME?: string };
  /** Objects that are there before Sluice starts. */
  readonly manifests?: string;
  /** What its user may do; default everything. */
  readonly rules?: (options: Options) => RbacRules;
}

export class ApiCluster implements AsyncDisposable {
  readonly server: ApiServer;
  readonly cluster: Cluster;
  readonly store = new ObjectStore();
  /** Batches that the store was changed by. */
  readonly steps: (readonly StoreChange[])[] = [];
  readonly messages: string[] = [];
  readonly #dir: string;
  #started: Promise<void> | null = null;

  private constructor(server: ApiServer, cluster: Cluster, dir: string, messages: string[]) {
    this.server = server;
    this.cluster = cluster;
    this.#dir = dir;
    this.messages = messages;
  }

  /** Opens without starting to read. */
  static async open(given: ApiClusterOptions = {}): Promise<ApiCluster> {
    const server = await startApiServer();
    await server.apply(given.manifests ?? '');
    const dir = await mkdtemp(join(tmpdir(), 'sluice-cluster-'));
    const kubeconfig = join(dir, 'kubeconfig');
    const outcome = parseOptions(['serve', '--kubeconfig', kubeconfig, ...(given.flags ?? [])], given.env ?? {});
    if (!outcome.ok) throw new Error(outcome.message);
    const rules = given.rules?.(outcome.options) ?? null;
    server.users.add(rules === null ? { name: USER, groups: ['system:masters'] } : { name: USER });
    if (rules !== null) await server.apply(rbacObjects(rules));
    await writeFile(kubeconfig, server.kubeconfig(USER));
    const messages: string[] = [];
    const cluster = await openCluster(outcome.options, recordingLog(messages));
    return new ApiCluster(server, cluster, dir, messages);
  }

  /** Opens, and resolves when everything has been read once. */
  static async start(given: ApiClusterOptions = {}): Promise<ApiCluster> {
    const opened = await ApiCluster.open(given);
    await opened.read();
    return opened;
  }

  read(): Promise<void> {
    this.#started ??= this.cluster.source.start((changes) => {
      if (this.store.apply(changes)) this.steps.push(changes);
    });
    return this.#started;
  }

  get snapshot(): Snapshot {
    return this.store.snapshot();
  }

  /** Writes a kubeconfig with another token into the same file, as a rotation does, and takes the old one away. */
  async rotateToken(): Promise<void> {
    const old = this.server.token(USER);
    this.server.users.revoke(old);
    this.server.users.add({ name: USER, groups: ['system:masters'] });
    const next = join(this.#dir, 'next');
    await writeFile(next, this.server.kubeconfig(USER));
    await rename(next, join(this.#dir, 'kubeconfig'));
  }

  /** Waits until it holds. */
  async until(holds: () => boolean): Promise<void> {
    const endMs = performance.now() + WAIT_MS;
    while (!holds()) {
      if (performance.now() > endMs)
        throw new Error(`waited in vain for ${holds.toString()}\n${this.messages.join('\n')}`);
      await delay(5);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.cluster.link.close();
    await this.cluster.source[Symbol.asyncDispose]();
    await this.#started?.catch(() => {});
    await this.server[Symbol.asyncDispose]();
    await rm(this.#dir, { recursive: true });
  }
}

function recordingLog(messages: string[]): Logger {
  const write = (line: string) => {
    const { msg, ...fields } = JSON.parse(line);
    messages.push(`${msg} ${JSON.stringify(fields)}`);
  };
  return pino({ level: 'debug', base: null, timestamp: false }, { write });
}

/** Roles and bindings, as the chart makes them. */
function rbacObjects({ cluster, namespaces }: RbacRules): readonly object[] {
  const apiVersion = 'rbac.authorization.k8s.io/v1';
  const subjects = [{ kind: 'User', name: USER, apiGroup: 'rbac.authorization.k8s.io' }];
  const bound = (kind: 'ClusterRole' | 'Role', metadata: object, rules: readonly PolicyRule[]) => [
    { apiVersion, kind, metadata, rules },
    {
      apiVersion,
      kind: `${kind}Binding`,
      metadata,
      subjects,
      roleRef: { kind, name: 'sluice', apiGroup: 'rbac.authorization.k8s.io' },
    },
  ];
  const roles = Object.entries(namespaces).map(([namespace, rules]) =>
    bound('Role', { name: 'sluice', namespace }, rules),
  );
  return [...bound('ClusterRole', { name: 'sluice' }, cluster), ...roles.flat()];
}
