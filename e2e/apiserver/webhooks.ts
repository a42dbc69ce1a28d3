// Calls validating admission webhooks as registered in ValidatingWebhookConfigurations, with AdmissionReview v1.
//
// Out: warnings, or a thrown refusal in the words of a real server (admission/plugin/webhook). Matched are operations,
// groups, versions, resources, scope, namespaceSelector and objectSelector; matchConditions are not read.

import { randomUUID } from 'node:crypto';
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { isIP } from 'node:net';
import { ApiError, badRequest, internalError } from './api-error.ts';
import { type KubeObject, listAt, textAt, valueAt } from './objects.ts';
import { shown } from './reading.ts';
import { matchesLabelSelector } from './selectors.ts';
import { COMPACTED, type Storage } from './storage.ts';
import type { AdmissionQuestion } from './writing.ts';

/** Where to reach a Service that webhooks name. */
export type ResolveService = (
  namespace: string,
  name: string,
  port: number,
) => { readonly host: string; readonly port: number };

const CONFIGURATIONS = 'validatingwebhookconfigurations.admissionregistration.k8s.io';

/** Asks all matching webhooks at the same time, as a real server does. */
export async function callWebhooks(
  storage: Storage,
  resolveService: ResolveService,
  question: AdmissionQuestion,
): Promise<readonly string[]> {
  const configurations = storage.list(CONFIGURATIONS);
  // Configurations cannot be guarded by webhooks, or a broken one could never be removed.
  if (configurations === COMPACTED || question.kind.group === 'admissionregistration.k8s.io') return [];
  const webhooks = configurations
    .flatMap(([, configuration]) => listAt(configuration, 'webhooks'))
    .filter((webhook) => isAsked(webhook, question, storage));
  const answers = await Promise.all(webhooks.map((webhook) => callWebhook(webhook, resolveService, question)));
  return answers.flat();
}

function isAsked(webhook: unknown, question: AdmissionQuestion, storage: Storage): boolean {
  if (!listAt(webhook, 'rules').some((rule) => coversRule(rule, question))) return false;
  const { object, oldObject, kind } = question;
  const metadata = (object ?? oldObject)?.metadata;
  const own = kind.kind === 'Namespace' ? metadata : storage.get('namespaces', metadata?.namespace ?? '')?.metadata;
  const inNamespace =
    !kind.namespaced && kind.kind !== 'Namespace'
      ? true
      : matchesLabelSelector(valueAt(webhook, 'namespaceSelector'), own?.labels);
  const selector = valueAt(webhook, 'objectSelector');
  const isSelected = [object, oldObject].some(
    (one) => one !== null && matchesLabelSelector(selector, one.metadata.labels),
  );
  return inNamespace && isSelected;
}

function coversRule(rule: unknown, { operation, kind, request }: AdmissionQuestion): boolean {
  const covers = (member: string, value: string) =>
    listAt(rule, member).some((entry) => entry === '*' || entry === value);
  const { plural, subresource } = request;
  const resources =
    subresource === '' ? ['*', '*/*', plural] : ['*/*', `${plural}/*`, `*/${subresource}`, `${plural}/${subresource}`];
  const scope = textAt(rule, 'scope');
  const matchesScope = scope === '*' || scope === '' || (scope === 'Namespaced') === kind.namespaced;
  return (
    covers('operations', operation) &&
    covers('apiGroups', kind.group) &&
    covers('apiVersions', kind.version) &&
    listAt(rule, 'resources').some((entry) => resources.includes(String(entry))) &&
    matchesScope
  );
}

async function callWebhook(
  webhook: unknown,
  resolveService: ResolveService,
  question: AdmissionQuestion,
): Promise<readonly string[]> {
  const name = textAt(webhook, 'name');
  const sideEffects = textAt(webhook, 'sideEffects');
  if (question.dryRun && sideEffects !== 'None' && sideEffects !== 'NoneOnDryRun') {
    throw badRequest(`admission webhook ${JSON.stringify(name)} does not support dry run`);
  }
  const uid = randomUUID();
  const review = { kind: 'AdmissionReview', apiVersion: 'admission.k8s.io/v1', request: renderRequest(uid, question) };
  let response: unknown;
  try {
    response = readReview(await post(webhook, resolveService, review), uid);
  } catch (cause) {
    if (textAt(webhook, 'failurePolicy') === 'Ignore') return [];
    throw internalError(`failed calling webhook ${JSON.stringify(name)}: ${(cause as Error).message}`);
  }
  if (valueAt(response, 'allowed') !== true) throw denial(name, valueAt(response, 'status'));
  return listAt(response, 'warnings').map(String);
}

function renderRequest(
  uid: string,
  { operation, kind, request, user, object, oldObject, dryRun }: AdmissionQuestion,
): object {
  const { group, version, kind: kindName, plural: resource } = kind;
  const typed = (one: KubeObject | null) => (one === null ? null : shown(kind, one));
  const optionKinds = { CREATE: 'CreateOptions', UPDATE: 'UpdateOptions', DELETE: 'DeleteOptions' };
  return {
    uid,
    kind: { group, version, kind: kindName },
    resource: { group, version, resource },
    ...(request.subresource !== '' && { subResource: request.subresource }),
    requestKind: { group, version, kind: kindName },
    requestResource: { group, version, resource },
    name: request.name,
    ...(kind.namespaced && { namespace: request.namespace }),
    operation,
    userInfo: { username: user.name, groups: user.groups ?? [] },
    object: typed(object),
    oldObject: typed(oldObject),
    dryRun,
    options: { kind: optionKinds[operation], apiVersion: 'meta.k8s.io/v1' },
  };
}

interface Target {
  readonly url: URL;
  readonly host: string;
  readonly port: number;
  /** The name the certificate must be for. */
  readonly servername: string;
}

function targetOf(webhook: unknown, resolveService: ResolveService): Target {
  const given = textAt(webhook, 'clientConfig', 'url');
  if (given !== '') {
    const url = new URL(given);
    const host = url.hostname.replace(/^\[|\]$/g, '');
    return { url, host, port: Number(url.port) || 443, servername: host };
  }
  const service = valueAt(webhook, 'clientConfig', 'service');
  const name = textAt(service, 'name');
  const namespace = textAt(service, 'namespace');
  const servername = `${name}.${namespace}.svc`;
  const port = Number(valueAt(service, 'port') ?? 443);
  const url = new URL(`https://${servername}:${port}${textAt(service, 'path')}`);
  return { url, servername, ...resolveService(namespace, name, port) };
}

/** Posts the review. Rejects, with the words a real server shows, on anything but a 200 in time. */
async function post(webhook: unknown, resolveService: ResolveService, review: object): Promise<unknown> {
  const timeoutSeconds = Number(valueAt(webhook, 'timeoutSeconds') ?? 10);
  let url = '';
  try {
    const target = targetOf(webhook, resolveService);
    target.url.searchParams.set('timeout', `${timeoutSeconds}s`);
    url = target.url.href;
    const { code, text } = await exchange(webhook, target, JSON.stringify(review), timeoutSeconds * 1000);
    if (code !== 200) throw new Error(`unexpected response code: ${code}`);
    return JSON.parse(text);
  } catch (cause) {
    const isTimeout = (cause as Error).name === 'TimeoutError' || (cause as Error).name === 'AbortError';
    const why = isTimeout ? 'context deadline exceeded' : (cause as Error).message;
    throw new Error(`failed to call webhook: Post ${JSON.stringify(url)}: ${why}`, { cause });
  }
}

function exchange(
  webhook: unknown,
  target: Target,
  body: string,
  timeoutMs: number,
): Promise<{ code: number; text: string }> {
  const { url, host, port, servername } = target;
  const caBundle = textAt(webhook, 'clientConfig', 'caBundle');
  const { promise, resolve, reject } = Promise.withResolvers<{ code: number; text: string }>();
  const options = {
    method: 'POST',
    host,
    port,
    // Node refuses an address as server name; it then verifies the certificate by the host.
    ...(isIP(servername) === 0 && { servername }),
    path: url.pathname + url.search,
    headers: { host: url.host, 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) },
    signal: AbortSignal.timeout(timeoutMs),
    agent: false as const,
    ...(caBundle !== '' && { ca: Buffer.from(caBundle, 'base64') }),
  };
  const onResponse = (response: IncomingMessage) => {
    response.setEncoding('utf8');
    response.toArray().then((parts) => resolve({ code: response.statusCode ?? 0, text: parts.join('') }), reject);
  };
  // A real server speaks https only; plain http keeps webhooks of tests short.
  const request = url.protocol === 'http:' ? httpRequest(options, onResponse) : httpsRequest(options, onResponse);
  request.on('error', reject);
  request.end(body);
  return promise;
}

function readReview(review: unknown, uid: string): unknown {
  const response = valueAt(review, 'response');
  if (response === undefined || response === null) throw new Error('webhook response was absent');
  if (textAt(review, 'apiVersion') !== 'admission.k8s.io/v1' || textAt(review, 'kind') !== 'AdmissionReview') {
    throw new Error('expected webhook response of admission.k8s.io/v1, Kind=AdmissionReview');
  }
  if (textAt(response, 'uid') !== uid)
    throw new Error(`expected response.uid=${JSON.stringify(uid)}, got ${JSON.stringify(textAt(response, 'uid'))}`);
  return response;
}

function denial(webhookName: string, status: unknown): ApiError {
  const by = `admission webhook ${JSON.stringify(webhookName)} denied the request`;
  const why = textAt(status, 'message') || textAt(status, 'reason') || 'without explanation';
  const code = Number(valueAt(status, 'code') ?? 0);
  const message = why === 'without explanation' ? `${by} ${why}` : `${by}: ${why}`;
  return new ApiError(Math.max(code, 400), textAt(status, 'reason'), message);
}

/** Finds a Service's first ready endpoint in its EndpointSlices, by the port a webhook names. */
export function resolveByEndpointSlices(storage: Storage): ResolveService {
  return (namespace, name, port) => {
    const service = storage.get('services', `${namespace}/${name}`);
    if (service === undefined) throw new Error(`service ${JSON.stringify(name)} not found`);
    const wanted = listAt(service, 'spec', 'ports').find((one) => valueAt(one, 'port') === port);
    const slices = storage.list('endpointslices.discovery.k8s.io');
    for (const [, slice] of slices === COMPACTED ? [] : slices) {
      const { labels, namespace: own } = slice.metadata;
      if (own !== namespace || labels?.['kubernetes.io/service-name'] !== name) continue;
      const slicePort = listAt(slice, 'ports').find((one) => textAt(one, 'name') === textAt(wanted, 'name'));
      const ready = listAt(slice, 'endpoints').find((one) => valueAt(one, 'conditions', 'ready') !== false);
      const host = String(listAt(ready, 'addresses')[0] ?? '');
      if (host !== '' && slicePort !== undefined) return { host, port: Number(valueAt(slicePort, 'port')) };
    }
    throw new Error(`no endpoints available for service ${JSON.stringify(name)}`);
  };
}
