// GET of one object and of lists: consistent pages, resourceVersion rules, selectors.
// Rules: https://kubernetes.io/docs/reference/using-api/api-concepts/#resource-versions

import type { Answer } from './answer.ts';
import { ApiError, badRequest, expired, fieldError, invalid, notFound } from './api-error.ts';
import { type KubeObject, valueAt } from './objects.ts';
import type { ResourceRequest } from './request-info.ts';
import { selectorTextOf } from './resources/deployment.ts';
import { apiVersionOf, type Kind, resourceName } from './resources/kind.ts';
import { checkFieldSelector, parseFieldSelector, parseLabelSelector, type Selector } from './selectors.ts';
import { COMPACTED, type Storage } from './storage.ts';
import { type Form, renderMetadata, renderTable } from './table.ts';

/** The key an object is stored under. */
export function keyOf(kind: Kind, namespace: string, name: string): string {
  return kind.namespaced ? `${namespace}/${name}` : name;
}

/** An object in the form its kind shows: events.k8s.io Events are stored as core ones. */
export function shown(kind: Kind, object: KubeObject): KubeObject {
  return kind.sharedWith === undefined ? object : kind.sharedWith.fromStored(object);
}

/** Finds a stored object or throws the 404. */
export function findObject(storage: Storage, kind: Kind, { namespace, name }: ResourceRequest): KubeObject {
  const found = storage.get(resourceName(kind), keyOf(kind, namespace, name));
  if (found === undefined) throw notFound(kind, name);
  return found;
}

export function getObject(storage: Storage, kind: Kind, request: ResourceRequest, form: Form, nowMs: number): Answer {
  const object = shown(kind, findObject(storage, kind, request));
  return { code: 200, body: renderObject(kind, object, request.subresource, form, nowMs) };
}

/** One object as a client wants to see it. */
function renderObject(kind: Kind, object: KubeObject, subresource: string, form: Form, nowMs: number): object {
  if (subresource === 'scale') return scaleOf(object);
  const { resourceVersion } = object.metadata;
  switch (form.kind) {
    case 'table':
      return renderTable(kind, [object], { resourceVersion }, form, nowMs);
    case 'metadata':
      return renderMetadata(object, form.version);
    case 'object':
      return object;
  }
}

/** The autoscaling/v1 Scale of an object with replicas. */
export function scaleOf(object: KubeObject): KubeObject {
  const { name, namespace, uid, resourceVersion, creationTimestamp } = object.metadata;
  return {
    kind: 'Scale',
    apiVersion: 'autoscaling/v1',
    metadata: { name, namespace, uid, resourceVersion, creationTimestamp } as KubeObject['metadata'],
    spec: { replicas: valueAt(object, 'spec', 'replicas') ?? 0 },
    status: { replicas: valueAt(object, 'status', 'replicas') ?? 0, selector: selectorTextOf(object) },
  };
}

/** Whether an object is in the namespace and matches the selectors of a list, watch or deletecollection. */
export function selectorOf(kind: Kind, { namespace, name, query }: ResourceRequest): Selector {
  const byLabel = parseLabelSelector(query.get('labelSelector') ?? '');
  const byField = parseFieldSelector(query.get('fieldSelector') ?? '', kind.selectableFields ?? (() => ({})));
  checkFieldSelector(byField);
  return (object) =>
    (namespace === '' || !kind.namespaced || object.metadata.namespace === namespace) &&
    (name === '' || object.metadata.name === name) &&
    byLabel(object) &&
    byField(object);
}

interface Page {
  readonly objects: readonly KubeObject[];
  readonly revision: number;
  readonly continueToken?: string;
  readonly remaining?: number;
}

export function listObjects(storage: Storage, kind: Kind, request: ResourceRequest, form: Form, nowMs: number): Answer {
  const page = readPage(storage, kind, request);
  const metadata = {
    resourceVersion: String(page.revision),
    ...(page.continueToken !== undefined && { continue: page.continueToken }),
    ...(page.remaining !== undefined && { remainingItemCount: page.remaining }),
  };
  const objects = page.objects.map((object) => shown(kind, object));
  return { code: 200, body: renderList(kind, objects, metadata, form, nowMs) };
}

function renderList(kind: Kind, objects: readonly KubeObject[], metadata: object, form: Form, nowMs: number): object {
  switch (form.kind) {
    case 'table':
      return renderTable(kind, objects, metadata, form, nowMs);
    case 'metadata': {
      const items = objects.map((object) => renderMetadata(object, form.version));
      return { kind: 'PartialObjectMetadataList', apiVersion: `meta.k8s.io/${form.version}`, metadata, items };
    }
    case 'object':
      return {
        kind: `${kind.kind}List`,
        apiVersion: apiVersionOf(kind),
        metadata,
        // Items of a typed list say neither kind nor apiVersion: the list does.
        items: objects.map(({ kind: _kind, apiVersion: _apiVersion, ...rest }) => rest),
      };
  }
}

function readPage(storage: Storage, kind: Kind, request: ResourceRequest): Page {
  const { query } = request;
  const limit = Number(query.get('limit') ?? 0);
  const token = query.get('continue') ?? '';
  const version = query.get('resourceVersion') ?? '';
  checkVersionMatch(query);
  if (token !== '') {
    if (version !== '' && version !== '0')
      throw badRequest('specifying resource version is not allowed when using continue');
    return continuePage(storage, kind, request, token, limit);
  }
  const wanted = parseVersion(version);
  if (wanted > storage.revision) throw tooLargeVersion(wanted, storage.revision);
  const match = query.get('resourceVersionMatch');
  // Without a match rule, a page of a named version is that very version (api-concepts, "Semantics for list").
  const isExact = match === 'Exact' || (match === null && limit > 0 && wanted > 0);
  const all = storage.list(resourceName(kind), isExact ? wanted : storage.revision);
  if (all === COMPACTED) throw expired('The resourceVersion for the provided list is too old.');
  // resourceVersion=0 is answered from the watch cache, which knows no pages.
  const pageLimit = version === '0' ? 0 : limit;
  return cutPage(all, selectorOf(kind, request), pageLimit, isExact ? wanted : storage.revision, hasSelector(query));
}

type Entries = readonly (readonly [key: string, object: KubeObject])[];

function cutPage(all: Entries, selector: Selector, limit: number, revision: number, isSelective: boolean): Page {
  const matching = all.filter(([, object]) => selector(object));
  if (limit <= 0 || matching.length <= limit) return { objects: matching.map(([, object]) => object), revision };
  const page = matching.slice(0, limit);
  const lastKey = page.at(-1)?.[0] ?? '';
  return {
    objects: page.map(([, object]) => object),
    revision,
    continueToken: encodeToken({ rv: revision, start: lastKey }),
    // With a selector the server would have to read everything to know.
    ...(!isSelective && { remaining: matching.length - limit }),
  };
}

interface ContinueToken {
  /** -1 goes on without consistency, from whatever is there now. */
  readonly rv: number;
  /** The last key already returned. */
  readonly start: string;
}

function encodeToken(token: ContinueToken): string {
  return Buffer.from(JSON.stringify({ v: 'meta.k8s.io/v1', ...token })).toString('base64url');
}

function decodeToken(text: string): ContinueToken {
  try {
    const token = JSON.parse(Buffer.from(text, 'base64url').toString()) as ContinueToken;
    if (Number.isInteger(token.rv) && typeof token.start === 'string') return token;
  } catch {
    // Not JSON: answered like a token of the wrong shape.
  }
  throw badRequest('continue key is not valid: illegal base64 data');
}

const EXPIRED_CONTINUE =
  'The provided continue parameter is too old to display a consistent list result. You can start a new list without ' +
  'the continue parameter, or use the continue token in this response to retrieve the remainder of the results. ' +
  'Continuing with the provided token results in an inconsistent list - objects that were created, modified, or deleted ' +
  'between the time the first chunk was returned and now may show up in the list.';

function continuePage(storage: Storage, kind: Kind, request: ResourceRequest, text: string, limit: number): Page {
  const { rv, start } = decodeToken(text);
  const revision = rv === -1 ? storage.revision : rv;
  const all = storage.list(resourceName(kind), revision);
  if (all === COMPACTED) throw expired(EXPIRED_CONTINUE, encodeToken({ rv: -1, start }));
  const rest = all.filter(([key]) => key > start);
  return cutPage(rest, selectorOf(kind, request), limit, revision, hasSelector(request.query));
}

function hasSelector(query: URLSearchParams): boolean {
  return Boolean(query.get('labelSelector') || query.get('fieldSelector'));
}

/** Reads a resourceVersion parameter; '' and '0' are 0. */
function parseVersion(text: string): number {
  if (text === '') return 0;
  if (/^\d+$/.test(text)) return Number(text);
  throw new ApiError(
    400,
    'BadRequest',
    `resourceVersion: Invalid value: ${JSON.stringify(text)}: invalid resource version`,
  );
}

/** The combinations of resourceVersion and resourceVersionMatch a list may have (ValidateListOptions). */
function checkVersionMatch(query: URLSearchParams): void {
  const match = query.get('resourceVersionMatch');
  const version = query.get('resourceVersion') ?? '';
  const field = 'resourceVersionMatch';
  const errors = [];
  if (query.get('sendInitialEvents') !== null) {
    errors.push(fieldError.forbidden('sendInitialEvents', 'sendInitialEvents is forbidden for list'));
  }
  if (match !== null && match !== 'Exact' && match !== 'NotOlderThan') {
    errors.push(fieldError.notSupported(field, match, ['Exact', 'NotOlderThan', '']));
  } else if (match !== null && version === '') {
    errors.push(fieldError.forbidden(field, 'resourceVersionMatch is forbidden unless resourceVersion is provided'));
  } else if (match === 'Exact' && version === '0') {
    errors.push(fieldError.forbidden(field, 'resourceVersionMatch "exact" is forbidden for resourceVersion "0"'));
  }
  if (errors.length > 0) throw invalid({ kind: 'ListOptions', group: 'meta.k8s.io' }, '', errors);
}

function tooLargeVersion(wanted: number, current: number): ApiError {
  const causes = [{ reason: 'ResourceVersionTooLarge', message: 'Too large resource version' }];
  const message = `Timeout: Too large resource version: ${wanted}, current: ${current}`;
  return new ApiError(504, 'Timeout', message, { details: { causes, retryAfterSeconds: 1 } });
}
