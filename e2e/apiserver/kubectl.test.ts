// The server with real kubectl binaries, Debian's old one and newer ones: what a person does with them has to work.
// Skipped with a message where no kubectl is installed.

import { execFile, spawn } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { type ApiServer, startApiServer } from './server.ts';

/** KUBECTL names one; otherwise the first in PATH. */
function findKubectl(): string | null {
  const candidates = [
    process.env['KUBECTL'] ?? '',
    ...(process.env['PATH'] ?? '').split(delimiter).map((folder) => join(folder, 'kubectl')),
  ];
  for (const candidate of candidates) {
    try {
      accessSync(candidate, constants.X_OK);
      return candidate;
    } catch {
      // Not this one.
    }
  }
  return null;
}

const kubectlPath = findKubectl();
const testWithKubectl = kubectlPath === null ? test.skip : test;
if (kubectlPath === null)
  console.warn('kubectl.test.ts: skipped, no kubectl in PATH (apt-get install kubernetes-client, or set KUBECTL)');

let server: ApiServer;
let folder = '';

beforeEach(async () => {
  server = await startApiServer();
  folder = await mkdtemp(join(tmpdir(), 'apiserver-kubectl-'));
  await writeFile(join(folder, 'config'), server.kubeconfig());
});
afterEach(async () => {
  await server[Symbol.asyncDispose]();
  await rm(folder, { recursive: true });
});

const GLOBAL_FLAGS = () => ['--kubeconfig', join(folder, 'config'), '--cache-dir', join(folder, 'cache')];

async function kubectl(...args: readonly string[]): Promise<string> {
  const env = { ...process.env, EDITOR: "sed -i 's/b.test/c.test/'", KUBE_EDITOR: '', HOME: folder };
  const { stdout } = await promisify(execFile)(kubectlPath ?? '', [...GLOBAL_FLAGS(), ...args], { env });
  return stdout;
}

const MANIFESTS = (host: string) => `
apiVersion: networking.k8s.io/v1
kind: IngressClass
metadata: {name: sluice, annotations: {ingressclass.kubernetes.io/is-default-class: "true"}}
spec: {controller: x.test/sluice}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ports: [{name: http, port: 80, targetPort: 8080}]}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: web}
spec:
  rules: [{host: ${host}, http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: web, port: {name: http}}}}]}}]
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  selector: {matchLabels: {app: web}}
  template: {metadata: {labels: {app: web}}, spec: {containers: [{name: web, image: web}]}}
`;

async function applyManifests(host: string, ...flags: string[]): Promise<string> {
  await writeFile(join(folder, 'manifests.yaml'), MANIFESTS(host));
  return kubectl('apply', ...flags, '-f', join(folder, 'manifests.yaml'));
}

/** Starts `kubectl get -w` and collects its lines until `count` are there. */
function watchLines(count: number): { readonly lines: Promise<string[]>; readonly started: Promise<void> } {
  const child = spawn(kubectlPath ?? '', [...GLOBAL_FLAGS(), 'get', 'ingress', '-w', '--no-headers'], {
    env: { ...process.env, HOME: folder },
  });
  const started = Promise.withResolvers<void>();
  const done = Promise.withResolvers<string[]>();
  let text = '';
  child.stdout.on('data', (chunk: Buffer) => {
    text += chunk.toString();
    started.resolve();
    const lines = text.split('\n').slice(0, -1);
    if (lines.length >= count) {
      child.kill();
      done.resolve(lines);
    }
  });
  return { lines: done.promise, started: started.promise };
}

testWithKubectl(
  'apply, get, describe, watch, patch, edit, scale and delete',
  async () => {
    expect(await applyManifests('a.test')).toBe(
      'ingressclass.networking.k8s.io/sluice created\nservice/web created\ningress.networking.k8s.io/web created\ndeployment.apps/web created\n',
    );
    expect(await applyManifests('a.test')).toContain('ingress.networking.k8s.io/web unchanged');
    expect(await applyManifests('b.test')).toContain('ingress.networking.k8s.io/web configured');
    await server.apply([
      {
        apiVersion: 'networking.k8s.io/v1',
        kind: 'Ingress',
        metadata: { name: 'web' },
        status: { loadBalancer: { ingress: [{ ip: '10.0.0.7' }] } },
      },
    ]);
    expect((await kubectl('get', 'ingress', '--no-headers')).split(/\s+/).slice(0, 5)).toEqual([
      'web',
      'sluice',
      'b.test',
      '10.0.0.7',
      '80',
    ]);

    const involvedObject = {
      kind: 'Ingress',
      name: 'web',
      namespace: 'default',
      uid: server.get('networking.k8s.io/v1', 'Ingress', 'default', 'web')?.metadata.uid,
    };
    await server.apply([
      {
        apiVersion: 'v1',
        kind: 'Event',
        metadata: { name: 'e' },
        involvedObject,
        type: 'Normal',
        reason: 'Sync',
        message: 'Scheduled for sync',
        source: { component: 'sluice' },
      },
    ]);
    const described = await kubectl('describe', 'ingress', 'web');
    expect(described).toContain('b.test');
    expect(described).toContain('Scheduled for sync');

    const { lines, started } = watchLines(3);
    await started;
    await kubectl('patch', 'ingress', 'web', '-p', '{"metadata":{"labels":{"a":"b"}}}');
    await kubectl('edit', 'ingress', 'web');
    expect((await lines).map((line) => line.split(/\s+/)[2])).toEqual(['b.test', 'b.test', 'c.test']);

    await kubectl('scale', 'deployment', 'web', '--replicas', '5');
    expect(await kubectl('get', 'deployment', 'web', '-o', 'jsonpath={.spec.replicas}')).toBe('5');
    expect(await kubectl('delete', '-f', join(folder, 'manifests.yaml'))).toContain(
      'ingress.networking.k8s.io "web" deleted',
    );
    expect(await kubectl('get', 'ingress,service,deployment', '-o', 'name')).toBe('');
  },
  60_000,
);

testWithKubectl(
  'server-side apply, and refusals in the words of the server',
  async () => {
    expect(await applyManifests('a.test', '--server-side')).toContain(
      'ingress.networking.k8s.io/web serverside-applied',
    );
    await expect(applyManifests('b.test', '--server-side', '--field-manager', 'other')).rejects.toMatchObject({
      stderr: expect.stringContaining('Apply failed with 1 conflict: conflict with "kubectl": .spec.rules'),
    });
    await expect(applyManifests('B.test')).rejects.toMatchObject({
      stderr: expect.stringContaining('spec.rules[0].host: Invalid value: "B.test"'),
    });
  },
  60_000,
);
