// Services of type ExternalName: from the name to addresses, without asking DNS here (routing-semantics §7).

import { plainEndpoint } from '#proxy/table/defaults.ts';
import type { Endpoint } from '#proxy/table/types.ts';
import { quoteShort, whyNotDnsName } from '../objects/host-name.ts';
import { isLoopback, isUnspecified, parseIpAddress } from '../objects/ip-address.ts';
import { sortEndpoints } from './endpoints.ts';

/** Endpoints of an external name. `problem` completes "Service ns/name ..."; `wantedName` is what must be resolved. */
export interface ExternalTarget {
  readonly endpoints: readonly Endpoint[];
  readonly wantedName: string | null;
  readonly problem: string | null;
}

/**
 * Turns `Service.spec.externalName` into endpoints. An IP address is its own; a name is looked up in `resolvedNames`.
 * Names and addresses of the machine itself are refused: they would open the controller's own ports to whoever may
 * write a Service (CVE-2021-25740 and the like).
 */
export function externalTarget(
  externalName: string,
  port: number,
  resolvedNames: ReadonlyMap<string, readonly string[]>,
): ExternalTarget {
  const ip = parseIpAddress(externalName);
  if (ip !== null) {
    if (isLoopback(ip) || isUnspecified(ip)) return refused(`names the loopback address ${externalName}`);
    return { endpoints: [plainEndpoint(externalName, port)], wantedName: null, problem: null };
  }
  const name = externalName.replace(/\.$/, '').toLowerCase();
  if (name === 'localhost' || name.endsWith('.localhost')) return refused(`names ${quoteShort(externalName)}`);
  const whyNot = whyNotDnsName(name);
  if (whyNot !== null) return refused(`has the external name ${quoteShort(externalName)}, which ${whyNot}`);
  const addresses = resolvedNames.get(name) ?? [];
  const endpoints = sortEndpoints(addresses.map((address) => plainEndpoint(address, port)));
  const problem = endpoints.length > 0 ? null : `has the external name "${name}", which has no known address yet`;
  return { endpoints, wantedName: name, problem };
}

function refused(problem: string): ExternalTarget {
  return { endpoints: [], wantedName: null, problem: `${problem}, which is refused` };
}
