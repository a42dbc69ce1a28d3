// What clients ask before they ask for objects: versions, groups, resources, and OpenAPI.
//
// OpenAPI is as small as kubectl accepts: version 2 without definitions, in protobuf for old clients, so that they skip
// client-side validation; version 3 with just the parameter by which new clients know that the server validates.

import type { Answer } from './answer.ts';
import { apiVersionOf, type Kind } from './resources/kind.ts';
import { KINDS } from './resources/kinds.ts';

/** The release this server claims to be, which kubectl compares with its own. */
const VERSION = { major: '1', minor: '36', gitVersion: 'v1.36.0', gitCommit: 'test', gitTreeState: 'clean' };

const VERBS = ['create', 'delete', 'deletecollection', 'get', 'list', 'patch', 'update', 'watch'];

/** Answers a discovery path; undefined when it is none. */
export function answerDiscovery(path: string, accept: string): Answer | undefined {
  const parts = path.split('/').filter((part) => part !== '');
  const [root, group, version] = parts;
  switch (root) {
    case 'healthz':
    case 'livez':
    case 'readyz':
      return { code: 200, body: 'ok', contentType: 'text/plain; charset=utf-8' };
    case 'version':
      return {
        code: 200,
        body: { ...VERSION, goVersion: 'none', compiler: 'none', platform: 'test', buildDate: '1970-01-01T00:00:00Z' },
      };
    case 'api':
      if (parts.length === 1)
        return { code: 200, body: { kind: 'APIVersions', versions: ['v1'], serverAddressByClientCIDRs: [] } };
      return parts.length === 2 ? resourceList('', group ?? '') : undefined;
    case 'apis':
      return parts.length === 3 ? resourceList(group ?? '', version ?? '') : groups(group);
    case 'openapi':
      return group === 'v2' ? openApiV2(accept) : openApiV3(parts.slice(2).join('/'));
    default:
      return undefined;
  }
}

function groupNames(): readonly string[] {
  return [...new Set([...KINDS.map(({ group }) => group).filter((group) => group !== ''), 'authorization.k8s.io'])];
}

function apiGroup(name: string): object {
  const version = { groupVersion: `${name}/v1`, version: 'v1' };
  return { name, versions: [version], preferredVersion: version };
}

function groups(name: string | undefined): Answer | undefined {
  if (name === undefined)
    return { code: 200, body: { kind: 'APIGroupList', apiVersion: 'v1', groups: groupNames().map(apiGroup) } };
  if (!groupNames().includes(name)) return undefined;
  return { code: 200, body: { kind: 'APIGroup', apiVersion: 'v1', ...apiGroup(name) } };
}

function resourceList(group: string, version: string): Answer | undefined {
  const kinds = KINDS.filter((kind) => kind.group === group && kind.version === version);
  const isKnown = kinds.length > 0 || (group === 'authorization.k8s.io' && version === 'v1');
  if (!isKnown) return undefined;
  const reviews = group === 'authorization.k8s.io' ? [ACCESS_REVIEW] : [];
  const resources = [...kinds.flatMap(resourcesOf), ...reviews];
  return {
    code: 200,
    body: { kind: 'APIResourceList', apiVersion: 'v1', groupVersion: apiVersionOf({ group, version }), resources },
  };
}

const ACCESS_REVIEW = {
  name: 'selfsubjectaccessreviews',
  singularName: 'selfsubjectaccessreview',
  namespaced: false,
  kind: 'SelfSubjectAccessReview',
  verbs: ['create'],
};

function resourcesOf({ plural, kind, namespaced, shortNames, categories, hasStatus, hasScale }: Kind): object[] {
  const main = {
    name: plural,
    singularName: kind.toLowerCase(),
    namespaced,
    kind,
    verbs: VERBS,
    ...(shortNames !== undefined && { shortNames }),
    ...(categories !== undefined && { categories }),
  };
  const verbs = ['get', 'patch', 'update'];
  const status = { name: `${plural}/status`, singularName: '', namespaced, kind, verbs };
  const scale = {
    name: `${plural}/scale`,
    singularName: '',
    namespaced,
    kind: 'Scale',
    group: 'autoscaling',
    version: 'v1',
    verbs,
  };
  return [main, ...(hasStatus ? [status] : []), ...(hasScale ? [scale] : [])];
}

function openApiV2(accept: string): Answer {
  const info = { title: 'Kubernetes', version: VERSION.gitVersion };
  if (accept.includes('proto-openapi')) {
    return {
      code: 200,
      body: encodeSwagger(info),
      contentType: 'application/com.github.proto-openapi.spec.v2.v1.0+protobuf',
    };
  }
  return { code: 200, body: { swagger: '2.0', info, paths: {}, definitions: {} } };
}

/** gnostic's openapi.v2.Document with swagger (1), info (2), empty paths (8) and definitions (9): all fields are bytes. */
function encodeSwagger({ title, version }: { readonly title: string; readonly version: string }): Buffer {
  const info = Buffer.concat([protobufField(1, Buffer.from(title)), protobufField(2, Buffer.from(version))]);
  const none = Buffer.alloc(0);
  return Buffer.concat([
    protobufField(1, Buffer.from('2.0')),
    protobufField(2, info),
    protobufField(8, none),
    protobufField(9, none),
  ]);
}

/** A length-delimited field (wire type 2); none here is longer than one length byte can say. */
function protobufField(number: number, content: Buffer): Buffer {
  return Buffer.concat([Buffer.from([(number << 3) | 2, content.length]), content]);
}

function openApiV3(groupVersion: string): Answer | undefined {
  const kinds = KINDS.filter((kind) => pathPrefix(kind) === groupVersion);
  if (groupVersion === '') {
    const prefixes = new Set(KINDS.map(pathPrefix));
    const paths = Object.fromEntries(
      [...prefixes].map((prefix) => [prefix, { serverRelativeURL: `/openapi/v3/${prefix}?hash=1` }]),
    );
    return { code: 200, body: { paths } };
  }
  if (kinds.length === 0) return undefined;
  const info = { title: 'Kubernetes', version: VERSION.gitVersion };
  const paths = Object.fromEntries(kinds.map((kind) => [itemPath(kind), { patch: patchOperation(kind) }]));
  return { code: 200, body: { openapi: '3.0.0', info, paths } };
}

function pathPrefix(kind: Kind): string {
  return kind.group === '' ? 'api/v1' : `apis/${apiVersionOf(kind)}`;
}

function itemPath(kind: Kind): string {
  const namespace = kind.namespaced ? 'namespaces/{namespace}/' : '';
  return `/${pathPrefix(kind)}/${namespace}${kind.plural}/{name}`;
}

function patchOperation({ group, version, kind }: Kind): object {
  const parameter = (name: string) => ({ name, in: 'query', schema: { type: 'string', uniqueItems: true } });
  return {
    operationId: `patch${kind}`,
    parameters: ['dryRun', 'fieldManager', 'fieldValidation'].map(parameter),
    responses: { 200: { description: 'OK' } },
    'x-kubernetes-group-version-kind': { group, version, kind },
  };
}
