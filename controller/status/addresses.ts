// Which addresses an Ingress is reached at (routing-semantics §10). Pure: API objects as JSON in, addresses out.

import { isRecord } from '../objects/decode-report.ts';
import { parseIpAddress } from '../objects/ip-address.ts';
import { type PublishedAddress, readAddresses, sortAddresses } from '../watch/api/published-addresses.ts';

type Json = Readonly<Record<string, unknown>>;

/** `--publish-status-address`: each item an IP or a hostname. */
export function addressesOfTexts(texts: readonly string[]): readonly PublishedAddress[] {
  return unique(texts.map(addressOf));
}

/** `--publish-service`, by the type of the Service. */
export function addressesOfService(service: Json): readonly PublishedAddress[] {
  const spec = isRecord(service['spec']) ? service['spec'] : {};
  const { type, clusterIP, externalName } = spec;
  const externalIps = texts(spec['externalIPs']).map(addressOf);
  const cluster =
    typeof clusterIP === 'string' && clusterIP !== '' && clusterIP !== 'None' ? [addressOf(clusterIP)] : [];
  switch (type) {
    case 'ExternalName':
      return typeof externalName === 'string' ? unique([addressOf(externalName)]) : [];
    case 'LoadBalancer':
      return unique([...readAddresses(service), ...externalIps]);
    case 'NodePort':
      return unique(externalIps.length > 0 ? externalIps : cluster);
    default:
      return unique(cluster);
  }
}

/** Names of the nodes where controller pods are Running and Ready. */
export function nodesOfPods(pods: readonly Json[]): readonly string[] {
  const names = pods.filter(isReadyPod).flatMap(({ spec }) => (isRecord(spec) ? texts([spec['nodeName']]) : []));
  return [...new Set(names)].sort();
}

/** One address of each node: ExternalIP, or else (always with `internal`) InternalIP. */
export function addressesOfNodes(nodes: readonly Json[], internal: boolean): readonly PublishedAddress[] {
  return unique(nodes.flatMap((node) => addressOfNode(node, internal)));
}

function addressOfNode({ status }: Json, internal: boolean): readonly PublishedAddress[] {
  const entries = isRecord(status) && Array.isArray(status['addresses']) ? status['addresses'].filter(isRecord) : [];
  const firstOf = (type: string) =>
    entries.flatMap((entry) => (entry['type'] === type ? texts([entry['address']]) : []))[0];
  const address = (internal ? undefined : firstOf('ExternalIP')) ?? firstOf('InternalIP');
  return address === undefined ? [] : [addressOf(address)];
}

/** Labels that tell one rollout from another: without them, the labels say which pods are of the same controller. */
const rolloutLabels = new Set(['pod-template-hash', 'controller-revision-hash', 'pod-template-generation']);

/** The selector that finds the replicas of a pod; '' when it has no labels to go by. */
export function siblingSelector(pod: Json): string {
  const labels = isRecord(pod['metadata']) && isRecord(pod['metadata']['labels']) ? pod['metadata']['labels'] : {};
  const entries = Object.entries(labels).filter(([name]) => !rolloutLabels.has(name));
  return entries
    .map(([name, value]) => `${name}=${String(value)}`)
    .sort()
    .join(',');
}

/** True for a pod that still runs, or is about to: as long as there is another one, the status is its business. */
export function isLivePod({ metadata, status }: Json): boolean {
  const isLeaving = isRecord(metadata) && metadata['deletionTimestamp'] !== undefined;
  return !isLeaving && isRecord(status) && status['phase'] === 'Running';
}

export function nameOf({ metadata }: Json): string {
  return isRecord(metadata) && typeof metadata['name'] === 'string' ? metadata['name'] : '';
}

/** Items of a list, whatever is not an object left out. */
export function itemsOf({ items }: Json): readonly Json[] {
  return Array.isArray(items) ? items.filter(isRecord) : [];
}

/** As `status.loadBalancer.ingress` has it. */
export function renderAddresses(addresses: readonly PublishedAddress[]): readonly Json[] {
  return addresses.map(({ ip, hostname }) => ({
    ...(ip === '' ? {} : { ip }),
    ...(hostname === '' ? {} : { hostname }),
  }));
}

export function isSameAddresses(a: readonly PublishedAddress[], b: readonly PublishedAddress[]): boolean {
  return a === b || JSON.stringify(sortAddresses(a)) === JSON.stringify(sortAddresses(b));
}

function isReadyPod(pod: Json): boolean {
  const { status } = pod;
  const conditions =
    isRecord(status) && Array.isArray(status['conditions']) ? status['conditions'].filter(isRecord) : [];
  return isLivePod(pod) && conditions.some(({ type, status: is }) => type === 'Ready' && is === 'True');
}

function addressOf(text: string): PublishedAddress {
  return parseIpAddress(text) === null ? { ip: '', hostname: text } : { ip: text, hostname: '' };
}

function texts(values: unknown): readonly string[] {
  return Array.isArray(values) ? values.filter((value) => typeof value === 'string' && value !== '') : [];
}

function unique(addresses: readonly PublishedAddress[]): readonly PublishedAddress[] {
  const byText = new Map(addresses.map((address) => [`${address.hostname} ${address.ip}`, address]));
  return sortAddresses([...byText.values()]);
}
