// Incremental half of tls-secrets.ts: the pairs of the Secrets that somebody uses, each read when its first user comes or
// when it changes, and forgotten with its last user.

import type { Snapshot } from '../../objects/snapshot.ts';
import type { ObjectKey, Secret } from '../../objects/types.ts';
import {
  nextValidityChangeMs,
  readTlsSecret,
  type TlsSecretPairs,
  type TlsSecretReading,
  warnAboutValidity,
} from '../tls-secrets.ts';
import type { CertificatePair, CompileMemory } from '../types.ts';
import type { DiagnosticBook } from './diagnostic-book.ts';

interface SecretState {
  users: number;
  /** null: there is no such Secret. */
  secret: Secret | null;
  reading: TlsSecretReading;
}

const absent: TlsSecretReading = { pair: null, diagnostics: [] };

/**
 * Counts users by `acquire` and `release`; between `refresh` and `dropUnused` a Secret without users stays, so that an
 * Ingress that is edited does not forget the last good pair.
 */
export class SecretStage implements TlsSecretPairs {
  readonly #book: DiagnosticBook;
  readonly #states = new Map<ObjectKey, SecretState>();
  readonly #unused = new Set<ObjectKey>();
  /** Last good pairs of an earlier life, each for when the first user of its Secret comes. */
  readonly #memory: Map<ObjectKey, CertificatePair>;
  #secrets: Snapshot['secrets'] = new Map();
  #nowMs = Number.NEGATIVE_INFINITY;
  /** When some warning about validity may change. */
  #nextChangeMs = Number.POSITIVE_INFINITY;

  constructor(memory: CompileMemory['goodPairs'], book: DiagnosticBook) {
    this.#memory = new Map(memory);
    this.#book = book;
  }

  /** Takes the Secrets of a snapshot; gives those in use whose pair, or whose being there, is not what it was. */
  refresh(secrets: Snapshot['secrets'], changed: ReadonlySet<ObjectKey>, nowMs: number): Set<ObjectKey> {
    this.#secrets = secrets;
    const isWarningDue = nowMs >= this.#nextChangeMs || nowMs < this.#nowMs;
    this.#nowMs = nowMs;
    const different = new Set<ObjectKey>();
    for (const key of changed) {
      const state = this.#states.get(key);
      if (state === undefined) {
        this.#remember(key);
        continue;
      }
      const { secret, reading } = state;
      this.#read(key, state, reading.pair);
      if (state.reading.pair !== reading.pair || (state.secret === null) !== (secret === null)) different.add(key);
    }
    if (isWarningDue) this.#warnAgain();
    return different;
  }

  /** Notes one more user. */
  acquire(key: ObjectKey): void {
    const known = this.#states.get(key);
    if (known !== undefined) {
      known.users++;
      this.#unused.delete(key);
      return;
    }
    const state: SecretState = { users: 1, secret: null, reading: absent };
    this.#states.set(key, state);
    this.#read(key, state, this.#memory.get(key) ?? null);
    this.#memory.delete(key);
  }

  /** Notes one user less. */
  release(key: ObjectKey): void {
    const state = this.#states.get(key);
    if (state !== undefined && --state.users === 0) this.#unused.add(key);
  }

  /** Forgets the Secrets that lost their last user. */
  dropUnused(): void {
    for (const key of this.#unused) {
      this.#states.delete(key);
      this.#book.set(`secret/${key}`, []);
    }
    this.#unused.clear();
  }

  /** Every Secret that is in use has found its user: what is remembered of others is of no use. */
  forgetEarlierLife(): void {
    this.#memory.clear();
  }

  has(key: ObjectKey): boolean {
    return this.#secrets.has(key);
  }

  pairOf(key: ObjectKey): CertificatePair | null {
    const state = this.#states.get(key);
    if (state === undefined) throw new Error(`Secret ${key} was asked for before it was acquired`);
    return state.reading.pair;
  }

  /** The pairs to remember. Linear in Secrets in use. */
  goodPairs(): CompileMemory['goodPairs'] {
    const pairs = [...this.#states].map(([key, { reading }]) => [key, reading.pair] as const);
    return new Map(pairs.filter((entry): entry is [ObjectKey, CertificatePair] => entry[1] !== null));
  }

  /** A Secret that changes before its first user has come: whoever comes finds the last good pair all the same. */
  #remember(key: ObjectKey): void {
    const lastGood = this.#memory.get(key);
    const secret = this.#secrets.get(key);
    if (lastGood === undefined) return;
    const pair = secret === undefined ? null : readTlsSecret(secret, lastGood).pair;
    if (pair === null) this.#memory.delete(key);
    else this.#memory.set(key, pair);
  }

  #read(key: ObjectKey, state: SecretState, lastGood: CertificatePair | null): void {
    state.secret = this.#secrets.get(key) ?? null;
    state.reading = state.secret === null ? absent : readTlsSecret(state.secret, lastGood);
    this.#report(key, state);
  }

  #report(key: ObjectKey, { secret, reading }: SecretState): void {
    const warnings = secret === null ? [] : warnAboutValidity(secret, reading.pair, this.#nowMs);
    this.#book.set(`secret/${key}`, [...reading.diagnostics, ...warnings]);
    if (reading.pair === null) return;
    this.#nextChangeMs = Math.min(this.#nextChangeMs, nextValidityChangeMs(reading.pair, this.#nowMs));
  }

  #warnAgain(): void {
    this.#nextChangeMs = Number.POSITIVE_INFINITY;
    for (const [key, state] of this.#states) this.#report(key, state);
  }
}
