// admissionregistration.k8s.io/v1 ValidatingWebhookConfiguration. admission/webhooks.ts calls what is registered here.

import { type FieldError, fieldError } from '../api-error.ts';
import { type KubeObject, listAt, textAt, valueAt } from '../objects.ts';
import { any, atomicList, bytes, integer, labelSelector, listByKey, objectSchema, string, struct } from '../schema.ts';
import type { Kind } from './kind.ts';

const webhook = struct({
  name: string,
  clientConfig: struct({
    url: string,
    caBundle: bytes,
    service: struct({ namespace: string, name: string, path: string, port: integer }),
  }),
  rules: atomicList(
    struct({
      operations: atomicList(string),
      apiGroups: atomicList(string),
      apiVersions: atomicList(string),
      resources: atomicList(string),
      scope: string,
    }),
  ),
  failurePolicy: string,
  matchPolicy: string,
  namespaceSelector: labelSelector,
  objectSelector: labelSelector,
  sideEffects: string,
  timeoutSeconds: integer,
  admissionReviewVersions: atomicList(string),
  matchConditions: any,
});

function applyDefaults(object: KubeObject): KubeObject {
  const webhooks = listAt(object, 'webhooks').map((one) => ({
    failurePolicy: 'Fail',
    matchPolicy: 'Equivalent',
    namespaceSelector: {},
    objectSelector: {},
    timeoutSeconds: 10,
    ...(one as object),
    rules: listAt(one, 'rules').map((rule) => ({ scope: '*', ...(rule as object) })),
  }));
  return webhooks.length === 0 ? object : { ...object, webhooks };
}

function validateWebhook(value: unknown, field: string): FieldError[] {
  const sideEffects = textAt(value, 'sideEffects');
  const seconds = valueAt(value, 'timeoutSeconds') as number;
  const hasUrl = textAt(value, 'clientConfig', 'url') !== '';
  const hasService = valueAt(value, 'clientConfig', 'service') !== undefined;
  return [
    ...(textAt(value, 'name').split('.').length < 3
      ? [
          fieldError.invalid(
            `${field}.name`,
            textAt(value, 'name'),
            'should be a domain with at least three segments separated by dots',
          ),
        ]
      : []),
    ...(listAt(value, 'admissionReviewVersions').length === 0
      ? [fieldError.required(`${field}.admissionReviewVersions`)]
      : []),
    ...(sideEffects === '' ? [fieldError.required(`${field}.sideEffects`)] : []),
    ...(seconds < 1 || seconds > 30
      ? [fieldError.invalid(`${field}.timeoutSeconds`, seconds, 'the timeout value must be between 1 and 30 seconds')]
      : []),
    ...(hasUrl === hasService
      ? [fieldError.required(`${field}.clientConfig`, 'exactly one of url or service is required')]
      : []),
  ];
}

export const validatingWebhookConfiguration: Kind = {
  group: 'admissionregistration.k8s.io',
  version: 'v1',
  kind: 'ValidatingWebhookConfiguration',
  plural: 'validatingwebhookconfigurations',
  namespaced: false,
  schema: objectSchema({ webhooks: listByKey(webhook, ['name']) }),
  hasGeneration: true,
  applyDefaults,
  validate: (object) => listAt(object, 'webhooks').flatMap((one, index) => validateWebhook(one, `webhooks[${index}]`)),
  columns: [{ name: 'Webhooks', type: 'integer', cell: (object) => listAt(object, 'webhooks').length }],
};
