import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { Diagnostic } from '../objects/diagnostic.ts';
import type { Snapshot, StoreChange } from '../objects/snapshot.ts';
import { decodeAs, rawIngress, rawObject, rawPath } from '../objects/testing/raw-objects.ts';
import type { KubernetesObject, ObjectKind } from '../objects/types.ts';
import { ObjectStore } from './store.ts';

const upsert = (object: KubernetesObject, line = 1): StoreChange => ({
  kind: 'upsert',
  object,
  source: { file: 'a.yaml', line },
});
const remove = (objectKind: ObjectKind, key: string): StoreChange => ({ kind: 'delete', objectKind, key });

const ingress = (path: string) => decodeAs('Ingress', rawIngress(rawPath(path))).object;
const secret = (text: string) => decodeAs('Secret', rawObject('Secret', { stringData: { key: text } })).object;

function slice(name: string, service: string, address = '10.0.0.1', namespace = 'shop') {
  const labels = service === '' ? {} : { 'kubernetes.io/service-name': service };
  const metadata = { name, namespace, labels };
  const raw = rawObject('EndpointSlice', { metadata, addressType: 'IPv4', endpoints: [{ addresses: [address] }] });
  return decodeAs('EndpointSlice', raw).object;
}

function diagnostic(name: string): Diagnostic {
  const object = { kind: 'Ingress', namespace: 'shop', name };
  return { severity: 'error', reason: 'Test', object, field: '', message: 'x; y', source: null };
}

const mapsOf = (snapshot: Snapshot) => {
  const { revision: _revision, changes: _changes, ...maps } = snapshot;
  return Object.entries(maps);
};

describe('apply', () => {
  const wildcard: KubernetesObject[] = [
    ingress('/'),
    secret('x'),
    slice('web-1', 'web'),
    ...(['IngressClass', 'Service', 'ConfigMap', 'Namespace'] as const).map(
      (kind) => decodeAs(kind, rawObject(kind)).object,
    ),
  ];

  test.each(wildcard.map((object) => [object.kind, object] as const))('adds and removes %s', (kind, object) => {
    const store = new ObjectStore();
    const key = object.meta.namespace === '' ? 'web' : `shop/${object.meta.name}`;
    const countAll = () => mapsOf(store.snapshot()).flatMap(([, map]) => (map instanceof Map ? [...map] : [])).length;
    expect(store.apply([upsert(object)])).toBe(true);
    // The object itself and its source.
    expect(countAll()).toBe(2);
    expect(store.snapshot().sources.get(`${kind}/${key}`)).toEqual({ file: 'a.yaml', line: 1 });
    expect(store.apply([remove(kind, key)])).toBe(true);
    expect(countAll()).toBe(0);
    expect(store.apply([remove(kind, key)])).toBe(false);
  });

  test('an equal object is no change, and the stored one stays', () => {
    const store = new ObjectStore();
    const first = ingress('/');
    store.apply([upsert(first)]);
    const before = store.snapshot();
    expect(store.apply([upsert(ingress('/'))])).toBe(false);
    expect(store.snapshot()).toBe(before);
    expect(store.snapshot().ingresses.get('shop/web')).toBe(first);
  });

  test('a new secret text is a change, though it prints the same', () => {
    const store = new ObjectStore();
    store.apply([upsert(secret('old'))]);
    expect(store.apply([upsert(secret('new'))])).toBe(true);
    expect(store.snapshot().secrets.get('shop/web')?.data['key']?.reveal()).toBe('new');
  });

  test('an object that only moved keeps its identity and gets its new line', () => {
    const store = new ObjectStore();
    store.apply([upsert(ingress('/'), 1)]);
    const before = store.snapshot();
    expect(store.apply([upsert(ingress('/'), 7)])).toBe(true);
    const after = store.snapshot();
    expect(after.ingresses).toBe(before.ingresses);
    expect(after.sources.get('Ingress/shop/web')?.line).toBe(7);
  });

  test('one change in a batch is enough, and none is skipped', () => {
    const store = new ObjectStore();
    expect(
      store.apply([remove('Secret', 'a/b'), upsert(ingress('/')), upsert(secret('x')), remove('Secret', 'a/b')]),
    ).toBe(true);
    expect([store.snapshot().ingresses.size, store.snapshot().secrets.size]).toEqual([1, 1]);
    expect(store.apply([])).toBe(false);
  });
});

describe('snapshot', () => {
  test('counts revisions only for changes', () => {
    const store = new ObjectStore();
    expect(store.snapshot().revision).toBe(1);
    expect(store.snapshot().revision).toBe(1);
    store.apply([upsert(ingress('/a'))]);
    store.apply([upsert(ingress('/b'))]);
    expect(store.snapshot().revision).toBe(2);
  });

  test('does not see later changes', () => {
    const store = new ObjectStore();
    store.apply([upsert(ingress('/a')), upsert(slice('web-1', 'web'))]);
    const before = store.snapshot();
    store.apply([upsert(ingress('/b')), upsert(slice('web-2', 'web')), upsert(secret('x'))]);
    store.apply([remove('EndpointSlice', 'shop/web-1')]);
    expect(before.ingresses.get('shop/web')?.rules[0]?.paths?.[0]?.path).toBe('/a');
    expect(before.slicesByService.get('shop/web')?.map((s) => s.meta.name)).toEqual(['web-1']);
    expect(before.secrets.size).toBe(0);
  });

  test('names what may differ from the snapshot before, and nothing else', () => {
    const store = new ObjectStore();
    store.apply([upsert(ingress('/a')), upsert(secret('x'))]);
    expect(store.snapshot().changes).toMatchObject({
      since: 0,
      ingresses: new Set(['shop/web']),
      secrets: new Set(['shop/web']),
      sources: new Set(['Ingress/shop/web', 'Secret/shop/web']),
    });
    store.apply([upsert(slice('web-1', 'web')), remove('Secret', 'shop/web'), remove('Secret', 'shop/other')]);
    store.apply([upsert(ingress('/a'))]);
    expect(store.snapshot().changes).toMatchObject({
      since: 1,
      ingresses: new Set(),
      services: new Set(),
      slicesByService: new Set(['shop/web']),
      secrets: new Set(['shop/web']),
    });
  });

  test('maps without a change keep their identity', () => {
    const store = new ObjectStore();
    store.apply([upsert(ingress('/a')), upsert(secret('x')), upsert(slice('web-1', 'web'))]);
    const before = new Map(mapsOf(store.snapshot()));
    store.apply([upsert(slice('web-1', 'web', '10.0.0.2'))]);
    const changed = mapsOf(store.snapshot()).filter(([name, map]) => before.get(name) !== map);
    expect(changed.map(([name]) => name)).toEqual(['slicesByService']);
  });
});

describe('slices', () => {
  const names = (store: ObjectStore, service: string) =>
    store
      .snapshot()
      .slicesByService.get(service)
      ?.map((s) => s.meta.name);

  test('move with their label, and leave no empty group', () => {
    const store = new ObjectStore();
    store.apply([upsert(slice('s', 'web'))]);
    store.apply([upsert(slice('s', 'api'))]);
    expect([names(store, 'shop/web'), names(store, 'shop/api')]).toEqual([undefined, ['s']]);
    store.apply([upsert(slice('s', ''))]);
    expect(store.snapshot().slicesByService.size).toBe(0);
    store.apply([upsert(slice('s', 'web'))]);
    expect(names(store, 'shop/web')).toEqual(['s']);
  });

  test('are told apart by namespace', () => {
    const store = new ObjectStore();
    store.apply([upsert(slice('s', 'web')), upsert(slice('s', 'web', '10.0.0.1', 'other'))]);
    expect([names(store, 'shop/web'), names(store, 'other/web')]).toEqual([['s'], ['s']]);
  });

  test('any history leads to the same groups as a fresh store', () => {
    const step = fc.record({
      name: fc.constantFrom('s1', 's2', 's3', 's4'),
      service: fc.constantFrom('web', 'api', '', null),
      address: fc.constantFrom('10.0.0.1', '10.0.0.2'),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
        const store = new ObjectStore();
        const last = new Map<string, KubernetesObject>();
        for (const { name, service, address } of steps) {
          if (service === null) {
            store.apply([remove('EndpointSlice', `shop/${name}`)]);
            last.delete(name);
          } else {
            store.apply([upsert(slice(name, service, address))]);
            last.set(name, slice(name, service, address));
          }
          store.snapshot();
        }
        const fresh = new ObjectStore();
        fresh.apply([...last.values()].map((object) => upsert(object)));
        expect(new Map([...store.snapshot().slicesByService].sort())).toEqual(
          new Map([...fresh.snapshot().slicesByService].sort()),
        );
      }),
      { numRuns: 200 },
    );
  });
});

describe('names and diagnostics', () => {
  test('the order of addresses is no change', () => {
    const store = new ObjectStore();
    const resolved = (...addresses: string[]): StoreChange => ({ kind: 'resolvedName', name: 'a.test', addresses });
    expect(store.apply([resolved('10.0.0.2', '10.0.0.1')])).toBe(true);
    expect(store.snapshot().resolvedNames.get('a.test')).toEqual(['10.0.0.1', '10.0.0.2']);
    expect(store.apply([resolved('10.0.0.1', '10.0.0.2', '10.0.0.1')])).toBe(false);
    expect(store.apply([resolved()])).toBe(true);
    expect(store.snapshot().resolvedNames.get('a.test')).toEqual([]);
    expect(store.apply([{ kind: 'forgetName', name: 'a.test' }])).toBe(true);
    expect(store.snapshot().resolvedNames.has('a.test')).toBe(false);
  });

  test('diagnostics are replaced by origin and sorted over all', () => {
    const store = new ObjectStore();
    const report = (origin: string, ...names: string[]): StoreChange => ({
      kind: 'sourceDiagnostics',
      origin,
      diagnostics: names.map(diagnostic),
    });
    const listed = () => store.snapshot().sourceDiagnostics.map((d) => d.object.name);
    expect(store.apply([report('one', 'c', 'a'), report('two', 'b')])).toBe(true);
    expect(listed()).toEqual(['a', 'b', 'c']);
    expect(store.apply([report('one', 'c', 'a')])).toBe(false);
    expect(store.apply([report('one', 'd')])).toBe(true);
    expect(listed()).toEqual(['b', 'd']);
    expect(store.apply([report('one'), report('three')])).toBe(true);
    expect(listed()).toEqual(['b']);
    expect(store.apply([report('one')])).toBe(false);
  });
});
