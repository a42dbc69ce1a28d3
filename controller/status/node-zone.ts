// The zone of the node that this process runs on, for topology hints: what `--node-zone` says, else the node's label, as
// with ingress-nginx. Asks the API server for the own Pod, then for its node.

import { setTimeout as delay } from 'node:timers/promises';
import { type ApiCaller, callApi } from '../watch/api/call.ts';
import { ApiError } from '../watch/api/transport.ts';

/** Where the zone comes from. */
export interface ZoneSource {
  /** Without it nobody asks for the zone. */
  readonly enableTopologyAwareRouting: boolean;
  /** `--node-zone`; '' to ask for it. */
  readonly nodeZone: string;
  /** The Pod this runs in; `name` is '' outside a cluster. */
  readonly pod: { readonly namespace: string; readonly name: string };
}

/** Kubernetes docs, Well-Known Labels. */
const zoneLabel = 'topology.kubernetes.io/zone';
const attempts = 3;
const pauseMs = 1000;

/** True when the flags leave it to the cluster to say the zone. */
function asksForZone({ enableTopologyAwareRouting, nodeZone }: Omit<ZoneSource, 'pod'>): boolean {
  return enableTopologyAwareRouting && nodeZone === '';
}

/**
 * Gives the zone; '' when there is none to be known, which `warn` is told: hints are ignored then. A server that does not
 * answer is asked three times.
 */
export async function findNodeZone(
  source: ZoneSource,
  caller: ApiCaller,
  warn: (message: string) => void,
): Promise<string> {
  if (!asksForZone(source)) return source.nodeZone;
  const ignored = '--enable-topology-aware-routing has no effect, topology hints are ignored';
  if (source.pod.name === '') {
    warn(`${ignored}: neither --node-zone nor POD_NAME says where this process runs`);
    return '';
  }
  for (let attempt = 1; ; attempt++) {
    try {
      const node = await nodeOfPod(source.pod, caller);
      const zone = textAt(node, 'metadata', 'labels', zoneLabel);
      if (zone === '') warn(`${ignored}: node ${textAt(node, 'metadata', 'name')} has no label ${zoneLabel}`);
      return zone;
    } catch (error) {
      if (caller.signal.aborted) return '';
      if (!(error instanceof ApiError)) throw error;
      if (attempt < attempts) await delay(pauseMs, undefined, { ref: false });
      else {
        warn(`${ignored}: ${error.message}`);
        return '';
      }
    }
  }
}

async function nodeOfPod({ namespace, name }: ZoneSource['pod'], caller: ApiCaller) {
  const pod = await callApi(caller, { method: 'GET', path: `/api/v1/namespaces/${namespace}/pods/${name}` });
  const node = encodeURIComponent(textAt(pod, 'spec', 'nodeName'));
  return await callApi(caller, { method: 'GET', path: `/api/v1/nodes/${node}` });
}

/** Text at a path of an object; '' when there is none. */
function textAt(object: unknown, ...path: readonly string[]): string {
  let value = object;
  for (const name of path) value = typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined;
  return typeof value === 'string' ? value : '';
}
