// The Kubernetes API server as a source of objects.
//
//   reflectors (one per collection) -> decode -> namespaces selected? -> references counted -> apply (store)
//                                                       named watches <-- what is wanted --+
//
// Nothing counts as complete before every collection, and everything that was found to be referred to, has been read once.
// From then on a fault takes nothing away: the objects read last stay, and a diagnostic says so.

import type { ObjectSource, StoreChange } from '../../objects/snapshot.ts';
import type { KubernetesObject, ObjectKey } from '../../objects/types.ts';
import { type Clock, systemClock } from '../clock.ts';
import type { WatchLog } from '../log.ts';
import { NamedWatches, type WideWatch } from './named-watches.ts';
import { NamespaceFilter } from './namespace-filter.ts';
import { ObjectSink, type ObjectSinkOptions } from './object-sink.ts';
import { type PublishedAddress, PublishedAddresses } from './published-addresses.ts';
import { ReferenceCounts, referencesOfConfigMap, referencesOfIngress, type WantedChange } from './references.ts';
import { Reflector } from './reflector.ts';
import type { ReflectorState } from './reflector-options.ts';
import { type ApiResource, pathOf, resources } from './resources.ts';
import type { ApiTransport } from './transport.ts';

export interface ApiServerOptions {
  /** Is closed with the source. */
  readonly transport: ApiTransport;
  readonly log: WatchLog;
  /** `--watch-namespace`; '' is all. */
  readonly watchNamespace: string;
  /** `--watch-namespace-selector`; '' is all. Excludes `watchNamespace`. */
  readonly watchNamespaceSelector: string;
  /** `--annotations-prefix`: which annotations name Secrets and ConfigMaps. */
  readonly annotationsPrefix: string;
  /** `--configmap`: the global settings; '' for none. */
  readonly configMap: ObjectKey;
  /** Objects that flags name: Sluice does not start before it knows whether they exist. */
  readonly required: { readonly secrets: readonly ObjectKey[]; readonly configMaps: readonly ObjectKey[] };
  /** `--sync-period`: everything is read again this often; 0 never. */
  readonly syncPeriodMs: number;
  readonly clock?: Clock;
  /** Default Math.random. */
  readonly random?: () => number;
}

/** A source that can be asked how fresh it is. */
export interface ApiServerSource extends ObjectSource {
  /** One entry for each watch that runs now. */
  readonly watches: readonly ReflectorState[];
  /** The addresses that stand in the status of each Ingress now, as far as it has any. */
  readonly publishedAddresses: ReadonlyMap<ObjectKey, readonly PublishedAddress[]>;
  /** Time on the source's clock, to compare `lastContactAtMs` with. */
  nowMs(): number;
}

/** Opens the source. `start` waits for the server for as long as it takes: it rejects only when it is closed meanwhile. */
export function openApiServer(options: ApiServerOptions): ApiServerSource {
  return new ApiServer(options);
}

/** TLS pairs. All other Secrets are read one by one, when something refers to them. */
const tlsType = 'kubernetes.io/tls';
/** The rest, where reading one by one would be too many watches: without the types that are many and large and never used. */
const restOfSecrets = [
  `type!=${tlsType}`,
  'type!=helm.sh/release.v1',
  'type!=kubernetes.io/service-account-token',
  'type!=kubernetes.io/dockerconfigjson',
  'type!=kubernetes.io/dockercfg',
  'type!=bootstrap.kubernetes.io/token',
].join(',');

class ApiServer implements ApiServerSource {
  readonly #options: ApiServerOptions;
  readonly #clock: Clock;
  readonly #filter: NamespaceFilter | null;
  readonly #addresses = new PublishedAddresses();
  readonly #secretCounts = new ReferenceCounts();
  readonly #configMapCounts = new ReferenceCounts();
  /** Collections that are read whole. */
  readonly #collections: readonly Reflector<KubernetesObject>[];
  readonly #ingresses: Reflector<KubernetesObject>;
  readonly #tls: Reflector<KubernetesObject>;
  readonly #secrets: NamedWatches;
  readonly #configMaps: NamedWatches;
  /** False until the TLS Secrets are read: before that, each of them would get a watch of its own. */
  #followsSecrets = false;
  readonly #classesRefused = Promise.withResolvers<void>();
  #apply: ((changes: readonly StoreChange[]) => void) | null = null;
  readonly #closing = Promise.withResolvers<never>();
  #isClosed = false;

  constructor(options: ApiServerOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#filter = options.watchNamespaceSelector === '' ? null : new NamespaceFilter();
    // Nobody may wait for it.
    this.#closing.promise.catch(() => {});
    this.#ingresses = this.#collection(resources.ingresses, { onRaw: (raw) => this.#addresses.observe(raw) });
    this.#tls = this.#openTls();
    this.#collections = [this.#ingresses, ...this.#otherCollections()];
    this.#secrets = this.#namedSecrets();
    this.#configMaps = this.#namedConfigMaps();
  }

  async start(apply: (changes: readonly StoreChange[]) => void): Promise<void> {
    this.#apply = apply;
    const { required } = this.#options;
    this.#configMapCounts.set('flags', required.configMaps);
    this.#secretCounts.set('flags', required.secrets);
    this.#configMaps.change({ added: required.configMaps, removed: [] });
    for (const reflector of this.#collections) reflector.start();
    await Promise.race([this.#readAll(), this.#closing.promise]);
  }

  get watches(): readonly ReflectorState[] {
    const named = [...this.#secrets.reflectors, ...this.#configMaps.reflectors];
    return [...this.#collections, this.#tls, ...named].map(({ state }) => state);
  }

  get publishedAddresses(): ReadonlyMap<ObjectKey, readonly PublishedAddress[]> {
    return this.#addresses.all;
  }

  nowMs(): number {
    return this.#clock.nowMs();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#closing.reject(new Error('stopped before all objects were read'));
    await Promise.all([...this.#collections, this.#tls].map((reflector) => reflector.close()));
    await Promise.all([this.#secrets.close(), this.#configMaps.close()]);
    this.#options.transport.close();
  }

  /** Ingresses first: they tell which Secrets to keep while the Secrets pass by. */
  async #readAll(): Promise<void> {
    await this.#ingresses.synced;
    await this.#configMaps.settled();
    this.#tls.start();
    await this.#tls.synced;
    this.#followsSecrets = true;
    this.#secrets.change({ added: [...this.#secretCounts.keys()], removed: [] });
    await Promise.all(this.#collections.map((reflector) => this.#usable(reflector)));
    await this.#secrets.settled();
    await this.#configMaps.settled();
  }

  /** A Role bound to one namespace cannot read IngressClasses; ingress-nginx then goes by names alone, and so does Sluice. */
  #usable(reflector: Reflector<KubernetesObject>): Promise<void> {
    const isClasses = reflector.state.name === resources.ingressClasses.plural;
    return isClasses ? Promise.race([reflector.synced, this.#classesRefused.promise]) : reflector.synced;
  }

  // Changes

  #emit(changes: readonly StoreChange[]): void {
    if (this.#isClosed) return;
    for (const change of changes) {
      if (change.kind === 'delete' && change.objectKind === 'Ingress') this.#addresses.forget(change.key);
    }
    const shown = this.#filter === null ? changes : this.#filter.filter(changes);
    if (shown.length > 0) this.#apply?.(shown);
    // After the Ingress: a Secret that is dropped must not go before the Ingress that named it.
    for (const change of shown) this.#follow(change);
  }

  /** Keeps count of what is referred to. */
  #follow(change: StoreChange): void {
    const { annotationsPrefix, configMap } = this.#options;
    if (change.kind === 'upsert' && change.object.kind === 'Ingress') {
      const { namespace, name } = change.object.meta;
      this.#refer(`Ingress/${namespace}/${name}`, referencesOfIngress(change.object, annotationsPrefix));
    } else if (change.kind === 'delete' && change.objectKind === 'Ingress') {
      this.#refer(`Ingress/${change.key}`, { secrets: [], configMaps: [] });
    } else if (change.kind === 'upsert' && change.object.kind === 'ConfigMap') {
      const { namespace, name } = change.object.meta;
      if (`${namespace}/${name}` === configMap) this.#refer('settings', referencesOfConfigMap(change.object));
    } else if (change.kind === 'delete' && change.objectKind === 'Secret') {
      this.#onSecretDeleted(change.key);
    }
  }

  #refer(owner: string, { secrets, configMaps }: ReturnType<typeof referencesOfIngress>): void {
    const secretChange = this.#secretCounts.set(owner, secrets);
    const configMapChange = this.#configMapCounts.set(owner, configMaps);
    if (this.#followsSecrets && !isEmpty(secretChange)) this.#secrets.change(secretChange);
    if (!isEmpty(configMapChange)) this.#configMaps.change(configMapChange);
  }

  /** A TLS Secret may come back as another type, which the TLS watch would not tell. */
  #onSecretDeleted(key: ObjectKey): void {
    if (this.#followsSecrets && this.#secretCounts.has(key)) this.#secrets.change({ added: [key], removed: [] });
  }

  // Watches

  #otherCollections(): readonly Reflector<KubernetesObject>[] {
    const onRefused = () => this.#classesRefused.resolve();
    const { watchNamespaceSelector } = this.#options;
    return [
      this.#collection(resources.ingressClasses, { onRefused }),
      this.#collection(resources.services, {}),
      this.#collection(resources.endpointSlices, {}),
      ...(watchNamespaceSelector === ''
        ? []
        : [this.#collection(resources.namespaces, {}, { labelSelector: watchNamespaceSelector })]),
    ];
  }

  #openTls(): Reflector<KubernetesObject> {
    const accepts = (key: ObjectKey) => this.#secretCounts.has(key);
    const selector = { fieldSelector: `type=${tlsType}` };
    return this.#collection(resources.secrets, { name: 'secrets of type tls', accepts }, selector);
  }

  #namedSecrets(): NamedWatches {
    const tls: WideWatch = { reflector: this.#tls, covers: (object) => isTls(object) };
    const openRest = () => {
      const accepts = (key: ObjectKey) => this.#secretCounts.has(key);
      const selector = { fieldSelector: restOfSecrets };
      const reflector = this.#collection(resources.secrets, { name: 'secrets of other types', accepts }, selector);
      return { reflector, covers: (object: KubernetesObject) => !isTls(object) };
    };
    return this.#named(resources.secrets, [tls], openRest, this.#options.required.secrets);
  }

  #namedConfigMaps(): NamedWatches {
    const openRest = () => {
      const accepts = (key: ObjectKey) => this.#configMapCounts.has(key);
      return { reflector: this.#collection(resources.configMaps, { accepts }), covers: () => true };
    };
    return this.#named(resources.configMaps, [], openRest, this.#options.required.configMaps);
  }

  #named(
    resource: ApiResource,
    wide: readonly WideWatch[],
    openRest: () => WideWatch,
    required: readonly ObjectKey[],
  ): NamedWatches {
    return new NamedWatches({
      resource,
      scope: this.#options.watchNamespace,
      wide,
      openRest,
      openOwn: (watch) => this.#reflector(watch),
      required: new Set(required),
      emit: (changes) => this.#emit(changes),
      log: this.#options.log,
    });
  }

  #collection(
    resource: ApiResource,
    options: Partial<Pick<ObjectSinkOptions, 'name' | 'accepts' | 'onRaw' | 'onRefused'>>,
    selector: { readonly fieldSelector?: string; readonly labelSelector?: string } = {},
  ): Reflector<KubernetesObject> {
    const name = options.name ?? resource.plural;
    const sink = new ObjectSink({
      resource,
      accepts: () => true,
      emit: (changes) => this.#emit(changes),
      log: this.#options.log,
      ...options,
      name,
    });
    return this.#reflector({
      name,
      resource: resource.plural,
      path: pathOf(resource, this.#options.watchNamespace),
      sink,
      ...selector,
    });
  }

  #reflector(watch: {
    readonly name: string;
    readonly resource: string;
    readonly path: string;
    readonly sink: ObjectSink;
    readonly fieldSelector?: string;
    readonly labelSelector?: string;
  }): Reflector<KubernetesObject> {
    const { transport, log, syncPeriodMs, random } = this.#options;
    const shared = { transport, log, clock: this.#clock, random: random ?? Math.random, relistMs: syncPeriodMs };
    return new Reflector({ ...watch, ...shared });
  }
}

function isTls(object: KubernetesObject): boolean {
  return object.kind === 'Secret' && object.type === tlsType;
}

function isEmpty({ added, removed }: WantedChange): boolean {
  return added.length === 0 && removed.length === 0;
}
