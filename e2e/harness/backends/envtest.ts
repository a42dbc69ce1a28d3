// Real `etcd` and `kube-apiserver` binaries, started for one run on ports of their own, as controller-runtime's envtest
// starts them: no controller manager, no kubelet, no scheduler. An administrator signs in by a static token.

import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { access, constants, mkdir, writeFile } from 'node:fs/promises';
import { Agent, get } from 'node:https';
import { join } from 'node:path';
import { generateServerCertificate } from '../../apiserver/certificates.ts';
import { freePort } from '../free-port.ts';
import { until } from '../wait.ts';
import { type Backend, renderKubeconfig } from './backend.ts';
import { ServerProcess } from './server-process.ts';

const host = '127.0.0.1';
/** A cold start of a real kube-apiserver takes 5 to 15 s, on a busy machine more. */
const readyLimitMs = 90_000;

export interface EnvtestFiles {
  readonly folder: string;
  readonly etcdPort: number;
  readonly port: number;
}

/** The command line of etcd. It may lose what it has: nobody looks at it after the run. */
export function etcdArguments({ folder, etcdPort }: EnvtestFiles): readonly string[] {
  const url = `http://${host}:${etcdPort}`;
  return [
    `--data-dir=${join(folder, 'etcd')}`,
    `--listen-client-urls=${url}`,
    `--advertise-client-urls=${url}`,
    `--listen-peer-urls=http://${host}:0`,
    '--unsafe-no-fsync',
    '--logger=zap',
    '--log-level=error',
  ];
}

/** The command line of kube-apiserver. Without a controller manager nobody makes the service account a Pod needs. */
export function apiServerArguments({ folder, etcdPort, port }: EnvtestFiles): readonly string[] {
  const file = (name: string) => join(folder, name);
  return [
    `--etcd-servers=http://${host}:${etcdPort}`,
    `--bind-address=${host}`,
    `--secure-port=${port}`,
    `--advertise-address=${host}`,
    `--cert-dir=${folder}`,
    `--tls-cert-file=${file('server.crt')}`,
    `--tls-private-key-file=${file('server.key')}`,
    `--token-auth-file=${file('tokens.csv')}`,
    `--service-account-issuer=https://${host}:${port}/`,
    `--service-account-key-file=${file('service-accounts.pub')}`,
    `--service-account-signing-key-file=${file('service-accounts.key')}`,
    '--authorization-mode=RBAC',
    '--disable-admission-plugins=ServiceAccount',
    '--service-cluster-ip-range=10.0.0.0/24',
    '--allow-privileged=true',
  ];
}

/** Rejects when a binary is missing, ends early or is not ready in time; nothing is left running then. */
export async function startEnvtest(assets: string, runFolder: string, limitMs = readyLimitMs): Promise<Backend> {
  const binaries = { etcd: join(assets, 'etcd'), apiServer: join(assets, 'kube-apiserver') };
  for (const path of Object.values(binaries)) await requireBinary(path);
  const files = { folder: join(runFolder, 'envtest'), etcdPort: await freePort(), port: await freePort() };
  const token = randomBytes(16).toString('hex');
  const caPem = await writeFiles(files, token);
  await using started = new AsyncDisposableStack();
  const etcd = started.use(new ServerProcess(binaries.etcd, etcdArguments(files)));
  const apiServer = started.use(new ServerProcess(binaries.apiServer, apiServerArguments(files)));
  const agent = started.adopt(new Agent({ keepAlive: true, ca: caPem }), (made) => made.destroy());
  const admin = { server: `https://${host}:${files.port}`, agent, headers: { authorization: `Bearer ${token}` } };
  const state = () => etcd.failure ?? apiServer.failure ?? isReady(admin);
  const seen = await until<boolean | string>('a ready kube-apiserver', state, (value) => value !== false, limitMs);
  if (typeof seen === 'string') throw new Error(seen);
  const kubeconfigPath = join(files.folder, 'admin.kubeconfig');
  await writeFile(kubeconfigPath, renderKubeconfig(admin.server, caPem, { token }));
  const running = started.move();
  return { kind: 'envtest', admin, kubeconfigPath, caPem, [Symbol.asyncDispose]: () => running.disposeAsync() };
}

async function requireBinary(path: string): Promise<void> {
  try {
    await access(path, constants.X_OK);
  } catch (cause) {
    throw new Error(`KUBEBUILDER_ASSETS: ${path} is not an executable file`, { cause });
  }
}

/** Writes what the command lines name; returns the PEM of the CA. */
async function writeFiles({ folder }: EnvtestFiles, token: string): Promise<string> {
  await mkdir(folder, { recursive: true });
  const server = await generateServerCertificate([host, 'localhost']);
  const accounts = generateKeyPairSync('rsa', {
    modulusLength: 2048,
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs1', format: 'pem' },
  });
  const texts = {
    'server.crt': server.certPem,
    'server.key': server.keyPem,
    'service-accounts.pub': accounts.publicKey,
    'service-accounts.key': accounts.privateKey,
    // token, user, uid, groups
    'tokens.csv': `${token},admin,admin,"system:masters"\n`,
  };
  for (const [name, text] of Object.entries(texts)) await writeFile(join(folder, name), text, { mode: 0o600 });
  return server.caPem;
}

function isReady({ server, agent, headers }: Backend['admin']): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const request = get(`${server}/readyz`, { agent, headers, timeout: 2000 }, (response) => {
    response.resume();
    response.on('close', () => resolve(response.statusCode === 200));
  });
  request.on('timeout', () => request.destroy());
  request.on('error', () => resolve(false));
  return promise;
}
