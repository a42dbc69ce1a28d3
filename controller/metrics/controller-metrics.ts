// The metrics of the main thread, in a prom-client registry of their own, and the page that joins them with the workers'.
//
//   publisher, compile, pool --on...()--> registry --+
//   workers --sample()--> labels, derived metrics ---+--> render(): text of /metrics
//
// Events are pushed when they happen; what can be looked at (workers, revision, process) is read at each scrape.

import { setImmediate as nextTurn } from 'node:timers/promises';
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import type { WorkerSample } from '#proxy/workers/messages.ts';
import type { TableVersion } from '../compile/table-version.ts';
import type { Diagnostic } from '../objects/diagnostic.ts';
import type { ObjectRef } from '../objects/types.ts';
import { controllerMetrics } from './catalogue.ts';
import { listCertificateSeries } from './certificate-series.ts';
import { renderExposition } from './exposition.ts';
import { constantLabels, type MetricRecord, nginxPrefix } from './metric-record.ts';
import { type ConstantLabels, toNginxMetrics } from './nginx-metrics.ts';
import { type IngressLabels, ReviewedIngresses } from './reviewed-ingresses.ts';
import { TableSummaries } from './table-summary.ts';
import { workerMetrics } from './worker-catalogue.ts';

export interface ControllerMetricsOptions {
  /** Environment POD_NAMESPACE, flag `--controller-class`, environment POD_NAME. */
  readonly constants: ConstantLabels;
  readonly build: { readonly release: string; readonly build: string; readonly repository: string };
  /** Asks the workers for their metrics, added up; within its own time limit. */
  readonly sampleWorkers: () => Promise<WorkerSample>;
  /** State of the worker pool now. */
  readonly workers: () => readonly { readonly phase: string; readonly restarts: number }[];
  /** Revision all live workers serve, 0 before the first. */
  readonly acknowledgedRevision: () => number;
  /** What active checks of endpoints have found. */
  readonly checks: () => CheckSample;
  /** Lines of the logs that nobody took, by stream. */
  readonly lostLogLines: () => Readonly<Record<string, number>>;
  /** How the API server's objects are read, and who leads; null for a folder of manifests. */
  readonly cluster: (() => ClusterSample) | null;
  /** Unix time in milliseconds. */
  readonly wallMs: () => number;
  /** Ingresses with series of the admission webhook at a time. Default 10,000. */
  readonly mostReviewed?: number;
  /** Adds prom-client's `process_*` and `nodejs_*` metrics. */
  readonly defaultMetrics: boolean;
}

/** What active checks of endpoints have found at a scrape: probes since the start, and endpoints of each checked upstream. */
export interface CheckSample {
  readonly good: number;
  readonly bad: number;
  readonly upstreams: readonly { readonly upstreamId: string; readonly healthy: number; readonly failing: number }[];
}

/** State of the connection to a cluster at a scrape. Counts go up for as long as a watch lives. */
export interface ClusterSample {
  readonly watches: readonly {
    /** Plural, e.g. `services`. Several watches may read one resource: their numbers are added up, the oldest age counts. */
    readonly resource: string;
    /** null when the server was never heard. */
    readonly ageSeconds: number | null;
    readonly objects: number;
    readonly relists: number;
    readonly watchRestarts: number;
    readonly failures: number;
  }[];
  /** null when this replica takes no part in the election. */
  readonly election: { readonly name: string; readonly isLeader: boolean } | null;
}

/** What is counted of a table that all workers took over. */
export interface PublishedTable {
  readonly form: 'full' | 'parts';
  readonly bytes: number;
  readonly latencyMs: number;
  readonly changesConfiguration: boolean;
  readonly problems: readonly unknown[];
}

/** What is counted of one decision of the admission webhook. Times in milliseconds. */
export type ReviewedIngress = { readonly object: ObjectRef } & (
  | { readonly isAdmitted: false }
  | {
      readonly isAdmitted: true;
      readonly testedIngresses: number;
      readonly decideMs: number;
      readonly roundTripMs: number;
      readonly bodyBytes: number;
    }
);

/** ingress-nginx's word for what an Ingress lacks, by the reason of its diagnostic. */
const orphanTypes: ReadonlyMap<string, string> = new Map([
  ['ServiceNotFound', 'no-service'],
  ['ServicePortNotFound', 'no-endpoint'],
  ['NoEndpoints', 'no-endpoint'],
]);

type Labels = Readonly<Record<string, string>>;

export class ControllerMetrics {
  readonly #options: ControllerMetricsOptions;
  readonly #registry = new Registry();
  readonly #gauges = new Map<MetricRecord, Gauge>();
  readonly #counters = new Map<MetricRecord, Counter>();
  readonly #publishDuration: Histogram;
  /** What counters of `#raiseCounter` show. */
  readonly #raised = new Map<string, number>();
  readonly #reviewed: ReviewedIngresses;
  readonly #summaries = new TableSummaries(nextTurn);
  #table: TableVersion | null = null;
  /** The table that the metrics about tables show. */
  #readTableBefore: TableVersion | null = null;

  constructor(options: ControllerMetricsOptions) {
    this.#options = options;
    this.#reviewed = new ReviewedIngresses(options.mostReviewed);
    for (const record of Object.values(controllerMetrics)) this.#register(record);
    this.#publishDuration = this.#createHistogram(controllerMetrics.publishDuration);
    this.#set(controllerMetrics.buildInfo, 1, options.build);
    if (options.defaultMetrics) collectDefaultMetrics({ register: this.#registry });
  }

  /** Content-Type of `render`. */
  get contentType(): string {
    return this.#registry.contentType;
  }

  /** Notes a table that all workers serve now, with what `Publisher.publish` said of it. */
  onPublished(table: TableVersion, published: PublishedTable): void {
    this.#table = table;
    this.#publishDuration.observe({ form: published.form }, published.latencyMs / 1000);
    this.#add(controllerMetrics.publishBytes, published.bytes, { form: published.form });
    if (published.problems.length > 0) return this.onPublishFailed();
    this.#set(controllerMetrics.reloadSuccessful, 1);
    if (!published.changesConfiguration) return;
    this.#set(controllerMetrics.reloadTimestamp, Math.floor(this.#options.wallMs() / 1000));
    this.#add(controllerMetrics.success, 1);
  }

  /** Notes a table that was not, or not wholly, taken over; the one before serves on. */
  onPublishFailed(): void {
    this.#set(controllerMetrics.reloadSuccessful, 0);
    this.#add(controllerMetrics.errors, 1);
  }

  /** Notes the diagnostics of the last compile, in place of all earlier ones. */
  onDiagnostics(diagnostics: readonly Diagnostic[]): void {
    const gauge = this.#gauge(controllerMetrics.diagnostics);
    gauge.reset();
    const orphans = this.#gauge(controllerMetrics.orphanIngress);
    orphans.reset();
    for (const { severity, reason, object } of diagnostics) {
      gauge.inc({ severity, reason });
      const type = object.kind === 'Ingress' ? orphanTypes.get(reason) : undefined;
      const { namespace, name: ingress } = object;
      if (type !== undefined) this.#set(controllerMetrics.orphanIngress, 1, { namespace, ingress, type });
    }
  }

  /** Notes a tested Ingress. Refusals by a gate are not told: ingress-nginx does not count them. */
  onReview(review: ReviewedIngress): void {
    const labels = { namespace: review.object.namespace, ingress: review.object.name };
    const forgotten = this.#reviewed.note(labels);
    if (forgotten !== null) this.#forgetReviews(forgotten);
    if (!review.isAdmitted) return this.#add(controllerMetrics.checkErrors, 1, labels);
    this.#add(controllerMetrics.checkSuccess, 1, labels);
    this.#set(controllerMetrics.admissionTestedIngresses, review.testedIngresses);
    this.#set(controllerMetrics.admissionTestedDuration, review.decideMs / 1000);
    this.#set(controllerMetrics.admissionRenderIngresses, review.testedIngresses);
    this.#set(controllerMetrics.admissionRenderDuration, 0);
    this.#set(controllerMetrics.admissionConfigSize, review.bodyBytes);
    this.#set(controllerMetrics.admissionRoundTrip, review.roundTripMs / 1000);
  }

  #forgetReviews(labels: IngressLabels): void {
    for (const record of [controllerMetrics.checkSuccess, controllerMetrics.checkErrors]) {
      this.#counters.get(record)?.remove(this.#labelsOf(record, labels));
    }
  }

  /**
   * Gives the bytes of /metrics, in turns with others on this thread: it may be a hundred megabytes. Rejects when a worker
   * cannot be asked at all, which is a bug.
   */
  async render(): Promise<Buffer> {
    const sample = toNginxMetrics(await this.#options.sampleWorkers(), this.#options.constants);
    this.#readWorkers();
    this.#readProcess();
    this.#readChecks();
    this.#readLogs();
    this.#readCluster();
    await this.#readTable();
    this.#set(controllerMetrics.tableRevision, this.#options.acknowledgedRevision());
    const pieces = [Buffer.from(`${await this.#registry.metrics()}\n`)];
    for (const piece of renderExposition(sample, workerMetrics)) {
      pieces.push(Buffer.from(piece));
      await nextTurn();
    }
    return Buffer.concat(pieces);
  }

  #readWorkers(): void {
    const gauge = this.#gauge(controllerMetrics.workers);
    gauge.reset();
    let restarts = 0;
    for (const worker of this.#options.workers()) {
      gauge.inc({ phase: worker.phase });
      restarts += worker.restarts;
    }
    this.#setCounter(controllerMetrics.workerRestarts, restarts);
  }

  #readProcess(): void {
    const { user, system } = process.cpuUsage();
    this.#set(controllerMetrics.processCount, 1);
    this.#setCounter(controllerMetrics.processCpu, (user + system) / 1e6);
    this.#set(controllerMetrics.processMemory, process.memoryUsage.rss());
    this.#set(controllerMetrics.processStart, Math.round(performance.timeOrigin / 1000));
  }

  #readChecks(): void {
    const { good, bad, upstreams } = this.#options.checks();
    if (good + bad > 0) {
      this.#raiseCounter(controllerMetrics.endpointChecks, good, { result: 'good' });
      this.#raiseCounter(controllerMetrics.endpointChecks, bad, { result: 'bad' });
    }
    // An upstream that is no longer checked loses its series.
    this.#gauge(controllerMetrics.checkedEndpoints).reset();
    for (const { upstreamId: upstream, healthy, failing } of upstreams) {
      this.#set(controllerMetrics.checkedEndpoints, healthy, { upstream, state: 'healthy' });
      this.#set(controllerMetrics.checkedEndpoints, failing, { upstream, state: 'failing' });
    }
  }

  #readLogs(): void {
    for (const [stream, lines] of Object.entries(this.#options.lostLogLines())) {
      this.#raiseCounter(controllerMetrics.lostLogLines, lines, { stream });
    }
  }

  #readCluster(): void {
    if (this.#options.cluster === null) return;
    const { watches, election } = this.#options.cluster();
    if (election !== null) {
      this.#set(controllerMetrics.leaderElectionStatus, election.isLeader ? 1 : 0, { name: election.name });
    }
    for (const resource of new Set(watches.map((watch) => watch.resource))) {
      this.#setWatches(
        resource,
        watches.filter((watch) => watch.resource === resource),
      );
    }
  }

  #setWatches(resource: string, watches: ClusterSample['watches']): void {
    const sum = (numberOf: (watch: ClusterSample['watches'][number]) => number) =>
      watches.reduce((total, watch) => total + numberOf(watch), 0);
    const ages = watches.flatMap(({ ageSeconds }) => ageSeconds ?? []);
    if (ages.length > 0) this.#set(controllerMetrics.apiLastContact, Math.max(...ages), { resource });
    this.#set(
      controllerMetrics.apiObjects,
      sum(({ objects }) => objects),
      { resource },
    );
    this.#raiseCounter(
      controllerMetrics.apiRelists,
      sum(({ relists }) => relists),
      { resource },
    );
    this.#raiseCounter(
      controllerMetrics.apiWatchRestarts,
      sum(({ watchRestarts }) => watchRestarts),
      { resource },
    );
    this.#raiseCounter(
      controllerMetrics.apiFailures,
      sum(({ failures }) => failures),
      { resource },
    );
  }

  /** Reads the table at the scrape, and not at each change: only a scrape needs it. */
  async #readTable(): Promise<void> {
    const [table, before] = [this.#table, this.#readTableBefore];
    if (table === null || table === before) return;
    const { hash, entries } = await this.#summaries.summarize(table);
    this.#readTableBefore = table;
    this.#set(controllerMetrics.configHash, hash);
    for (const [kind, count] of Object.entries(entries)) this.#set(controllerMetrics.tableEntries, count, { kind });
    if (hasOtherCertificates(before, table)) this.#setCertificates(table);
  }

  #setCertificates(table: TableVersion): void {
    const expiry = this.#gauge(controllerMetrics.sslExpireTime);
    const info = this.#gauge(controllerMetrics.sslCertificateInfo);
    expiry.reset();
    info.reset();
    for (const series of listCertificateSeries(table, this.#options.constants.controller_class)) {
      expiry.set(series.labels, series.expiresAtSeconds);
      info.set({ ...series.labels, ...series.info }, 1);
    }
  }

  // Records and prom-client

  #register(record: MetricRecord): void {
    if (record.kind === 'gauge') this.#gauges.set(record, new Gauge(this.#configOf(record)));
    if (record.kind === 'counter') this.#counters.set(record, new Counter(this.#configOf(record)));
  }

  #createHistogram(record: MetricRecord): Histogram {
    return new Histogram({ ...this.#configOf(record), buckets: [...(record.buckets ?? [])] });
  }

  #configOf({ name, help, labels }: MetricRecord) {
    const constant = hasConstantLabels(name, labels) ? constantLabels : [];
    return { name, help, labelNames: [...constant, ...labels], registers: [this.#registry] };
  }

  #labelsOf({ name, labels }: MetricRecord, values: Labels): Labels {
    return hasConstantLabels(name, labels) ? { ...this.#options.constants, ...values } : values;
  }

  #gauge(record: MetricRecord): Gauge {
    return this.#gauges.get(record) as Gauge;
  }

  #set(record: MetricRecord, value: number, labels: Labels = {}): void {
    this.#gauge(record).set(this.#labelsOf(record, labels), value);
  }

  #add(record: MetricRecord, value: number, labels: Labels = {}): void {
    (this.#counters.get(record) as Counter).inc(this.#labelsOf(record, labels), value);
  }

  /** For a counter with labels that somebody else counts. A watch that ended takes its count with it: never count down. */
  #raiseCounter(record: MetricRecord, value: number, labels: Labels): void {
    const key = `${record.name} ${JSON.stringify(labels)}`;
    const before = this.#raised.get(key) ?? 0;
    this.#add(record, Math.max(0, value - before), labels);
    this.#raised.set(key, Math.max(before, value));
  }

  /** For a counter that somebody else counts. */
  #setCounter(record: MetricRecord, value: number): void {
    this.#counters.get(record)?.reset();
    this.#add(record, value);
  }
}

/** The certificate metrics have `class` instead. */
function hasConstantLabels(name: string, labels: readonly string[]): boolean {
  return name.startsWith(nginxPrefix) && !labels.includes('class');
}

/** Whether the series of certificates may differ. Lists that no change touched are the same lists. */
function hasOtherCertificates(before: TableVersion | null, after: TableVersion): boolean {
  return (
    before === null ||
    before.certificates !== after.certificates ||
    before.virtualHosts !== after.virtualHosts ||
    before.global !== after.global
  );
}
