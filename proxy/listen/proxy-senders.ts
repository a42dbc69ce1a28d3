// Whose PROXY headers are believed (ConfigMap `proxy-real-ip-cidr`). As in nginx, the header is required of everybody where it
// is expected, but one from elsewhere does not change whose connection it is.

import { addressList } from '../filters/address-list.ts';
import type { ProxyContext } from '../forward/context.ts';
import type { GlobalSettings } from '../table/types.ts';

export class ProxySenders {
  readonly #context: Pick<ProxyContext, 'current'>;
  #global: GlobalSettings | null = null;
  #list: (address: string) => boolean = () => false;

  constructor(context: Pick<ProxyContext, 'current'>) {
    this.#context = context;
  }

  /** `address` of the socket's peer, IPv4-mapped ones as the system shows them or as IPv4. */
  believes(address: string): boolean {
    const { global } = this.#context.current;
    if (global !== this.#global) {
      this.#global = global;
      this.#list = addressList(global.trustedCidrs);
    }
    return this.#list(address.startsWith('::ffff:') ? address.slice(7) : address);
  }
}
