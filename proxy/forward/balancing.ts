// What the choice of endpoints shares over all requests of one worker: clocks, chance, and what is worked out once per
// route instead of once per request.

import { AffinityCookieLines, affinityTag } from '../balance/affinity-cookie.ts';
import { type CompiledCanary, compileCanaries } from '../match/canary.ts';
import type { UpstreamId, UpstreamTarget } from '../table/types.ts';
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
  /** Affinity cookies of the primary; null without affinity. */
  readonly primaryCookie: AffinityCookieLines | null;
  /** Those of `canaries`, in their order; null for those that set none. */
  readonly canaryCookies: readonly (AffinityCookieLines | null)[];
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
  const cookieOf = (id: UpstreamId) => affinity && new AffinityCookieLines(affinity.cookie, affinityTag(id));
  const isSticky = ({ canary }: CompiledCanary) => affinity !== null && canary.affinityBehavior === 'sticky';
  return {
    canaries: compiled,
    legacyCanaries: compiled.filter((each) => !isSticky(each)),
    primaryCookie: cookieOf(upstream),
    canaryCookies: compiled.map((each) => (isSticky(each) ? cookieOf(each.canary.upstream) : null)),
  };
}
