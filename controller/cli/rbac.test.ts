// `sluice rbac`: roles and bindings as an API server takes them. Whether the rules suffice is tested where they are used
// (features/cluster-rules.test.ts, e2e/cases/rbac.test.ts).

import { expect, test } from '@jest/globals';
import { parseAllDocuments } from 'yaml';
import { runSluice } from './testing/run-sluice.ts';

interface Printed {
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly namespace?: string };
  readonly rules?: readonly { readonly resources: readonly string[] }[];
  readonly roleRef?: object;
  readonly subjects?: readonly object[];
}

async function printed(...flags: readonly string[]): Promise<readonly Printed[]> {
  const { code, stdout, stderr } = await runSluice(['rbac', ...flags]);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  return parseAllDocuments(stdout).map((document) => document.toJS());
}

const placeOf = ({ kind, metadata }: Printed) => `${kind} ${metadata.namespace ?? ''}`.trim();

test('for all namespaces: a ClusterRole, and a Role beside the pod', async () => {
  const objects = await printed();
  expect(objects.map(placeOf)).toEqual(['ClusterRole', 'ClusterRoleBinding', 'Role default', 'RoleBinding default']);
  expect(objects[1]).toMatchObject({
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'sluice' },
    subjects: [{ kind: 'ServiceAccount', name: 'sluice', namespace: 'default' }],
  });
});

test('for one namespace: Secrets are read there only', async () => {
  const objects = await printed('--watch-namespace=apps', '--publish-status-address=192.0.2.1');
  const reading = objects.filter(({ rules }) => rules?.some(({ resources }) => resources.includes('secrets')));
  expect(reading.map(placeOf)).toEqual(['Role apps']);
});

test('a flag of another command is refused', async () => {
  expect(await runSluice(['rbac', '--json'])).toMatchObject({ code: 2, stderr: expect.stringContaining('--json') });
});
