// Which endpoint a client with an affinity cookie gets. Annotation reference, section 6; one index per upstream and mode.
//
// `balanced`: the cookie's key is hashed on the ring of ingress-nginx, so that a new endpoint takes its share of the
// clients. `persistent`: the key names the endpoint, so that only the clients of one that goes are moved. Neither keeps
// anything per client: restarts and replicas of Sluice agree.

import { persistentKey } from './affinity-cookie.ts';
import type { EndpointLoad } from './balancer.ts';
import { buildRing, type RingEndpoint, walkRing } from './consistent-hash.ts';
import { addText, crc32, crc32Register, finish } from './crc32.ts';
import { HashRing } from './hash-ring.ts';

/** An endpoint, and the key of the cookie to set; null when the client keeps the one it has. */
export interface AffinePick<E> {
  readonly endpoint: E;
  readonly newKey: string | null;
}

export interface AffinityIndex<E extends EndpointLoad> {
  /**
   * Takes over a changed list. `members` are all endpoints that a client may be bound to; `available` those that new
   * clients get: without what health keeps away, and near ones only while a zone is preferred. Clients stay where they are
   * whatever the zone: replicas of Sluice in other zones must agree on it.
   */
  update(members: readonly E[], available: readonly E[]): void;
  /**
   * Chooses for a request whose cookie has this key; null is a client without cookie. `failed` holds the endpoints that
   * must not be chosen again: pass what was tried with change-on-failure, and null otherwise, as then a failed endpoint
   * is asked again. null when there is none.
   */
  pick(key: string | null, failed: readonly E[] | null): AffinePick<E> | null;
}

/** Keys that are drawn at most for a new client; of 20 endpoints the only one that may be given is missed by 0.6 %. */
const maxDraws = 100;

export class BalancedAffinity<E extends RingEndpoint> implements AffinityIndex<E> {
  readonly #keys: AffinityKeys;
  #members: readonly E[] = [];
  /** The near ones, of those that are available; null while all count as near. */
  #near: ReadonlySet<E> | null = null;
  #ring: HashRing = new HashRing([]);

  constructor(keys: AffinityKeys) {
    this.#keys = keys;
  }

  update(members: readonly E[], available: readonly E[]): void {
    const isAll = available.length === members.filter(({ isAvailable }) => isAvailable).length;
    this.#near = isAll ? null : new Set(available);
    if (members === this.#members) return;
    this.#members = members;
    this.#ring = buildRing(members);
  }

  pick(key: string | null, failed: readonly E[] | null): AffinePick<E> | null {
    if (key !== null && failed === null) {
      // While its endpoint is out, a client is the guest of the next one on the ring, and comes back with its cookie.
      const endpoint = walkRing(this.#ring, this.#members, null, key);
      return endpoint === null ? null : { endpoint, newKey: null };
    }
    let far: AffinePick<E> | null = null;
    for (let draw = 0; draw < maxDraws; draw++) {
      const newKey = this.#keys.draw();
      const point = this.#ring.findHash(this.#keys.hash);
      if (point === -1) return null;
      const endpoint = this.#members[this.#ring.nodeAt(point)] as E;
      if (!endpoint.isAvailable || failed?.includes(endpoint)) continue;
      if (this.#near === null || this.#near.has(endpoint)) return { endpoint, newKey };
      far ??= { endpoint, newKey };
    }
    if (far !== null) return far;
    // Nearly all are out: the request is served, its client stays unbound and asks again.
    const endpoint = walkRing(this.#ring, this.#members, failed, this.#keys.draw());
    return endpoint === null ? null : { endpoint, newKey: null };
  }
}

export class PersistentAffinity<E extends EndpointLoad> implements AffinityIndex<E> {
  readonly #upstreamId: string;
  readonly #random: () => number;
  #available: readonly E[] = [];
  readonly #byKey = new Map<string, E>();
  readonly #keys = new Map<E, string>();

  constructor(upstreamId: string, random: () => number) {
    this.#upstreamId = upstreamId;
    this.#random = random;
  }

  update(members: readonly E[], available: readonly E[]): void {
    this.#available = available;
    const known = new Map(this.#keys);
    this.#byKey.clear();
    this.#keys.clear();
    for (const endpoint of members) {
      const key = known.get(endpoint) ?? persistentKey(this.#upstreamId, endpoint.key);
      this.#byKey.set(key, endpoint);
      this.#keys.set(endpoint, key);
    }
  }

  pick(key: string | null, failed: readonly E[] | null): AffinePick<E> | null {
    const bound = key === null ? undefined : this.#byKey.get(key);
    if (bound === undefined || key === null || failed !== null) return this.#pickNew(failed);
    if (bound.isAvailable) return { endpoint: bound, newKey: null };
    // Its endpoint is out for a while: always the same other one meanwhile, and back with its old cookie.
    const count = this.#available.length;
    return count === 0 ? null : { endpoint: this.#available[crc32(key) % count] as E, newKey: null };
  }

  /** Any available endpoint outside `failed`, each as likely; one of another zone when there is none. */
  #pickNew(failed: readonly E[] | null): AffinePick<E> | null {
    const open = failed === null ? this.#available : this.#without(failed);
    const endpoint = open[Math.floor(this.#random() * open.length)];
    return endpoint === undefined ? null : { endpoint, newKey: this.#keys.get(endpoint) ?? null };
  }

  #without(failed: readonly E[]): readonly E[] {
    const near = this.#available.filter((endpoint) => !failed.includes(endpoint));
    if (near.length > 0) return near;
    return [...this.#keys.keys()].filter((endpoint) => endpoint.isAvailable && !failed.includes(endpoint));
  }
}

/** Where the clock and chance of keys come from. */
export interface KeySource {
  /** Wall clock, milliseconds. */
  readonly wallMs: () => number;
  readonly random: () => number;
}

/** Keys that begin alike. */
const keysPerPrefix = 1024;
/** All texts of two letters of 32: what a number is rendered with, ten bits at a time. */
const letters = '0123456789abcdefghijklmnopqrstuv';
const pairs = Array.from(letters, (first) => Array.from(letters, (second) => first + second)).flat();

/**
 * Draws keys in the manner of ingress-nginx, `<seconds>.<random>.<random>`. Nothing but the place on the ring follows from
 * a key, so two clients may well have the same one. Rendering numbers and hashing text is most of a key's cost: time and
 * the first random part are drawn for many keys at a time, and the hash of what they share is continued.
 */
export class AffinityKeys {
  /** The place of the key drawn last: its CRC-32. */
  hash = 0;
  readonly #source: KeySource;
  #prefix = '';
  #register = 0;
  #left = 0;

  constructor(source: KeySource) {
    this.#source = source;
  }

  draw(): string {
    if (this.#left === 0) this.#drawPrefix();
    this.#left--;
    const end = this.#drawPairs();
    this.hash = finish(addText(this.#register, end));
    return this.#prefix + end;
  }

  #drawPrefix(): void {
    this.#prefix = `${(this.#source.wallMs() / 1000).toFixed(3)}.${this.#drawPairs()}.`;
    this.#register = crc32Register(this.#prefix);
    this.#left = keysPerPrefix;
  }

  /** Twenty random bits. */
  #drawPairs(): string {
    const bits = Math.floor(this.#source.random() * 2 ** 20);
    return (pairs[bits >>> 10] as string) + (pairs[bits & 1023] as string);
  }
}
