// The stages of the incremental compiler in their order, for as long as the settings ConfigMap stays the same.

import type { GlobalSettings } from '#proxy/table/types.ts';
import type { Snapshot, SnapshotChanges } from '../../objects/snapshot.ts';
import { readGlobalValues } from '../global.ts';
import { PolicyIds } from '../policies.ts';
import { globalSettings } from '../settings/global-settings.ts';
import type { GlobalValues } from '../settings/record.ts';
import type { SortedList } from '../sorted-list.ts';
import type { TableVersion } from '../table-version.ts';
import type { CompileMemory, CompileOptions } from '../types.ts';
import { CertificateStage } from './certificate-stage.ts';
import { DiagnosticBook, type DiagnosticGroup } from './diagnostic-book.ts';
import { HostStage } from './host-stage.ts';
import { IngressStage } from './ingress-stage.ts';
import { RouteStage } from './route-stage.ts';
import { UpstreamStage } from './upstream-stage.ts';
import { type CompilerView, viewOf } from './view.ts';

/** What the stages have made, as values that later updates do not touch. */
export interface StageResults {
  readonly version: TableVersion;
  readonly diagnostics: SortedList<DiagnosticGroup>;
  readonly wantedNames: SortedList<string>;
}

export class Stages {
  readonly #book = new DiagnosticBook();
  readonly #ingresses: IngressStage;
  readonly #hosts: HostStage;
  readonly #certificates: CertificateStage;
  readonly #upstreams: UpstreamStage;
  readonly #routes: RouteStage;
  readonly #options: CompileOptions;
  readonly #values: GlobalValues;
  readonly #settings: Omit<GlobalSettings, 'defaultCertificate'>;
  #global: GlobalSettings | null = null;

  /** Takes only the ConfigMap from the snapshot; `update` with every key changed must follow. */
  constructor(snapshot: Snapshot, options: CompileOptions, memory: CompileMemory) {
    // The ConfigMap first: it is the fallback of annotations and decides which of them are accepted.
    const { values: global, diagnostics } = readGlobalValues(snapshot, options);
    this.#book.set('configMap', diagnostics);
    this.#options = options;
    this.#values = global;
    this.#settings = globalSettings(global);
    this.#ingresses = new IngressStage({ options, global }, memory.acceptedIngresses, this.#book);
    this.#hosts = new HostStage(this.#book);
    this.#certificates = new CertificateStage(options, memory.goodPairs, this.#book);
    this.#upstreams = new UpstreamStage(options, this.#book);
    this.#routes = new RouteStage({ options, global, ids: new PolicyIds() });
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
    return {
      version: this.#version(),
      diagnostics: this.#book.finish(snapshot, changes.sources),
      wantedNames: this.#upstreams.wantedNames,
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

  /** As `CompileResult.memory`. Linear in Ingresses and Secrets. */
  memory(): CompileMemory {
    return {
      acceptedIngresses: this.#ingresses.acceptedIngresses(),
      goodPairs: this.#certificates.goodPairs(),
    };
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
    };
  }
}
      streams: [],
