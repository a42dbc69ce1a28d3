// Asks DNS for the addresses of one name: the I/O part of resolve-names.ts.
//
// In: a name. Out: addresses with a time to live, or why there are none. The DNS servers are asked first, because only
// they tell a TTL; then the system (hosts file, search domains), as a relative ExternalName in a cluster needs it.

import { lookup, Resolver } from 'node:dns/promises';
import type { Clock } from './clock.ts';

/** The questions, one method each, so that tests answer without a network. All reject with an error that has a `code`. */
export interface NameLookup {
  resolve4(name: string): Promise<readonly AddressRecord[]>;
  resolve6(name: string): Promise<readonly AddressRecord[]>;
  /** Asks the system resolver: hosts file, then DNS with the search domains of resolv.conf. */
  lookupAll(name: string): Promise<readonly string[]>;
}

export interface AddressRecord {
  readonly address: string;
  readonly ttlSeconds: number;
}

/** `ttlSeconds` is the smallest of all records, null when nobody told one. */
export type NameAnswer =
  | { readonly kind: 'addresses'; readonly addresses: readonly string[]; readonly ttlSeconds: number | null }
  | { readonly kind: 'failed'; readonly code: string };

/**
 * Makes the lookup of this machine. A DNS server has 2 s for an answer and is asked twice.
 * @param servers `address:port` of the DNS servers; default those of resolv.conf.
 */
export function systemNameLookup(servers?: readonly string[]): NameLookup {
  const resolver = new Resolver({ timeout: 2000, tries: 2 });
  if (servers !== undefined) resolver.setServers(servers);
  const toRecord = ({ address, ttl }: { address: string; ttl: number }) => ({ address, ttlSeconds: ttl });
  return {
    resolve4: async (name) => (await resolver.resolve4(name, { ttl: true })).map(toRecord),
    resolve6: async (name) => (await resolver.resolve6(name, { ttl: true })).map(toRecord),
    lookupAll: async (name) => (await lookup(name, { all: true })).map(({ address }) => address),
  };
}

/** Limit for one way of asking. The system resolver cannot be cancelled: a late answer of it is dropped. */
const lookupTimeoutMs = 10_000;

/** Asks for A and AAAA records, then the system. One family is enough: many names have no AAAA. Never rejects. */
export async function askForAddresses(name: string, lookup: NameLookup, clock: Clock): Promise<NameAnswer> {
  const families = await Promise.allSettled([
    withTimeout(lookup.resolve4(name), clock),
    withTimeout(lookup.resolve6(name), clock),
  ]);
  const records = families.flatMap((family) => (family.status === 'fulfilled' ? family.value : []));
  if (records.length > 0) {
    const ttlSeconds = Math.min(...records.map((record) => record.ttlSeconds));
    return { kind: 'addresses', addresses: records.map(({ address }) => address), ttlSeconds };
  }
  try {
    const addresses = await withTimeout(lookup.lookupAll(name), clock);
    if (addresses.length > 0) return { kind: 'addresses', addresses, ttlSeconds: null };
    return { kind: 'failed', code: 'ENODATA' };
  } catch (error) {
    return { kind: 'failed', code: codeOf(error) };
  }
}

async function withTimeout<T>(answer: Promise<T>, clock: Clock): Promise<T> {
  const { promise: timeout, reject } = Promise.withResolvers<never>();
  const cancel = clock.after(lookupTimeoutMs, () =>
    reject(Object.assign(new Error('no answer'), { code: 'ETIMEOUT' })),
  );
  try {
    return await Promise.race([answer, timeout]);
  } finally {
    cancel();
  }
}

function codeOf(error: unknown): string {
  const code = typeof error === 'object' && error !== null && 'code' in error ? error.code : null;
  return typeof code === 'string' ? code : 'EUNKNOWN';
}
