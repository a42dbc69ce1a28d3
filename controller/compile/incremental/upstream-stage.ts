// Incremental half of upstreams.ts: each used backend is resolved again when its routes, its deciding Ingress, its
// Service, its slices or its addresses change.

import { equalJson } from '#proxy/table/equal.ts';
import type { Upstream, UpstreamId, VirtualHostName } from '#proxy/table/types.ts';
import type { Snapshot, SnapshotChanges } from '../../objects/snapshot.ts';
import { keyOf, type ObjectKey } from '../../objects/types.ts';
import { type Backend, type BackendTarget, resolveBackend } from '../backend-target.ts';
import type { AcceptedIngress } from '../select.ts';
import { reportOverruled, type ServiceSettings, serviceSettings } from '../service-settings.ts';
import { SortedList } from '../sorted-list.ts';
import { emptyUpstreams } from '../table-version.ts';
import type { CompileOptions } from '../types.ts';
import { backendText, type DefaultBackend, reportBackends, resolveDefaultBackend, upstreamWith } from '../upstreams.ts';
import { asBefore } from './as-before.ts';
import { BackendDeciders } from './backend-deciders.ts';
import type { DiagnosticBook } from './diagnostic-book.ts';
import type { PlanChange } from './host-stage.ts';
import type { AcceptedChange } from './ingress-stage.ts';
import { KeyIndex } from './key-index.ts';
import { RouteUses } from './route-uses.ts';
import { UpstreamIdBook } from './upstream-id-book.ts';

/** What changed for routes; endpoints are no business of theirs. */
export interface UpstreamChanges {
  /** Hosts with a route whose upstream has another id or another affinity now. */
  readonly hosts: ReadonlySet<VirtualHostName>;
  /** The default backend appeared or disappeared. */
  readonly isDefaultDifferent: boolean;
}

/** A backend in use. */
interface BackendState {
  readonly backend: Backend;
  target: BackendTarget;
  /** null until it has an id. */
  upstream: Upstream | null;
}

/** Stands for the default backend among the keys of backends, none of which is empty. */
const defaultKey = '';

export class UpstreamStage {
  readonly #options: CompileOptions;
  readonly #book: DiagnosticBook;
  readonly #deciders = new BackendDeciders();
  readonly #uses = new RouteUses();
  readonly #ids = new UpstreamIdBook();
  /** By `backendKey`. */
  readonly #states = new Map<string, BackendState>();
  readonly #settings = new Map<string, ServiceSettings>();
  readonly #byService = new KeyIndex();
  readonly #byName = new KeyIndex();
  /** null before the first update. */
  #default: DefaultBackend | null = null;
  #upstreams: SortedList<Upstream> = emptyUpstreams;
  #earlier: SortedList<Upstream>;
  #wantedNames = SortedList.of<string>((name) => name);

  /** `earlier` are the upstreams of an earlier life. */
  constructor(options: CompileOptions, earlier: SortedList<Upstream>, book: DiagnosticBook) {
    this.#options = options;
    this.#earlier = earlier;
    this.#book = book;
    this.#byService.add(options.defaultBackendService, defaultKey);
  }

  forgetEarlierLife(): void {
    this.#earlier = emptyUpstreams;
  }

  /** As `UpstreamsPass.idByBackend`. */
  get idByBackend(): ReadonlyMap<string, UpstreamId> {
    return this.#ids.ids;
  }

  /** As `UpstreamsPass.settingsByBackend`. */
  get settingsByBackend(): ReadonlyMap<string, ServiceSettings> {
    return this.#settings;
  }

  /** As `UpstreamsPass.defaultBackend`. */
  get defaultBackend(): UpstreamId | null {
    return this.#default?.upstream?.id ?? null;
  }

  get upstreams(): SortedList<Upstream> {
    return this.#upstreams;
  }

  get wantedNames(): SortedList<string> {
    return this.#wantedNames;
  }

  update(
    accepted: readonly AcceptedChange[],
    plans: readonly PlanChange[],
    snapshot: Snapshot,
    changes: SnapshotChanges,
  ): UpstreamChanges {
    const touched = this.#uses.update(plans);
    const dirty = new Set([...this.#deciders.update(accepted), ...touched.backends, ...this.#dependants(changes)]);
    const owners = new Set(touched.owners);
    const edits: Edits = { gone: [], added: [], names: new Set(), affinities: new Set() };
    const isDefaultDue = dirty.delete(defaultKey) || this.#default === null;
    const isDefaultDifferent = isDefaultDue && this.#resolveDefault(snapshot, edits);
    for (const key of dirty) {
      if (!this.#resolve(key, snapshot, edits)) continue;
      for (const owner of this.#uses.ownersOf(key)) owners.add(owner);
    }
    const renamed = this.#ids.settle();
    for (const key of new Set([...dirty, ...renamed])) this.#replaceUpstream(key, edits);
    this.#applyEdits(edits);
    this.#report(owners);
    const rerouted = new Set([...renamed, ...edits.affinities]);
    return { hosts: new Set([...rerouted].flatMap((key) => this.#uses.hostsOf(key))), isDefaultDifferent };
  }

  /** Keys of the backends that the changed objects lead to. */
  #dependants({ services, slicesByService, resolvedNames }: SnapshotChanges): string[] {
    const ofServices = [...services, ...slicesByService].flatMap((key) => this.#byService.get(key));
    return ofServices.concat([...resolvedNames].flatMap((name) => this.#byName.get(name)));
  }

  /** True when the default backend appeared or disappeared. */
  #resolveDefault(snapshot: Snapshot, edits: Edits): boolean {
    const before = this.#default;
    const after = resolveDefaultBackend(snapshot, this.#options);
    this.#default = after;
    this.#want(defaultKey, before?.wantedName ?? null, after.wantedName, edits);
    this.#book.set('defaultBackendService', after.diagnostics);
    replace(before?.upstream ?? null, after.upstream, edits);
    return (before?.upstream ?? null) === null ? after.upstream !== null : after.upstream === null;
  }

  /** Resolves a backend, or forgets it when no route uses it; true when its problem is another one than before. */
  #resolve(key: string, snapshot: Snapshot, edits: Edits): boolean {
    const before = this.#states.get(key);
    const backend = this.#uses.backendOf(key);
    if (backend === undefined) {
      if (before !== undefined) this.#forget(key, before, edits);
      return false;
    }
    const voices = this.#deciders.voicesOn(key);
    if (voices === null) throw new Error(`no Ingress names backend ${key}`);
    const settings = serviceSettings(voices, this.#options);
    this.#book.set(`overruled/${key}`, reportOverruled(voices, backendText(backend), this.#options));
    if (!equalJson(this.#settings.get(key)?.affinity ?? null, settings.affinity)) edits.affinities.add(key);
    this.#settings.set(key, settings);
    const target = resolveBackend(backend, settings.isViaClusterIp, snapshot, this.#options);
    this.#states.set(key, { backend, target, upstream: before?.upstream ?? null });
    this.#ids.add(key, backend);
    this.#byService.add(serviceKeyOf(backend), key);
    this.#want(key, before?.target.wantedName ?? null, target.wantedName, edits);
    return !equalJson(before?.target.problem ?? null, target.problem);
  }

  #forget(key: string, { backend, target, upstream }: BackendState, edits: Edits): void {
    this.#states.delete(key);
    this.#settings.delete(key);
    this.#book.set(`overruled/${key}`, []);
    this.#ids.remove(key, backend);
    this.#byService.remove(serviceKeyOf(backend), key);
    this.#want(key, target.wantedName, null, edits);
    replace(upstream, null, edits);
  }

  #want(key: string, before: string | null, after: string | null, { names }: Edits): void {
    if (before === after) return;
    if (before !== null) this.#byName.remove(before, key);
    if (after !== null) this.#byName.add(after, key);
    for (const name of [before, after]) if (name !== null) names.add(name);
  }

  /** Makes the upstream of a backend anew when its id or its endpoints changed. */
  #replaceUpstream(key: string, edits: Edits): void {
    const state = this.#states.get(key);
    const id = this.#ids.ids.get(key);
    if (state === undefined || id === undefined) return;
    const made = upstreamWith(id, state.target, this.#settings.get(key) ?? null);
    if (equalJson(state.upstream, made)) return;
    const after = asBefore(this.#earlier, id, made);
    replace(state.upstream, after, edits);
    state.upstream = after;
  }

  #applyEdits({ gone, added, names }: Edits): void {
    const changes = new Map<UpstreamId, Upstream | null>(gone.map(({ id }) => [id, null]));
    // After the removals: a backend may take over the id of another.
    for (const upstream of added) changes.set(upstream.id, upstream);
    this.#upstreams = this.#upstreams.with(changes);
    const wanted = [...names].map((name) => [name, this.#byName.has(name) ? name : null] as const);
    this.#wantedNames = this.#wantedNames.with(new Map(wanted));
  }

  /** Tells the owners of touched routes about backends that lead nowhere. */
  #report(owners: ReadonlySet<AcceptedIngress>): void {
    const latest = new Map<ObjectKey, AcceptedIngress | null>();
    for (const owner of owners) {
      const key = keyOf(owner.ingress.meta);
      // Of two versions of one Ingress only the present one has routes.
      if (this.#uses.routesOf(owner) !== null) latest.set(key, owner);
      else if (!latest.has(key)) latest.set(key, null);
    }
    const problemOf = (key: string) => this.#states.get(key)?.target.problem ?? null;
    for (const [key, owner] of latest) {
      const routes = owner === null ? null : this.#uses.routesOf(owner);
      this.#book.set(`backends/${key}`, owner === null ? [] : reportBackends(owner, routes ?? [], problemOf));
    }
  }
}

/** What an update does to the lists. */
interface Edits {
  readonly gone: Upstream[];
  readonly added: Upstream[];
  /** Names that somebody began or ceased to want. */
  readonly names: Set<string>;
  /** Keys of backends whose affinity, which stands in the routes, is another one. */
  readonly affinities: Set<string>;
}

function replace(before: Upstream | null, after: Upstream | null, { gone, added }: Edits): void {
  if (before !== null) gone.push(before);
  if (after !== null) added.push(after);
}

function serviceKeyOf({ namespace, use }: Backend): ObjectKey {
  return `${namespace}/${use.service}`;
}
