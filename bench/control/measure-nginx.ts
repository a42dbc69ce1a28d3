// The same cluster as an nginx configuration: what a route change costs when it takes a reload.
//
// Each reload happens with one more WebSocket open, so that each generation of workers has one to wait for.

import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { processTree, pssBytes } from '../pinned-process.ts';
import { ENDPOINTS_PER_SERVICE, generateKeyPair, hasCertificate, hostOf, LIVE, type PodAddress } from './cluster.ts';
import { countCut, openWebSocket } from './origins.ts';
import { askHttp, type Quantiles, quantilesOf, timeToSee } from './probe.ts';
import type { Sample } from './standstills.ts';

export interface NginxResult {
  readonly ingresses: number;
  readonly reload: Quantiles;
  /** Proportional set size of all its processes: at the start, and with old workers held by WebSockets. */
  readonly startBytes: number;
  readonly heldBytes: number;
  readonly processes: number;
  readonly webSockets: number;
  readonly webSocketsCut: number;
}

const HTTP_PORT = 9900;
const HTTPS_PORT = 9901;
const RELOADS = 5;
/** ingress-nginx sets 240 s; shorter here so that a run sees its effect. */
const SHUTDOWN_TIMEOUT_S = 20;
const SETTLE_MS = 500;

export async function measureNginx(ingresses: number, pod: PodAddress): Promise<NginxResult> {
  const dir = mkdtempSync(join(tmpdir(), 'sluice-bench-nginx-'));
  await writeCertificates(dir, ingresses);
  const file = join(dir, 'nginx.conf');
  writeFileSync(file, renderConfiguration(dir, ingresses, pod, 0));
  const nginx = spawn('nginx', ['-c', file, '-p', dir, '-e', join(dir, 'error.log')], { stdio: 'ignore' });
  const ended = new Promise((resolve) => nginx.once('exit', resolve));
  try {
    const reload = (version: number) => {
      writeFileSync(file, renderConfiguration(dir, ingresses, pod, version));
      nginx.kill('SIGHUP');
    };
    return { ingresses, ...(await measure(nginx.pid ?? 0, reload)) };
  } finally {
    nginx.kill('SIGTERM');
    await ended;
    rmSync(dir, { recursive: true });
  }
}

async function measure(pid: number, reload: (version: number) => void): Promise<Omit<NginxResult, 'ingresses'>> {
  const ask = (path: string) => askHttp(HTTP_PORT, hostOf(0), path, true).catch((error: Error) => error.message);
  await timeToSee(
    () => {},
    () => ask('/app'),
    '200 first',
  );
  const startBytes = pssBytes(processTree(pid));
  const sockets = [];
  const reloads: Sample[] = [];
  for (let version = 1; version <= RELOADS; version++) {
    sockets.push(await openWebSocket(HTTP_PORT, hostOf(0)));
    reloads.push(
      await timeToSee(
        () => reload(version),
        () => ask(`/v${version}`),
        '200 first',
      ),
    );
    // Until the old worker has stopped to accept, so that the next WebSocket is on the new one.
    await delay(SETTLE_MS);
  }
  const pids = processTree(pid);
  const heldBytes = pssBytes(pids);
  await delay((SHUTDOWN_TIMEOUT_S + 1) * 1000);
  const webSocketsCut = countCut(sockets);
  for (const socket of sockets) socket.terminate();
  return {
    reload: quantilesOf(reloads),
    startBytes,
    heldBytes,
    processes: pids.length,
    webSockets: RELOADS,
    webSocketsCut,
  };
}

async function writeCertificates(dir: string, ingresses: number): Promise<void> {
  for (let i = 0; i < ingresses; i++) {
    if (!hasCertificate(i, ingresses)) continue;
    const { cert, key } = await generateKeyPair(hostOf(i));
    writeFileSync(join(dir, `${i}.pem`), `${cert}\n${key}`);
  }
}

/** `version` above 0 adds a path to the first host. */
function renderConfiguration(dir: string, ingresses: number, pod: PodAddress, version: number): string {
  const servers = Array.from({ length: ingresses }, (_, i) => renderServer(dir, i, ingresses, pod, version));
  return `
user root;
daemon off;
worker_processes 1;
worker_shutdown_timeout ${SHUTDOWN_TIMEOUT_S}s;
pid ${dir}/nginx.pid;
error_log ${dir}/error.log;
events { worker_connections 8192; }
http {
  access_log off;
  client_body_temp_path ${dir}/body;
  proxy_temp_path ${dir}/proxy;
  fastcgi_temp_path ${dir}/fastcgi;
  uwsgi_temp_path ${dir}/uwsgi;
  scgi_temp_path ${dir}/scgi;
  server_names_hash_max_size 65536;
  server_names_hash_bucket_size 128;
  proxy_http_version 1.1;
  proxy_set_header Host $http_host;
  proxy_set_header Upgrade $http_upgrade;
  proxy_set_header Connection $http_connection;
${servers.join('')}}
`;
}

function renderServer(dir: string, i: number, ingresses: number, pod: PodAddress, version: number): string {
  const endpoints =
    i < LIVE
      ? [`${pod.address}:${pod.port}`]
      : Array.from({ length: ENDPOINTS_PER_SERVICE }, (_, n) => `10.${100 + (i >> 8)}.${i & 255}.${n + 1}:8080`);
  const paths = ['/app', '/api', ...(i === 0 && version > 0 ? [`/v${version}`] : [])];
  const pem = join(dir, `${i}.pem`);
  const tls = hasCertificate(i, ingresses)
    ? `listen 127.0.0.1:${HTTPS_PORT} ssl; ssl_certificate ${pem}; ssl_certificate_key ${pem};`
    : '';
  return `upstream app-${i} { ${endpoints.map((endpoint) => `server ${endpoint};`).join(' ')} }
server { listen 127.0.0.1:${HTTP_PORT}; server_name ${hostOf(i)}; ${tls}
${paths.map((path) => `location ${path} { proxy_pass http://app-${i}; }`).join('\n')}
}
`;
}
