// Keeps the addresses of ExternalName targets fresh. compile() asks no DNS: it names what it wants, and finds the
// answers in its next snapshot.
//
// In: the wanted names of each compile. Out: StoreChanges (`resolvedName`, `forgetName`, diagnostics). Flow of a name:
//
//   wanted -> asked -> addresses: asked again when the TTL ends | failed: last good stays, asked again with back-off

import type { Diagnostic } from '../objects/diagnostic.ts';
import { isLinkLocal, isLoopback, isMulticast, isUnspecified, parseIpAddress } from '../objects/ip-address.ts';
import type { StoreChange } from '../objects/snapshot.ts';
import { type CancelTimer, type Clock, systemClock } from './clock.ts';
import type { WatchLog } from './log.ts';
import { askForAddresses, type NameAnswer, type NameLookup, systemNameLookup } from './name-lookup.ts';

export interface NameResolverOptions {
  /** Gets each result. May be called at any time but not inside the constructor; `forgetName` also from inside `want`. */
  readonly apply: (changes: readonly StoreChange[]) => void;
  readonly log: WatchLog;
  /** Accepts 127.0.0.0/8, ::1 and `localhost`. Default false: an ExternalName must not reach the proxy's own machine. */
  readonly allowLoopback?: boolean;
  readonly lookup?: NameLookup;
  readonly clock?: Clock;
}

/** What is known of one wanted name. */
interface WantedName {
  /** null until the first answer. */
  lastGood: readonly string[] | null;
  failures: number;
  cancelRefresh: CancelTimer | null;
}

const minRefreshMs = 1000;
const maxRefreshMs = 30_000;
/** When nobody tells a TTL: answers of the hosts file and of search domains. */
const unknownTtlMs = 10_000;

/** Resolves names in the background for as long as they are wanted. */
export class NameResolver {
  readonly #apply: (changes: readonly StoreChange[]) => void;
  readonly #log: WatchLog;
  readonly #allowLoopback: boolean;
  readonly #lookup: NameLookup;
  readonly #clock: Clock;
  readonly #names = new Map<string, WantedName>();

  constructor(options: NameResolverOptions) {
    this.#apply = options.apply;
    this.#log = options.log;
    this.#allowLoopback = options.allowLoopback ?? false;
    this.#lookup = options.lookup ?? systemNameLookup();
    this.#clock = options.clock ?? systemClock;
  }

  /** Says which names are wanted from now on: lower case, no trailing dot; IP addresses resolve to themselves. */
  want(names: readonly string[]): void {
    const wanted = new Set(names);
    for (const name of [...this.#names.keys()]) {
      if (!wanted.has(name)) this.#forget(name);
    }
    for (const name of wanted) {
      if (this.#names.has(name)) continue;
      const state: WantedName = { lastGood: null, failures: 0, cancelRefresh: null };
      this.#names.set(name, state);
      void this.#refresh(name, state);
    }
  }

  /** Stops all refreshing. Answers still on their way are dropped. */
  close(): void {
    for (const state of this.#names.values()) state.cancelRefresh?.();
    this.#names.clear();
  }

  #forget(name: string): void {
    this.#names.get(name)?.cancelRefresh?.();
    this.#names.delete(name);
    this.#apply([{ kind: 'forgetName', name }, diagnosticsOf(name, [])]);
  }

  async #refresh(name: string, state: WantedName): Promise<void> {
    const answer = await this.#ask(name);
    // Forgotten meanwhile, perhaps wanted again: then another state has its own refresh.
    if (this.#names.get(name) !== state) return;
    if (answer.kind === 'failed') this.#noteFailure(name, state, answer.code);
    else this.#noteAddresses(name, state, answer.addresses);
    const delayMs = refreshDelayMs(answer, state.failures);
    state.cancelRefresh = this.#clock.after(delayMs, () => void this.#refresh(name, state));
  }

  async #ask(name: string): Promise<NameAnswer> {
    if (parseIpAddress(name) !== null) return { kind: 'addresses', addresses: [name], ttlSeconds: null };
    // RFC 6761 §6.3: these names are loopback whatever DNS says, so DNS is not asked.
    if (name === 'localhost' || name.endsWith('.localhost')) {
      return { kind: 'addresses', addresses: ['127.0.0.1', '::1'], ttlSeconds: null };
    }
    return await askForAddresses(name, this.#lookup, this.#clock);
  }

  #noteFailure(name: string, state: WantedName, code: string): void {
    state.failures += 1;
    this.#log.debug({ name, code, failures: state.failures }, 'cannot resolve an ExternalName');
    const { lastGood } = state;
    const what = `the name ${name} cannot be resolved (${code})`;
    const diagnostic =
      lastGood === null
        ? problem(name, 'error', 'NameNotResolved', what, 'Services with this externalName answer 503 until it can')
        : problem(
            name,
            'warning',
            'NameNotResolved',
            what,
            `its last known addresses stay in use: ${lastGood.join(', ') || 'none'}`,
          );
    this.#apply([{ kind: 'resolvedName', name, addresses: lastGood ?? [] }, diagnosticsOf(name, [diagnostic])]);
  }

  #noteAddresses(name: string, state: WantedName, addresses: readonly string[]): void {
    const accepted = addresses.filter((address) => this.#isAllowed(address));
    const refused = addresses.filter((address) => !accepted.includes(address));
    state.failures = 0;
    // Also when all were refused: what the name means now is known, and it must not be reached.
    state.lastGood = accepted;
    const diagnostics = refused.length === 0 ? [] : [refusal(name, refused, accepted.length > 0)];
    this.#apply([{ kind: 'resolvedName', name, addresses: accepted }, diagnosticsOf(name, diagnostics)]);
  }

  /** Link-local holds the metadata service of cloud providers: as in an EndpointSlice it is never an endpoint. */
  #isAllowed(text: string): boolean {
    const address = parseIpAddress(text);
    if (address === null || isUnspecified(address) || isLinkLocal(address) || isMulticast(address)) return false;
    return this.#allowLoopback || !isLoopback(address);
  }
}

/** TTL within limits, so that neither 0 nor a day is taken at its word; after failures 1, 2, 4, ... 30 s. */
function refreshDelayMs(answer: NameAnswer, failures: number): number {
  if (answer.kind === 'failed') return Math.min(maxRefreshMs, minRefreshMs * 2 ** Math.min(failures - 1, 10));
  const ttlMs = answer.ttlSeconds === null ? unknownTtlMs : answer.ttlSeconds * 1000;
  return Math.min(maxRefreshMs, Math.max(minRefreshMs, ttlMs));
}

function refusal(name: string, refused: readonly string[], hasOthers: boolean): Diagnostic {
  const what = `the name ${name} resolves to ${refused.join(', ')}, which is loopback, link-local, multicast or unspecified`;
  const effect = hasOthers ? 'only its other addresses are used' : 'Services with this externalName answer 503';
  return problem(name, hasOthers ? 'warning' : 'error', 'AddressRefused', what, effect);
}

function problem(
  name: string,
  severity: Diagnostic['severity'],
  reason: string,
  what: string,
  effect: string,
): Diagnostic {
  const object = { kind: 'ExternalName', namespace: '', name };
  return { severity, reason, object, field: '', message: `${what}; ${effect}`, source: null };
}

function diagnosticsOf(name: string, diagnostics: readonly Diagnostic[]): StoreChange {
  return { kind: 'sourceDiagnostics', origin: `externalName//${name}`, diagnostics };
}
