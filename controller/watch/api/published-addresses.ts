// What stands in `status.loadBalancer.ingress` of each Ingress, as the watch shows it: the status writer compares with it
// and need not ask the server. Kept beside the objects, because routing must not change when a status does.

import { isRecord } from '../../objects/decode-report.ts';
import { compareText } from '../../objects/diagnostic.ts';
import type { ObjectKey } from '../../objects/types.ts';
import type { RawObject } from './watch-stream.ts';

/** One entry of `status.loadBalancer.ingress` (networking.k8s.io/v1 IngressLoadBalancerIngress): exactly one is not ''. */
export interface PublishedAddress {
  readonly ip: string;
  readonly hostname: string;
}

export class PublishedAddresses {
  readonly #byIngress = new Map<ObjectKey, readonly PublishedAddress[]>();
  /** Thousands of Ingresses have the same addresses: one list for all of them. */
  readonly #shared = new Map<string, readonly PublishedAddress[]>();

  get all(): ReadonlyMap<ObjectKey, readonly PublishedAddress[]> {
    return this.#byIngress;
  }

  observe({ key, json }: RawObject): void {
    const addresses = readAddresses(json);
    if (addresses.length === 0) this.#byIngress.delete(key);
    else this.#byIngress.set(key, this.#share(addresses));
  }

  forget(key: ObjectKey): void {
    this.#byIngress.delete(key);
  }

  #share(addresses: readonly PublishedAddress[]): readonly PublishedAddress[] {
    const text = JSON.stringify(addresses);
    // Others may write what they like into a status: the lists that were never seen again must not pile up.
    if (this.#shared.size > 1000) this.#shared.clear();
    const known = this.#shared.get(text);
    if (known !== undefined) return known;
    this.#shared.set(text, addresses);
    return addresses;
  }
}

/** Orders as ingress-nginx does: by hostname, then by IP (routing-semantics §10). */
export function sortAddresses(addresses: readonly PublishedAddress[]): readonly PublishedAddress[] {
  return [...addresses].sort((a, b) => compareText(a.hostname, b.hostname) || compareText(a.ip, b.ip));
}

/** Reads `status.loadBalancer.ingress` of an Ingress or a Service; entries without address are left out. */
export function readAddresses(json: Readonly<Record<string, unknown>>): readonly PublishedAddress[] {
  const { status } = json;
  const loadBalancer = isRecord(status) ? status['loadBalancer'] : null;
  const entries = isRecord(loadBalancer) ? loadBalancer['ingress'] : null;
  if (!Array.isArray(entries)) return [];
  return entries.filter(isRecord).flatMap(({ ip, hostname }) => {
    const address = { ip: typeof ip === 'string' ? ip : '', hostname: typeof hostname === 'string' ? hostname : '' };
    return address.ip === '' && address.hostname === '' ? [] : [address];
  });
}
