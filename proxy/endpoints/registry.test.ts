import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { plainEndpoint, plainUpstream } from '../table/defaults.ts';
import type { Upstream } from '../table/types.ts';
import { endpointKey } from './endpoint-key.ts';
import { EndpointRegistry, type EndpointState } from './registry.ts';

type Slot = { readonly idle: string[] };

function upstream(id: string, addresses: readonly string[]): Upstream {
  return plainUpstream(
    id,
    addresses.map((address) => plainEndpoint(address, 80)),
  );
}

function startRegistry() {
  const removed: EndpointState<Slot>[] = [];
  const registry = new EndpointRegistry<Slot>({
    random: () => 0,
    onEndpointRemoved: (state) => removed.push(state),
  });
  return { registry, removed };
}

const addressesOf = (registry: EndpointRegistry<Slot>, id: string) =>
  registry.get(id)?.endpoints.map((state) => state.address);

describe('EndpointRegistry', () => {
  test('an unknown upstream is undefined, an empty one picks nothing', () => {
    const { registry } = startRegistry();
    registry.applyUpstreams([upstream('u', [])], []);
    expect(registry.get('other')).toBeUndefined();
    expect(registry.get('u')?.pick(null)).toBeNull();
  });

  test('endpoints are picked in turn, without those already tried', () => {
    const { registry } = startRegistry();
    registry.applyUpstreams([upstream('u', ['10.0.0.1', '10.0.0.2'])], []);
    const state = registry.get('u');
    const first = state?.pick(null);
    expect(first?.address).toBe('10.0.0.1');
    expect(state?.pick(null)?.address).toBe('10.0.0.2');
    expect(state?.pick(first ? [first] : null)?.address).toBe('10.0.0.2');
    expect(state?.pick(state.endpoints)).toBeNull();
  });

  test('an endpoint that stays keeps its state, one that leaves drains and is reported once', () => {
    const { registry, removed } = startRegistry();
    registry.applyUpstreams([upstream('u', ['10.0.0.1', '10.0.0.2'])], []);
    const before = registry.get('u');
    const [leaving, staying] = before?.endpoints ?? [];
    if (leaving === undefined || staying === undefined) throw new Error('expected two endpoints');
    staying.inFlight = 3;
    staying.slot = { idle: ['connection'] };
    leaving.inFlight = 1;

    registry.applyUpstreams([upstream('u', ['10.0.0.2', '10.0.0.3'])], []);
    expect(registry.get('u')).toBe(before);
    expect(registry.get('u')?.endpoints[0]).toBe(staying);
    expect(staying).toMatchObject({ inFlight: 3, slot: { idle: ['connection'] }, draining: false });
    expect(leaving).toMatchObject({ inFlight: 1, draining: true });
    expect(removed).toEqual([leaving]);
  });

  test('an endpoint that comes back starts afresh', () => {
    const { registry } = startRegistry();
    registry.applyUpstreams([upstream('u', ['10.0.0.1'])], []);
    const first = registry.get('u')?.pick(null);
    registry.applyUpstreams([upstream('u', [])], []);
    registry.applyUpstreams([upstream('u', ['10.0.0.1'])], []);
    const second = registry.get('u')?.pick(null);
    expect(second?.key).toBe(first?.key);
    expect(second).not.toBe(first);
    expect(first?.draining).toBe(true);
    expect(second?.draining).toBe(false);
  });

  test('what an endpoint that left still answers is nobody’s health', () => {
    const ejected: string[] = [];
    const registry = new EndpointRegistry<Slot>({
      random: () => 0,
      onEndpointRemoved: () => undefined,
      onEjected: ({ key }) => ejected.push(key),
    });
    registry.applyUpstreams([upstream('u', ['10.0.0.1', '10.0.0.2', '10.0.0.3'])], []);
    const state = registry.get('u');
    const [leaving, staying] = state?.endpoints ?? [];
    if (state === undefined || leaving === undefined || staying === undefined) throw new Error('expected endpoints');
    registry.applyUpstreams([upstream('u', ['10.0.0.2', '10.0.0.3'])], []);
    for (let times = 0; times < 10; times++) state.onFailed(leaving, 1);
    expect(ejected).toEqual([]);
    for (let times = 0; times < 10; times++) state.onFailed(staying, 1);
    expect(ejected).toEqual(['10.0.0.2:80']);
  });

  test('the same address in two upstreams has two states', () => {
    const { registry } = startRegistry();
    registry.applyUpstreams([upstream('u', ['10.0.0.1']), upstream('v', ['10.0.0.1'])], []);
    expect(registry.get('u')?.pick(null)).not.toBe(registry.get('v')?.pick(null));
  });

  test('a removed upstream drains; a request that holds it picks nothing more', () => {
    const { registry, removed } = startRegistry();
    registry.applyUpstreams([upstream('u', ['10.0.0.1'])], []);
    const held = registry.get('u');
    registry.applyUpstreams([], ['u', 'never-there']);
    expect(registry.get('u')).toBeUndefined();
    expect(held?.pick(null)).toBeNull();
    expect(removed.map((state) => state.key)).toEqual(['10.0.0.1:80']);
  });

  test('a whole table removes what it does not name and keeps the state of the rest', () => {
    const { registry, removed } = startRegistry();
    registry.applyUpstreams([upstream('u', ['10.0.0.1']), upstream('v', ['10.0.0.2'])], []);
    const kept = registry.get('v')?.pick(null);
    registry.replaceUpstreams([upstream('v', ['10.0.0.2']), upstream('w', ['10.0.0.3'])]);
    expect([...registry.upstreams()].map((state) => state.id).sort()).toEqual(['v', 'w']);
    expect(registry.get('v')?.pick(null)).toBe(kept);
    expect(removed.map((state) => state.upstreamId)).toEqual(['u']);
  });

  test('after any sequence of updates the endpoints are those of the last table, and every other one drains', () => {
    const list = fc.subarray(['10.0.0.1', '10.0.0.2', '10.0.0.3', '10.0.0.4']);
    fc.assert(
      fc.property(fc.array(list, { minLength: 1, maxLength: 6 }), (lists) => {
        const { registry, removed } = startRegistry();
        const seen = new Set<EndpointState<Slot>>();
        for (const addresses of lists) {
          registry.applyUpstreams([upstream('u', addresses)], []);
          for (const state of registry.get('u')?.endpoints ?? []) seen.add(state);
        }
        expect(addressesOf(registry, 'u')).toEqual(lists.at(-1));
        const current = new Set(registry.get('u')?.endpoints);
        for (const state of seen) expect(state.draining).toBe(!current.has(state));
        expect(new Set(removed)).toEqual(seen.difference(current));
        expect(removed).toHaveLength(new Set(removed).size);
      }),
    );
  });
});

test.each([
  ['10.0.0.1', 80, '10.0.0.1:80'],
  ['fd00::1', 8080, '[fd00::1]:8080'],
])('endpointKey of %s %d', (address, port, want) => {
  expect(endpointKey({ address, port })).toBe(want);
});
