// `sluice translate` on real folders: output, exit codes, and that no key gets out.

import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { parse } from 'yaml';
import { runSluice } from './testing/run-sluice.ts';
import type { Translation } from './translate.ts';

const CLASS = `
apiVersion: networking.k8s.io/v1
kind: IngressClass
metadata: { name: nginx }
spec: { controller: k8s.io/ingress-nginx }
`;
const SERVICE = `
apiVersion: v1
kind: Service
metadata: { name: web, namespace: shop }
spec: { ports: [{ name: http, port: 80, targetPort: 8080 }] }
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: { name: web-1, namespace: shop, labels: { kubernetes.io/service-name: web } }
addressType: IPv4
ports: [{ name: http, port: 8080, protocol: TCP }]
endpoints: [{ addresses: [10.0.0.1], conditions: { ready: true } }]
`;
const ingressFor = (service: string): string => `
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: { name: web, namespace: shop }
spec:
  ingressClassName: nginx
  rules:
    - host: shop.example
      http:
        paths:
          - path: /
            pathType: Prefix
            backend: { service: { name: ${service}, port: { number: 80 } } }
`;

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sluice-translate-'));
});
afterAll(() => rm(folder, { recursive: true }));

/** Runs translate on a fresh folder with one file. */
async function translate(manifests: string, ...args: string[]) {
  const dir = await mkdtemp(join(folder, 'case-'));
  await writeFile(join(dir, 'all.yaml'), manifests);
  return runSluice(['translate', '--manifests', dir, ...args]);
}

describe('a folder without problems', () => {
  const clean = `${CLASS}---${SERVICE}---${ingressFor('web')}`;

  test('exits 0 and prints YAML', async () => {
    const { code, stdout, stderr } = await translate(clean);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const { table, diagnostics } = parse(stdout) as Translation;
    expect(diagnostics).toEqual([]);
    expect(table.virtualHosts.map(({ name }) => name)).toEqual(['_', 'shop.example']);
    expect(table.upstreams).toMatchObject([{ id: 'shop-web-80', endpoints: [{ address: '10.0.0.1', port: 8080 }] }]);
  });

  test('prints the same table as JSON', async () => {
    const [yaml, json] = await Promise.all([translate(clean), translate(clean, '--output=json')]);
    expect(JSON.parse(json.stdout)).toEqual(parse(yaml.stdout));
  });

  test('prints the same bytes each time', async () => {
    const [first, second] = await Promise.all([translate(clean), translate(clean)]);
    expect(first.stdout).toBe(second.stdout);
  });

  test('obeys the flags of serve', async () => {
    const { stdout } = await translate(clean, '--controller-class=example.com/other');
    expect((parse(stdout) as Translation).table.virtualHosts.map(({ name }) => name)).toEqual(['_']);
  });
});

test('an object with an error: exit code 1, the table is still printed', async () => {
  const { code, stdout } = await translate(`${CLASS}---${SERVICE}---${ingressFor('absent')}`);
  const { table, diagnostics } = parse(stdout) as Translation;
  expect(code).toBe(1);
  expect(table.virtualHosts.map(({ name }) => name)).toContain('shop.example');
  expect(diagnostics).toContainEqual(
    expect.objectContaining({ severity: 'error', object: { kind: 'Ingress', namespace: 'shop', name: 'web' } }),
  );
});

test('a file that is no YAML: exit code 1, with file and line', async () => {
  const { code, stdout } = await translate('a: [1,\nb: {');
  expect(code).toBe(1);
  expect((parse(stdout) as Translation).diagnostics).toContainEqual(
    expect.objectContaining({ severity: 'error', source: { file: 'all.yaml', line: expect.any(Number) } }),
  );
});

test.each([
  ['a missing folder', 'no-such-folder'],
  ['a file in place of a folder', 'file.yaml'],
])('%s: one line, exit code 2', async (_, name) => {
  await writeFile(join(folder, 'file.yaml'), '');
  const path = join(folder, name);
  const { code, stdout, stderr } = await runSluice(['translate', '--manifests', path]);
  expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
  expect(stderr).toMatch(/^sluice: [^\n]+\n$/);
  expect(stderr).toContain(path);
});

describe('the demo', () => {
  const DEMO = join(import.meta.dirname, '../../demo/manifests');

  test('has no problems and serves its hosts', async () => {
    const { code, stdout } = await runSluice(['translate', '--manifests', DEMO]);
    const { table, diagnostics } = parse(stdout) as Translation;
    expect(diagnostics).toEqual([]);
    expect(code).toBe(0);
    expect(table.virtualHosts.map(({ name }) => name)).toEqual([
      '*.wild.localhost',
      '_',
      'chat.localhost',
      'lab.localhost',
      'site.localhost',
      'whoami.localhost',
    ]);
  });

  test('shows no key, in no form', async () => {
    const secret = parse(await readFile(join(DEMO, 'certificate.yaml'), 'utf8')) as { data: Record<string, string> };
    const keyBase64 = secret.data['tls.key'] ?? '';
    const keyPem = Buffer.from(keyBase64, 'base64').toString();
    expect(keyPem).toContain('PRIVATE KEY');
    for (const output of ['yaml', 'json']) {
      const { stdout, stderr } = await runSluice(['translate', '--manifests', DEMO, '--output', output]);
      for (const text of [stdout, stderr]) {
        expect(text).not.toContain('PRIVATE KEY');
        expect(text).not.toContain(keyBase64.slice(0, 40));
        expect(text).not.toContain(keyPem.split('\n')[1]);
      }
    }
  });
});
