// Writes and reads objects as an administrator, over the API alone: the same against every server. Most tests use kubectl
// where a person would; this is for the scenery, which has to be fast.

import { request as httpRequest, type IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { parseAllDocuments } from 'yaml';
import type { AdminConnection } from './backends/backend.ts';
import { collectionPath, type Manifest, objectPath } from './kinds.ts';

export interface ApiAnswer {
  readonly code: number;
  readonly body: unknown;
}

export class Admin {
  readonly #connection: AdminConnection;

  constructor(connection: AdminConnection) {
    this.#connection = connection;
  }

  /** Applies manifests (YAML or objects) server-side, one after the other; rejects with the first refusal. */
  async apply(manifests: string | readonly object[]): Promise<readonly Manifest[]> {
    const applied: Manifest[] = [];
    for (const object of readManifests(manifests)) {
      const path = `${objectPath(object)}?fieldManager=e2e&force=true&fieldValidation=Strict`;
      applied.push((await this.#succeed('PATCH', path, object, 'application/apply-patch+yaml')) as Manifest);
    }
    return applied;
  }

  /** The object; undefined when there is none. */
  async get(apiVersion: string, kind: string, namespace: string, name: string): Promise<Manifest | undefined> {
    const path = objectPath({ apiVersion, kind, metadata: { namespace, name } });
    const { code, body } = await this.call('GET', path);
    return code === 404 ? undefined : (expectGood('GET', path, { code, body }) as Manifest);
  }

  /** Objects of one namespace; `query` as in the URL, e.g. `fieldSelector=involvedObject.name%3Dweb`. */
  async list(apiVersion: string, kind: string, namespace: string, query = ''): Promise<readonly Manifest[]> {
    const path = `${collectionPath(apiVersion, kind, namespace)}?${query}`;
    const { items } = (await this.#succeed('GET', path)) as { readonly items: readonly Manifest[] };
    return items;
  }

  /** @param subresource `/status` or ''. */
  async mergePatch(object: Manifest, change: object, subresource: '' | '/status' = ''): Promise<void> {
    await this.#succeed('PATCH', objectPath(object) + subresource, change, 'application/merge-patch+json');
  }

  /** Deletes; one that is gone already is fine. */
  async delete(object: Manifest): Promise<void> {
    const path = objectPath(object);
    const answer = await this.call('DELETE', path);
    if (answer.code !== 404) expectGood('DELETE', path, answer);
  }

  /** A token of a service account, valid for an hour (TokenRequest). */
  async token(namespace: string, serviceAccount: string): Promise<string> {
    const path = `${collectionPath('v1', 'ServiceAccount', namespace)}/${serviceAccount}/token`;
    const request = { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec: {} };
    const { status } = (await this.#succeed('POST', path, request)) as { readonly status: { readonly token: string } };
    return status.token;
  }

  call(method: string, path: string, body?: unknown, contentType = 'application/json'): Promise<ApiAnswer> {
    const { server, agent, headers } = this.#connection;
    const { promise, resolve, reject } = Promise.withResolvers<ApiAnswer>();
    const send = server.startsWith('http:') ? httpRequest : httpsRequest;
    const text = body === undefined ? '' : JSON.stringify(body);
    const framing = text === '' ? {} : { 'content-type': contentType, 'content-length': Buffer.byteLength(text) };
    const request = send(server + path, {
      method,
      agent,
      headers: { accept: 'application/json', ...framing, ...headers },
    });
    request.on('response', (response) => readAnswer(response).then(resolve, reject));
    request.on('error', reject);
    request.end(text);
    return promise;
  }

  async #succeed(method: string, path: string, body?: unknown, contentType?: string): Promise<unknown> {
    return expectGood(method, path, await this.call(method, path, body, contentType));
  }
}

async function readAnswer(response: IncomingMessage): Promise<ApiAnswer> {
  const text = (await response.setEncoding('utf8').toArray()).join('');
  const isJson = response.headers['content-type']?.startsWith('application/json') ?? false;
  return { code: response.statusCode ?? 0, body: isJson ? JSON.parse(text) : text };
}

function expectGood(method: string, path: string, { code, body }: ApiAnswer): unknown {
  if (code >= 200 && code < 300) return body;
  throw new Error(`${method} ${path}: ${code} ${JSON.stringify(body)}`);
}

/** Documents of YAML text, or objects as they are. */
export function readManifests(manifests: string | readonly object[]): readonly Manifest[] {
  if (typeof manifests !== 'string') return manifests as readonly Manifest[];
  return parseAllDocuments(manifests).flatMap((document) => {
    const value = document.toJS() as Manifest | null;
    return value === null ? [] : [value];
  });
}
