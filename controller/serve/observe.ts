// What the outside may ask about a running Sluice: health and metrics, put together from the pool, the publisher and the
// options.

import type { WorkerPool } from '#proxy/workers/pool.ts';
import { HealthServer } from '../admin/health-server.ts';
import { VERSION } from '../cli/version.ts';
import { type CheckSample, ControllerMetrics } from '../metrics/controller-metrics.ts';
import { servedIn } from '../metrics/route-series.ts';
import type { Options } from '../options.ts';
import type { Publisher } from '../publish/publisher.ts';
import type { ClusterLink } from './cluster.ts';
import type { Logger } from './logger.ts';
import { portProblemOf, StartError } from './start-error.ts';

/** A worker that does not answer a scrape in this time counts with its last numbers. */
const SAMPLE_TIMEOUT_MS = 1000;

export interface MetricsParts {
  readonly options: Options;
  readonly pool: WorkerPool;
  readonly publisher: Publisher;
  /** null for a folder of manifests. */
  readonly cluster: ClusterLink | null;
  readonly sampleChecks: () => CheckSample;
  /** Lines of the logs that nobody took, by stream. */
  readonly lostLogLines: () => Readonly<Record<string, number>>;
}

/** Metrics of this process; the workers are asked at each scrape. */
export function createMetrics(parts: MetricsParts): ControllerMetrics {
  const { options, pool, publisher, cluster } = parts;
  return new ControllerMetrics({
    constants: {
      controller_namespace: options.pod.namespace,
      controller_class: options.controllerClass,
      controller_pod: options.pod.name,
    },
    build: { release: VERSION, build: 'source', repository: '' },
    sampleWorkers: () => {
      const published = publisher.published;
      if (published !== null) pool.retain(servedIn(published.version));
      return pool.sample(SAMPLE_TIMEOUT_MS);
    },
    workers: () => pool.workers,
    acknowledgedRevision: () => publisher.acknowledgedRevision,
    checks: parts.sampleChecks,
    lostLogLines: parts.lostLogLines,
    cluster: cluster === null ? null : () => cluster.sample(),
    wallMs: Date.now,
    defaultMetrics: true,
  });
}

export interface HealthParts {
  readonly options: Options;
  readonly log: Logger;
  readonly metrics: ControllerMetrics;
  /** Why Sluice is not ready; null when it is. */
  readonly findFault: () => string | null;
}

/** Opens the health server; rejects with StartError when its port cannot be opened. */
export async function startHealthServer({ options, log, metrics, findFault }: HealthParts): Promise<HealthServer> {
  const { healthzHost: host, healthzPort: port, healthCheckPath, healthCheckTimeout, enableMetrics } = options;
  try {
    const server = await HealthServer.start({
      host,
      port,
      healthPath: healthCheckPath,
      findFault: () => {
        const fault = findFault();
        if (fault !== null) log.debug(`health check fails: ${fault}`);
        return fault;
      },
      metrics: enableMetrics ? { contentType: metrics.contentType, render: () => metrics.render() } : null,
      requestTimeoutMs: healthCheckTimeout * 1000,
      onError: (message, error) => log.error({ err: error }, message),
    });
    log.debug({ port: server.port }, 'health server listens');
    return server;
  } catch (error) {
    throw new StartError(`health server cannot use ${host || '*'}:${port}: ${portProblemOf(error)}`, 1, error);
  }
}
