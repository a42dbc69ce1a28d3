// The one promise of the incremental compiler: after every change its result is that of compile(). And the other one: it
// does not look at what a change does not touch.

import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { Snapshot, StoreChange } from '../objects/snapshot.ts';
import {
  type EndpointSlice,
  type Ingress,
  type IngressBackend,
  type IngressClass,
  type KubernetesObject,
  Redacted,
  type Secret,
  type Service,
} from '../objects/types.ts';
import { ObjectStore } from '../watch/store.ts';
import { compile } from './compile.ts';
import { IncrementalCompiler, type IncrementalResult } from './incremental.ts';
import { emptyMemory } from './memory.ts';
import { fixture } from './testing/fixtures.ts';
import { defaultOptions } from './testing/golden.ts';
import { ingressOf, metaOf, serviceOf } from './testing/objects.ts';
import { arbitraryOptions } from './testing/options.ts';
import { resultText } from './testing/result-text.ts';
import { type HistoryStep, histories } from './testing/sequences.ts';
import type { CompileMemory, CompileOptions, CompileResult } from './types.ts';

const startMs = Date.parse('2030-01-01T00:00:00Z');

/** Runs both compilers through a history and compares them after each step. */
function checkHistory(
  steps: readonly HistoryStep[],
  options: CompileOptions,
  skipped: (step: number) => boolean = () => false,
): void {
  const store = new ObjectStore();
  const compiler = new IncrementalCompiler(options);
  let memory: CompileMemory = emptyMemory;
  let nowMs = startMs;
  for (const [i, { changes, passedMs }] of steps.entries()) {
    store.apply(changes);
    nowMs += passedMs;
    const snapshot = store.snapshot();
    // Somebody else took this snapshot: the compiler does not see it, and must notice that at the next one.
    if (skipped(i)) continue;
    const want = compile(snapshot, options, memory, nowMs);
    memory = want.memory;
    expect(resultText(compileWith(compiler, snapshot, nowMs))).toBe(resultText(want));
  }
}

function compileWith(compiler: IncrementalCompiler, snapshot: Snapshot, nowMs: number): CompileResult {
  const { table, material, diagnostics, wantedNames } = compiler.compile(snapshot, nowMs);
  return { table, material, diagnostics, wantedNames, memory: compiler.memory() };
}

describe('after every step of any history the result is that of compile()', () => {
  test('step by step', () => {
    fc.assert(
      fc.property(histories, arbitraryOptions, (steps, options) => checkHistory(steps, options)),
      {
        numRuns: 300,
      },
    );
  });

  test('with snapshots that it never saw', () => {
    const property = fc.property(histories, arbitraryOptions, fc.nat(3), (steps, options, every) =>
      checkHistory(steps, options, (i) => i % 4 === every),
    );
    fc.assert(property, { numRuns: 100 });
  });
});

/** A store with a compiler on it, changed by object. */
function start(objects: readonly KubernetesObject[]) {
  const store = new ObjectStore();
  const compiler = new IncrementalCompiler(defaultOptions);
  const apply = (...changes: readonly StoreChange[]) => {
    store.apply(changes);
    return compiler.compile(store.snapshot(), startMs);
  };
  return { apply, first: apply(...objects.map(put)) };
}

function put(object: KubernetesObject): StoreChange {
  return { kind: 'upsert', object, source: null };
}

function webIngress(name: string, service: string, changes: Partial<Ingress> = {}): Ingress {
  const backend: IngressBackend = { kind: 'service', service, port: { kind: 'number', number: 80 } };
  return ingressOf({
    meta: metaOf(name),
    rules: [{ index: 0, host: `${name}.foo.com`, paths: [{ index: 0, path: '/', pathType: 'Prefix', backend }] }],
    ...changes,
  });
}

function webService(name: string): Service {
  return serviceOf({ meta: metaOf(name), ports: [{ name: '', protocol: 'TCP', port: 80, targetPort: 8080 }] });
}

function webSlice(service: string, address: string): EndpointSlice {
  const conditions = { ready: true, serving: true, terminating: false };
  return {
    kind: 'EndpointSlice',
    meta: metaOf(`${service}-1`),
    serviceName: service,
    addressType: 'IPv4',
    weight: 1,
    endpoints: [{ addresses: [address], conditions, zone: '', hintZones: [], nodeName: '' }],
    ports: [{ name: '', protocol: 'TCP', port: 8080 }],
  };
}

/** `comment` makes another pair of the same certificate. */
function wildcardSecret(comment: string, name = 'tls'): Secret {
  const certPem = new Redacted(`${fixture('wildcard-foo-com.crt')}\n${comment}`);
  const keyPem = new Redacted(fixture('wildcard-foo-com.key'));
  return {
    kind: 'Secret',
    meta: metaOf(name),
    type: 'kubernetes.io/tls',
    data: { 'tls.crt': certPem, 'tls.key': keyPem },
  };
}

const ourClass: IngressClass = {
  kind: 'IngressClass',
  meta: metaOf('nginx', 0, ''),
  controller: 'k8s.io/ingress-nginx',
};
const tls = [{ index: 0, hosts: ['*.foo.com'], secretName: 'tls' }];

describe('a change leaves alone what it does not touch', () => {
  const objects = [
    ourClass,
    webIngress('a', 'web', { tls }),
    webIngress('b', 'api', { tls }),
    webIngress('c', 'missing'),
    ...['web', 'api'].flatMap((name) => [webService(name), webSlice(name, '10.0.0.1')]),
    wildcardSecret('first'),
  ];
  const hostOf = (result: IncrementalResult, name: string) =>
    result.table.virtualHosts.find((host) => host.name === `${name}.foo.com`);

  test('an endpoint: all hosts, policies, certificates and diagnostics', () => {
    const { apply, first } = start(objects);
    const next = apply(put(webSlice('web', '10.0.0.2')));
    expect(next.version.upstreams).not.toBe(first.version.upstreams);
    for (const part of ['global', 'policies', 'virtualHosts', 'certificates'] as const) {
      expect(next.version[part]).toBe(first.version[part]);
    }
    expect(next.diagnostics).toBe(first.diagnostics);
    expect(next.wantedNames).toBe(first.wantedNames);
    expect(next.table.virtualHosts).toBe(first.table.virtualHosts);
    expect(next.table.upstreams.find(({ id }) => id === 'default-api-80')).toBe(
      first.table.upstreams.find(({ id }) => id === 'default-api-80'),
    );
  });

  test('a renewed certificate: upstreams, and the routes of its hosts', () => {
    const { apply, first } = start(objects);
    const next = apply(put(wildcardSecret('second')));
    expect(next.version.upstreams).toBe(first.version.upstreams);
    expect(next.table.certificates).not.toEqual(first.table.certificates);
    expect(hostOf(next, 'a')?.certificate).not.toBe(hostOf(first, 'a')?.certificate);
    expect(hostOf(next, 'a')?.routes).toBe(hostOf(first, 'a')?.routes);
    expect(hostOf(next, 'c')).toBe(hostOf(first, 'c'));
  });

  test('a route: the other hosts', () => {
    const { apply, first } = start(objects);
    const next = apply(put(webIngress('a', 'api', { tls })));
    expect(hostOf(next, 'a')).not.toEqual(hostOf(first, 'a'));
    for (const name of ['b', 'c']) expect(hostOf(next, name)).toBe(hostOf(first, name));
  });

  test('objects that nobody refers to: everything', () => {
    const { apply, first } = start(objects);
    const next = apply(put(wildcardSecret('x', 'other')), put(webService('other')), put(webSlice('other', '10.0.0.3')));
    expect(next.version).toEqual(first.version);
    for (const part of ['upstreams', 'virtualHosts', 'certificates'] as const) {
      expect(next.version[part]).toBe(first.version[part]);
    }
  });
});

describe('rare meetings, compared with compile()', () => {
  const nginx = 'nginx.ingress.kubernetes.io';
  const own = 'sluice.ingress.kubernetes.io';
  const viaClusterIp = { [`${nginx}/service-upstream`]: 'true' };
  const named = (name: string, created: number, annotations: Record<string, string> = {}) =>
    webIngress(name, 'web', { meta: { ...metaOf(name, created), annotations } });
  const sticky = (name: string, created: number, cookie: string) =>
    named(name, created, { [`${nginx}/affinity`]: 'cookie', [`${nginx}/session-cookie-name`]: cookie });
  /** On the host of the Ingress `primary`. */
  const canaryOf = (primary: string, service: string): Ingress => ({
    ...webIngress(primary, service),
    meta: { ...metaOf('canary', 1), annotations: { [`${nginx}/canary`]: 'true', [`${nginx}/canary-weight`]: '10' } },
  });
  /** Names `web` as its default backend, but makes no route of it. */
  const onlyNaming = (created: number): Ingress => ({
    ...named('a', created, viaClusterIp),
    rules: [{ index: 0, host: '', paths: null }],
    defaultBackend: { kind: 'service', service: 'web', port: { kind: 'number', number: 80 } },
  });
  const web = [webService('web'), webSlice('web', '10.0.0.1')];
  const gone = (name: string): StoreChange => ({ kind: 'delete', objectKind: 'Ingress', key: `default/${name}` });

  test.each<[string, readonly (readonly StoreChange[])[]]>([
    [
      'the Ingress that decides about an upstream goes',
      [
        [...web, named('a', 1, viaClusterIp), named('b', 2), named('c', 3, viaClusterIp)].map(put),
        [gone('a')],
        [gone('b')],
      ],
    ],
    [
      'one without routes comes to decide, and goes',
      [[...web, named('b', 2)].map(put), [put(onlyNaming(1))], [gone('a')]],
    ],
    [
      "the cookie of an affinity is that of another host's Ingress, which changes and goes",
      [
        [...web, sticky('a', 1, 'one'), sticky('b', 2, 'two'), named('c', 3)].map(put),
        [put(sticky('b', 2, 'three'))],
        [put(named('b', 2))],
        [put(sticky('b', 2, 'four'))],
        [gone('b')],
        [gone('a')],
      ],
    ],
    [
      'a canary comes before its primary, changes, and outlives it',
      [
        [...web, webService('api'), canaryOf('a', 'api')].map(put),
        [put(named('a', 2))],
        [put(canaryOf('a', 'web'))],
        [put(canaryOf('b', 'api'))],
        [gone('a')],
        [put(webIngress('b', 'api'))],
        [gone('canary')],
      ],
    ],
    [
      'an Ingress becomes a canary and an ordinary one again',
      [
        [...web, named('a', 1), { ...named('b', 2), rules: named('a', 1).rules }].map(put),
        [put({ ...named('b', 2, { [`${nginx}/canary`]: 'true' }), rules: named('a', 1).rules })],
        [put({ ...named('b', 2), rules: named('a', 1).rules })],
      ],
    ],
    [
      'whoever decides about the balancer changes, goes and comes back',
      [
        [...web, named('a', 1, { [`${nginx}/load-balance`]: 'ewma' }), named('b', 2)].map(put),
        [put(named('b', 2, { [`${nginx}/load-balance`]: 'round_robin' }))],
        [put(named('a', 1))],
        [gone('a')],
        [put(named('a', 1, { [`${own}/balancer`]: 'never-queue' }))],
      ],
    ],
    [
      'two Secrets hold one pair, the smaller name comes second',
      [
        [wildcardSecret('x', 'tls'), webIngress('a', 'web', { tls })].map(put),
        [
          wildcardSecret('x', 'sls'),
          webIngress('b', 'web', { tls: [{ index: 0, hosts: ['*.foo.com'], secretName: 'sls' }] }),
        ].map(put),
        [gone('b')],
      ],
    ],
    [
      'a Secret loses its last user and finds another in one step',
      [
        [wildcardSecret('x'), webIngress('a', 'web', { tls })].map(put),
        [gone('a'), put(webIngress('b', 'web', { tls }))],
        [put({ ...wildcardSecret('x'), data: {} })],
      ],
    ],
  ])('%s', (_name, steps) => {
    checkHistory(
      [{ changes: [put(ourClass)], passedMs: 0 }, ...steps.map((changes) => ({ changes, passedMs: 0 }))],
      defaultOptions,
    );
  });
});
