// The starter of real etcd and kube-apiserver, with scripted stand-ins for both: command lines, certificates, the wait for
// readiness, and the end. That the real ones take these command lines only a run with KUBEBUILDER_ASSETS can tell.

import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { Admin } from '../admin.ts';
import { backendKind } from './choose.ts';
import { apiServerArguments, etcdArguments, startEnvtest } from './envtest.ts';

let folder: string;
let assets: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sluice-envtest-'));
  assets = join(folder, 'assets');
  await mkdir(assets);
});
afterEach(() => rm(folder, { recursive: true }));

/** An executable that runs this JavaScript. Its process id is noted in `<name>.pid`. */
async function standIn(name: string, script: string): Promise<void> {
  const path = join(assets, name);
  const noted = `require('node:fs').writeFileSync(${JSON.stringify(`${path}.pid`)}, String(process.pid));\n`;
  await writeFile(`${path}.cjs`, noted + script);
  await writeFile(path, `#!/bin/sh\nexec '${process.execPath}' '${path}.cjs' "$@"\n`);
  await chmod(path, 0o755);
}

const waiting = 'setInterval(() => {}, 1000);';
/** Serves with the certificate and the token it is given, as the real one does; is ready at the third question. */
const serving = `
const { readFileSync } = require('node:fs');
const flag = (name) => process.argv.find((word) => word.startsWith('--' + name + '=')).split('=')[1];
const [token, , , group] = readFileSync(flag('token-auth-file'), 'utf8').trim().split(',');
if (group !== '"system:masters"') process.exit(3);
require('node:crypto').createPrivateKey(readFileSync(flag('service-account-signing-key-file')));
require('node:crypto').createPublicKey(readFileSync(flag('service-account-key-file')));
let asked = 0;
require('node:https').createServer(
  { cert: readFileSync(flag('tls-cert-file')), key: readFileSync(flag('tls-private-key-file')) },
  (request, response) => {
    asked += 1;
    const isAdmin = request.headers.authorization === 'Bearer ' + token;
    response.statusCode = !isAdmin ? 401 : request.url === '/readyz' && asked < 3 ? 500 : 200;
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify({ asked }));
  },
).listen(Number(flag('secure-port')), flag('bind-address'));
`;

async function runs(name: string): Promise<boolean> {
  const pid = Number(await readFile(join(assets, `${name}.pid`), 'utf8'));
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

test('waits until the server is ready, signs in, and leaves nothing running', async () => {
  await standIn('etcd', waiting);
  await standIn('kube-apiserver', serving);
  const backend = await startEnvtest(assets, folder);
  expect(backend.kind).toBe('envtest');
  const { code, body } = await new Admin(backend.admin).call('GET', '/api');
  expect({ code, body }).toEqual({ code: 200, body: { asked: 4 } });
  const kubeconfig = JSON.parse(await readFile(backend.kubeconfigPath, 'utf8'));
  expect(kubeconfig.clusters[0].cluster).toEqual({
    server: backend.admin.server,
    'certificate-authority-data': Buffer.from(backend.caPem ?? '').toString('base64'),
  });
  expect([await runs('etcd'), await runs('kube-apiserver')]).toEqual([true, true]);
  await backend[Symbol.asyncDispose]();
  expect([await runs('etcd'), await runs('kube-apiserver')]).toEqual([false, false]);
});

describe('what cannot start', () => {
  test('a server that ends: its last words, and the other ended as well', async () => {
    await standIn('etcd', waiting);
    await standIn('kube-apiserver', `console.error('unknown flag: --nonsense'); process.exit(1);`);
    await expect(startEnvtest(assets, folder)).rejects.toThrow(/kube-apiserver ended with 1: unknown flag: --nonsense/);
    expect(await runs('etcd')).toBe(false);
  });

  test('a server that never becomes ready', async () => {
    await standIn('etcd', waiting);
    await standIn('kube-apiserver', waiting);
    await expect(startEnvtest(assets, folder, 1500)).rejects.toThrow('waited in vain for a ready kube-apiserver');
    expect([await runs('etcd'), await runs('kube-apiserver')]).toEqual([false, false]);
  });

  test('no binary', async () => {
    await expect(startEnvtest(assets, folder)).rejects.toThrow(
      `KUBEBUILDER_ASSETS: ${assets}/etcd is not an executable`,
    );
  });
});

test('command lines name ports, files and loopback only', () => {
  const files = { folder: '/run/e2e', etcdPort: 2000, port: 3000 };
  expect(etcdArguments(files)).toEqual(
    expect.arrayContaining(['--data-dir=/run/e2e/etcd', '--listen-client-urls=http://127.0.0.1:2000']),
  );
  expect(apiServerArguments(files)).toEqual(
    expect.arrayContaining([
      '--etcd-servers=http://127.0.0.1:2000',
      '--secure-port=3000',
      '--authorization-mode=RBAC',
      '--token-auth-file=/run/e2e/tokens.csv',
    ]),
  );
});

test.each([
  ['nothing', {}, 'double'],
  ['KUBEBUILDER_ASSETS', { KUBEBUILDER_ASSETS: '/assets' }, 'envtest'],
  ['a KUBECONFIG that nobody lent', { KUBECONFIG: '/kubeconfig' }, 'double'],
  ['a KUBECONFIG that was lent', { KUBECONFIG: '/kubeconfig', E2E_USE_CLUSTER: '1' }, 'cluster'],
])('with %s', (_, env, kind) => {
  expect(backendKind(env)).toBe(kind);
});

test('a cluster that is to be used has to be named', () => {
  expect(() => backendKind({ E2E_USE_CLUSTER: '1' })).toThrow('E2E_USE_CLUSTER=1 needs KUBECONFIG');
});
