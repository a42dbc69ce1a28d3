// Arbitrary histories of a cluster: a first set of objects and steps of changes to it, as a store gets them.

import fc from 'fast-check';
import type { Diagnostic } from '../../objects/diagnostic.ts';
import type { StoreChange } from '../../objects/snapshot.ts';
import { type KubernetesObject, keyOf } from '../../objects/types.ts';
import { clusterObject, clusterObjects } from './arbitrary.ts';

export interface HistoryStep {
  readonly changes: readonly StoreChange[];
  /** Since the step before; negative when a clock was set back. */
  readonly passedMs: number;
}

const source = fc.option(fc.record({ file: fc.constantFrom('a.yaml', 'b.yaml'), line: fc.nat(3) }), { freq: 2 });

const upsert: fc.Arbitrary<StoreChange> = fc.record({
  kind: fc.constant('upsert' as const),
  object: clusterObject,
  source,
});

/** Deletes the object that `upsert` would have written, so that deletes meet what is there as often as edits do. */
const remove: fc.Arbitrary<StoreChange> = clusterObject.map((object) => deletionOf(object));

const names = fc.constantFrom('api.example.com', 'other.example.com');
const resolved: fc.Arbitrary<StoreChange> = fc.record({
  kind: fc.constant('resolvedName' as const),
  name: names,
  addresses: fc.uniqueArray(fc.constantFrom('192.0.2.1', '192.0.2.2'), { maxLength: 2 }),
});
const forgotten: fc.Arbitrary<StoreChange> = names.map((name) => ({ kind: 'forgetName', name }));

const reported: fc.Arbitrary<Diagnostic> = fc.record({
  severity: fc.constantFrom('error', 'warning'),
  reason: fc.constantFrom('InvalidField', 'ServiceNotFound'),
  object: fc.record({
    kind: fc.constantFrom('Ingress', 'Secret', 'ConfigMap'),
    namespace: fc.constantFrom('default', 'a', ''),
    name: fc.constantFrom('one', 'two'),
  }),
  field: fc.constantFrom('', 'spec'),
  message: fc.constantFrom('wrong; not used', 'odd; used'),
  source,
});
const reportedChange: fc.Arbitrary<StoreChange> = fc.record({
  kind: fc.constant('sourceDiagnostics' as const),
  origin: fc.constantFrom('a.yaml', 'b.yaml'),
  diagnostics: fc.array(reported, { maxLength: 2 }),
});

const change: fc.Arbitrary<StoreChange> = fc.oneof(
  { weight: 12, arbitrary: upsert },
  { weight: 5, arbitrary: remove },
  { weight: 1, arbitrary: resolved },
  { weight: 1, arbitrary: forgotten },
  { weight: 1, arbitrary: reportedChange },
);

const dayMs = 24 * 60 * 60 * 1000;

const step: fc.Arbitrary<HistoryStep> = fc.record({
  changes: fc.array(change, { minLength: 1, maxLength: 4, size: 'max' }),
  // Certificates of the fixtures live 100 years: some steps pass an end or a beginning.
  passedMs: fc.constantFrom(0, 0, 0, 1, dayMs, 95 * 365 * dayMs, -95 * 365 * dayMs),
});

/** The first step fills the cluster, the others change a few objects each. */
export const histories: fc.Arbitrary<readonly HistoryStep[]> = fc
  .tuple(clusterObjects, fc.array(step, { minLength: 1, maxLength: 12, size: 'max' }))
  .map(([objects, steps]) => [
    { changes: objects.map((object) => ({ kind: 'upsert', object, source: null })), passedMs: 0 },
    ...steps,
  ]);

function deletionOf({ kind, meta }: KubernetesObject): StoreChange {
  return { kind: 'delete', objectKind: kind, key: keyOf(meta) };
}
