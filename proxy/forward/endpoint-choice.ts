// Where a request goes: to the upstream of its route or to that of a canary, and there to which endpoint. One object per
// exchange; a route without canaries, affinity and hash key passes through it without a look at the request.
//
//   target --choose--> upstream --pick (each attempt)--> endpoint, and perhaps a Set-Cookie line for the response

import { type AffinityCookieLines, readAffinityCookie } from '../balance/affinity-cookie.ts';
import { renderTemplate } from '../filters/template.ts';
import { cookieValue, headerValue } from '../http/header-value.ts';
import { type CanaryRequest, type CompiledCanary, chooseCanary } from '../match/canary.ts';
import type { AffinitySettings } from '../table/route-settings.ts';
import type { Canary, UpstreamId, UpstreamTarget } from '../table/types.ts';
import type { PreparedTarget } from './balancing.ts';
import type { ProxyContext } from './context.ts';
import type { RequestFacts } from './request-facts.ts';
import type { LiveEndpoint, LiveUpstream } from './upstream-connection.ts';

export class EndpointChoice implements CanaryRequest {
  /** The canary that took the request; null for the primary. */
  canary: Canary | null = null;
  readonly #context: ProxyContext;
  readonly #facts: RequestFacts;
  #upstream: LiveUpstream | null = null;
  /** Of the request at hand; null where no cookie decides. */
  #affinity: AffinitySettings | null = null;
  /** Cookies of the upstream in use. */
  #lines: AffinityCookieLines | null = null;
  /** The key that the client came with, while it leads to an endpoint; null while nothing binds it. */
  #boundKey: string | null = null;
  /** The key of the cookie to set; null for none. */
  #newKey: string | null = null;
  #hashKey: string | null = null;
  /** Made once, since it is handed on. */
  readonly #hasEndpoints = (upstream: UpstreamId): boolean =>
    (this.#context.endpoints.get(upstream)?.members.length ?? 0) > 0;

  constructor(context: ProxyContext, facts: RequestFacts) {
    this.#context = context;
    this.#facts = facts;
  }

  /** Chooses the upstream; null when the table in force has none of that name. Follow with `clear`. */
  choose(target: UpstreamTarget): LiveUpstream | null {
    const { endpoints } = this.#context;
    const primary = endpoints.get(target.upstream) ?? null;
    this.#upstream = primary;
    if (target.canaries.length === 0 && target.affinity === null) return primary;
    this.#chooseSide(target, primary);
    return this.#upstream;
  }

  /** Chooses an endpoint for one attempt; null when there is none. `tried`: those that failed; null for the first attempt. */
  pick(tried: readonly LiveEndpoint[] | null, mayProbe: boolean): LiveEndpoint | null {
    const upstream = this.#upstream;
    if (upstream === null) return null;
    if (this.#affinity !== null) return this.#pickByCookie(upstream, this.#affinity, tried, mayProbe);
    if (this.#hashKey === null && upstream.keySource !== 'none') this.#hashKey = this.#renderKey(upstream);
    return upstream.pick(tried, this.#hashKey, mayProbe);
  }

  /** As `pick`, when that finds none any more: one that is left out. Its client is a guest there, its cookie stays. */
  pickLeftOut(tried: readonly LiveEndpoint[]): LiveEndpoint | null {
    this.#newKey = null;
    return this.#upstream?.pickLeftOut(tried) ?? null;
  }

  /** A cookie decides, or will. */
  get hasAffinity(): boolean {
    return this.#affinity !== null;
  }

  /** A failed endpoint is asked again: its client is bound to it. One that is new goes elsewhere, as with ingress-nginx. */
  get isBound(): boolean {
    return this.#affinity !== null && !this.#affinity.changeOnFailure && this.#boundKey !== null;
  }

  /** `Set-Cookie` with CRLF when the client is to be bound to the endpoint picked last; '' otherwise. */
  get cookieLine(): string {
    if (this.#newKey === null || this.#affinity === null || this.#lines === null) return '';
    const { conditionalSameSiteNone, expiresSeconds } = this.#affinity.cookie;
    return this.#lines.line(this.#newKey, {
      isHttps: this.#facts.scheme === 'https',
      userAgent: conditionalSameSiteNone ? headerValue(this.#facts.text, 'user-agent') : '',
      nowMs: expiresSeconds === null ? 0 : this.#context.balancing.wallMs(),
    });
  }

  clear(): void {
    this.canary = null;
    this.#upstream = null;
    this.#affinity = null;
    this.#lines = null;
    this.#boundKey = null;
    this.#newKey = null;
    this.#hashKey = null;
  }

  headerValue(name: string): string {
    return headerValue(this.#facts.text, name);
  }

  cookieValue(name: string): string {
    return cookieValue(this.#facts.cookies, name);
  }

  /** Cookie first, then the rules of the canaries (annotation reference, `affinity-canary-behavior`). */
  #chooseSide(target: UpstreamTarget, primary: LiveUpstream | null): void {
    const { balancing } = this.#context;
    const prepared = balancing.prepared(target);
    // Without a primary nothing is asked, and no cookie binds to a canary: 503, as from ingress-nginx.
    if (primary === null || primary.members.length === 0) return this.#take(target, prepared, -1);
    const side = this.#boundSide(target, prepared);
    if (side !== -1 || prepared.canaries.length === 0) return this.#take(target, prepared, side);
    const asked = this.#boundKey === null ? prepared.canaries : prepared.legacyCanaries;
    const chosen = chooseCanary(asked, this, this.#hasEndpoints, balancing.random);
    this.#take(target, prepared, chosen === -1 ? -1 : prepared.canaries.indexOf(asked[chosen] as CompiledCanary));
  }

  /** Reads the affinity cookie: index of the canary it binds to, else -1, with the key of one that binds to the primary. */
  #boundSide({ affinity }: UpstreamTarget, prepared: PreparedTarget): number {
    const { primaryCookie, canaryCookies } = prepared;
    if (affinity === null || primaryCookie === null) return -1;
    const cookies = this.#facts.cookies;
    if (cookies === '') return -1;
    const { name } = affinity.cookie;
    const value = readAffinityCookie(cookies, name, primaryCookie.tag);
    if (value === null) return -1;
    if (value.tag === primaryCookie.tag) {
      this.#boundKey = value.key;
      return -1;
    }
    for (let at = 0; at < canaryCookies.length; at++) {
      const tag = canaryCookies[at]?.tag ?? '';
      const { canary } = prepared.canaries[at] as CompiledCanary;
      const bound = tag === '' ? null : readAffinityCookie(cookies, name, tag);
      if (bound?.tag !== tag || !this.#hasEndpoints(canary.upstream)) continue;
      this.#boundKey = bound.key;
      return at;
    }
    return -1;
  }

  /** Goes to a canary, or with -1 to the primary. */
  #take({ affinity }: UpstreamTarget, prepared: PreparedTarget, side: number): void {
    // Who has no cookie and is given none is nobody's client.
    const held = this.#boundKey === null && affinity?.setsCookie === false ? null : affinity;
    if (side === -1) {
      this.#affinity = held;
      this.#lines = prepared.primaryCookie;
      return;
    }
    const { canary } = prepared.canaries[side] as CompiledCanary;
    this.canary = canary;
    this.#upstream = this.#context.endpoints.get(canary.upstream) ?? null;
    this.#lines = prepared.canaryCookies[side] ?? null;
    this.#affinity = this.#lines === null ? null : held;
  }

  #pickByCookie(
    upstream: LiveUpstream,
    { mode, changeOnFailure, setsCookie }: AffinitySettings,
    tried: readonly LiveEndpoint[] | null,
    mayProbe: boolean,
  ): LiveEndpoint | null {
    // A guest of another endpoint for this request: its cookie stays as it is.
    const probe = upstream.isRecovering && mayProbe ? upstream.pickProbe(tried) : null;
    if (probe !== null) {
      this.#newKey = null;
      return probe;
    }
    const failed = changeOnFailure || this.#boundKey === null ? tried : null;
    const pick = upstream.affinity(mode).pick(this.#boundKey, failed);
    if (pick === null) return null;
    if (upstream.isFull(pick.endpoint)) {
      this.#newKey = null;
      return upstream.pick(tried, null, false);
    }
    // Also null: the key of an attempt that failed must not bind its client there.
    this.#newKey = setsCookie ? pick.newKey : null;
    if (pick.newKey !== null) this.#boundKey = null;
    return pick.endpoint;
  }

  #renderKey(upstream: LiveUpstream): string {
    const { balancer } = upstream.settings;
    const facts = this.#facts;
    switch (upstream.keySource) {
      case 'template':
        return balancer.kind === 'consistentHash' ? renderTemplate(balancer.key, facts) : '';
      case 'clientAddress':
        return facts.remoteAddr;
      default:
        return facts.host + facts.path;
    }
  }
}
