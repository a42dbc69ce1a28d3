// Events in both of their groups: core/v1, the form they are stored in, and events.k8s.io/v1 with its newer names.
// A real server checks the newer form in full and the older one hardly at all (pkg/apis/core/validation/events.go).

import { type FieldError, fieldError } from '../api-error.ts';
import { type KubeObject, textAt, valueAt } from '../objects.ts';
import { integer, microTime, objectSchema, string, struct, time } from '../schema.ts';
import type { Column, Kind } from './kind.ts';

const objectReference = struct(
  {
    kind: string,
    namespace: string,
    name: string,
    uid: string,
    apiVersion: string,
    resourceVersion: string,
    fieldPath: string,
  },
  { atomic: true },
);
const source = struct({ component: string, host: string });

const shared = {
  reason: string,
  type: string,
  action: string,
  eventTime: microTime,
  related: objectReference,
  reportingInstance: string,
};

/** Members that only changed their name between the two groups: new name, stored name. */
const RENAMED = [
  ['regarding', 'involvedObject'],
  ['note', 'message'],
  ['reportingController', 'reportingComponent'],
  ['deprecatedSource', 'source'],
  ['deprecatedFirstTimestamp', 'firstTimestamp'],
  ['deprecatedLastTimestamp', 'lastTimestamp'],
  ['deprecatedCount', 'count'],
] as const;

function renamed(object: KubeObject, apiVersion: string, names: readonly (readonly [string, string])[]): KubeObject {
  const map = new Map(names);
  const members = Object.entries(object).map(([key, value]) => [map.get(key) ?? key, value]);
  return { ...(Object.fromEntries(members) as unknown as KubeObject), apiVersion };
}

/** What Go writes for members without omitempty. */
function applyStoredDefaults(object: KubeObject): KubeObject {
  return {
    involvedObject: {},
    source: {},
    reportingComponent: '',
    reportingInstance: '',
    eventTime: null,
    firstTimestamp: null,
    lastTimestamp: null,
    ...object,
  };
}

function checkNamespace(object: KubeObject, member: string): FieldError[] {
  const namespace = textAt(object, member, 'namespace');
  const own = object.metadata.namespace ?? '';
  // Events of cluster-wide objects live in the namespace "default".
  const expectedNamespace = namespace === '' ? 'default' : namespace;
  if (own === expectedNamespace || (namespace === '' && own === 'kube-system')) return [];
  return [fieldError.invalid(`${member}.namespace`, namespace, 'does not match event.namespace')];
}

function validateNew(object: KubeObject): FieldError[] {
  const required = ['reportingController', 'reportingInstance', 'action', 'reason'];
  const type = textAt(object, 'type');
  const note = textAt(object, 'note');
  return [
    ...checkNamespace(object, 'regarding'),
    ...(valueAt(object, 'eventTime') === undefined ? [fieldError.required('eventTime')] : []),
    ...required.filter((field) => textAt(object, field) === '').map((field) => fieldError.required(field)),
    ...(type === 'Normal' || type === 'Warning' ? [] : [fieldError.invalid('type', '', `has invalid value: ${type}`)]),
    ...(note.length > 1024 ? [fieldError.invalid('message', '', 'can have at most 1024 characters')] : []),
  ];
}

function selectableFields(object: KubeObject): Record<string, string> {
  const involved = ['kind', 'namespace', 'name', 'uid', 'apiVersion', 'resourceVersion', 'fieldPath'];
  return {
    ...Object.fromEntries(involved.map((key) => [`involvedObject.${key}`, textAt(object, 'involvedObject', key)])),
    ...Object.fromEntries(involved.map((key) => [`regarding.${key}`, textAt(object, 'involvedObject', key)])),
    reason: textAt(object, 'reason'),
    type: textAt(object, 'type'),
    reportingComponent: textAt(object, 'reportingComponent'),
    source: textAt(object, 'source', 'component') || textAt(object, 'reportingComponent'),
  };
}

const columns: readonly Column[] = [
  { name: 'Type', cell: (object) => textAt(object, 'type') },
  { name: 'Reason', cell: (object) => textAt(object, 'reason') },
  {
    name: 'Object',
    cell: (object) =>
      `${textAt(object, 'involvedObject', 'kind').toLowerCase()}/${textAt(object, 'involvedObject', 'name')}`,
  },
  { name: 'Message', cell: (object) => textAt(object, 'message') },
];

export const event: Kind = {
  group: '',
  version: 'v1',
  kind: 'Event',
  plural: 'events',
  shortNames: ['ev'],
  namespaced: true,
  schema: objectSchema({
    ...shared,
    involvedObject: objectReference,
    message: string,
    source,
    firstTimestamp: time,
    lastTimestamp: time,
    count: integer,
    series: struct({ count: integer, lastObservedTime: microTime }),
    reportingComponent: string,
  }),
  createOnUpdate: true,
  applyDefaults: applyStoredDefaults,
  validate: (object) => checkNamespace(object, 'involvedObject'),
  selectableFields,
  columns,
};

export const newEvent: Kind = {
  group: 'events.k8s.io',
  version: 'v1',
  kind: 'Event',
  plural: 'events',
  shortNames: ['ev'],
  namespaced: true,
  schema: objectSchema({
    ...shared,
    regarding: objectReference,
    note: string,
    deprecatedSource: source,
    deprecatedFirstTimestamp: time,
    deprecatedLastTimestamp: time,
    deprecatedCount: integer,
    series: struct({ count: integer, lastObservedTime: microTime }),
    reportingController: string,
  }),
  createOnUpdate: true,
  sharedWith: {
    plural: 'events',
    toStored: (object) => applyStoredDefaults(renamed(object, 'v1', RENAMED)),
    fromStored: (object) =>
      renamed(
        object,
        'events.k8s.io/v1',
        RENAMED.map(([newName, storedName]) => [storedName, newName]),
      ),
  },
  validate: validateNew,
  selectableFields,
  columns,
};
