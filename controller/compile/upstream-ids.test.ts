import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { type BackendUse, backendKey } from './host-plan.ts';
import { defaultBackendId, upstreamIds } from './upstream-ids.ts';

const backend = (namespace: string, service: string, port: string) => {
  const use: BackendUse = { service, port, portKind: 'name' };
  return { namespace, use };
};

test('the id is namespace, service and port', () => {
  const web = backend('default', 'web', '80');
  expect(upstreamIds([web]).get(backendKey('default', web.use))).toBe('default-web-80');
});

test('names that only look alike stay apart; the first by namespace keeps the plain one', () => {
  const ids = upstreamIds([backend('a-b', 'c', '80'), backend('a', 'b-c', '80')]);
  // Pinned: endpoint state in the workers is keyed by these ids.
  expect(Object.fromEntries(ids)).toEqual({
    'a-b/c/80': 'a-b-c-80',
    'a/b-c/80': expect.stringMatching(/^a-b-c-80~[0-9a-f]{8}$/),
  });
});

test('no Service takes the id of the default backend', () => {
  expect([...upstreamIds([backend('upstream', 'default', 'backend')]).values()]).not.toContain(defaultBackendId);
});

test('different backends have different ids, in any order', () => {
  const name = fc.constantFrom('a', 'b', 'a-b', 'b-a', 'a-b-a');
  const backends = fc.uniqueArray(fc.tuple(name, name, name), { selector: (parts) => parts.join('/') });
  fc.assert(
    fc.property(backends, (triples) => {
      const list = triples.map(([namespace, service, port]) => backend(namespace, service, port));
      const ids = upstreamIds(list);
      expect(new Set(ids.values()).size).toBe(list.length);
      expect([...upstreamIds([...list].reverse())].sort()).toEqual([...ids].sort());
    }),
  );
});
