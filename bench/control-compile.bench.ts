// Measures what one change costs the main thread, from the store to the encoded update, at 100 and at 10,000 Ingresses.
//
// Run: node bench/control-compile.bench.ts. Each Ingress has its own host and Service with 5 endpoints, every fifth its
// own TLS Secret. Prints milliseconds, p50 and p99; the p50 of one kind of change should hardly differ between the sizes.

import { compile } from '#controller/compile/compile.ts';
import { IncrementalCompiler } from '#controller/compile/incremental.ts';
import { fixture } from '#controller/compile/testing/fixtures.ts';
import { defaultOptions } from '#controller/compile/testing/golden.ts';
import { ingressOf, metaOf, serviceOf } from '#controller/compile/testing/objects.ts';
import type { StoreChange } from '#controller/objects/snapshot.ts';
import {
  type EndpointSlice,
  type Ingress,
  type KubernetesObject,
  Redacted,
  type Secret,
} from '#controller/objects/types.ts';
import { diffTables, type NumberedTable } from '#controller/publish/diff.ts';
import { ObjectStore } from '#controller/watch/store.ts';
import { encodeUpdate } from '#proxy/table/codec.ts';

const sizes = [100, 10_000];
const rounds = 300;
const nowMs = Date.parse('2030-01-01T00:00:00Z');
const options = { ...defaultOptions, configMap: 'default/settings' };

const certPem = fixture('wildcard-foo-com.crt');
const keyPem = fixture('wildcard-foo-com.key');

/** `version` makes another path of it. */
function ingress(i: number, version = 0): Ingress {
  const backend = { kind: 'service', service: `app-${i}`, port: { kind: 'number', number: 80 } } as const;
  const paths = ['/', '/api', version === 0 ? '/static' : `/v${version}`].map((path, index) => ({
    index,
    path,
    pathType: 'Prefix' as const,
    backend,
  }));
  const host = `app-${i}.foo.com`;
  return ingressOf({
    meta: metaOf(`app-${i}`, i * 1000),
    rules: [{ index: 0, host, paths }],
    tls: i % 5 === 0 ? [{ index: 0, hosts: [host], secretName: `tls-${i}` }] : [],
  });
}

/** `version` moves one of the endpoints. */
function slice(i: number, version = 0): EndpointSlice {
  const addresses = [0, 1, 2, 3, 4].map((n) => `10.${i >> 8}.${i & 255}.${n === 0 ? 10 + (version % 200) : n}`);
  return {
    kind: 'EndpointSlice',
    meta: metaOf(`app-${i}-x`),
    serviceName: `app-${i}`,
    addressType: 'IPv4',
    weight: 1,
    ports: [{ name: '', protocol: 'TCP', port: 8080 }],
    endpoints: addresses.map((address) => ({
      addresses: [address],
      conditions: { ready: true, serving: true, terminating: false },
      zone: '',
      hintZones: [],
      nodeName: '',
    })),
  };
}

/** One certificate for all, but text around it that makes each Secret, and each `version`, a pair of its own. */
function secret(i: number, version = 0): Secret {
  const data = { 'tls.crt': new Redacted(`${certPem}\n# ${i} ${version}\n`), 'tls.key': new Redacted(keyPem) };
  return { kind: 'Secret', meta: metaOf(`tls-${i}`), type: 'kubernetes.io/tls', data };
}

function service(i: number): KubernetesObject {
  return serviceOf({
    meta: metaOf(`app-${i}`),
    ports: [{ name: '', protocol: 'TCP', port: 80, targetPort: 8080 }],
  });
}

function configMap(version: number): KubernetesObject {
  return { kind: 'ConfigMap', meta: metaOf('settings'), data: { 'keep-alive': String(60 + version) } };
}

function* cluster(count: number): Generator<KubernetesObject> {
  yield { kind: 'IngressClass', meta: { ...metaOf('nginx'), namespace: '' }, controller: 'k8s.io/ingress-nginx' };
  yield configMap(0);
  for (let i = 0; i < count; i++) {
    yield ingress(i);
    yield service(i);
    yield slice(i);
    if (i % 5 === 0) yield secret(i);
  }
}

function upsert(object: KubernetesObject): StoreChange {
  return { kind: 'upsert', object, source: null };
}

interface Sample {
  readonly storeMs: number;
  readonly compileMs: number;
  /** Diff and encode. */
  readonly publishMs: number;
  /** Of the update; 0 when there was nothing to send. */
  readonly bytes: number;
}

/** The main thread's way from a change to bytes for the workers. */
class Controller {
  readonly #store = new ObjectStore();
  readonly #compiler = new IncrementalCompiler(options);
  #published: NumberedTable | null = null;

  apply(objects: Iterable<KubernetesObject>): Sample {
    const changes = [...objects].map(upsert);
    const startMs = performance.now();
    this.#store.apply(changes);
    const snapshot = this.#store.snapshot();
    const storedMs = performance.now();
    const { version } = this.#compiler.compile(snapshot, nowMs);
    const compiledMs = performance.now();
    const next = { revision: snapshot.revision, version };
    const update = diffTables(this.#published, next);
    const bytes = update === null ? 0 : encodeUpdate(update).byteLength;
    this.#published = next;
    return {
      storeMs: storedMs - startMs,
      compileMs: compiledMs - storedMs,
      publishMs: performance.now() - compiledMs,
      bytes,
    };
  }

  /** For comparison: everything anew. */
  compileAll(): number {
    const startMs = performance.now();
    compile(this.#store.snapshot(), options, this.#compiler.memory(), nowMs);
    return performance.now() - startMs;
  }
}

function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
}

function print(what: string, samples: readonly Sample[]): number {
  const column = (pick: (sample: Sample) => number, share: number) =>
    quantile(samples.map(pick), share).toFixed(3).padStart(9);
  const total = ({ storeMs, compileMs, publishMs }: Sample) => storeMs + compileMs + publishMs;
  const parts = [(s: Sample) => s.storeMs, (s: Sample) => s.compileMs, (s: Sample) => s.publishMs];
  const bytes = quantile(
    samples.map((sample) => sample.bytes),
    0.5,
  );
  console.log(
    `${what.padEnd(24)}${column(total, 0.5)}${column(total, 0.99)}  ${parts.map((part) => column(part, 0.5)).join('')}${String(bytes).padStart(9)}`,
  );
  return quantile(
    samples.map(({ compileMs, publishMs }) => compileMs + publishMs),
    0.5,
  );
}

/** Runs one kind of change many times, on another Ingress each time; gives the p50 of compile, diff and encode. */
function measure(controller: Controller, what: string, change: (round: number) => readonly KubernetesObject[]): number {
  for (let round = 0; round < 50; round++) controller.apply(change(round));
  return print(
    what,
    Array.from({ length: rounds }, (_, round) => controller.apply(change(50 + round))),
  );
}

/** p50 of compile, diff and encode by kind of change. */
function bench(count: number): ReadonlyMap<string, number> {
  const controller = new Controller();
  const cold = controller.apply(cluster(count));
  console.log(`\n${count} Ingresses and Services, ${count * 5} endpoints, ${Math.ceil(count / 5)} TLS Secrets`);
  console.log(`${'ms'.padEnd(24)}     p50      p99       store  compile  publish    bytes`);
  print('first table', [cold]);
  const pick = (round: number) => (round * 7919) % count;
  const pickTls = (round: number) => pick(round) - (pick(round) % 5);
  const p50 = new Map([
    ['endpoint', measure(controller, 'endpoint', (round) => [slice(pick(round), round + 1)])],
    ['certificate', measure(controller, 'certificate', (round) => [secret(pickTls(round), round + 1)])],
    ['route', measure(controller, 'route', (round) => [ingress(pick(round), round + 1)])],
  ]);
  // Once to undo what was measured; then nothing is new.
  controller.apply(cluster(count));
  print(
    'relist, no change',
    Array.from({ length: 5 }, () => controller.apply(cluster(count))),
  );
  print(
    'settings ConfigMap',
    [1, 2, 3, 4, 5].map((version) => controller.apply([configMap(version)])),
  );
  console.log(`${'compile() of everything'.padEnd(24)}${controller.compileAll().toFixed(3).padStart(9)}`);
  return p50;
}

const [small = new Map<string, number>(), large = new Map<string, number>()] = sizes.map(bench);
console.log('\np50 of compile, diff and encode: 10,000 against 100');
for (const [what, ms] of large) {
  console.log(`${what.padEnd(24)}${(ms / (small.get(what) ?? 0)).toFixed(2).padStart(9)} times`);
}
