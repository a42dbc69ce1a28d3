// networking.k8s.io/v1 IngressClass.

import { type FieldError, fieldError } from '../api-error.ts';
import { type KubeObject, textAt, valueAt } from '../objects.ts';
import { objectSchema, string, struct } from '../schema.ts';
import type { Kind } from './kind.ts';

/** "true" on a class makes it the one of Ingresses that name none. */
export const DEFAULT_CLASS_ANNOTATION = 'ingressclass.kubernetes.io/is-default-class';

function validate(object: KubeObject): FieldError[] {
  const controller = textAt(object, 'spec', 'controller');
  if (controller === '') return [fieldError.required('spec.controller')];
  const isQualified = /^[a-z0-9.-]+\/.+$/.test(controller);
  return isQualified
    ? []
    : [fieldError.invalid('spec.controller', controller, 'must be a domain-prefixed path (such as "acme.io/foo")')];
}

function validateUpdate(next: KubeObject, previous: KubeObject): FieldError[] {
  const controller = textAt(next, 'spec', 'controller');
  if (controller === textAt(previous, 'spec', 'controller')) return [];
  return [fieldError.invalid('spec.controller', controller, 'field is immutable')];
}

export const ingressClass: Kind = {
  group: 'networking.k8s.io',
  version: 'v1',
  kind: 'IngressClass',
  plural: 'ingressclasses',
  namespaced: false,
  schema: objectSchema({
    spec: struct({
      controller: string,
      parameters: struct({ apiGroup: string, kind: string, name: string, namespace: string, scope: string }),
    }),
  }),
  hasGeneration: true,
  validate,
  validateUpdate,
  columns: [
    { name: 'Controller', cell: (object) => textAt(object, 'spec', 'controller') },
    {
      name: 'Parameters',
      cell: (object) => {
        const parameters = valueAt(object, 'spec', 'parameters');
        return parameters === undefined ? '<none>' : `${textAt(parameters, 'kind')}/${textAt(parameters, 'name')}`;
      },
    },
  ],
};
