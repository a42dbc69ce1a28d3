// Everything Sluice writes into the cluster, put together: leader election, status of Ingresses, Events. Only the leader
// writes; all replicas follow what it would have to write, so that a new leader can go on at once.

import type { Diagnostic } from '../objects/diagnostic.ts';
import { isSameValue } from '../objects/equal.ts';
import type { StoreChange } from '../objects/snapshot.ts';
import { type Ingress, type IngressClass, keyOf, type ObjectKey, type ObjectRef } from '../objects/types.ts';
import type { PublishedAddress } from '../watch/api/published-addresses.ts';
import type { ApiTransport } from '../watch/api/transport.ts';
import type { Clock } from '../watch/clock.ts';
import type { WatchLog } from '../watch/log.ts';
import { EventRecorder } from './event-recorder.ts';
import { type EventNote, noteOfDiagnostic, syncNote } from './events.ts';
import { type AddressSource, findAddresses, hasOtherReplicas } from './find-addresses.ts';
import { electionTtlMs, LeaderElection } from './leader.ts';
import { StatusWriter } from './status-writer.ts';
import { UntoldChanges } from './untold-changes.ts';

export interface ClusterWriterOptions {
  readonly transport: ApiTransport;
  /** True for an Ingress that Sluice serves, by its class and the flags. */
  readonly isOurs: (ingress: Ingress, classes: ReadonlyMap<ObjectKey, IngressClass>) => boolean;
  /** What stands in the status of each Ingress now. */
  readonly published: ReadonlyMap<ObjectKey, readonly PublishedAddress[]>;
  readonly addresses: AddressSource;
  readonly election: { readonly id: string; readonly ttlMs: number };
  /** `--update-status`. */
  readonly updateStatus: boolean;
  /** `--update-status-on-shutdown`. */
  readonly updateStatusOnShutdown: boolean;
  readonly statusUpdateIntervalMs: number;
  /** `--disable-sync-events` is false. */
  readonly writesSyncEvents: boolean;
  /** Name of this replica. */
  readonly identity: string;
  readonly clock: Clock;
  /** Unix time in milliseconds. */
  readonly wallMs: () => number;
  /** From 0 (inclusive) to 1 (exclusive). */
  readonly random: () => number;
  readonly log: WatchLog;
}

const component = 'sluice';
/** Time for removing addresses at the end: within the grace period that Kubernetes gives a pod. */
const clearLimitMs = 10_000;

export class ClusterWriter {
  readonly #options: ClusterWriterOptions;
  readonly #election: LeaderElection;
  readonly #ingresses = new Map<ObjectKey, Ingress>();
  /** Their `metadata.uid`. */
  readonly #configMaps = new Map<ObjectKey, string>();
  /** Answers of `isOurs`, which looks at every field of an Ingress; empty again when a class changes. */
  #ours = new WeakMap<Ingress, boolean>();
  /** Notes of diagnostics: compile gives the same objects again as long as nothing about them changes. */
  readonly #notes = new WeakMap<Diagnostic, EventNote | null>();
  readonly #classes = new Map<ObjectKey, IngressClass>();
  #diagnostics: readonly Diagnostic[] = [];
  /** What only a leader has. */
  #lead: { readonly status: StatusWriter; readonly events: EventRecorder } | null = null;
  #said = new Set<string>();
  readonly #untold: UntoldChanges;
  /** Before that, Ingresses are those that were there already. */
  #hasStarted = false;

  constructor(options: ClusterWriterOptions) {
    this.#options = options;
    const { transport, addresses, election, identity, clock, wallMs, random, log } = options;
    this.#untold = new UntoldChanges(2 * electionTtlMs(election.ttlMs));
    this.#election = new LeaderElection({
      transport,
      lease: { namespace: addresses.pod.namespace, name: election.id },
      identity,
      ttlMs: election.ttlMs,
      onElected: () => this.#onElected(),
      onLost: () => void this.#onLost(),
      clock,
      wallMs,
      random,
      log,
    });
  }

  get isLeader(): boolean {
    return this.#election.isLeader;
  }

  /** Enters the election. Call it when the first table is served: a status says that traffic is. */
  start(): void {
    this.#hasStarted = true;
    this.#election.start();
  }

  /** Follows the objects, as the store does. */
  observe(changes: readonly StoreChange[]): void {
    for (const change of changes) this.#observeOne(change);
  }

  /** Takes the complete diagnostics of the last compile. */
  report(diagnostics: readonly Diagnostic[]): void {
    // The same list again: nothing new in it, and it may be long.
    if (diagnostics === this.#diagnostics) return;
    this.#diagnostics = diagnostics;
    if (this.#lead !== null) this.#sayNew();
  }

  /** Stops writing, removes the addresses where that is asked for, and lets another replica lead. */
  async close(): Promise<void> {
    const lead = this.#lead;
    this.#lead = null;
    if (lead !== null) {
      await Promise.all([lead.status.stop(), lead.events.close()]);
      if (this.#options.updateStatus && this.#options.updateStatusOnShutdown) await this.#clear(lead.status);
    }
    await this.#election.close();
  }

  #observeOne(change: StoreChange): void {
    if (change.kind === 'delete' && change.objectKind === 'Ingress') this.#ingresses.delete(change.key);
    if (change.kind === 'delete' && change.objectKind === 'ConfigMap') this.#configMaps.delete(change.key);
    if (change.kind === 'delete' && change.objectKind === 'IngressClass') {
      this.#classes.delete(change.key);
      this.#ours = new WeakMap();
    }
    if (change.kind !== 'upsert') return;
    const { object } = change;
    if (object.kind === 'IngressClass') {
      this.#classes.set(object.meta.name, object);
      this.#ours = new WeakMap();
      this.#lead?.status.kick();
    } else if (object.kind === 'Ingress') {
      this.#observeIngress(object);
    } else if (object.kind === 'ConfigMap') {
      this.#configMaps.set(keyOf(object.meta), object.meta.uid);
    }
  }

  #observeIngress(ingress: Ingress): void {
    const key = keyOf(ingress.meta);
    const before = this.#ingresses.get(key);
    // A status write comes back as a change of the object, but not of anything that is served. The value from before
    // stays: the store keeps that one, too, and two of each Ingress would be twice the memory.
    const isSame = before !== undefined && isSameValue(before, ingress);
    if (!isSame) this.#ingresses.set(key, ingress);
    if (!this.#hasStarted || !this.#isOurs(isSame ? before : ingress)) return;
    this.#lead?.status.kick();
    if (isSame) return;
    if (this.#lead === null) this.#untold.note(key, this.#options.clock.nowMs());
    else this.#saySync(ingress);
  }

  #saySync(ingress: Ingress): void {
    if (this.#options.writesSyncEvents) this.#lead?.events.record(syncNote(refOf(ingress), ingress.meta.uid));
  }

  #onElected(): void {
    const { transport, clock, wallMs, random, log, published, addresses, identity } = this.#options;
    const status = new StatusWriter({
      transport,
      ingresses: () => this.#ourKeys(),
      published,
      findAddresses: (caller) => findAddresses(addresses, caller),
      intervalMs: this.#options.statusUpdateIntervalMs,
      fieldManager: component,
      clock,
      random,
      log,
    });
    const writer = { component, instance: identity };
    this.#lead = { status, events: new EventRecorder({ transport, writer, clock, wallMs, random, log }) };
    this.#said = new Set();
    if (this.#options.updateStatus) status.start();
    for (const key of this.#untold.take(clock.nowMs())) {
      const ingress = this.#ingresses.get(key);
      if (ingress !== undefined) this.#saySync(ingress);
    }
    this.#sayNew();
  }

  async #onLost(): Promise<void> {
    const lead = this.#lead;
    this.#lead = null;
    await Promise.all([lead?.status.stop(), lead?.events.close()]);
  }

  /** One Event for each distinct diagnostic; one that was resolved and comes back is said again. */
  #sayNew(): void {
    const said = new Set<string>();
    for (const diagnostic of this.#diagnostics) {
      const note = this.#noteOf(diagnostic);
      if (note === null) continue;
      const id = `${note.object.namespace}/${note.name}`;
      if (!this.#said.has(id) && !said.has(id)) this.#lead?.events.record(note);
      said.add(id);
    }
    this.#said = said;
  }

  #noteOf(diagnostic: Diagnostic): EventNote | null {
    const uid = this.#uidOf(diagnostic.object);
    if (uid === undefined) return null;
    const known = this.#notes.get(diagnostic);
    if (known !== undefined && known?.uid === uid) return known;
    const note = noteOfDiagnostic(diagnostic, uid);
    this.#notes.set(diagnostic, note);
    return note;
  }

  /** undefined for an object that is not there, or of a kind that no Events are written about. */
  #uidOf(object: ObjectRef): string | undefined {
    const key = keyOf(object);
    if (object.kind === 'Ingress') return this.#ingresses.get(key)?.meta.uid;
    return object.kind === 'ConfigMap' ? this.#configMaps.get(key) : undefined;
  }

  /** routing-semantics §10: with several addresses, or another replica, somebody still answers there. */
  async #clear(status: StatusWriter): Promise<void> {
    const { transport, clock, addresses, log } = this.#options;
    const ending = new AbortController();
    const cancel = clock.after(clearLimitMs, () => ending.abort());
    const caller = { transport, clock, signal: ending.signal };
    try {
      const found = await findAddresses(addresses, caller);
      if (found.length > 1 || (await hasOtherReplicas(addresses, caller))) return;
      await status.clear(ending.signal);
    } catch (error) {
      log.warn(
        { why: error instanceof Error ? error.message : String(error) },
        'the status of Ingresses stays as it is',
      );
    } finally {
      cancel();
    }
  }

  *#ourKeys(): Iterable<ObjectKey> {
    for (const [key, ingress] of this.#ingresses) {
      if (this.#isOurs(ingress)) yield key;
    }
  }

  #isOurs(ingress: Ingress): boolean {
    const known = this.#ours.get(ingress);
    if (known !== undefined) return known;
    const isOurs = this.#options.isOurs(ingress, this.#classes);
    this.#ours.set(ingress, isOurs);
    return isOurs;
  }
}

function refOf({ meta }: Ingress) {
  return { kind: 'Ingress', namespace: meta.namespace, name: meta.name };
}
