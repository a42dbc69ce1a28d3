// How Sluice signs in, by what it was given: token files of kubeconfigs and pods, exec plugins, OIDC. Against small
// servers, with the files and processes that a real one would have.

import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { generateServerCertificate } from '../../../e2e/apiserver/certificates.ts';
import { openHttpTransport } from './http-transport.ts';
import { ApiCredentials } from './kube-config.ts';

const nowhere = { kubeconfig: '', apiserverHost: '', certificateAuthority: '' };
const API_VERSION = 'client.authentication.k8s.io/v1';

let dir: string;
let stack: AsyncDisposableStack;

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'sluice-credentials-'));
  stack = new AsyncDisposableStack();
  stack.defer(() => rm(dir, { recursive: true }));
});
afterEach(() => stack.disposeAsync());

async function writeKubeconfig(user: object, server = 'http://127.0.0.1:1'): Promise<string> {
  const kubeconfig = join(dir, 'kubeconfig');
  const text = JSON.stringify({
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name: 'c', cluster: { server } }],
    users: [{ name: 'u', user }],
    contexts: [{ name: 'x', context: { cluster: 'c', user: 'u' } }],
    'current-context': 'x',
  });
  await writeFile(kubeconfig, text);
  return kubeconfig;
}

/** Credentials whose clock has moved on by `stepMs` with each look: nothing is taken from memory. */
async function credentialsOf(user: object, stepMs = 60_000): Promise<ApiCredentials> {
  let nowMs = 0;
  const clock = () => {
    nowMs += stepMs;
    return nowMs;
  };
  return await ApiCredentials.load({ ...nowhere, kubeconfig: await writeKubeconfig(user) }, clock);
}

const authorizationOf = async (credentials: ApiCredentials) => (await credentials.signIn()).headers['authorization'];

describe('a token file of a kubeconfig', () => {
  test.each([
    ['an absolute path', () => join(dir, 'token')],
    ['a path beside the kubeconfig', () => 'token'],
  ])('%s, and it counts more than a token', async (_, tokenFile) => {
    await writeFile(join(dir, 'token'), 'from-file\n');
    const credentials = await credentialsOf({ token: 'from-text', tokenFile: tokenFile() });
    expect(await authorizationOf(credentials)).toBe('Bearer from-file');
  });

  test('is read again when it was refused', async () => {
    await writeFile(join(dir, 'token'), 'one');
    const credentials = await credentialsOf({ tokenFile: 'token' });
    expect(await authorizationOf(credentials)).toBe('Bearer one');
    await writeFile(join(dir, 'token'), 'two');
    await credentials.renew();
    expect(await authorizationOf(credentials)).toBe('Bearer two');
  });
});

describe('an exec plugin', () => {
  async function plugin(script: string, more: object = {}): Promise<object> {
    const command = join(dir, 'plugin.sh');
    await writeFile(command, `#!/bin/sh\n${script}\n`);
    await chmod(command, 0o755);
    return { exec: { apiVersion: API_VERSION, command, ...more } };
  }
  /** Prints a credential with this shell word as token. */
  const printing = (token: string, expiry = '') =>
    `printf '{"kind":"ExecCredential","apiVersion":"${API_VERSION}","status":{"token":"%s"${expiry}}}' "${token}"`;

  test('is told who asks, and given its own environment', async () => {
    const script = `printf '%s' "$KUBERNETES_EXEC_INFO" > '${join(dir, 'info')}'\n${printing('$REGION')}`;
    const env = [{ name: 'REGION', value: 'north' }];
    const credentials = await credentialsOf(await plugin(script, { env, provideClusterInfo: true }));
    expect(await authorizationOf(credentials)).toBe('Bearer north');

    expect(JSON.parse(await readFile(join(dir, 'info'), 'utf8'))).toEqual({
      kind: 'ExecCredential',
      apiVersion: API_VERSION,
      spec: { interactive: false, cluster: { server: 'http://127.0.0.1:1' } },
    });
  });

  test.each([
    ['runs once while its token is good', '2100-01-01T00:00:00Z', 1],
    ['runs again when its token has run out', '2020-01-01T00:00:00Z', 2],
  ])('%s', async (_, expiry, runs) => {
    const count = join(dir, 'runs');
    const script = `echo x >> '${count}'\n${printing(`$(wc -l < '${count}')`, `,"expirationTimestamp":"${expiry}"`)}`;
    const credentials = await credentialsOf(await plugin(script));
    await credentials.signIn();
    expect((await authorizationOf(credentials))?.replaceAll(' ', '')).toBe(`Bearer${runs}`);
  });
});

describe('OIDC', () => {
  const encode = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const tokenOf = (claims: object) => `${encode({ alg: 'RS256' })}.${encode(claims)}.c2lnbmF0dXJl`;
  const seconds = () => Math.floor(Date.now() / 1000);

  test('an id-token that is good is sent as it is', async () => {
    const idToken = tokenOf({ exp: seconds() + 3600 });
    const credentials = await credentialsOf({ 'auth-provider': { name: 'oidc', config: { 'id-token': idToken } } });
    expect(await authorizationOf(credentials)).toBe(`Bearer ${idToken}`);
  });

  const configOf = (issuer: { readonly url: string; readonly caPem: string }, more: object = {}) => ({
    'idp-issuer-url': issuer.url,
    'idp-certificate-authority-data': Buffer.from(issuer.caPem).toString('base64'),
    'client-id': 'sluice',
    'id-token': tokenOf({ exp: seconds() - 60 }),
    'refresh-token': 'refresh-1',
    ...more,
  });
  const clientPair = `Basic ${Buffer.from('sluice:hush').toString('base64')}`;

  test.each([
    ['a client without secret', {}, {}, { clientId: 'sluice', secret: null, authorization: undefined }],
    ['Basic', { 'client-secret': 'hush' }, {}, { clientId: null, secret: null, authorization: clientPair }],
    [
      'the form, where the issuer takes nothing else',
      { 'client-secret': 'hush' },
      { token_endpoint_auth_methods_supported: ['client_secret_post'] },
      { clientId: 'sluice', secret: 'hush', authorization: undefined },
    ],
  ])('one that ran out is refreshed at the issuer, over its own CA: %s', async (_, client, metadata, asked) => {
    const issuer = await startIssuer(metadata);
    const credentials = await credentialsOf({ 'auth-provider': { name: 'oidc', config: configOf(issuer, client) } });
    expect(await authorizationOf(credentials)).toBe(`Bearer ${issuer.issued[0]}`);
    // The new token is good for an hour: it is asked for once.
    await credentials.signIn();
    expect(issuer.asked).toEqual([{ refreshToken: 'refresh-1', ...asked }]);
  });

  test('a refresh token that the issuer replaces is used the next time', async () => {
    const issuer = await startIssuer({}, 0);
    const credentials = await credentialsOf({ 'auth-provider': { name: 'oidc', config: configOf(issuer) } });
    await credentials.signIn();
    await credentials.signIn();
    expect(issuer.asked.map(({ refreshToken }) => refreshToken)).toEqual(['refresh-1', 'refresh-2']);
  });

  test('without an issuer the failure says so, and holds no token', async () => {
    const config = { 'id-token': tokenOf({ exp: 1, sub: 'my-secret' }) };
    const credentials = await credentialsOf({ 'auth-provider': { name: 'oidc', config } });
    await expect(credentials.signIn()).rejects.toThrow(/^the id-token has ended$/);
  });

  async function startIssuer(metadata: object, lifeSeconds = 3600) {
    const { caPem, certPem, keyPem } = await generateServerCertificate(['127.0.0.1']);
    const asked: {
      refreshToken: string | null;
      clientId: string | null;
      secret: string | null;
      authorization: string | undefined;
    }[] = [];
    const issued: string[] = [];
    const server = createTlsServer({ cert: certPem, key: keyPem }, async (request, response) => {
      const url = `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
      const send = (body: object) => response.setHeader('content-type', 'application/json').end(JSON.stringify(body));
      if (request.url !== '/token') {
        send({ issuer: url, token_endpoint: `${url}/token`, jwks_uri: `${url}/keys`, ...metadata });
        return;
      }
      const form = new URLSearchParams((await request.setEncoding('utf8').toArray()).join(''));
      asked.push({
        refreshToken: form.get('refresh_token'),
        clientId: form.get('client_id'),
        secret: form.get('client_secret'),
        authorization: request.headers.authorization,
      });
      const claims = { iss: url, aud: 'sluice', sub: 'robot', iat: seconds(), exp: seconds() + lifeSeconds };
      issued.push(tokenOf(claims));
      send({
        token_type: 'bearer',
        access_token: 'a',
        id_token: issued.at(-1),
        refresh_token: 'refresh-2',
        expires_in: 3600,
      });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    stack.defer(async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    });
    return { url: `https://127.0.0.1:${(server.address() as AddressInfo).port}`, caPem, asked, issued };
  }
});

describe('inside a pod', () => {
  const serviceAccount = 'var/run/secrets/kubernetes.io/serviceaccount';
  const variables = ['KUBERNETES_SERVICE_HOST', 'KUBERNETES_SERVICE_PORT'] as const;
  let before: readonly (string | undefined)[];

  beforeEach(() => {
    before = variables.map((name) => process.env[name]);
  });
  afterEach(() => {
    variables.forEach((name, i) => {
      const value = before[i];
      if (value === undefined) delete process.env[name];
      else process.env[name] = value;
    });
  });

  test('server, CA and token of the service account; the token is read again after a 401', async () => {
    const { caPem, certPem, keyPem } = await generateServerCertificate(['127.0.0.1']);
    const seen: (string | undefined)[] = [];
    const server = createTlsServer(
      { cert: certPem, key: keyPem },
      (request: IncomingMessage, response: ServerResponse) => {
        seen.push(request.headers.authorization);
        response.end('{}');
      },
    );
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    process.env['KUBERNETES_SERVICE_HOST'] = '127.0.0.1';
    process.env['KUBERNETES_SERVICE_PORT'] = String((server.address() as AddressInfo).port);
    const token = join(dir, serviceAccount, 'token');
    await mkdir(dirname(token), { recursive: true });
    await writeFile(join(dir, serviceAccount, 'ca.crt'), caPem);
    await writeFile(token, 'first\n');
    const transport = await openHttpTransport({ ...nowhere, podRoot: `${dir}/` }, 'sluice/test');
    stack.defer(async () => {
      transport.close();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    });
    const request = { method: 'GET', path: '/api/v1/pods', signal: AbortSignal.timeout(5000) } as const;
    await transport.send(request);
    await writeFile(token, 'second\n');
    transport.renewCredentials();
    await transport.send(request);
    expect(seen).toEqual(['Bearer first', 'Bearer second']);
  });
});
