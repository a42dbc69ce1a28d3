// `sluice serve` as a process: what a user and a kubelet see from start to exit.

import { closeSync, openSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import {
  createServer,
  request as httpRequest,
  type IncomingMessage,
  type RequestListener,
  type Server,
} from 'node:http';
import { request as httpsRequest } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TLSSocket } from 'node:tls';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { PRETEND_NODE_20, RunningSluice, runSluice, type ServingRecord } from './cli/testing/run-sluice.ts';

const FREE_PORTS = ['--http-port=0', '--https-port=0', '--healthz-port=0', '--workers=1'];

let folder = '';
let origin: Server;
let onOriginRequest: RequestListener;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sluice-serve-'));
  onOriginRequest = (_, response) => response.end('from the origin');
  origin = createServer((request, response) => onOriginRequest(request, response));
  await new Promise<void>((resolve) => origin.listen(0, '127.0.0.1', resolve));
  await writeFile(join(folder, 'all.yaml'), manifests('one.test'));
});

afterEach(async () => {
  origin.closeAllConnections();
  origin.close();
  await rm(folder, { recursive: true });
});

/** One Service with the test's origin as its endpoint, and an Ingress for each host. */
function manifests(...hosts: readonly string[]): string {
  const { port } = origin.address() as AddressInfo;
  const ingresses = hosts.map(
    (host) => `---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: { name: ${host} }
spec:
  ingressClassName: nginx
  rules:
    - host: ${host}
      http: { paths: [{ path: /, pathType: Prefix, backend: { service: { name: web, port: { number: 80 } } } }] }
`,
  );
  return `
apiVersion: networking.k8s.io/v1
kind: IngressClass
metadata: { name: nginx }
spec: { controller: k8s.io/ingress-nginx }
---
apiVersion: v1
kind: Service
metadata: { name: web }
spec: { ports: [{ port: 80, targetPort: ${port} }] }
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: { name: web-1, labels: { kubernetes.io/service-name: web } }
addressType: IPv4
ports: [{ port: ${port}, protocol: TCP, name: '' }]
endpoints: [{ addresses: [127.0.0.1] }]
${ingresses.join('')}`;
}

function serve(...args: readonly string[]): RunningSluice {
  return new RunningSluice(['--manifests', folder, ...FREE_PORTS, ...args]);
}

interface Answer {
  readonly status: number;
  readonly body: string;
  /** Common name of the certificate; null over plain HTTP. */
  readonly certificate: string | null;
}

function ask(scheme: 'http' | 'https', port: number, host: string): Promise<Answer> {
  const options = { port, host: '127.0.0.1', headers: { host }, agent: false } as const;
  const request =
    scheme === 'http'
      ? httpRequest(options)
      : httpsRequest({ ...options, servername: host, rejectUnauthorized: false });
  return new Promise((resolve, reject) => {
    request.once('error', reject);
    request.once('response', (response: IncomingMessage) => {
      let body = '';
      response.setEncoding('utf8').on('data', (text: string) => {
        body += text;
      });
      const peer = scheme === 'https' ? (response.socket as TLSSocket).getPeerCertificate() : null;
      response.once('error', reject);
      response.once('end', () => {
        resolve({
          status: response.statusCode ?? 0,
          body,
          certificate: peer === null ? null : String(peer.subject.CN),
        });
      });
    });
    request.end();
  });
}

describe('serving', () => {
  test('answers over HTTP and, with the generated certificate, over HTTPS; logs access on stdout', async () => {
    await using sluice = serve();
    const { httpPort, httpsPort, hosts } = await sluice.serving();
    expect(hosts).toEqual(['one.test']);
    expect(await ask('http', httpPort, 'one.test')).toEqual({
      status: 200,
      body: 'from the origin',
      certificate: null,
    });
    expect(await ask('https', httpsPort, 'one.test')).toEqual({
      status: 200,
      body: 'from the origin',
      certificate: 'Kubernetes Ingress Controller Fake Certificate',
    });
    expect((await ask('http', httpPort, 'other.test')).status).toBe(404);
    expect(await sluice.printed('"GET / HTTP/1.1" 200')).toContain('default-web-80');
  });

  test('tells its health and its metrics', async () => {
    await using sluice = serve();
    const { httpPort, healthPort } = await sluice.serving();
    const health = await fetch(`http://127.0.0.1:${healthPort}/healthz`);
    expect({ status: health.status, body: await health.text() }).toEqual({ status: 200, body: 'ok' });
    await ask('http', httpPort, 'one.test');
    const metrics = await (await fetch(`http://127.0.0.1:${healthPort}/metrics`)).text();
    expect(metrics).toMatch(/^nginx_ingress_controller_requests\{[^}]*status="200"[^}]*\} 1$/m);
    expect(metrics).toMatch(/^nginx_ingress_controller_build_info\{[^}]*release="\d+\.\d+\.\d+"[^}]*\} 1$/m);
  });

  test('takes up a saved change without a restart', async () => {
    await using sluice = serve();
    const { httpPort } = await sluice.serving();
    expect((await ask('http', httpPort, 'two.test')).status).toBe(404);
    await writeFile(join(folder, 'all.yaml'), manifests('one.test', 'two.test'));
    await sluice.logged(({ msg }) => msg === 'routing table 2 is live');
    expect((await ask('http', httpPort, 'two.test')).status).toBe(200);
  });

  test('logs a problem with its file, and that it is solved', async () => {
    await using sluice = serve();
    await sluice.serving();
    await writeFile(join(folder, 'bad.yaml'), 'a: [1,\nb: {');
    const problem = await sluice.logged(({ msg }) => msg.startsWith('error '));
    expect(problem).toMatchObject({ level: 50, source: { file: 'bad.yaml' } });
    await rm(join(folder, 'bad.yaml'));
    await sluice.logged(({ msg }) => msg === `resolved: ${problem.msg}`);
  });

  test('warns about given flags that are not carried out yet', async () => {
    await using sluice = serve('--maxmind-mirror=https://m.test');
    await sluice.logged(({ msg }) => msg.startsWith('--maxmind-mirror is not carried out yet.'));
  });

  test('warns about more client connections than the system has files for', async () => {
    await using sluice = serve('--max-connections=999999999');
    const { level } = await sluice.logged(({ msg }) => msg.includes('not the 999999999 of --max-connections'));
    expect(level).toBe(40);
  });

  test('prints a banner for people', async () => {
    await using sluice = serve('--log-format=pretty');
    expect(await sluice.printed('Ctrl-C stops.')).toContain('curl --resolve one.test:');
  });
});

describe('logs that cannot be written cost lines, not traffic', () => {
  /** Asks again and again, until at least `count` lines of the access log are counted as lost. */
  async function askUntilLost(count: number, { httpPort, healthPort }: ServingRecord): Promise<void> {
    for (let lost = 0; lost < count; ) {
      expect((await ask('http', httpPort, 'one.test')).status).toBe(200);
      const page = await (await fetch(`http://127.0.0.1:${healthPort}/metrics`)).text();
      lost = Number(/^sluice_lost_log_lines_total\{stream="stdout"\} (\d+)$/m.exec(page)?.[1]);
    }
  }

  test('stdout on a full disk: requests are served, the loss is logged once and counted', async () => {
    using full = openFull();
    await using sluice = new RunningSluice(['--manifests', folder, ...FREE_PORTS], { outputs: { stdout: full.fd } });
    await askUntilLost(2, await sluice.serving());
    await sluice.logged(({ msg }) =>
      msg.startsWith('stdout cannot be written, lines of the access log are lost: ENOSPC'),
    );
    sluice.kill('SIGTERM');
    expect(await sluice.exited).toEqual({ code: 0, signal: null });
  });

  test('stderr on a full disk: it starts, serves and stops', async () => {
    using full = openFull();
    await using sluice = new RunningSluice(['--manifests', folder, ...FREE_PORTS, '--log-format=pretty'], {
      outputs: { stderr: full.fd },
    });
    const [, port] = /--resolve one\.test:(\d+):/.exec(await sluice.printed('Ctrl-C stops.')) ?? [];
    expect((await ask('http', Number(port), 'one.test')).status).toBe(200);
    sluice.kill('SIGTERM');
    expect(await sluice.exited).toEqual({ code: 0, signal: null });
  });

  test('the reader of stdout goes away: requests are served until somebody stops it', async () => {
    await using sluice = serve();
    const serving = await sluice.serving();
    sluice.closeStdout();
    await askUntilLost(2, serving);
    sluice.kill('SIGTERM');
    expect(await sluice.exited).toEqual({ code: 0, signal: null });
  });

  /** A device that is always full. */
  function openFull(): Disposable & { readonly fd: number } {
    const fd = openSync('/dev/full', 'w');
    return { fd, [Symbol.dispose]: () => closeSync(fd) };
  }
});

describe('a start that cannot succeed is one line', () => {
  test('a taken port: exit code 1', async () => {
    const { port } = origin.address() as AddressInfo;
    const args = ['--manifests', folder, ...FREE_PORTS, `--http-port=${port}`, '--bind-address=127.0.0.1'];
    const { code, stderr } = await runSluice(['serve', '--log-level=error', ...args]);
    expect(code).toBe(1);
    expect(stderr).toMatch(new RegExp(`^sluice: listener http cannot use 127\\.0\\.0\\.1:${port}: [^\\n]+\\n$`));
  });

  test('a taken health port: exit code 1', async () => {
    const { port } = origin.address() as AddressInfo;
    const { code, stderr } = await runSluice([
      ...['serve', '--log-level=error', '--manifests', folder],
      ...[...FREE_PORTS, `--healthz-port=${port}`, '--healthz-host=127.0.0.1'],
    ]);
    expect(code).toBe(1);
    expect(stderr).toBe(
      `sluice: health server cannot use 127.0.0.1:${port}: the port is in use by another process (EADDRINUSE)\n`,
    );
  });

  test('a missing folder: exit code 2, whatever ports are taken', async () => {
    const { port } = origin.address() as AddressInfo;
    const taken = ['--healthz-host=127.0.0.1', `--healthz-port=${port}`];
    const { code, stderr } = await runSluice(['serve', '--manifests', join(folder, 'absent'), ...FREE_PORTS, ...taken]);
    expect(code).toBe(2);
    expect(stderr).toBe(`sluice: manifest folder ${join(folder, 'absent')} does not exist\n`);
  });
});

describe('stopping', () => {
  /** Holds the next request at the origin; gives what lets it go. */
  function holdNextRequest(): { readonly arrived: Promise<void>; readonly release: () => void } {
    const arrived = Promise.withResolvers<void>();
    const released = Promise.withResolvers<void>();
    onOriginRequest = (_, response) => {
      arrived.resolve();
      void released.promise.then(() => response.end('late'));
    };
    return { arrived: arrived.promise, release: released.resolve };
  }

  test.each(['SIGTERM', 'SIGINT'] as const)('%s without traffic: exit code 0', async (signal) => {
    await using sluice = serve();
    await sluice.serving();
    sluice.kill(signal);
    expect(await sluice.exited).toEqual({ code: 0, signal: null });
  });

  test('the launcher passes the signal on, and the exit code back', async () => {
    const options = { entry: 'sluice.js', nodeArguments: PRETEND_NODE_20 } as const;
    await using sluice = new RunningSluice(['--manifests', folder, ...FREE_PORTS], options);
    const { httpPort } = await sluice.serving();
    sluice.kill('SIGTERM');
    expect(await sluice.exited).toEqual({ code: 0, signal: null });
    expect(await untilRefused(httpPort)).toBe('ECONNREFUSED');
  });

  test('a running request finishes, a new connection is refused', async () => {
    await using sluice = serve();
    const { httpPort } = await sluice.serving();
    const { arrived, release } = holdNextRequest();
    const running = ask('http', httpPort, 'one.test');
    await arrived;
    sluice.kill('SIGTERM');
    await sluice.logged(({ msg }) => msg.startsWith('stopping:'));
    expect(await untilRefused(httpPort)).toBe('ECONNREFUSED');
    release();
    expect(await running).toMatchObject({ status: 200, body: 'late' });
    expect(await sluice.exited).toEqual({ code: 0, signal: null });
  });

  /** The worker closes its listener a moment after the log line; a connection that is not accepted then is reset. */
  async function untilRefused(port: number): Promise<string> {
    onOriginRequest = (_, response) => response.end();
    for (;;) {
      const code = await ask('http', port, 'one.test').then(
        () => 'answered',
        (error: NodeJS.ErrnoException) => error.code ?? '',
      );
      if (code !== 'answered' && code !== 'ECONNRESET') return code;
    }
  }

  test('traffic is served during the grace period; another signal ends it at once', async () => {
    await using sluice = serve('--shutdown-grace-period=600');
    const { httpPort, healthPort } = await sluice.serving();
    sluice.kill('SIGTERM');
    await sluice.logged(({ msg }) => msg.startsWith('SIGTERM: not ready any more'));
    expect((await ask('http', httpPort, 'one.test')).status).toBe(200);
    expect((await fetch(`http://127.0.0.1:${healthPort}/healthz`)).status).toBe(500);
    sluice.kill('SIGINT');
    expect(await sluice.exited).toEqual({ code: 130, signal: null });
  });
});
