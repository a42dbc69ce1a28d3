// Namespaces that are selected show their Ingresses, in whatever order the two collections tell.

import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { StoreChange } from '../../objects/snapshot.ts';
import type { Ingress, Namespace } from '../../objects/types.ts';
import { NamespaceFilter } from './namespace-filter.ts';

const metaOf = (namespace: string, name: string) => ({
  namespace,
  name,
  uid: '',
  creationTimestampMs: 0,
  annotations: {},
  labels: {},
});
const namespaceOf = (name: string): Namespace => ({ kind: 'Namespace', meta: metaOf('', name) });
const ingressOf = (namespace: string, name: string): Ingress => ({
  kind: 'Ingress',
  meta: metaOf(namespace, name),
  ingressClassName: null,
  defaultBackend: null,
  rules: [],
  tls: [],
});

type Step = { readonly on: boolean; readonly namespace: string; readonly name: string | null };

function changeOf({ on, namespace, name }: Step): StoreChange {
  if (on)
    return {
      kind: 'upsert',
      object: name === null ? namespaceOf(namespace) : ingressOf(namespace, name),
      source: null,
    };
  if (name === null) return { kind: 'delete', objectKind: 'Namespace', key: namespace };
  return { kind: 'delete', objectKind: 'Ingress', key: `${namespace}/${name}` };
}

test('shown are exactly the Ingresses that exist in namespaces that are selected', () => {
  const step: fc.Arbitrary<Step> = fc.record({
    on: fc.boolean(),
    namespace: fc.constantFrom('a', 'b'),
    name: fc.constantFrom(null, 'one', 'two'),
  });
  fc.assert(
    fc.property(fc.array(fc.array(step, { maxLength: 3 }), { maxLength: 20 }), (batches) => {
      const filter = new NamespaceFilter();
      const selected = new Set<string>();
      const existing = new Set<string>();
      const shown = new Set<string>();
      for (const batch of batches) {
        for (const { on, namespace, name } of batch) {
          const [set, key] = name === null ? [selected, namespace] : [existing, `${namespace}/${name}`];
          if (on) set.add(key);
          else set.delete(key);
        }
        for (const change of filter.filter(batch.map(changeOf))) {
          if (change.kind === 'upsert' && change.object.kind === 'Ingress') shown.add(keyOf(change.object));
          if (change.kind === 'delete' && change.objectKind === 'Ingress') shown.delete(change.key);
        }
        expect(shown).toEqual(new Set([...existing].filter((key) => selected.has(key.split('/')[0] ?? ''))));
      }
    }),
  );
});

function keyOf({ meta }: Ingress): string {
  return `${meta.namespace}/${meta.name}`;
}
