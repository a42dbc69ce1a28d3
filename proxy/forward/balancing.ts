// What the choice of endpoints shares over all requests of one worker: clocks, chance, and what is worked out once per
// route instead of once per request.

import { affinityTag } from '../balance/affinity-cookie.ts';
import { type CompiledCanary, compileCanaries } from '../match/canary.ts';
import type { UpstreamTarget } from '../table/types.ts';
import { RetryAllowances } from './retry-allowance.ts';

export interface BalancingOptions {
  /** Milliseconds of the clock that the endpoint registry uses. */
  readonly nowMs: () => number;
  /** Wall clock, milliseconds: for `Expires` of cookies. */
  readonly wallMs: () => number;
  /** From 0 up to 1. */
  readonly random: () => number;
}

/** A target with canaries or affinity, made ready for requests. */
export interface PreparedTarget {
  readonly canaries: readonly CompiledCanary[];
  /** Those that are asked even of clients that an affinity cookie binds to the primary. */
  readonly legacyCanaries: readonly CompiledCanary[];
  /** Tag in affinity cookies of the primary, '' without affinity. */
  readonly primaryTag: string;
  /** Tags of `canaries`, in their order; '' for those that set no cookie. */
  readonly canaryTags: readonly string[];
}

/** Of the requests that may not be sent twice, each so-many-th may try an endpoint that was left out. */
const PROBE_EVERY = 16;

export class Balancing {
  readonly nowMs: () => number;
  readonly wallMs: () => number;
  readonly random: () => number;
  /** What further attempts of a route may cost; their counters are this worker's. */
  readonly allowances = new RetryAllowances();
  /** Keyed by what the table holds, so that nothing outlives its table. */
  readonly #targets = new WeakMap<UpstreamTarget, PreparedTarget>();
  #turn = 0;

  constructor({ nowMs, wallMs, random }: BalancingOptions) {
    this.nowMs = nowMs;
    this.wallMs = wallMs;
    this.random = random;
  }

  prepared(target: UpstreamTarget): PreparedTarget {
    let prepared = this.#targets.get(target);
    if (prepared === undefined) {
      prepared = prepareTarget(target);
      this.#targets.set(target, prepared);
    }
    return prepared;
  }

  /**
   * Whether a request that cannot be sent again may try an endpoint that was left out: few may, since the attempt may fail;
   * but an upstream that gets no other requests must find out as well.
   */
  mayRiskProbe(): boolean {
    this.#turn = (this.#turn + 1) % PROBE_EVERY;
    return this.#turn === 0;
  }
}

function prepareTarget({ upstream, canaries, affinity }: UpstreamTarget): PreparedTarget {
  const compiled = compileCanaries(canaries);
  const isSticky = ({ canary }: CompiledCanary) => affinity !== null && canary.affinityBehavior === 'sticky';
  return {
    canaries: compiled,
    legacyCanaries: compiled.filter((each) => !isSticky(each)),
    primaryTag: affinity === null ? '' : affinityTag(upstream),
    canaryTags: compiled.map((each) => (isSticky(each) ? affinityTag(each.canary.upstream) : '')),
  };
}
