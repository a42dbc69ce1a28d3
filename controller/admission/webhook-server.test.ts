// The webhook over real HTTPS: statuses, limits, the answer's JSON, and the change of its certificate.

import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdir, mkdtemp, rename, rm, symlink, writeFile } from 'node:fs/promises';
import type { IncomingMessage, RequestOptions } from 'node:http';
import { request } from 'node:https';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TLSSocket } from 'node:tls';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { listeningServer } from '../admin/testing/listening-server.ts';
import { fixture } from '../compile/testing/fixtures.ts';
import { decide } from './decide.ts';
import { rawIngress, reviewOf, viewWith } from './testing/reviews.ts';
import { type ReviewFacts, WebhookServer, type WebhookServerOptions } from './webhook-server.ts';

/** Folder like a mounted Secret: `tls.crt` and `tls.key` are links through `..data`, which is swapped as one. */
class MountedSecret {
  readonly path: string;
  #version = 0;

  private constructor(path: string) {
    this.path = path;
  }

  static async create(): Promise<MountedSecret> {
    const mount = new MountedSecret(await mkdtemp(join(tmpdir(), 'sluice-webhook-')));
    await symlink('..data/tls.crt', join(mount.path, 'tls.crt'));
    await symlink('..data/tls.key', join(mount.path, 'tls.key'));
    return mount;
  }

  async put(cert: string, key: string): Promise<void> {
    const version = `..version-${++this.#version}`;
    await mkdir(join(this.path, version));
    await writeFile(join(this.path, version, 'tls.crt'), cert);
    await writeFile(join(this.path, version, 'tls.key'), key);
    await symlink(version, join(this.path, '..data_tmp'));
    await rename(join(this.path, '..data_tmp'), join(this.path, '..data'));
  }

  async remove(): Promise<void> {
    await rm(this.path, { recursive: true, force: true });
  }
}

interface Reply {
  readonly status: number;
  readonly json: unknown;
  readonly subject: string;
}

let mount: MountedSecret;
let server: WebhookServer | null = null;
let reviews: ReviewFacts[] = [];
let logged: string[] = [];
const waiting: (() => void)[] = [];

function log(_fields: object, message: string): void {
  logged.push(message);
  for (const wake of waiting.splice(0)) wake();
}

async function untilLogged(pattern: RegExp, after = 0): Promise<void> {
  while (!logged.slice(after).some((message) => pattern.test(message))) {
    await new Promise<void>((resolve) => waiting.push(resolve));
  }
}

beforeEach(async () => {
  mount = await MountedSecret.create();
  reviews = [];
  logged = [];
});

afterEach(async () => {
  await server?.close();
  server = null;
  await mount.remove();
});

async function start(changes: Partial<WebhookServerOptions> = {}): Promise<WebhookServer> {
  const view = viewWith({ objects: [rawIngress({ name: 'old', host: 'old.test' })] });
  server = await WebhookServer.start({
    host: '127.0.0.1',
    port: 0,
    certPath: join(mount.path, 'tls.crt'),
    keyPath: join(mount.path, 'tls.key'),
    decide: (asked) => decide(view, asked, { disableFullTest: false }),
    onReview: (facts) => reviews.push(facts),
    log: { info: log, warn: log, error: log },
    nowMs: () => performance.now(),
    // Changes are to be seen by the hints of the system, not by waiting.
    checkCertificateEveryMs: 3_600_000,
    ...changes,
  });
  return server;
}

async function startWithPair(changes: Partial<WebhookServerOptions> = {}): Promise<void> {
  await mount.put(fixture('foo-bar-com.crt'), fixture('foo-bar-com.key'));
  await start(changes);
}

async function post(body: string | Buffer, options: RequestOptions = {}): Promise<Reply> {
  const asked = request({
    host: '127.0.0.1',
    port: server?.port,
    method: 'POST',
    path: '/networking/v1/ingresses',
    rejectUnauthorized: false,
    agent: false,
    ...options,
  });
  asked.end(body);
  const [response] = (await once(asked, 'response')) as [IncomingMessage];
  const subject = (response.socket as TLSSocket).getPeerCertificate().subject.CN;
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk as Buffer);
  const text = Buffer.concat(chunks).toString();
  return { status: response.statusCode ?? 0, json: JSON.parse(text), subject: String(subject) };
}

const good = JSON.stringify(reviewOf(rawIngress()));

describe('answers', () => {
  beforeEach(() => startWithPair());

  test('an Ingress that is welcome', async () => {
    const { status, json } = await post(good);
    expect(status).toBe(200);
    expect(json).toEqual({
      apiVersion: 'admission.k8s.io/v1',
      kind: 'AdmissionReview',
      response: { uid: 'review-1', allowed: true },
    });
    expect(reviews).toHaveLength(1);
    expect(reviews[0]).toMatchObject({ bodyBytes: good.length, decision: { kind: 'allow', testedIngresses: 2 } });
  });

  test('an Ingress that is refused, with warnings', async () => {
    const raw = rawIngress({ host: 'old.test', annotations: { 'x-forwarded-prefix': '/a' } });
    const { status, json } = await post(JSON.stringify(reviewOf(raw, { operation: 'UPDATE', dryRun: true })));
    expect(status).toBe(200);
    expect(json).toHaveProperty('response', {
      uid: 'review-1',
      allowed: false,
      status: {
        metadata: {},
        status: 'Failure',
        message: 'host "old.test" and path "/" is already defined in ingress shop/old',
        reason: 'BadRequest',
        code: 400,
      },
      warnings: [expect.stringMatching(/^x-forwarded-prefix "\/a"/)],
    });
  });

  test.each<[string, string, number]>([
    ['no JSON', '{', 400],
    ['an empty body', '', 400],
    ['no object', '[]', 400],
    ['no kind', '{}', 400],
    ['no request', JSON.stringify({ ...reviewOf(null), request: null }), 400],
    ['AdmissionReview v1beta1', JSON.stringify({ ...reviewOf(null), apiVersion: 'admission.k8s.io/v1beta1' }), 500],
    ['something that is no review', JSON.stringify(rawIngress()), 500],
    [
      'a review of another kind',
      JSON.stringify(reviewOf(null, { kind: { group: '', version: 'v1', kind: 'Pod' } })),
      500,
    ],
    [
      'an Ingress of another version',
      JSON.stringify(reviewOf(null, { kind: { group: 'networking.k8s.io', version: 'v1beta1', kind: 'Ingress' } })),
      500,
    ],
    ['an object that is none', JSON.stringify(reviewOf('x')), 200],
  ])('%s', async (_name, body, status) => {
    expect(await post(body)).toMatchObject({ status });
  });

  test('on any path, and one after the other on one connection', async () => {
    for (const path of ['/', '/networking/v1/ingresses', '/else?timeout=10s']) {
      expect(await post(good, { path })).toMatchObject({ status: 200 });
    }
  });

  test.each([
    ['announced', { 'content-length': String(9 * 1024 * 1024) }],
    ['unannounced', { 'transfer-encoding': 'chunked' }],
  ])('a body of 9 MiB, its length %s', async (_name, headers) => {
    const reply = await post(Buffer.alloc(9 * 1024 * 1024, ' '), { headers });
    expect(reply).toMatchObject({ status: 413 });
    expect(await post(good)).toMatchObject({ status: 200 });
  });

  test('a body a byte below that', async () => {
    const body = good.padEnd(9 * 1024 * 1024 - 1, ' ');
    expect(await post(body)).toMatchObject({ status: 200 });
  });

  test('a client that goes away in the middle leaves nothing behind', async () => {
    const asked = request({
      host: '127.0.0.1',
      port: server?.port,
      method: 'POST',
      rejectUnauthorized: false,
      agent: false,
    });
    asked.on('error', () => undefined);
    asked.write('{');
    await once(asked, 'socket');
    await once(asked.socket as TLSSocket, 'secureConnect');
    asked.destroy();
    expect(await post(good)).toMatchObject({ status: 200 });
  });
});

test('fails reviews while the cluster is not known', async () => {
  await startWithPair({ decide: () => null });
  expect(await post(good)).toMatchObject({ status: 500 });
});

test('a bug is an answer and a log line', async () => {
  await startWithPair({
    decide: () => {
      throw new Error('bug');
    },
  });
  expect(await post(good)).toMatchObject({ status: 500 });
  expect(logged).toContain('admission webhook could not answer');
});

test('many large bodies at once are turned away, and all is well afterwards', async () => {
  await startWithPair();
  const large = randomBytes(8 * 1024 * 1024);
  const pending = Array.from({ length: 6 }, () => post(large).catch(() => ({ status: 0 })));
  const statuses = (await Promise.all(pending)).map(({ status }) => status);
  for (const status of statuses) expect([400, 503]).toContain(status);
  expect(await post(good)).toMatchObject({ status: 200 });
});

describe('certificate', () => {
  const pairs = { first: 'foo-bar-com', second: 'wildcard-foo-com' } as const;
  const put = (cert: string, key = cert) => mount.put(fixture(`${cert}.crt`), fixture(`${key}.key`));

  test('is swapped without a restart, and open connections go on', async () => {
    await put(pairs.first);
    await start();
    const before = await post(good);
    await put(pairs.second);
    await untilLogged(/loaded/, 1);
    const after = await post(good);
    expect([before.status, after.status]).toEqual([200, 200]);
    expect(after.subject).not.toBe(before.subject);
  });

  test('of a pair that does not belong together the one before stays', async () => {
    await put(pairs.first);
    await start();
    const { subject } = await post(good);
    await put(pairs.second, pairs.first);
    await untilLogged(/not usable/);
    expect(await post(good)).toMatchObject({ status: 200, subject });
    await put(pairs.second);
    await untilLogged(/loaded/, 2);
    expect((await post(good)).subject).not.toBe(subject);
  });

  test('that comes late is awaited: no handshake until then', async () => {
    await start();
    expect(logged).toEqual([expect.stringMatching(/not usable \(ENOENT.*no handshake succeeds/)]);
    await expect(post(good)).rejects.toThrow();
    await put(pairs.first);
    await untilLogged(/loaded/);
    expect(await post(good)).toMatchObject({ status: 200 });
  });

  test('problems name the files, never their content', async () => {
    await mount.put('not a certificate hunter2', 'hunter2');
    await start();
    expect(logged).toHaveLength(1);
    expect(logged[0]).toContain('tls.crt');
    expect(logged[0]).not.toContain('hunter2');
  });
});

test('a port that is taken is the reason of the rejection', async () => {
  await startWithPair();
  const taken = server?.port ?? 0;
  const first = server;
  await expect(start({ port: taken })).rejects.toMatchObject({ code: 'EADDRINUSE' });
  server = first;
});

test('closes under a client that has not ended its handshake', async () => {
  await startWithPair();
  const silent = connect({ host: '127.0.0.1', port: server?.port ?? 0 }).on('error', () => {});
  await once(silent, 'connect');
  // The silent one is accepted too: it was before this one in the queue.
  await post(good);
  const closed = once(silent, 'close');
  const startMs = performance.now();
  await server?.close();
  await closed;
  expect(performance.now() - startMs).toBeLessThan(5_000);
});

test('a connection that the system could not accept is told, and costs no other', async () => {
  const inner = await listeningServer(() => startWithPair());
  inner.emit('error', Object.assign(new Error('accept EMFILE'), { code: 'EMFILE' }));
  expect(logged).toContain('admission webhook could not take a connection');
  expect((await post(JSON.stringify(reviewOf(rawIngress({ name: 'new', host: 'new.test' }))))).status).toBe(200);
});
