// The view says of an Ingress what compile() would say, were it there.

import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { compareDiagnostics } from '../../objects/diagnostic.ts';
import { type Ingress, keyOf } from '../../objects/types.ts';
import { ObjectStore } from '../../watch/store.ts';
import { readGlobalValues } from '../global.ts';
import { planHosts } from '../hosts.ts';
import { IncrementalCompiler } from '../incremental.ts';
import { emptyMemory } from '../memory.ts';
import { orderIngresses } from '../order.ts';
import { selectIngresses } from '../select.ts';
import { clusterObjects } from '../testing/arbitrary.ts';
import { defaultOptions } from '../testing/golden.ts';
import { ingressOf, metaOf } from '../testing/objects.ts';

const nowMs = Date.parse('2030-01-01T00:00:00Z');
const options = { ...defaultOptions, watchIngressWithoutClass: true };

test('there is none before the first compile', () => {
  expect(new IncrementalCompiler(options).view()).toBeNull();
});

test('planning any Ingress beside the others finds what planning them all finds about it', () => {
  fc.assert(
    fc.property(clusterObjects, fc.nat(), (objects, pick) => {
      const full = new ObjectStore();
      full.apply(objects.map((object) => ({ kind: 'upsert', object, source: null })));
      const snapshot = full.snapshot();
      const { ingressClasses } = snapshot;
      const global = readGlobalValues(snapshot, options).values;
      const { accepted } = selectIngresses(snapshot.ingresses, emptyMemory, { ingressClasses, options, global });
      const candidate = accepted[pick % Math.max(accepted.length, 1)];
      if (candidate === undefined) return;
      const key = keyOf(candidate.ingress.meta);
      const want = planHosts(orderIngresses(accepted)).diagnostics.filter(({ object }) => keyOf(object) === key);

      // Once as an update of what is there, once as something new.
      for (const isThere of [true, false]) {
        if (!isThere) full.apply([{ kind: 'delete', objectKind: 'Ingress', key }]);
        const compiler = new IncrementalCompiler(options);
        compiler.compile(full.snapshot(), nowMs);
        const found = compiler.view()?.planWith(candidate, false) ?? [];
        expect([...found].sort(compareDiagnostics)).toEqual([...want].sort(compareDiagnostics));
      }
    }),
    { numRuns: 500 },
  );
});

const canary = { 'nginx.ingress.kubernetes.io/canary': 'true' };
const onHost = (name: string, annotations = {}, host = 'a.test') =>
  ingressOf({
    meta: { ...metaOf(name), annotations },
    rules: [{ index: 0, host, paths: null }],
    ingressClassName: null,
  });

/** Reasons of what planning an Ingress named `candidate` says beside the others. */
function reasonsFor(others: readonly Ingress[], candidate: Ingress): string[] {
  const store = new ObjectStore();
  store.apply(others.map((object) => ({ kind: 'upsert', object, source: null })));
  const compiler = new IncrementalCompiler(options);
  compiler.compile(store.snapshot(), nowMs);
  store.apply([{ kind: 'upsert', object: candidate, source: null }]);
  const full = store.snapshot();
  const global = readGlobalValues(full, options).values;
  const { accepted } = selectIngresses(full.ingresses, emptyMemory, { ...full, options, global });
  const found = accepted.filter(({ ingress }) => ingress.meta.name === 'candidate');
  return found.flatMap((one) => compiler.view()?.planWith(one, false) ?? []).map(({ reason }) => reason);
}

const web = { kind: 'service', service: 'web', port: { kind: 'number', number: 80 } } as const;

test("passthrough is possible by another Ingress's path /", () => {
  const asks = { 'nginx.ingress.kubernetes.io/ssl-passthrough': 'true' };
  const root = { index: 0, path: '/', pathType: 'Prefix', backend: web } as const;
  const holder = { ...onHost('holder'), rules: [{ index: 0, host: 'a.test', paths: [root] }] };
  expect(reasonsFor([holder], onHost('candidate', asks))).toEqual([]);
  expect(reasonsFor([onHost('other')], onHost('candidate', asks))).toEqual(['PassthroughImpossible']);
});

test('an older canary on the host is not taken for the one that created it', () => {
  const later = (name: string, created: number, annotations = {}) => ({
    ...onHost(name, annotations),
    meta: { ...metaOf(name, created), annotations },
  });
  const others = [later('canary', 1, canary), later('creator', 2)];
  expect(reasonsFor(others, { ...later('candidate', 3), defaultBackend: web })).toEqual(['DefaultBackendUnused']);
});

test('claimants are the accepted ones and canaries, as they come and go', () => {
  const store = new ObjectStore();
  const compiler = new IncrementalCompiler(options);
  const claimants = (host: string) => {
    compiler.compile(store.snapshot(), nowMs);
    return compiler
      .view()
      ?.claimantsOf(host)
      .map(({ meta }) => meta.name);
  };
  const put = (...ingresses: ReturnType<typeof onHost>[]) =>
    store.apply(ingresses.map((object) => ({ kind: 'upsert', object, source: null })));
  put(onHost('b'), onHost('a', canary), onHost('c', {}, ''), onHost('d', {}, 'b.test'));
  expect(claimants('a.test')).toEqual(['b', 'a']);
  expect(claimants('_')).toEqual(['c']);
  put(onHost('a'), onHost('b', canary));
  expect(claimants('a.test')).toEqual(['b', 'a']);
  store.apply([{ kind: 'delete', objectKind: 'Ingress', key: 'default/b' }]);
  expect(claimants('a.test')).toEqual(['a']);
  expect(compiler.view()?.acceptedVersion('default/b')).toBeNull();
  expect(compiler.view()?.hasIngress('default/a')).toBe(true);
});
