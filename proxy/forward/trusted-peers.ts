// Decides whose forwarding headers are believed (ConfigMap `use-forwarded-headers` and `proxy-real-ip-cidr`).

import { addressList } from '../filters/address-list.ts';
import type { GlobalSettings } from '../table/types.ts';

/**
 * Gives the test for the settings at hand; null when nobody is believed, which is the default and costs nothing. A network
 * that cannot be read is skipped, which trusts fewer, not more.
 */
export function trustedPeers(global: GlobalSettings): ((address: string) => boolean) | null {
  return global.useForwardedHeaders ? addressList(global.trustedCidrs) : null;
}
