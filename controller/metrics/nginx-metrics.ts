// Gives worker metrics the shape ingress-nginx's dashboards expect: constant labels, and the `nginx_process_*` numbers
// that there come from nginx's stub status and here from what the workers count anyway. Pure.

import type { SampleValue, WorkerSample } from '#proxy/workers/messages.ts';
import { type constantLabels, nginxPrefix } from './metric-record.ts';

export type ConstantLabels = Readonly<Record<(typeof constantLabels)[number], string>>;

/** Adds the derived metrics, and the constant labels to every `nginx_ingress_controller_*` metric. */
export function toNginxMetrics(sample: WorkerSample, constants: ConstantLabels): WorkerSample {
  const label = <T extends { readonly name: string; readonly labels: Readonly<Record<string, string>> }>(
    metric: T,
  ): T => (metric.name.startsWith(nginxPrefix) ? { ...metric, labels: { ...constants, ...metric.labels } } : metric);
  return {
    counters: [...sample.counters, ...deriveCounters(sample)].map(label),
    gauges: [...sample.gauges, ...deriveGauges(sample)].map(label),
    histograms: sample.histograms.map(label),
  };
}

function deriveCounters({ counters }: WorkerSample): readonly SampleValue[] {
  const inState = (state: string) => (value: SampleValue) => value.labels['state'] === state;
  const connections = counters.filter(({ name }) => name === 'sluice_connections_total');
  const handled = sum(connections.filter(inState('accepted')));
  const accepted = handled + sum(connections.filter(inState('refused')));
  const requests = counters.filter(
    ({ name }) => name === `${nginxPrefix}requests` || name === 'sluice_refused_requests_total',
  );
  return [
    { name: `${nginxPrefix}nginx_process_connections_total`, labels: { state: 'accepted' }, value: accepted },
    { name: `${nginxPrefix}nginx_process_connections_total`, labels: { state: 'handled' }, value: handled },
    { name: `${nginxPrefix}nginx_process_requests_total`, labels: {}, value: sum(requests) },
  ];
}

function deriveGauges({ gauges }: WorkerSample): readonly SampleValue[] {
  const open = sum(gauges.filter(({ name }) => name === 'sluice_open_connections'));
  return [{ name: `${nginxPrefix}nginx_process_connections`, labels: { state: 'active' }, value: open }];
}

function sum(values: readonly SampleValue[]): number {
  return values.reduce((total, { value }) => total + value, 0);
}
