// HTTP/2 as the tools of others speak it, against `sluice serve`: curl, nghttp, h2load, OpenSSL.

import { execFile } from 'node:child_process';
import { rm, writeFile } from 'node:fs/promises';
import http from 'node:http';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { listenOnLoopback } from '../harness/loopback-server.ts';
import { writeManifests } from '../harness/manifest-folder.ts';
import { SluiceProcess } from '../harness/sluice-process.ts';

const run = promisify(execFile);
const HOST = 'tools.test';
const LARGE = Buffer.alloc(5_000_000, 'l');

let stack: AsyncDisposableStack;
let folder: string;
let httpPort: number;
let httpsPort: number;

beforeAll(async () => {
  stack = new AsyncDisposableStack();
  folder = await writeManifests({
    services: { [HOST]: await startOrigin() },
    annotations: {
      [HOST]: {
        'nginx.ingress.kubernetes.io/proxy-body-size': '0',
        'nginx.ingress.kubernetes.io/ssl-redirect': 'false',
      },
    },
    settings: {
      'sluice-http2-prior-knowledge': 'true',
      'disable-access-log': 'true',
      // h2load does not open another connection when the first one is worn out.
      'keep-alive-requests': '1000000',
    },
  });
  stack.defer(() => rm(folder, { recursive: true }));
  await writeFile(join(folder, '..upload.bin'), LARGE);
  const sluice = new SluiceProcess(['--manifests', folder, '--configmap=default/settings', '--bind-address=127.0.0.1']);
  stack.defer(() => sluice.kill());
  ({ httpPort, httpsPort } = await sluice.serving());
}, 60_000);

afterAll(() => stack.disposeAsync());

/** Answers with what it got: method, length of the body, trailers. */
async function startOrigin(): Promise<number> {
  // nghttp's CONTINUATION frames hold more fields than node:http takes otherwise.
  const server = http.createServer({ maxHeaderSize: 64 * 1024 }, (request, response) => {
    if (request.url === '/large') return void response.end(LARGE);
    let bytes = 0;
    request.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
    });
    request.on('end', () => {
      const { method, trailers } = request;
      response.setHeader('content-type', 'application/json').end(JSON.stringify({ method, bytes, trailers }));
    });
  });
  return await listenOnLoopback(server, stack);
}

async function output(program: string, ...args: readonly string[]): Promise<string> {
  const { stdout, stderr } = await run(program, args, { maxBuffer: 32 * 1024 * 1024, timeout: 20_000 });
  return stdout + stderr;
}

describe('curl', () => {
  const FACTS = '\n%{http_version} %{http_code} %{size_download}';
  const over = {
    tls: () => ['--insecure', '--http2', '--resolve', `${HOST}:${httpsPort}:127.0.0.1`, `https://${HOST}:${httpsPort}`],
    plain: () => [
      '--http2-prior-knowledge',
      '--resolve',
      `${HOST}:${httpPort}:127.0.0.1`,
      `http://${HOST}:${httpPort}`,
    ],
  };

  async function curl(kind: keyof typeof over, path: string, ...args: readonly string[]): Promise<string> {
    const options = over[kind]();
    const url = `${options.pop()}${path}`;
    return await output('curl', '--silent', '--show-error', '--write-out', FACTS, ...args, ...options, url);
  }

  test.each(['tls', 'plain'] as const)('%s: a request', async (kind) => {
    expect(await curl(kind, '/')).toBe('{"method":"GET","bytes":0,"trailers":{}}\n2 200 40');
  });

  test.each(['tls', 'plain'] as const)('%s: an upload of known and of unknown length', async (kind) => {
    const file = join(folder, '..upload.bin');
    const want = `{"method":"POST","bytes":${LARGE.length},"trailers":{}}\n2 200`;
    expect(await curl(kind, '/', '--data-binary', `@${file}`)).toContain(want);
    expect(await curl(kind, '/', '--data-binary', `@${file}`, '--header', 'content-length:')).toContain(want);
  });

  test.each(['tls', 'plain'] as const)('%s: a large download', async (kind) => {
    expect(await curl(kind, '/large', '--output', '/dev/null')).toBe(`\n2 200 ${LARGE.length}`);
  });

  test('an upgrade from HTTP/1.1 is not taken: the answer comes in HTTP/1.1', async () => {
    const url = `http://127.0.0.1:${httpPort}/`;
    const text = await output('curl', '--silent', '--http2', '--write-out', FACTS, '--header', `host: ${HOST}`, url);
    expect(text).toContain('\n1.1 200');
  });
});

describe('nghttp', () => {
  const url = (path: string) => `https://127.0.0.1:${httpsPort}${path}`;
  const nghttp = (...args: readonly string[]) =>
    output('nghttp', '--no-verify-peer', '-H', `:authority: ${HOST}`, ...args);

  test('many requests on one connection', async () => {
    const text = await nghttp('--stat', '--null-out', '--multiply=100', url('/'));
    expect(text.match(/ 200 +\S+ \//g)).toHaveLength(100);
  });

  test('trailers of a request, as a header block in CONTINUATION frames', async () => {
    const file = join(folder, '..upload.bin');
    const text = await nghttp(
      '--data',
      file,
      '--trailer',
      'x-sum: 1',
      '--no-content-length',
      '--continuation',
      url('/'),
    );
    expect(text).toContain(`{"method":"POST","bytes":${LARGE.length},"trailers":{"x-sum":"1"}}`);
  });

  test('padded frames, a tiny window, a tiny header table', async () => {
    const args = ['--padding=200', '--window-bits=10', '--connection-window-bits=12', '--header-table-size=0'];
    const text = await nghttp('--null-out', '--stat', ...args, url('/large'));
    expect(text).toMatch(/ 200 +4M \/large/);
  });

  test('a request that expects to be told to go on', async () => {
    const file = join(folder, '..upload.bin');
    const text = await nghttp('--verbose', '--expect-continue', '--data', file, url('/'));
    expect(text).toContain(':status: 100');
    expect(text).toContain(`"bytes":${LARGE.length}`);
  });
});

describe('h2load', () => {
  test.each<[string, () => readonly string[]]>([
    ['TLS, 16 connections with 32 streams', () => ['-c16', '-m32', '-n20000', `https://127.0.0.1:${httpsPort}/`]],
    ['without TLS, as many streams as we allow', () => ['-c4', '-m128', '-n10000', `http://127.0.0.1:${httpPort}/`]],
    ['uploads', () => ['-c4', '-m16', '-n100', '-d', join(folder, '..upload.bin'), `https://127.0.0.1:${httpsPort}/`]],
  ])('%s: every request is answered 200', async (_name, args) => {
    const text = await output('h2load', '-t1', '-H', `:authority: ${HOST}`, ...args());
    const [, sent] = /requests: (\d+) total/.exec(text) ?? [];
    expect(text).toContain(`${sent} succeeded, 0 failed, 0 errored, 0 timeout`);
    expect(text).toContain(`status codes: ${sent} 2xx`);
  });
});

test.each([
  ['h2', 'ALPN protocol: h2'],
  ['http/1.1', 'ALPN protocol: http/1.1'],
  ['spdy/3,h2', 'ALPN protocol: h2'],
])('openssl s_client: a client that offers %s', async (offer, agreed) => {
  const target = `127.0.0.1:${httpsPort}`;
  const { stdin, done } = sClient('-connect', target, '-servername', HOST, '-alpn', offer);
  stdin?.end('Q\n');
  expect(await done).toContain(agreed);
});

function sClient(...args: readonly string[]) {
  const promise = run('openssl', ['s_client', ...args], { timeout: 10_000 });
  return { stdin: promise.child.stdin, done: promise.then(({ stdout }) => stdout) };
}
