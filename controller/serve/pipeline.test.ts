// Changes in, results out, by a clock that is turned by hand: batching, and settings that are worked in between.

import { describe, expect, test } from '@jest/globals';
import type { IncrementalResult } from '../compile/incremental.ts';
import { defaultOptions } from '../compile/testing/golden.ts';
import { ingressOf, metaOf, serviceOf } from '../compile/testing/objects.ts';
import type { ConfigMap, EndpointSlice, Ingress, KubernetesObject } from '../objects/types.ts';
import type { CancelTimer } from '../watch/clock.ts';
import { FakeClock } from '../watch/testing/fake-clock.ts';
import { Pipeline } from './pipeline.ts';

const INGRESSES = 950;

function web(i: number): Ingress {
  const backend = { kind: 'service', service: 'web', port: { kind: 'number', number: 80 } } as const;
  return ingressOf({
    meta: metaOf(`web-${i}`, i),
    rules: [{ index: 0, host: `${i}.test`, paths: [{ index: 0, path: '/', pathType: 'Prefix', backend }] }],
  });
}

function settings(data: Readonly<Record<string, string>>): ConfigMap {
  return { kind: 'ConfigMap', meta: metaOf('settings'), data };
}

function slice(address: string): EndpointSlice {
  const conditions = { ready: true, serving: true, terminating: false };
  return {
    kind: 'EndpointSlice',
    meta: metaOf('web-1'),
    serviceName: 'web',
    addressType: 'IPv4',
    weight: 1,
    endpoints: [{ addresses: [address], conditions, zone: '', hintZones: [], nodeName: '' }],
    ports: [{ name: '', protocol: 'TCP', port: 8080 }],
  };
}

/** Holds back what has no delay: another turn of the thread, not another time. */
class TurnClock extends FakeClock {
  readonly turns = new Set<() => void>();

  override after(delayMs: number, callback: () => void): CancelTimer {
    if (delayMs > 0) return super.after(delayMs, callback);
    this.turns.add(callback);
    return () => this.turns.delete(callback);
  }

  /** Takes the next turn; false when nobody wants one. */
  turn(): boolean {
    const [callback] = this.turns;
    if (callback === undefined) return false;
    this.turns.delete(callback);
    callback();
    return true;
  }
}

/** A pipeline that is open and has compiled a cluster. */
function opened() {
  const clock = new TurnClock();
  const results: IncrementalResult[] = [];
  const pipeline = new Pipeline({
    compileOptions: { ...defaultOptions, configMap: 'default/settings' },
    onResult: (result) => results.push(result),
    wallMs: () => Date.parse('2030-01-01T00:00:00Z'),
    clock,
  });
  const apply = (...objects: readonly KubernetesObject[]) =>
    pipeline.apply(objects.map((object) => ({ kind: 'upsert', object, source: null })));
  apply({ kind: 'IngressClass', meta: metaOf('nginx', 0, ''), controller: 'k8s.io/ingress-nginx' });
  apply(serviceOf({ meta: metaOf('web'), ports: [{ name: '', protocol: 'TCP', port: 80, targetPort: 8080 }] }));
  apply(slice('10.0.0.1'), ...Array.from({ length: INGRESSES }, (_, i) => web(i)));
  pipeline.open();
  return { clock, results, pipeline, apply };
}

/** What the last result says: the address of the endpoint, and the read timeouts of all hosts. */
function said(results: readonly IncrementalResult[]) {
  const table = results.at(-1)?.table;
  const hosts = table?.virtualHosts.filter(({ name }) => name.endsWith('.test')) ?? [];
  const timeouts = hosts.flatMap(({ routes }) => routes.map(({ policy }) => table?.policies[policy]?.readTimeoutMs));
  const addresses = table?.upstreams.flatMap(({ endpoints }) => endpoints.map(({ address }) => address));
  return { hosts: hosts.length, timeouts: [...new Set(timeouts)], addresses };
}

describe('settings that concern every Ingress', () => {
  test('each turn of the thread compiles a part; endpoints do not wait, and nothing is handed on before all is in', () => {
    const { clock, results, apply } = opened();
    apply(settings({ 'proxy-read-timeout': '90' }));
    clock.advance(3);
    for (let turn = 1; turn < 10; turn++) {
      expect(clock.turn()).toBe(true);
      const address = `10.0.0.${turn + 1}`;
      apply(slice(address));
      clock.advance(10);
      expect(said(results)).toEqual({ hosts: INGRESSES, timeouts: [60_000], addresses: [address] });
    }
    const count = results.length;
    expect([clock.turn(), clock.turn()]).toEqual([true, false]);
    expect(results.length).toBe(count + 1);
    expect(said(results)).toEqual({ hosts: INGRESSES, timeouts: [90_000], addresses: ['10.0.0.10'] });
  });

  test('are dropped by close', () => {
    const { clock, results, pipeline, apply } = opened();
    apply(settings({ 'proxy-read-timeout': '90' }));
    clock.advance(3);
    expect(clock.turn()).toBe(true);
    const count = results.length;
    pipeline.close();
    expect(clock.turn()).toBe(false);
    clock.advance(1000);
    expect(results.length).toBe(count);
  });
});

test('settings that no Ingress reads are in the next result', () => {
  const { clock, results, apply } = opened();
  apply(settings({ 'keep-alive': '11' }));
  clock.advance(3);
  expect(results.at(-1)?.table.global.clientKeepAliveMs).toBe(11_000);
  expect(clock.turn()).toBe(false);
});
