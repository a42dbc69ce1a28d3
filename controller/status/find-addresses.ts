// Asks the API server for what addresses.ts needs: the published Service, or the nodes of the controller's pods.

import { type ApiCaller, callApi } from '../watch/api/call.ts';
import type { PublishedAddress } from '../watch/api/published-addresses.ts';
import {
  addressesOfNodes,
  addressesOfService,
  addressesOfTexts,
  isLivePod,
  itemsOf,
  nameOf,
  nodesOfPods,
  siblingSelector,
} from './addresses.ts';

/** Where addresses come from: the first that is given. */
export interface AddressSource {
  /** `--publish-status-address`. */
  readonly publishStatusAddress: readonly string[];
  /** `--publish-service`, `namespace/name`; '' for none. */
  readonly publishService: string;
  /** `--report-node-internal-ip-address`. */
  readonly reportNodeInternalIpAddress: boolean;
  /** The pod this runs in; `name` is '' outside a cluster. */
  readonly pod: { readonly namespace: string; readonly name: string };
}

/** Rejects with ApiError. An empty list is an answer: nothing is reachable (yet). */
export async function findAddresses(source: AddressSource, caller: ApiCaller): Promise<readonly PublishedAddress[]> {
  const { publishStatusAddress, publishService, reportNodeInternalIpAddress } = source;
  if (publishStatusAddress.length > 0) return addressesOfTexts(publishStatusAddress);
  if (publishService !== '') {
    const [namespace, name] = publishService.split('/');
    return addressesOfService(await get(caller, `/api/v1/namespaces/${namespace}/services/${name}`));
  }
  const names = nodesOfPods(await findSiblings(source, caller));
  const nodes = await Promise.all(names.map((name) => get(caller, `/api/v1/nodes/${name}`)));
  return addressesOfNodes(nodes, reportNodeInternalIpAddress);
}

/** True when another pod of this controller runs. Outside a cluster nobody knows of others. */
export async function hasOtherReplicas(source: AddressSource, caller: ApiCaller): Promise<boolean> {
  const pods = await findSiblings(source, caller);
  return pods.some((pod) => isLivePod(pod) && nameOf(pod) !== source.pod.name);
}

async function findSiblings({ pod }: AddressSource, caller: ApiCaller) {
  if (pod.name === '') return [];
  const path = `/api/v1/namespaces/${pod.namespace}/pods`;
  const own = await get(caller, `${path}/${pod.name}`);
  const labelSelector = siblingSelector(own);
  // Without labels a selector would be empty, and choose every pod of the namespace.
  if (labelSelector === '') return [own];
  return itemsOf(await callApi(caller, { method: 'GET', path, query: { labelSelector } }));
}

async function get(caller: ApiCaller, path: string) {
  return await callApi(caller, { method: 'GET', path });
}
