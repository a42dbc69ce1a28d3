import { expect, test } from '@jest/globals';
import type { Ingress } from '../objects/types.ts';
import { inspectIngress } from './deep-inspection.ts';
import { ingressOf } from './testing/objects.ts';

function withPath(path: string): Ingress {
  const backend = { kind: 'service', service: 'web', port: { kind: 'number', number: 80 } } as const;
  return ingressOf({
    rules: [{ index: 3, host: 'web.test', paths: [{ index: 2, path, pathType: 'Prefix', backend }] }],
  });
}

test.each([
  '/x alias /etc;',
  '/root;',
  '/a\n root /\n;',
  '/etc/passwd',
  '/etc/nginx/x',
  '/var/run/secrets',
  '/content_by_lua',
])('path %j is forbidden', (path) => {
  expect(inspectIngress(withPath(path))?.field).toBe('spec.rules[3].http.paths[2].path');
});

test.each(['/', '/aliases', '/root/of/all', '/;alias', '/etc/hosts', '/var/run'])('path %j is allowed', (path) => {
  expect(inspectIngress(withPath(path))).toBeNull();
});

test.each<[string, Partial<Ingress>]>([
  ['spec.rules[0].host', { rules: [{ index: 0, host: 'alias x;', paths: null }] }],
  ['spec.tls[1].secretName', { tls: [{ index: 1, hosts: [], secretName: '/etc/shadow' }] }],
  ['spec.tls[0].hosts[1]', { tls: [{ index: 0, hosts: ['a.test', 'root x;'], secretName: '' }] }],
])('%s is inspected', (field, changes) => {
  expect(inspectIngress(ingressOf(changes))?.field).toBe(field);
});

test('a long value full of the word takes no noticeable time', () => {
  // A quadratic search takes seconds for it, and not minutes in which nothing could end the test.
  const ingress = withPath(`/${'alias '.repeat(30_000)}`);
  // The best of three: in one of them the machine may have stood still.
  const tookMs = [1, 2, 3].map(() => {
    const startedAtMs = performance.now();
    expect(inspectIngress(ingress)).toBeNull();
    return performance.now() - startedAtMs;
  });
  expect(Math.min(...tookMs)).toBeLessThan(500);
});
