// A Kubernetes cluster as the place where objects come from and where Sluice writes back: the API server's source, and
// the writer of statuses and Events that follows it.

import { hostname } from 'node:os';
import { VERSION } from '../cli/version.ts';
import { isForUs } from '../compile/select.ts';
import type { ClusterSample } from '../metrics/controller-metrics.ts';
import type { Diagnostic } from '../objects/diagnostic.ts';
import type { ObjectSource, StoreChange } from '../objects/snapshot.ts';
import type { Options } from '../options.ts';
import { ClusterWriter } from '../status/cluster-writer.ts';
import { findNodeZone } from '../status/node-zone.ts';
import { type ApiServerSource, openApiServer } from '../watch/api/api-server.ts';
import { openHttpTransport } from '../watch/api/http-transport.ts';
import type { ApiTransport } from '../watch/api/transport.ts';
import { systemClock } from '../watch/clock.ts';
import type { Logger } from './logger.ts';
import { startStep } from './start-error.ts';

/** The part of a cluster that a running Sluice has to do with besides its objects. */
export interface ClusterLink {
  /** Zone of this node, for topology hints; '' when it is unknown or nobody asks. Takes seconds at most. */
  findNodeZone(): Promise<string>;
  /** Traffic is served: statuses may say so. */
  onServing(): void;
  /** Takes the complete diagnostics of each compile. */
  onDiagnostics(diagnostics: readonly Diagnostic[]): void;
  /** For metrics. */
  sample(): ClusterSample;
  /** Writes what has to be written at the end. May be called twice. */
  close(): Promise<void>;
}

export interface Cluster {
  readonly source: ObjectSource;
  /** To be asked how fresh the objects are. */
  readonly api: ApiServerSource;
  /** null with `--disable-leader-election`: then nothing is written. */
  readonly writer: ClusterWriter | null;
  readonly link: ClusterLink;
}

/** Prepares the connection; rejects with StartError when the flags lead to no API server. Connects later, and patiently. */
export async function openCluster(options: Options, log: Logger): Promise<Cluster> {
  const userAgent = `sluice/${VERSION}`;
  const transport = await startStep(openHttpTransport(options, userAgent), 2);
  const api = openApiServer({
    transport,
    log,
    watchNamespace: options.watchNamespace,
    watchNamespaceSelector: options.watchNamespaceSelector,
    annotationsPrefix: options.annotationsPrefix,
    configMap: options.configmap,
    required: {
      secrets: given(options.defaultSslCertificate),
      configMaps: given(options.configmap, options.tcpServicesConfigmap, options.udpServicesConfigmap),
    },
    syncPeriodMs: options.syncPeriod,
  });
  const writer = options.disableLeaderElection ? null : openWriter(options, log, api, transport);
  const zone = new ZoneQuestion(options, transport, log);
  return { source: followedBy(api, writer), api, writer, link: linkTo(api, writer, zone, options.electionId) };
}

function openWriter(options: Options, log: Logger, api: ApiServerSource, transport: ApiTransport): ClusterWriter {
  return new ClusterWriter({
    transport,
    isOurs: (ingress, classes) => isForUs(ingress, classes, options),
    published: api.publishedAddresses,
    addresses: options,
    election: { id: options.electionId, ttlMs: options.electionTtl },
    updateStatus: options.updateStatus,
    updateStatusOnShutdown: options.updateStatusOnShutdown,
    statusUpdateIntervalMs: options.statusUpdateInterval * 1000,
    writesSyncEvents: !options.disableSyncEvents,
    identity: options.pod.name || `${hostname()}-${process.pid}`,
    clock: systemClock,
    wallMs: Date.now,
    random: Math.random,
    log,
  });
}

/** The writer sees the same changes as the store. */
function followedBy(source: ObjectSource, writer: ClusterWriter | null): ObjectSource {
  if (writer === null) return source;
  return {
    start: (apply) =>
      source.start((changes: readonly StoreChange[]) => {
        apply(changes);
        writer.observe(changes);
      }),
    [Symbol.asyncDispose]: () => source[Symbol.asyncDispose](),
  };
}

/** Can be given up while it waits for its answer. */
class ZoneQuestion {
  readonly #end = new AbortController();
  readonly ask: () => Promise<string>;

  constructor(options: Options, transport: ApiTransport, log: Logger) {
    const caller = { transport, clock: systemClock, signal: this.#end.signal };
    this.ask = () => findNodeZone(options, caller, (message) => log.warn(message));
  }

  giveUp(): void {
    this.#end.abort();
  }
}

function linkTo(
  api: ApiServerSource,
  writer: ClusterWriter | null,
  zone: ZoneQuestion,
  electionId: string,
): ClusterLink {
  let closing: Promise<void> | null = null;
  return {
    findNodeZone: zone.ask,
    onServing: () => writer?.start(),
    onDiagnostics: (diagnostics) => writer?.report(diagnostics),
    sample: () => ({
      watches: sampleWatches(api),
      election: writer === null ? null : { name: electionId, isLeader: writer.isLeader },
    }),
    close: () => {
      zone.giveUp();
      closing ??= writer?.close() ?? Promise.resolve();
      return closing;
    },
  };
}

function sampleWatches(api: ApiServerSource): ClusterSample['watches'] {
  const nowMs = api.nowMs();
  return api.watches.map(({ resource, lastContactAtMs, objects, relists, watchRestarts, failures }) => {
    const ageSeconds = lastContactAtMs === null ? null : (nowMs - lastContactAtMs) / 1000;
    return { resource, ageSeconds, objects, relists, watchRestarts, failures };
  });
}

function given(...keys: readonly string[]): readonly string[] {
  return keys.filter((key) => key !== '');
}
