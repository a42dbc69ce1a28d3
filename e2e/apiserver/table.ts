// The Table and PartialObjectMetadata forms of objects: what `kubectl get` prints, and metadata without content.

import { type KubeObject, valueAt } from './objects.ts';
import type { Column, Kind } from './resources/kind.ts';

/** The form a client accepts. `version` is that of meta.k8s.io. */
export type Form =
  | { readonly kind: 'object' }
  | { readonly kind: 'table'; readonly version: string; readonly include: 'None' | 'Metadata' | 'Object' }
  | { readonly kind: 'metadata'; readonly version: string };

/** The first form of an Accept header that this server has; plain objects when there is none. */
export function parseForm(accept: string, includeObject: string | null): Form {
  for (const type of accept.split(',')) {
    const parameters = new Map(type.split(';').map((part) => part.trim().split('=') as [string, string]));
    const version = parameters.get('v') ?? 'v1';
    const form = parameters.get('as');
    if (form === 'Table') {
      return {
        kind: 'table',
        version,
        include: includeObject === 'None' || includeObject === 'Object' ? includeObject : 'Metadata',
      };
    }
    if (form === 'PartialObjectMetadata' || form === 'PartialObjectMetadataList') return { kind: 'metadata', version };
    if (form === undefined && /^\s*(application\/json|\*\/\*)/.test(type)) break;
  }
  return { kind: 'object' };
}

const NAME: Column = { name: 'Name', format: 'name', cell: ({ metadata }) => metadata.name };
const AGE: Column = {
  name: 'Age',
  cell: ({ metadata }, nowMs) =>
    metadata.creationTimestamp === undefined ? '<unknown>' : showAge(nowMs - Date.parse(metadata.creationTimestamp)),
};

function columnsOf(kind: Kind): readonly Column[] {
  const own = kind.columns ?? [];
  const wide = own.filter(({ priority }) => priority === 1);
  return [NAME, ...own.filter((column) => !wide.includes(column)), AGE, ...wide];
}

/** Renders objects as a Table. Watch events after the first leave the definitions out. */
export function renderTable(
  kind: Kind,
  objects: readonly KubeObject[],
  metadata: object,
  form: Form,
  nowMs: number,
  withDefinitions = true,
): object {
  const { version, include } = form as Extract<Form, { kind: 'table' }>;
  const columns = columnsOf(kind);
  return {
    kind: 'Table',
    apiVersion: `meta.k8s.io/${version}`,
    metadata,
    columnDefinitions: withDefinitions
      ? columns.map(({ name, type = 'string', format = '', priority = 0 }) => ({
          name,
          type,
          format,
          description: name,
          priority,
        }))
      : null,
    rows: objects.map((object) => ({
      cells: columns.map(({ cell }) => cell(object, nowMs)),
      ...(include !== 'None' && { object: include === 'Object' ? object : renderMetadata(object, version) }),
    })),
  };
}

export function renderMetadata(object: KubeObject, version: string): object {
  return { kind: 'PartialObjectMetadata', apiVersion: `meta.k8s.io/${version}`, metadata: valueAt(object, 'metadata') };
}

/** `5s`, `3m20s`, `2h5m`, `4d`: two parts only while the first is small (apimachinery pkg/util/duration). */
function showAge(ageMs: number): string {
  const seconds = Math.max(0, Math.floor(ageMs / 1000));
  const minutes = Math.floor(seconds / 60);
  const hours = Math.floor(minutes / 60);
  const days = Math.floor(hours / 24);
  if (seconds < 120) return `${seconds}s`;
  if (minutes < 10) return seconds % 60 === 0 ? `${minutes}m` : `${minutes}m${seconds % 60}s`;
  if (minutes < 180) return `${minutes}m`;
  if (hours < 8) return minutes % 60 === 0 ? `${hours}h` : `${hours}h${minutes % 60}m`;
  if (hours < 48) return `${hours}h`;
  if (days < 8) return hours % 24 === 0 ? `${days}d` : `${days}d${hours % 24}h`;
  return `${days}d`;
}
