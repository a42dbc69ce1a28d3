// Faults of stream ports: one diagnostic for all workers, and for as long as one of them has the fault.

import { beforeEach, expect, test } from '@jest/globals';
import type { StoreChange } from '../objects/snapshot.ts';
import { StreamPortFaults } from './stream-port-faults.ts';

let changes: StoreChange[];
let faults: StreamPortFaults;

beforeEach(() => {
  changes = [];
  const configMaps = { tcp: 'edge/tcp', udp: 'edge/udp' };
  faults = new StreamPortFaults({ configMaps, apply: (more) => changes.push(...more) });
});

/** What has been told since the last call, as `origin: message`; no message takes it back. */
function told(): string[] {
  return changes.splice(0).map((change) => {
    if (change.kind !== 'sourceDiagnostics') throw new Error(`unexpected ${change.kind}`);
    return `${change.origin}: ${change.diagnostics.map(({ message }) => message).join()}`;
  });
}

test.each([
  ['tcp:9000', 'tcp', '9000'],
  ['udp:53', 'udp', '53'],
])('%s is a fault of its entry', (id, name, port) => {
  faults.onFault(0, id, 'it is taken');
  const message = `edge/${name} key "${port}": it is taken`;
  const object = { kind: 'ConfigMap', namespace: 'edge', name };
  const diagnostic = {
    severity: 'error',
    reason: 'StreamPortNotOpen',
    object,
    field: `data[${port}]`,
    message,
    source: null,
  };
  expect(changes).toEqual([{ kind: 'sourceDiagnostics', origin: `streamPort//${id}`, diagnostics: [diagnostic] }]);
});

test('is told once for all workers, and taken back with the last', () => {
  faults.onFault(0, 'tcp:1', 'taken');
  faults.onFault(1, 'tcp:1', 'taken');
  expect(told()).toEqual(['streamPort//tcp:1: edge/tcp key "1": taken']);
  faults.onFault(0, 'tcp:1', null);
  expect(told()).toEqual([]);
  faults.onFault(1, 'tcp:1', null);
  expect(told()).toEqual(['streamPort//tcp:1: ']);
  faults.onFault(1, 'tcp:1', null);
  expect(told()).toEqual([]);
});

test('a worker that dies takes all of its faults with it, and no others', () => {
  faults.onFault(0, 'tcp:1', 'taken');
  faults.onFault(0, 'udp:2', 'taken');
  faults.onFault(1, 'udp:2', 'taken');
  told();
  faults.onWorkerGone(0);
  expect(told()).toEqual(['streamPort//tcp:1: ']);
});
