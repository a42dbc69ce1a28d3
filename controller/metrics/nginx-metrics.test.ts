import { expect, test } from '@jest/globals';
import type { WorkerSample } from '#proxy/workers/messages.ts';
import { toNginxMetrics } from './nginx-metrics.ts';

const constants = { controller_namespace: 'ns', controller_class: 'k8s.io/ingress-nginx', controller_pod: 'pod' };
const value = (name: string, labels: Record<string, string>, amount: number) => ({ name, labels, value: amount });
const sample: WorkerSample = {
  counters: [
    value('nginx_ingress_controller_requests', { host: 'a.test' }, 5),
    value('nginx_ingress_controller_requests', { host: 'b.test' }, 2),
    value('sluice_refused_requests_total', { reason: 'badHost' }, 1),
    value('sluice_connections_total', { state: 'accepted' }, 10),
    value('sluice_connections_total', { state: 'refused' }, 3),
  ],
  gauges: [
    value('sluice_open_connections', { protocol: 'http' }, 4),
    value('sluice_open_connections', { protocol: 'https' }, 2),
  ],
  histograms: [
    { name: 'nginx_ingress_controller_request_duration_seconds', labels: {}, bounds: [1], counts: [1, 0], sum: 0.5 },
  ],
};

test('metrics with the name of ingress-nginx get the constant labels, our own do not', () => {
  const { counters, histograms } = toNginxMetrics(sample, constants);
  expect(counters[0]).toEqual(value('nginx_ingress_controller_requests', { ...constants, host: 'a.test' }, 5));
  expect(counters[2]).toBe(sample.counters[2]);
  expect(histograms[0]?.labels).toEqual(constants);
});

test('what nginx tells in its stub status is derived', () => {
  const { counters, gauges } = toNginxMetrics(sample, constants);
  const prefix = 'nginx_ingress_controller_nginx_process_';
  expect(counters.slice(5)).toEqual([
    value(`${prefix}connections_total`, { ...constants, state: 'accepted' }, 13),
    value(`${prefix}connections_total`, { ...constants, state: 'handled' }, 10),
    value(`${prefix}requests_total`, constants, 8),
  ]);
  expect(gauges[2]).toEqual(value(`${prefix}connections`, { ...constants, state: 'active' }, 6));
});
