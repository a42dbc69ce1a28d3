// What a metric is to registry, exposition and docs/metrics.md.
//
// `nginx_ingress_controller_*` keep ingress-nginx's names, labels and units, so that its dashboards and alerts work; they
// carry the constant labels of the controller besides those listed. `sluice_*` are our own.

export type MetricKind = 'counter' | 'gauge' | 'histogram';

export interface MetricRecord {
  readonly name: string;
  readonly kind: MetricKind;
  /** `controller`: set on the main thread. `workers`: counted by the workers and added up. `derived`: made from worker metrics. */
  readonly source: 'controller' | 'workers' | 'derived';
  /** Labels besides the constant ones. */
  readonly labels: readonly string[];
  /** One sentence: what it counts, and when. */
  readonly help: string;
  /** Upper bounds, for histograms of the controller. */
  readonly buckets?: readonly number[];
}

export const nginxPrefix = 'nginx_ingress_controller_';

/** Labels that every `nginx_ingress_controller_*` metric carries, the two of certificates excepted. */
export const constantLabels = ['controller_namespace', 'controller_class', 'controller_pod'] as const;
