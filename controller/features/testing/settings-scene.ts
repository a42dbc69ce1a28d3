// Settings as users write them, in force on a data path: a ConfigMap and the annotations of one Ingress are decoded,
// compiled and taken over, and again after each change, while connections stay open.

import { currentTable } from '#proxy/forward/current-table.ts';
import { DataPath } from '#proxy/forward/testing/data-path.ts';
import { TestProxy } from '#proxy/forward/testing/test-proxy.ts';
import { indexRoutes } from '#proxy/match/index.ts';
import { compile } from '../../compile/compile.ts';
import { emptyMemory } from '../../compile/memory.ts';
import { defaultOptions, snapshotOf } from '../../compile/testing/golden.ts';
import type { CompileResult } from '../../compile/types.ts';
import { configMap, ingress, ingressClass, serviceWith, textOf } from './manifests.ts';

/** Inside the validity of the fixture certificate that serves TLS. */
const NOW_MS = Date.parse('2030-01-01T00:00:00Z');

export interface Settings {
  /** Of the ConfigMap. */
  readonly data?: Readonly<Record<string, string>>;
  /** Of the Ingress, without `nginx.ingress.kubernetes.io/`. */
  readonly annotations?: Readonly<Record<string, string>>;
  /** The Ingress names a Secret for its host. It does not exist, so the generated certificate is shown. */
  readonly hasTls?: boolean;
}

/** Compiles an Ingress for host `a` to these loopback ports. Throws on any complaint: the values are meant to be valid. */
export function compiled(ports: readonly number[], { data = {}, annotations = {}, hasTls = false }: Settings) {
  const prefixed = Object.fromEntries(
    Object.entries(annotations).map(([name, value]) => [`nginx.ingress.kubernetes.io/${name}`, value]),
  );
  const parts = { hosts: { a: { '/': 'web' } }, annotations: prefixed, ...(hasTls ? { tlsSecret: 'pair' } : {}) };
  const manifests = textOf(
    ingressClass,
    // Bodies of any size, unless a test says otherwise.
    configMap('settings', { 'proxy-body-size': '0', ...data }),
    ...serviceWith('web', ...ports),
    ingress('web', parts),
  );
  const result = compile(
    snapshotOf(manifests),
    { ...defaultOptions, configMap: 'default/settings' },
    emptyMemory,
    NOW_MS,
  );
  const complaints = result.diagnostics.filter(
    ({ reason, severity }) => severity !== 'info' && !reason.includes('Secret'),
  );
  if (complaints.length > 0) throw new Error(JSON.stringify(complaints));
  return result;
}

/** A data path whose clock is moved by hand. */
export class SettingsScene implements AsyncDisposable {
  readonly path: DataPath;
  readonly #ports: readonly number[];
  #revision = 1;

  private constructor(path: DataPath, ports: readonly number[]) {
    this.path = path;
    this.#ports = ports;
  }

  static async start(ports: readonly number[], settings: Settings): Promise<SettingsScene> {
    const path = new DataPath(compiled(ports, settings).table, true);
    return new SettingsScene(await path.listen(), ports);
  }

  /** Puts other settings into force. */
  change(settings: Settings): void {
    const { table } = compiled(this.#ports, settings);
    const { context } = this.path;
    context.endpoints.replaceUpstreams(table.upstreams);
    context.current = currentTable(++this.#revision, indexRoutes(table), table.global);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.path[Symbol.asyncDispose]();
  }
}

/** A real worker with HTTP and HTTPS listeners and an access log. */
export async function startCompiledProxy(ports: readonly number[], settings: Settings): Promise<TestProxy> {
  const proxy = new TestProxy();
  publishCompiled(proxy, compiled(ports, settings));
  await proxy.listen();
  return proxy.listenTls();
}

/** Puts a compiled table into force on a worker. */
export function publishCompiled(proxy: TestProxy, { table, material }: CompileResult): void {
  proxy.publish(table, [...material.values()]);
}
