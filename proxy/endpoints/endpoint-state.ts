// One endpoint of one upstream in this worker: what changes while serving, beside the routing table.
//
// The data path calls `begin` when an attempt has picked it and `end` when that attempt is over, however it ended. What
// the answer was goes to the upstream (upstream-state.ts).

import type { RingEndpoint } from '../balance/consistent-hash.ts';
import { LatencyScore } from '../balance/latency-score.ts';
import type { Candidate } from '../balance/select.ts';
import { plainEndpoint } from '../table/defaults.ts';
import type { Endpoint, EndpointAddress, UpstreamId } from '../table/types.ts';
import { endpointKey } from './endpoint-key.ts';
import { type LoadCell, LoadTotal } from './load-cell.ts';
import { OutlierState } from './outlier-state.ts';

/** `Slot` is what the data path hangs on it, its idle connections. */
export class EndpointState<Slot = unknown> implements RingEndpoint, Candidate {
  readonly upstreamId: UpstreamId;
  readonly address: string;
  readonly port: number;
  readonly key: string;
  /** Requests of this worker that are at the endpoint. Use `begin` and `end`, which also count for the other workers. */
  inFlight = 0;
  /** null until the data path sets it. */
  slot: Slot | null = null;
  /** Written by the registry only. Read it when a connection becomes idle: of a draining endpoint none is kept. */
  draining = false;
  /** Written by the upstream: what balancers see. */
  weight: number;
  isAvailable = true;
  /** When it came; minus infinity for one that was there from the start and needs no warming up. */
  joinedAtMs = Number.NEGATIVE_INFINITY;
  /** Probes (active checks) say that it is down. */
  isProbeFailing = false;
  readonly outlier = new OutlierState();
  score = new LatencyScore();
  #settings: Endpoint;
  readonly #total: LoadTotal;
  #cell: LoadCell | null = null;

  constructor(upstreamId: UpstreamId, address: EndpointAddress, total = new LoadTotal()) {
    this.upstreamId = upstreamId;
    this.#total = total;
    this.address = address.address;
    this.port = address.port;
    this.key = endpointKey(address);
    this.#settings = plainEndpoint(address.address, address.port);
    this.weight = this.#settings.weight;
  }

  /** Requests at the endpoint, over all workers where its upstream asks for that. */
  get load(): number {
    return this.#cell === null ? this.inFlight : this.#cell.sum();
  }

  /** Where it is counted for all workers; null while it is not. */
  get cell(): LoadCell | null {
    return this.#cell;
  }

  get tableWeight(): number {
    return this.#settings.weight;
  }

  get zones(): readonly string[] {
    return this.#settings.zones;
  }

  get isTerminating(): boolean {
    return this.#settings.state === 'terminating';
  }

  get isOut(): boolean {
    return this.isProbeFailing || this.outlier.phase !== 'closed';
  }

  /** Counts an attempt in. */
  begin(): void {
    this.inFlight++;
    this.#cell?.set(this.inFlight);
    this.#total.add(1);
  }

  /** Counts it out, exactly once per `begin`. */
  end(): void {
    this.inFlight--;
    this.#cell?.set(this.inFlight);
    this.#total.add(-1);
    // Also of a probe that was cancelled: the next request may try.
    this.outlier.isProbing = false;
  }

  scoreMs(nowMs: number): number {
    return this.score.valueMs(nowMs);
  }

  /** For the upstream: takes over what the table says now. */
  configure(settings: Endpoint): void {
    this.#settings = settings;
  }

  /** For the upstream: counts in shared memory from now on, or with null in this worker only. */
  countIn(cell: LoadCell | null): void {
    if (this.#cell === cell) return;
    // A cell that is left must not keep what this worker has there: its row may soon be another endpoint's.
    this.#cell?.set(0);
    this.#cell = cell;
    cell?.set(this.inFlight);
    this.score = cell === null ? new LatencyScore() : cell.score();
  }
}
