// A ketama-like hash ring, point for point the one of ingress-nginx (lua-resty-balancer's chash): 160 CRC-32 points per
// endpoint and weight. So a key, or a cookie issued by ingress-nginx, leads to the same Pod after a change to Sluice.
//
// An endpoint's points depend on its name alone: one that goes gives its keys to its neighbours on the ring, one that
// comes takes about 1/n of the keys, and nobody else's move. Built once per change, looked up by binary search.

import { addUint32, crc32, crc32Register, finish } from './crc32.ts';

/** nginx's and ingress-nginx's number of points for a weight of 1. */
const pointsPerWeight = 160;
/** Most points of one ring, 8 MB; above it all weights are scaled down, which keeps shares right to a promille. */
const maxPoints = 2 ** 20;

export interface RingNode {
  readonly name: string;
  readonly weight: number;
}

export class HashRing {
  readonly #hashes: Uint32Array;
  readonly #nodes: Uint32Array;

  /** Nodes keep their index in the list; names should be unique. Linear in the number of points. */
  constructor(nodes: readonly RingNode[]) {
    const counts = pointCounts(nodes);
    const total = counts.reduce((sum, count) => sum + count, 0);
    const points: Points = { hashes: new Uint32Array(total), nodes: new Uint32Array(total) };
    let filled = 0;
    for (const [at, { name }] of nodes.entries()) {
      filled = addPoints(points, filled, name, counts[at] as number, at);
    }
    const sorted = sortByHash(points);
    this.#hashes = sorted.hashes;
    this.#nodes = sorted.nodes;
  }

  get pointCount(): number {
    return this.#hashes.length;
  }

  /** The point a key belongs to: the first one at or after its hash, around the end; -1 on an empty ring. */
  find(key: string): number {
    return this.findHash(crc32(key));
  }

  /** As `find`, for the CRC-32 of a key. */
  findHash(hash: number): number {
    let low = 0;
    let high = this.#hashes.length;
    if (high === 0) return -1;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#hashes[middle] as number) < hash) low = middle + 1;
      else high = middle;
    }
    return low === this.#hashes.length ? 0 : low;
  }

  /** The next point on the ring. */
  next(point: number): number {
    return point + 1 === this.#hashes.length ? 0 : point + 1;
  }

  /** Index of the node a point belongs to. */
  nodeAt(point: number): number {
    return this.#nodes[point] as number;
  }
}

interface Points {
  readonly hashes: Uint32Array;
  readonly nodes: Uint32Array;
}

function addPoints(points: Points, from: number, name: string, count: number, node: number): number {
  const base = crc32Register(name);
  let hash = 0;
  for (let i = from; i < from + count; i++) {
    hash = finish(addUint32(base, hash));
    points.hashes[i] = hash;
    points.nodes[i] = node;
  }
  return from + count;
}

const digitBits = 11;
const digitMask = 2 ** digitBits - 1;

/**
 * Radix sort by hash, three digits of 11 bits: with 1,000 endpoints a comparing sort holds up a worker for 100 ms and
 * more. Stable, so that equal hashes stay in the order of the nodes on every machine.
 */
function sortByHash(points: Points): Points {
  let from = points;
  for (let shift = 0; shift < 32; shift += digitBits) {
    const to: Points = { hashes: new Uint32Array(from.hashes.length), nodes: new Uint32Array(from.hashes.length) };
    const places = new Uint32Array(digitMask + 2);
    for (const hash of from.hashes) count(places, ((hash >>> shift) & digitMask) + 1);
    for (let digit = 1; digit < places.length; digit++) places[digit] = at(places, digit) + at(places, digit - 1);
    for (let i = 0; i < from.hashes.length; i++) {
      const place = count(places, (at(from.hashes, i) >>> shift) & digitMask);
      to.hashes[place] = at(from.hashes, i);
      to.nodes[place] = at(from.nodes, i);
    }
    from = to;
  }
  return from;
}

function at(values: Uint32Array, index: number): number {
  return values[index] as number;
}

/** Counts one more, and gives how many there were before. */
function count(counts: Uint32Array, index: number): number {
  const before = at(counts, index);
  counts[index] = before + 1;
  return before;
}

function pointCounts(nodes: readonly RingNode[]): readonly number[] {
  const total = nodes.reduce((sum, { weight }) => sum + weight * pointsPerWeight, 0);
  const scale = total > maxPoints ? maxPoints / total : 1;
  return nodes.map(({ weight }) => Math.max(1, Math.round(weight * pointsPerWeight * scale)));
}
