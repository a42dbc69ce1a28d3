// The stages of the incremental compiler in their order, for as long as nothing that Ingresses read in the settings ConfigMap changes.

import type { GlobalSettings } from '#proxy/table/types.ts';
import type { Snapshot, SnapshotChanges } from '../../objects/snapshot.ts';
import type { ConfigMap } from '../../objects/types.ts';
import { readGlobalValues } from '../global.ts';
import { PolicyIds } from '../policies.ts';
import { globalSettings } from '../settings/global-settings.ts';
import type { SortedList } from '../sorted-list.ts';
import { emptyUpstreams, emptyVirtualHosts, type TableVersion } from '../table-version.ts';
import type { CompileMemory, CompileOptions } from '../types.ts';
import { CertificateStage } from './certificate-stage.ts';
import { DiagnosticBook, type DiagnosticGroup } from './diagnostic-book.ts';
import { HostStage } from './host-stage.ts';
import { IngressStage } from './ingress-stage.ts';
import { RecordedValues } from './recorded-values.ts';
import { RouteStage } from './route-stage.ts';
import { StreamStage } from './stream-stage.ts';
import { UpstreamStage } from './upstream-stage.ts';
import { type CompilerView, viewOf } from './view.ts';

/** What the stages have made, as values that later updates do not touch. */
export interface StageResults {
  readonly version: TableVersion;
  readonly diagnostics: SortedList<DiagnosticGroup>;
  readonly wantedNames: SortedList<string>;
}

/** What other stages had made, before these. */
export interface EarlierLife {
  readonly memory: CompileMemory;
  /** Entries of the new version that are equal to one of this are the same; null when there was none. */
  readonly version: TableVersion | null;
}

interface JoinedNames {
  readonly ofUpstreams: SortedList<string>;
  readonly ofStreams: ReadonlySet<string>;
  readonly all: SortedList<string>;
}

export class Stages {
  readonly #book = new DiagnosticBook();
  readonly #ingresses: IngressStage;
  readonly #hosts: HostStage;
  readonly #certificates: CertificateStage;
  readonly #upstreams: UpstreamStage;
  readonly #routes: RouteStage;
  readonly #streams: StreamStage;
  readonly #options: CompileOptions;
  readonly #values: RecordedValues;
  /** What the settings were read from. */
  #configMap: ConfigMap | null;
  #settings: Omit<GlobalSettings, 'defaultCertificate'>;
  #global: GlobalSettings | null = null;
  #names: JoinedNames | null = null;

  /** Takes only the ConfigMap from the snapshot; the Ingresses come by `update`, all at once or in groups. */
  constructor(snapshot: Snapshot, options: CompileOptions, { memory, version }: EarlierLife) {
    // The ConfigMap first: it is the fallback of annotations and decides which of them are accepted.
    const { values, diagnostics } = readGlobalValues(snapshot, options);
    this.#book.set('configMap', diagnostics);
    this.#options = options;
    this.#configMap = settingsOf(snapshot, options);
    this.#settings = globalSettings(values);
    const global = new RecordedValues(values);
    this.#values = global;
    this.#ingresses = new IngressStage({ options, global }, memory.acceptedIngresses, this.#book);
    this.#hosts = new HostStage(this.#book);
    this.#certificates = new CertificateStage(options, memory.goodPairs, this.#book);
    this.#upstreams = new UpstreamStage(options, version?.upstreams ?? emptyUpstreams, this.#book);
    this.#streams = new StreamStage(options, this.#book);
    const context = { options, global, ids: new PolicyIds() };
    this.#routes = new RouteStage(context, version?.virtualHosts ?? emptyVirtualHosts);
  }

  /** Whether the settings are those of the snapshot. */
  hasSettingsOf(snapshot: Snapshot): boolean {
    return settingsOf(snapshot, this.#options) === this.#configMap;
  }

  /** Takes the settings of the snapshot, with effect from the next `update`, unless they change what Ingresses mean. */
  adoptSettings(snapshot: Snapshot): void {
    if (this.hasSettingsOf(snapshot)) return;
    const { values, diagnostics } = readGlobalValues(snapshot, this.#options);
    if (!this.#values.replace(values)) return;
    this.#book.set('configMap', diagnostics);
    this.#configMap = settingsOf(snapshot, this.#options);
    this.#settings = globalSettings(values);
    this.#global = null;
  }

  /** All Ingresses of the first snapshot have come: what the constructor was given has served its purpose. */
  forgetEarlierLife(): void {
    this.#ingresses.forgetEarlierLife();
    this.#certificates.forgetEarlierLife();
    this.#upstreams.forgetEarlierLife();
    this.#routes.forgetEarlierLife();
  }

  /** Brings everything up to `snapshot`. `changes` are its differences from the snapshot before. */
  update(snapshot: Snapshot, changes: SnapshotChanges, nowMs: number): StageResults {
    const accepted = this.#ingresses.update(snapshot, changes);
    const plans = this.#hosts.update(accepted);
    // Certificates and upstreams before routes: routes name upstreams, and whether a host has a certificate decides its
    // redirects.
    const certificates = this.#certificates.update(plans, snapshot, changes, nowMs);
    const upstreams = this.#upstreams.update(accepted, plans, snapshot, changes);
    this.#routes.update(plans, certificates, upstreams, {
      certificateByHost: this.#certificates.byHost,
      idByBackend: this.#upstreams.idByBackend,
      settingsByBackend: this.#upstreams.settingsByBackend,
      defaultBackend: this.#upstreams.defaultBackend,
    });
    this.#streams.update(snapshot, changes);
    return {
      version: this.#version(),
      diagnostics: this.#book.finish(snapshot, changes.sources),
      wantedNames: this.#wantedNames(),
    };
  }

  /** What can be asked about Ingresses after `update` with this snapshot. */
  view(snapshot: Snapshot): CompilerView {
    return viewOf({
      snapshot,
      options: this.#options,
      global: this.#values,
      ingresses: this.#ingresses,
      hosts: this.#hosts,
    });
  }

  /** For stages that take the place of these. Linear in Ingresses and Secrets. */
  asEarlierLife(): EarlierLife {
    return { memory: this.memory(), version: this.#version() };
  }

  /** As `CompileResult.memory`. Linear in Ingresses and Secrets. */
  memory(): CompileMemory {
    return {
      acceptedIngresses: this.#ingresses.acceptedIngresses(),
      goodPairs: this.#certificates.goodPairs(),
    };
  }

  /** Those of upstreams and of stream services; the same list while they are the same. */
  #wantedNames(): SortedList<string> {
    const { wantedNames: ofUpstreams } = this.#upstreams;
    const { wantedNames: ofStreams } = this.#streams;
    if (ofStreams.size === 0) return ofUpstreams;
    if (this.#names?.ofUpstreams !== ofUpstreams || this.#names.ofStreams !== ofStreams) {
      const all = ofUpstreams.with(new Map([...ofStreams].map((name) => [name, name])));
      this.#names = { ofUpstreams, ofStreams, all };
    }
    return this.#names.all;
  }

  #version(): TableVersion {
    const { defaultCertificate } = this.#certificates;
    if (this.#global?.defaultCertificate !== defaultCertificate) {
      this.#global = { ...this.#settings, defaultCertificate };
    }
    return {
      global: this.#global,
      policies: this.#routes.policies,
      virtualHosts: this.#routes.virtualHosts,
      upstreams: this.#upstreams.upstreams,
      certificates: this.#certificates.pairs(),
      streams: this.#streams.streams,
    };
  }
}

function settingsOf({ configMaps }: Snapshot, { configMap }: CompileOptions): ConfigMap | null {
  return configMaps.get(configMap) ?? null;
}
