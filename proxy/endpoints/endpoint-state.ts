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
import { type OutlierPhase, OutlierState } from './outlier-state.ts';

/** `Slot` is what the data path hangs on it, its idle connections. */
export class EndpointState<Slot = unknown> implements RingEndpoint, Candidate {
  readonly upstreamId: UpstreamId;
  readonly address: string;
  readonly port: number;
  /** Requests of this worker that are at the endpoint. Use `begin` and `end`, which also count for the other workers. */
  inFlight = 0;
  /** null until the data path sets it. */
  slot: Slot | null = null;
  /** Written by the registry only. Read it when a connection becomes idle: of a draining endpoint none is kept. */
  draining = false;
  /** Written by the upstream: what balancers see. */
  weight: number;
  isAvailable = true;
  /** When it came; null for one that was there from the start and needs no warming up. */
  joinedAtMs: number | null = null;
  /** Probes (active checks) say that it is down. */
  isProbeFailing = false;
  #outlier: OutlierState | null = null;
  /** Attempts that tried it half-open: the number of the last one. */
  #probes = 0;
  #score: LatencyScore | null = null;
  #settings: Endpoint;
  readonly #total: LoadTotal;
  #hasLeft = false;
  #cell: LoadCell | null = null;

  constructor(upstreamId: UpstreamId, address: EndpointAddress, total = new LoadTotal()) {
    this.upstreamId = upstreamId;
    this.#total = total;
    this.address = address.address;
    this.port = address.port;
    this.#settings = plainEndpoint(address.address, address.port);
    this.weight = this.#settings.weight;
  }

  /** `address:port`. Made each time: only tables that change and clients that are bound ask for it. */
  get key(): string {
    return endpointKey(this);
  }

  /** Passive health, made when it is first asked for. */
  get outlier(): OutlierState {
    this.#outlier ??= new OutlierState();
    return this.#outlier;
  }

  get outlierPhase(): OutlierPhase {
    return this.#outlier === null ? 'closed' : this.#outlier.phase;
  }

  /** Response times, made when they are first asked for: only upstreams that look at latency do. */
  get score(): LatencyScore {
    this.#score ??= this.#cell === null ? new LatencyScore() : this.#cell.score();
    return this.#score;
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
    return this.isProbeFailing || this.outlierPhase !== 'closed';
  }

  /** Counts an attempt in. Gives what `end` must be given: a number above 0 for the one that tries it half-open, else 0. */
  begin(): number {
    this.inFlight++;
    this.#cell?.set(this.inFlight);
    if (!this.#hasLeft) this.#total.add(1);
    if (this.#outlier === null || !this.#outlier.beginProbe(this.#probes + 1)) return 0;
    return ++this.#probes;
  }

  /** Counts it out, exactly once per `begin`. */
  end(probe: number): void {
    this.inFlight--;
    this.#cell?.set(this.inFlight);
    if (!this.#hasLeft) this.#total.add(-1);
    // Requests from before its ejection end while it is tried: they leave the probe its turn.
    if (probe !== 0) this.#outlier?.endProbe(probe);
  }

  scoreMs(nowMs: number): number {
    return this.#score === null && this.#cell === null ? 0 : this.score.valueMs(nowMs);
  }

  /** For the upstream: takes over what the table says now. */
  configure(settings: Endpoint): void {
    this.#settings = settings;
  }

  /** For the upstream: nobody judges its answers any more. */
  forgetOutlier(): void {
    this.#outlier = null;
  }

  /** For the upstream: it has left. What it still has is no load of the upstream's endpoints. */
  leave(): void {
    this.countIn(null);
    this.#hasLeft = true;
    this.#total.add(-this.inFlight);
  }

  /** For the upstream: its address is back, before all that it had was over. Only that is known of it: it may be another Pod. */
  comeBack(): void {
    this.#hasLeft = false;
    this.#total.add(this.inFlight);
    this.draining = false;
    this.joinedAtMs = null;
    this.isProbeFailing = false;
    this.#outlier = null;
    this.#score = null;
  }

  /** For the upstream: counts in shared memory from now on, or with null in this worker only. */
  countIn(cell: LoadCell | null): void {
    if (this.#cell === cell) return;
    // A cell that is left must not keep what this worker has there: its row may soon be another endpoint's.
    this.#cell?.set(0);
    this.#cell = cell;
    cell?.set(this.inFlight);
    this.#score = null;
  }
}
