// apps/v1 Deployment with its /scale, and ReplicaSet, which `kubectl describe deployment` lists. No controller runs here:
// tests that want pods make them.

import { type FieldError, fieldError } from '../api-error.ts';
import { equalJson, type KubeObject, textAt, valueAt } from '../objects.ts';
import { conditions, integer, labelSelector, objectMeta, objectSchema, string, struct } from '../schema.ts';
import { matchesLabelSelector } from '../selectors.ts';
import type { Kind } from './kind.ts';
import { podSpec, validatePodSpec, withPodSpecDefaults } from './pod.ts';

const schema = objectSchema({
  spec: struct(
    { replicas: integer, selector: labelSelector, template: struct({ metadata: objectMeta, spec: podSpec }) },
    { open: true },
  ),
  status: struct({ replicas: integer, readyReplicas: integer, conditions, phase: string }, { open: true }),
});

function applyDefaults(object: KubeObject): KubeObject {
  const spec = (object['spec'] ?? {}) as object;
  const template = (valueAt(spec, 'template') ?? {}) as object;
  const podSpecGiven = (valueAt(template, 'spec') ?? {}) as object;
  return {
    ...object,
    spec: { replicas: 1, ...spec, template: { ...template, spec: withPodSpecDefaults(podSpecGiven) } },
    status: (object['status'] ?? {}) as object,
  };
}

/** Deployments roll, ReplicaSets do not. */
function applyDeploymentDefaults(object: KubeObject): KubeObject {
  const filled = applyDefaults(object);
  const strategy = { type: 'RollingUpdate', rollingUpdate: { maxSurge: '25%', maxUnavailable: '25%' } };
  const rolling = { revisionHistoryLimit: 10, progressDeadlineSeconds: 600, strategy };
  return { ...filled, spec: { ...rolling, ...(filled['spec'] as object) } };
}

function validate(object: KubeObject): FieldError[] {
  const selector = valueAt(object, 'spec', 'selector');
  const labels = (valueAt(object, 'spec', 'template', 'metadata', 'labels') ?? {}) as Record<string, string>;
  const replicas = valueAt(object, 'spec', 'replicas') as number;
  const labelsField = 'spec.template.metadata.labels';
  return [
    ...(replicas < 0 ? [fieldError.invalid('spec.replicas', replicas, 'must be greater than or equal to 0')] : []),
    ...(selector === undefined ? [fieldError.required('spec.selector')] : []),
    ...(selector !== undefined && !matchesLabelSelector(selector, labels)
      ? [fieldError.invalid(labelsField, labels, '`selector` does not match template `labels`')]
      : []),
    ...validatePodSpec(valueAt(object, 'spec', 'template', 'spec'), 'spec.template.spec'),
  ];
}

function validateUpdate(next: KubeObject, previous: KubeObject): FieldError[] {
  const selector = valueAt(next, 'spec', 'selector');
  if (equalJson(selector, valueAt(previous, 'spec', 'selector'))) return [];
  return [fieldError.invalid('spec.selector', selector, 'field is immutable')];
}

const count = (object: KubeObject, ...path: string[]) => Number(valueAt(object, ...path) ?? 0);

export const deployment: Kind = {
  group: 'apps',
  version: 'v1',
  kind: 'Deployment',
  plural: 'deployments',
  shortNames: ['deploy'],
  categories: ['all'],
  namespaced: true,
  schema,
  hasGeneration: true,
  hasStatus: true,
  hasScale: true,
  applyDefaults: applyDeploymentDefaults,
  validate,
  validateUpdate,
  columns: [
    {
      name: 'Ready',
      cell: (object) => `${count(object, 'status', 'readyReplicas')}/${count(object, 'spec', 'replicas')}`,
    },
    { name: 'Up-to-date', type: 'integer', cell: (object) => count(object, 'status', 'updatedReplicas') },
    { name: 'Available', type: 'integer', cell: (object) => count(object, 'status', 'availableReplicas') },
  ],
};

export const replicaSet: Kind = {
  group: 'apps',
  version: 'v1',
  kind: 'ReplicaSet',
  plural: 'replicasets',
  shortNames: ['rs'],
  categories: ['all'],
  namespaced: true,
  schema,
  hasGeneration: true,
  hasStatus: true,
  hasScale: true,
  applyDefaults,
  validate,
  validateUpdate,
  columns: [
    { name: 'Desired', type: 'integer', cell: (object) => count(object, 'spec', 'replicas') },
    { name: 'Current', type: 'integer', cell: (object) => count(object, 'status', 'replicas') },
    { name: 'Ready', type: 'integer', cell: (object) => count(object, 'status', 'readyReplicas') },
  ],
};

/** The labels a Scale reports its pods by. */
export function selectorTextOf(object: KubeObject): string {
  const labels = (valueAt(object, 'spec', 'selector', 'matchLabels') ?? {}) as Record<string, string>;
  return Object.keys(labels)
    .map((key) => `${key}=${textAt(labels, key)}`)
    .join(',');
}
