// Edits of the settings ConfigMap: worked in by steps, while everything else is followed as before; and those that no
// Ingress reads, at once. Compared with compile() throughout.

import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { Snapshot, StoreChange } from '../../objects/snapshot.ts';
import { type ConfigMap, type Ingress, type KubernetesObject, keyOf } from '../../objects/types.ts';
import { ObjectStore } from '../../watch/store.ts';
import { compile } from '../compile.ts';
import { IncrementalCompiler, type IncrementalResult } from '../incremental.ts';
import { emptyMemory } from '../memory.ts';
import { configMapKeys } from '../settings/configmap.ts';
import { defaultOptions } from '../testing/golden.ts';
import { ingressOf, metaOf, serviceOf } from '../testing/objects.ts';
import { arbitraryOptions } from '../testing/options.ts';
import { resultText } from '../testing/result-text.ts';
import { type HistoryStep, histories } from '../testing/sequences.ts';
import type { CompileMemory, CompileOptions } from '../types.ts';

const startMs = Date.parse('2030-01-01T00:00:00Z');
const configMap = 'default/settings';
const options: CompileOptions = { ...defaultOptions, configMap };

function settings(data: Readonly<Record<string, string>>): ConfigMap {
  return { kind: 'ConfigMap', meta: metaOf('settings'), data };
}

function put(object: KubernetesObject): StoreChange {
  return { kind: 'upsert', object, source: null };
}

function textOf({ table, material, diagnostics, wantedNames }: Omit<IncrementalResult, 'version'>): string {
  return resultText({ table, material, diagnostics, wantedNames, memory: emptyMemory });
}

/** What a run by steps is compared with: the settings in force, and those that are being worked in. */
class Reference {
  readonly #options: CompileOptions;
  #memory: CompileMemory = emptyMemory;
  #inForce: ConfigMap | undefined;
  #next: { readonly text: string; readonly memory: CompileMemory } | null = null;
  #last: Snapshot | null = null;

  constructor(options: CompileOptions) {
    this.#options = options;
  }

  /** What has to be shown after a snapshot. `isBehind` is what the compiler says of itself. */
  shown(snapshot: Snapshot, isBehind: boolean, nowMs: number): string {
    const before = this.#next?.memory ?? this.#memory;
    this.#last = snapshot;
    if (isBehind) {
      const next = compile(snapshot, this.#options, before, nowMs);
      this.#next = { text: textOf(next), memory: next.memory };
    } else {
      this.#inForce = this.#settingsOf(snapshot);
    }
    // Other ConfigMaps, of TCP and UDP services, are followed as everything else.
    const configMaps = new Map(snapshot.configMaps);
    if (this.#inForce === undefined) configMaps.delete(this.#options.configMap);
    else configMaps.set(this.#options.configMap, this.#inForce);
    const result = compile({ ...snapshot, configMaps }, this.#options, this.#memory, nowMs);
    this.#memory = result.memory;
    return textOf(result);
  }

  /** What has to be shown once the settings are worked in. */
  workedIn(): string {
    if (this.#next === null || this.#last === null) throw new Error('nothing was to be worked in');
    const { text, memory } = this.#next;
    [this.#memory, this.#inForce, this.#next] = [memory, this.#settingsOf(this.#last), null];
    return text;
  }

  #settingsOf(snapshot: Snapshot): ConfigMap | undefined {
    return snapshot.configMaps.get(this.#options.configMap);
  }
}

/** Gives how many edits of settings were worked in by steps. */
function checkSteps(steps: readonly HistoryStep[], used: CompileOptions, taken: readonly number[]): number {
  const store = new ObjectStore();
  const compiler = new IncrementalCompiler(used);
  const reference = new Reference(used);
  let [nowMs, workedIn] = [startMs, 0];
  const takeSteps = (count: number) => {
    for (let i = 0; i < count && compiler.isBehind; i++) {
      const result = compiler.step(1, nowMs);
      if (result === null) continue;
      expect(textOf(result)).toBe(reference.workedIn());
      workedIn++;
    }
  };
  for (const [i, { changes, passedMs }] of steps.entries()) {
    // A second edit of the settings has its own tests below, and the last good pair of a Secret too.
    if (passedMs !== 0 || changes.some(isAboutSettingsOrSecrets)) takeSteps(Number.POSITIVE_INFINITY);
    store.apply(changes);
    nowMs += passedMs;
    const snapshot = store.snapshot();
    const result = compiler.update(snapshot, nowMs);
    expect(textOf(result)).toBe(reference.shown(snapshot, compiler.isBehind, nowMs));
    takeSteps(taken[i % taken.length] ?? 0);
  }
  takeSteps(Number.POSITIVE_INFINITY);
  return workedIn;
}

function isAboutSettingsOrSecrets(change: StoreChange): boolean {
  if (change.kind === 'upsert') return ['ConfigMap', 'Secret'].includes(change.object.kind);
  return change.kind === 'delete' && ['ConfigMap', 'Secret'].includes(change.objectKind);
}

/** Edits that change what Ingresses mean, among others that do not. */
const edits = fc.constantFrom<Readonly<Record<string, string>>>(
  {},
  { 'annotations-risk-level': 'Low' },
  { 'ssl-redirect': 'false', 'keep-alive': '5' },
  { 'load-balance': 'ewma' },
  { 'proxy-read-timeout': '5', 'service-upstream': 'true' },
  { 'ssl-ciphers': 'ECDHE-RSA-AES128-GCM-SHA256' },
);

describe('by steps', () => {
  test('those before hold until the last step, and then the result is that of compile()', () => {
    let workedIn = 0;
    const property = fc.property(
      histories,
      fc.array(fc.tuple(fc.nat(12), edits), { minLength: 1, maxLength: 4 }),
      arbitraryOptions,
      fc.array(fc.nat(6), { minLength: 1 }),
      (history, placed, changed, taken) => {
        const steps = history.map((step, i) => {
          const here = placed.filter(([at]) => at % history.length === i);
          return { ...step, changes: [...step.changes, ...here.map(([, data]) => put(settings(data)))] };
        });
        workedIn += checkSteps(steps, { ...changed, configMap }, taken);
      },
    );
    fc.assert(property, { numRuns: 150 });
    expect(workedIn).toBeGreaterThan(20);
  });
});

function web(name: string, annotations: Readonly<Record<string, string>> = {}): Ingress {
  const backend = { kind: 'service', service: 'web', port: { kind: 'number', number: 80 } } as const;
  return ingressOf({
    meta: { ...metaOf(name), annotations },
    rules: [{ index: 0, host: `${name}.test`, paths: [{ index: 0, path: '/', pathType: 'Prefix', backend }] }],
    tls: [{ index: 0, hosts: [`${name}.test`], secretName: '' }],
  });
}

const ours = { kind: 'IngressClass', meta: metaOf('nginx', 0, ''), controller: 'k8s.io/ingress-nginx' } as const;
const cluster: readonly KubernetesObject[] = [
  ours,
  web('a'),
  web('b', { 'nginx.ingress.kubernetes.io/proxy-read-timeout': '7' }),
  web('c', { 'nginx.ingress.kubernetes.io/limit-rps': '3', 'nginx.ingress.kubernetes.io/affinity': 'cookie' }),
  serviceOf({ meta: metaOf('web'), ports: [{ name: '', protocol: 'TCP', port: 80, targetPort: 8080 }] }),
];

/** A compiler that has seen the cluster. */
function started() {
  const store = new ObjectStore();
  const compiler = new IncrementalCompiler(options);
  const apply = (...objects: readonly KubernetesObject[]) => {
    store.apply(objects.map(put));
    return compiler.update(store.snapshot(), startMs);
  };
  const want = () => textOf(compile(store.snapshot(), options, emptyMemory, startMs));
  return { compiler, apply, want, first: apply(...cluster) };
}

/** Read timeouts of the hosts. */
function timeouts({ table }: IncrementalResult): readonly unknown[] {
  const routes = table.virtualHosts.flatMap(({ name, routes: [route] }) => (name.endsWith('.test') ? [route] : []));
  return routes.map((route) => route !== undefined && table.policies[route.policy]?.readTimeoutMs);
}

describe('edits that meet each other', () => {
  const slow = settings({ 'proxy-read-timeout': '90' });

  test('an edit that is taken back costs nothing any more', () => {
    const { compiler, apply, want } = started();
    apply(slow);
    expect(compiler.isBehind).toBe(true);
    const result = apply(settings({}));
    expect(compiler.isBehind).toBe(false);
    expect(compiler.step(1, startMs)).toBeNull();
    expect(textOf(result)).toBe(want());
  });

  test('an edit while another is worked in: each has its turn', () => {
    const { compiler, apply, want, first } = started();
    apply(slow);
    expect(compiler.step(1, startMs)).toBeNull();
    const meanwhile = apply(settings({ 'proxy-read-timeout': '30' }));
    expect(timeouts(meanwhile)).toEqual(timeouts(first));
    const results = Array.from({ length: 8 }, () => compiler.step(1, startMs)).filter((result) => result !== null);
    expect(results.map(timeouts)).toEqual([
      [90_000, 7000, 90_000],
      [30_000, 7000, 30_000],
    ]);
    expect(compiler.isBehind).toBe(false);
    expect(textOf(results[1] as IncrementalResult)).toBe(want());
  });

  test('an Ingress that comes, one that is edited and one that goes meanwhile', () => {
    const { compiler, apply, want } = started();
    apply(slow);
    expect(apply(web('d')).table.virtualHosts.map(({ name }) => name)).toContain('d.test');
    apply(web('b', { 'nginx.ingress.kubernetes.io/proxy-read-timeout': '8' }));
    const result = compiler.step(10, startMs);
    expect(result === null ? null : timeouts(result)).toEqual([90_000, 8000, 90_000, 90_000]);
    expect(result === null ? null : textOf(result)).toBe(want());
  });
});

/** Texts of which at least one says something else than the default of nearly every key. */
const samples = [
  'true',
  'false',
  '7',
  '11s',
  '8k',
  '4 8k',
  'TLSv1.3',
  'Low',
  'ewma',
  '10.0.0.0/8',
  'default/other',
  'x',
];

describe('each key alone', () => {
  const cases = configMapKeys.flatMap(({ key, type, default: preset }) => {
    const texts = samples.filter((text) => {
      const parsed = type.parse(text);
      return parsed.ok && JSON.stringify(parsed.value) !== JSON.stringify(preset);
    });
    return texts.slice(0, 2).map((text) => [key, text] as const);
  });

  test('the samples reach nearly all keys', () => {
    expect(new Set(cases.map(([key]) => key)).size).toBeGreaterThan(configMapKeys.length * 0.9);
  });

  test.each(cases)('%s: %s', (key, text) => {
    const { compiler, apply, want } = started();
    let result: IncrementalResult | null = apply(settings({ [key]: text }));
    while (compiler.isBehind) result = compiler.step(2, startMs) ?? result;
    expect(textOf(result)).toBe(want());
  });

  test.each([
    ['ssl-ciphers', 'ECDHE-RSA-AES128-GCM-SHA256'],
    ['keep-alive', '11'],
    ['server-tokens', 'true'],
    ['worker-shutdown-timeout', '11s'],
    ['no-such-key', 'x'],
  ])('%s is in force at once, and no route is looked at', (key, text) => {
    const { compiler, apply, want, first } = started();
    const result = apply(settings({ [key]: text }));
    expect(compiler.isBehind).toBe(false);
    expect(result.version.virtualHosts).toBe(first.version.virtualHosts);
    expect(result.version.policies).toBe(first.version.policies);
    expect(textOf(result)).toBe(want());
  });
});

test('what is equal afterwards is the same: whoever compares the versions has little to look at', () => {
  const { compiler, apply, first } = started();
  apply(settings({ 'proxy-read-timeout': '90' }));
  const after = compiler.step(10, startMs);
  const hostIn = (result: IncrementalResult | null, name: string) => result?.version.virtualHosts.get(name);
  expect(after?.version.upstreams.toArray().every((one) => first.version.upstreams.get(one.id) === one)).toBe(true);
  expect(hostIn(after, 'b.test')).toBe(hostIn(first, 'b.test'));
  expect(hostIn(after, 'a.test')).not.toEqual(hostIn(first, 'a.test'));
});

test('what is remembered is given to the new stages: a rejected edit leaves the accepted version in force', () => {
  const { compiler, apply } = started();
  apply(web('a', { 'nginx.ingress.kubernetes.io/auth-type': 'nonsense' }));
  apply(settings({ 'proxy-read-timeout': '90' }));
  const after = compiler.step(10, startMs);
  expect(after === null ? null : timeouts(after)).toEqual([90_000, 7000, 90_000]);
  // And the other way round: it is edited while the settings are worked in, before its turn has come.
  apply(settings({ 'proxy-read-timeout': '30' }));
  apply(web('c', { 'nginx.ingress.kubernetes.io/auth-type': 'nonsense' }));
  const last = compiler.step(10, startMs);
  expect(last === null ? null : timeouts(last)).toEqual([30_000, 7000, 30_000]);
  expect(compiler.memory().acceptedIngresses.get(keyOf(metaOf('c')))).toEqual(cluster.find(isC));
});

function isC({ meta }: KubernetesObject): boolean {
  return meta.name === 'c';
}
