// coordination.k8s.io/v1 Lease. Its times are MicroTimes: exactly six fractional digits, so `Date.toISOString()` is 400.

import { type FieldError, fieldError } from '../api-error.ts';
import { type KubeObject, textAt, valueAt } from '../objects.ts';
import { integer, microTime, objectSchema, string, struct } from '../schema.ts';
import type { Kind } from './kind.ts';

function validate(object: KubeObject): FieldError[] {
  const seconds = valueAt(object, 'spec', 'leaseDurationSeconds');
  const transitions = valueAt(object, 'spec', 'leaseTransitions');
  return [
    ...(typeof seconds === 'number' && seconds <= 0
      ? [fieldError.invalid('spec.leaseDurationSeconds', seconds, 'must be greater than 0')]
      : []),
    ...(typeof transitions === 'number' && transitions < 0
      ? [fieldError.invalid('spec.leaseTransitions', transitions, 'must be greater than or equal to 0')]
      : []),
  ];
}

export const lease: Kind = {
  group: 'coordination.k8s.io',
  version: 'v1',
  kind: 'Lease',
  plural: 'leases',
  namespaced: true,
  schema: objectSchema({
    spec: struct({
      holderIdentity: string,
      leaseDurationSeconds: integer,
      acquireTime: microTime,
      renewTime: microTime,
      leaseTransitions: integer,
      strategy: string,
      preferredHolder: string,
    }),
  }),
  updateNeedsVersion: true,
  createOnUpdate: true,
  applyDefaults: (object) => ({ ...object, spec: object['spec'] ?? {} }),
  validate,
  columns: [{ name: 'Holder', cell: (object) => textAt(object, 'spec', 'holderIdentity') }],
};
