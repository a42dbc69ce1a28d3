// The real transport against small HTTP servers and kubeconfig files: what is sent, what is read, and what is refused.

import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { openHttpTransport } from './http-transport.ts';
import { readBody } from './list-pages.ts';
import type { ApiTransport } from './transport.ts';

let dir: string;
let server: Server;
let seen: IncomingMessage[];
let answer: (request: IncomingMessage, response: ServerResponse) => void;
const opened: ApiTransport[] = [];

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'sluice-transport-'));
  seen = [];
  answer = (_, response) => response.end('{}');
  server = createServer((request, response) => {
    seen.push(request);
    answer(request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
});

afterEach(async () => {
  for (const transport of opened.splice(0)) transport.close();
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
  await rm(dir, { recursive: true });
});

const urlOf = () => `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
const nowhere = { kubeconfig: '', apiserverHost: '', certificateAuthority: '' };

async function open(location: Partial<typeof nowhere>): Promise<ApiTransport> {
  const transport = await openHttpTransport({ ...nowhere, ...location }, 'sluice/test');
  opened.push(transport);
  return transport;
}

async function openWith(user: object): Promise<ApiTransport> {
  const kubeconfig = join(dir, 'kubeconfig');
  await writeFile(kubeconfig, kubeconfigText(user));
  return await open({ kubeconfig });
}

function kubeconfigText(user: object): string {
  return JSON.stringify({
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name: 'c', cluster: { server: `${urlOf()}/prefix/` } }],
    users: [{ name: 'u', user }],
    contexts: [{ name: 'x', context: { cluster: 'c', user: 'u' } }],
    'current-context': 'x',
  });
}

const request = (signal = new AbortController().signal) => ({ method: 'GET', path: '/api/v1/pods', signal }) as const;

test('path below the server, query, body and who asks', async () => {
  const transport = await openWith({ token: 'secret-token' });
  const body = { a: 'ä' };
  const query = { fieldSelector: 'type=a,metadata.name=b', limit: '5' };
  const response = await transport.send({
    ...request(),
    method: 'PATCH',
    query,
    body,
    contentType: 'application/merge-patch+json',
  });
  expect(await readBody(response, () => {})).toBe('{}');
  expect(seen[0]?.url).toBe('/prefix/api/v1/pods?fieldSelector=type%3Da%2Cmetadata.name%3Db&limit=5');
  expect(seen[0]?.headers).toMatchObject({
    authorization: 'Bearer secret-token',
    'user-agent': 'sluice/test',
    'content-type': 'application/merge-patch+json',
    'content-length': '10',
    'accept-encoding': 'gzip',
  });
});

test('without a kubeconfig, --apiserver-host is asked without credentials', async () => {
  const transport = await open({ apiserverHost: urlOf() });
  await transport.send(request());
  expect(seen[0]?.headers.authorization).toBeUndefined();
});

test('a compressed answer is read as text, characters cut between pieces included', async () => {
  const text = JSON.stringify({ text: 'äöü€'.repeat(100_000) });
  answer = (_, response) => {
    response.setHeader('content-encoding', 'gzip');
    response.end(gzipSync(text));
  };
  const transport = await open({ apiserverHost: urlOf() });
  expect(await readBody(await transport.send(request()), () => {})).toBe(text);
});

test('a broken compressed answer is a failure, not a hang', async () => {
  answer = (_, response) => {
    response.setHeader('content-encoding', 'gzip');
    response.end(gzipSync('x'.repeat(1000)).subarray(0, 15));
  };
  const transport = await open({ apiserverHost: urlOf() });
  const response = await transport.send(request());
  await expect(readBody(response, () => {})).rejects.toMatchObject({ failure: { kind: 'network' } });
});

test('Retry-After in seconds; the date form is not used by Kubernetes', async () => {
  const values = ['7', 'Wed, 21 Oct 2026 07:28:00 GMT'];
  answer = (_, response) => response.writeHead(429, { 'retry-after': values.shift() }).end();
  const transport = await open({ apiserverHost: urlOf() });
  expect(await transport.send(request())).toMatchObject({ status: 429, retryAfterSeconds: 7 });
  expect(await transport.send(request())).toMatchObject({ status: 429, retryAfterSeconds: null });
});

test('a signal ends a request that waits for its answer, and one that is being read', async () => {
  answer = ({ url }, response) => {
    if (url?.endsWith('slow')) response.write('begun');
  };
  const transport = await open({ apiserverHost: urlOf() });
  const waiting = new AbortController();
  const sent = transport.send(request(waiting.signal));
  setImmediate(() => waiting.abort());
  await expect(sent).rejects.toMatchObject({ failure: { kind: 'timeout' } });
  const reading = new AbortController();
  const response = await transport.send({ ...request(reading.signal), path: '/slow' });
  const read = readBody(response, () => reading.abort());
  await expect(read).rejects.toMatchObject({ name: 'ApiError' });
});

test('nobody there is a network failure', async () => {
  const transport = await open({ apiserverHost: 'http://127.0.0.1:1' });
  await expect(transport.send(request())).rejects.toMatchObject({
    failure: { kind: 'network', message: 'no answer (ECONNREFUSED)' },
  });
});

test('a rotated token is used as soon as credentials are renewed; a broken file keeps the old ones', async () => {
  const transport = await openWith({ token: 'one' });
  await transport.send(request());
  await writeFile(join(dir, 'kubeconfig'), 'half a fi: [le');
  transport.renewCredentials();
  await transport.send(request());
  await writeFile(join(dir, 'kubeconfig'), kubeconfigText({ token: 'two' }));
  transport.renewCredentials();
  await transport.send(request());
  expect(seen.map(({ headers }) => headers.authorization)).toEqual(['Bearer one', 'Bearer one', 'Bearer two']);
});

async function plugin(script: string): Promise<object> {
  const command = join(dir, 'plugin.sh');
  await writeFile(command, `#!/bin/sh\n${script}\n`);
  await chmod(command, 0o755);
  return { exec: { apiVersion: 'client.authentication.k8s.io/v1', command } };
}

test('an exec plugin gives the token', async () => {
  const credential = {
    kind: 'ExecCredential',
    apiVersion: 'client.authentication.k8s.io/v1',
    status: { token: 'from-plugin' },
  };
  const transport = await openWith(await plugin(`echo '${JSON.stringify(credential)}'`));
  await transport.send(request());
  expect(seen[0]?.headers.authorization).toBe('Bearer from-plugin');
});

test('what a failing plugin prints goes nowhere', async () => {
  const transport = await openWith(await plugin('echo my-secret-token >&2; exit 1'));
  const error = await transport.send(request()).catch((reason: unknown) => reason);
  expect(error).toMatchObject({ failure: { kind: 'network', message: 'no answer (credentials: Error)' } });
});

test('a plugin that hangs ends with the request', async () => {
  const transport = await openWith(await plugin('exec sleep 1'));
  const signal = AbortSignal.timeout(50);
  await expect(transport.send(request(signal))).rejects.toMatchObject({ failure: { kind: 'timeout' } });
});

test.each([
  [
    'no such file',
    { kubeconfig: '/nonexistent/kubeconfig' },
    /^kubeconfig \/nonexistent\/kubeconfig cannot be used: .*ENOENT/,
  ],
  ['neither flags nor a pod', {}, /^where do objects come from\?/],
])('%s: one line', async (_, location, message) => {
  await expect(open(location)).rejects.toThrow(message);
});
