// What client-node would make of the same file is the oracle here: for plain places both must say the same.

import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import type { RequestOptions } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { KubeConfig } from '@kubernetes/client-node';
import { loadPlainConfig } from './plain-config.ts';

const nowhere = { kubeconfig: '', apiserverHost: '', certificateAuthority: '' };
const base64 = (text: string) => Buffer.from(text).toString('base64');

let dir: string;

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'sluice-plain-'));
  for (const name of ['ca.crt', 'client.crt', 'client.key']) await writeFile(join(dir, name), `pem of ${name}`);
  await writeFile(join(dir, 'token'), 'from-file\n');
});
afterEach(() => rm(dir, { recursive: true }));

async function writeKubeconfig(user: unknown, cluster: object = {}, more: object = {}): Promise<string> {
  const kubeconfig = join(dir, 'kubeconfig');
  const config = {
    clusters: [
      { name: 'other', cluster: { server: 'https://other' } },
      { name: 'c', cluster: { server: 'https://api.test:6443', ...cluster } },
    ],
    users: [
      { name: 'other', user: { token: 'not-this-one' } },
      { name: 'u', user },
    ],
    contexts: [
      { name: 'other', context: { cluster: 'other', user: 'other' } },
      { name: 'x', context: { cluster: 'c', user: 'u' } },
    ],
    'current-context': 'x',
    ...more,
  };
  await writeFile(kubeconfig, JSON.stringify(config));
  return kubeconfig;
}

const plainly = (kubeconfig: string) => loadPlainConfig({ ...nowhere, kubeconfig }, {});

interface Asked {
  getCurrentCluster(): { readonly server: string } | null;
  applyToHTTPSOptions(options: RequestOptions): Promise<void>;
}

async function answersOf(config: Asked | null) {
  if (config === null) throw new Error('expected a configuration');
  const options: RequestOptions = {};
  await config.applyToHTTPSOptions(options);
  const { ca, cert, key, auth, headers, servername, rejectUnauthorized } = options;
  const texts = [ca, cert, key].map((material) => (material === undefined ? null : String(material)));
  return {
    server: config.getCurrentCluster()?.server,
    texts,
    auth,
    headers: headers ?? {},
    servername,
    rejectUnauthorized,
  };
}

describe('a kubeconfig says what it says to client-node', () => {
  const withData = { 'client-certificate-data': base64('cert'), 'client-key-data': base64('key') };
  test.each<[string, object, object]>([
    ['a token', { token: 'abc' }, {}],
    ['a certificate', withData, { 'certificate-authority-data': base64('ca') }],
    [
      'files beside it',
      { 'client-certificate': 'client.crt', 'client-key': 'client.key' },
      { 'certificate-authority': 'ca.crt' },
    ],
    ['a password', { username: 'me', password: 'secret' }, {}],
    ['no checks', { token: 'abc' }, { 'insecure-skip-tls-verify': true }],
    ['another server name', { token: 'abc' }, { 'tls-server-name': 'kubernetes' }],
  ])('%s', async (_, user, cluster) => {
    const kubeconfig = await writeKubeconfig(user, cluster);
    const library = new KubeConfig();
    library.loadFromFile(kubeconfig);
    expect(await answersOf(plainly(kubeconfig))).toEqual(await answersOf(library));
  });
});

describe('what only the library can', () => {
  test.each<[string, unknown, object?, object?]>([
    ['an exec plugin', { exec: { command: 'aws' } }],
    ['an auth provider', { 'auth-provider': { name: 'oidc' } }],
    ['somebody else', { token: 'abc', as: 'admin' }],
    ['a proxy', { token: 'abc' }, { 'proxy-url': 'http://proxy' }],
    ['no such context', { token: 'abc' }, {}, { 'current-context': 'missing' }],
    ['a cluster without a server', { token: 'abc' }, { server: '' }],
    ['a user that is none', 'me'],
    ['lists that are none', { token: 'abc' }, {}, { users: 'none' }],
  ])('%s', async (_, user, cluster = {}, more = {}) => {
    expect(plainly(await writeKubeconfig(user, cluster, more))).toBeNull();
  });

  test('a file that is missing, or no YAML', async () => {
    expect(plainly(join(dir, 'missing'))).toBeNull();
    await writeFile(join(dir, 'kubeconfig'), '{');
    expect(plainly(join(dir, 'kubeconfig'))).toBeNull();
  });

  test('a place that is no pod', () => {
    expect(loadPlainConfig(nowhere, {})).toBeNull();
  });
});

describe('token files', () => {
  test('count more than a token, and are read anew each time', async () => {
    const config = plainly(await writeKubeconfig({ token: 'abc', tokenFile: 'token' }));
    expect((await answersOf(config)).headers).toEqual({ Authorization: 'Bearer from-file' });
    await writeFile(join(dir, 'token'), 'rotated');
    expect((await answersOf(config)).headers).toEqual({ Authorization: 'Bearer rotated' });
  });

  test('one that cannot be read rejects', async () => {
    const config = plainly(await writeKubeconfig({ tokenFile: 'missing' }));
    await expect(answersOf(config)).rejects.toThrow('ENOENT');
  });
});

describe('--apiserver-host', () => {
  const apiserverHost = 'https://elsewhere';

  test('alone has no credentials', async () => {
    const config = loadPlainConfig({ ...nowhere, apiserverHost, certificateAuthority: join(dir, 'ca.crt') }, {});
    const { server, texts, headers } = await answersOf(config);
    expect([server, texts[0], headers]).toEqual([apiserverHost, 'pem of ca.crt', {}]);
  });

  test('replaces the server of a kubeconfig, whose user stays', async () => {
    const kubeconfig = await writeKubeconfig({ token: 'abc' }, { 'certificate-authority-data': base64('ca') });
    const config = loadPlainConfig({ ...nowhere, kubeconfig, apiserverHost }, {});
    const { server, texts, headers } = await answersOf(config);
    expect([server, texts[0], headers]).toEqual([apiserverHost, 'ca', { Authorization: 'Bearer abc' }]);
  });
});

test.each([
  ['10.0.0.1', 'https://10.0.0.1:443'],
  ['fd00::1', 'https://[fd00::1]:443'],
])('a pod reaches %s at %s', (host, url) => {
  const config = loadPlainConfig(nowhere, { KUBERNETES_SERVICE_HOST: host, KUBERNETES_SERVICE_PORT: '443' });
  expect(config?.getCurrentCluster()?.server).toBe(url);
});
