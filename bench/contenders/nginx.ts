// nginx, tuned as a careful user tunes it for this work, and made to add the same headers as Sluice.
//
// Deviations from its defaults, each in nginx's favour: upstream keep-alive with a large pool, larger proxy buffers
// (1 MB bodies), no temporary files, request bodies streamed, access log buffered as Sluice buffers its own.

import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { PinnedProcess, PROXY_CORE } from '../pinned-process.ts';
import {
  type Contender,
  type Flavour,
  GRPC_PORT,
  HOST,
  HOST_COUNT,
  hostName,
  ORIGIN_PORTS,
  originPortOf,
  type StartOptions,
} from './contender.ts';

export const nginx: Contender = {
  name: 'nginx',
  flavours: [
    'plain',
    'accessLog',
    'manyHosts',
    'filters',
    'affinityAndLimits',
    'bufferedUploads',
    'mirror',
    'webSocket',
    'grpc',
  ],
  hasTls: true,
  version: () => spawnSync('nginx', ['-v'], { encoding: 'utf8' }).stderr.trim().replace('nginx version: ', ''),
  start: (options) => {
    const file = join(options.directory, 'nginx.conf');
    writeFileSync(file, renderConfiguration(options));
    return new PinnedProcess({
      core: PROXY_CORE,
      command: 'nginx',
      args: ['-c', file, '-p', options.directory, '-e', 'stderr'],
      logFile: join(options.directory, 'output.log'),
    });
  },
};

function renderConfiguration(options: StartOptions): string {
  const { directory, flavour } = options;
  return `
user root;
daemon off;
worker_processes 1;
pid ${directory}/nginx.pid;
error_log stderr warn;
worker_rlimit_nofile 65536;
events { worker_connections 32768; use epoll; multi_accept on; }
http {
  ${accessLog(directory, flavour)}
  ${flavour === 'filters' ? FILTER_TABLES : ''}
  ${flavour === 'affinityAndLimits' ? AFFINITY_TABLES : ''}
  client_body_temp_path ${directory}/body;
  proxy_temp_path ${directory}/proxy;
  fastcgi_temp_path ${directory}/fastcgi;
  uwsgi_temp_path ${directory}/uwsgi;
  scgi_temp_path ${directory}/scgi;
  keepalive_timeout 600s;
  keepalive_requests 100000000;
  client_max_body_size 0;
  client_body_buffer_size 64k;
  server_names_hash_max_size 65536;
  server_names_hash_bucket_size 128;
  ssl_certificate ${options.certFile};
  ssl_certificate_key ${options.keyFile};
  ssl_protocols TLSv1.2 TLSv1.3;
  ssl_session_cache shared:SSL:10m;
  proxy_http_version 1.1;
  proxy_request_buffering ${flavour === 'bufferedUploads' ? 'on' : 'off'};
  proxy_buffer_size 16k;
  proxy_buffers 8 32k;
  proxy_busy_buffers_size 64k;
  proxy_max_temp_file_size 0;
  ${requestHeaders(flavour)}
  ${[...ORIGIN_PORTS, GRPC_PORT].map(renderUpstream).join('\n  ')}
  ${renderServers(options)}
}
`;
}

/** What Sluice adds, under the names of the module that passes requests on. */
function requestHeaders(flavour: Flavour): string {
  const headers = [
    ['X-Request-ID', '$request_id'],
    ['X-Real-IP', '$remote_addr'],
    ['X-Forwarded-For', '$remote_addr'],
    ['X-Forwarded-Host', '$http_host'],
    ['X-Forwarded-Port', '$server_port'],
    ['X-Forwarded-Proto', '$scheme'],
    ['X-Forwarded-Scheme', '$scheme'],
    ['X-Scheme', '$scheme'],
  ];
  if (flavour !== 'grpc') headers.unshift(['Host', '$http_host'], ['Connection', '""']);
  if (flavour === 'webSocket') headers.splice(1, 1, ['Connection', '"upgrade"'], ['Upgrade', '$http_upgrade']);
  const directive = flavour === 'grpc' ? 'grpc_set_header' : 'proxy_set_header';
  return headers.map(([name, value]) => `${directive} ${name} ${value};`).join('\n  ');
}

/** As ingress-nginx renders them; affinity by a cookie is a hash of it here, since this nginx has no `sticky`; nor has it ewma and retry budgets. */
const FILTER_TABLES = `
  geo $is_allowed { default 0; 192.0.2.0/24 1; }
  map $is_allowed $limit_key { 0 $binary_remote_addr; 1 ""; }
  limit_req_zone $limit_key zone=rps:5m rate=1000000r/s;
  limit_req_zone $limit_key zone=rpm:5m rate=60000000r/m;
  limit_conn_zone $limit_key zone=conn:5m;
  map $http_x_canary $by_header { default 0; always 1; }
  map $cookie_canary $by_cookie { default 0; always 1; }
  map $by_header$by_cookie $chosen { default sticky; 10 origin-${ORIGIN_PORTS[0]}; 01 origin-${ORIGIN_PORTS[0]}; }
  map $cookie_INGRESSCOOKIE $new_cookie { default ""; "" "INGRESSCOOKIE=$request_id; Path=/; HttpOnly"; }
  upstream sticky { zone sticky 64k; hash $cookie_INGRESSCOOKIE consistent; server 127.0.0.1:${ORIGIN_PORTS[0]} max_conns=100000; keepalive 1024; keepalive_requests 100000000; }`;

const FILTERS = `
    limit_req zone=rps burst=5000000 nodelay; limit_req zone=rpm burst=300000000 nodelay; limit_conn conn 1000;
    limit_rate 1024m; limit_rate_after 1m; add_header Set-Cookie $new_cookie;
    proxy_next_upstream error timeout http_503; proxy_next_upstream_tries 3; proxy_read_timeout 30s; proxy_pass http://$chosen;`;

/** Without ewma and a balancer by load, which cannot stand beside the hash that stands for affinity. */
const AFFINITY_TABLES = `
  limit_req_zone $binary_remote_addr zone=rps:5m rate=1000000r/s;
  limit_conn_zone $binary_remote_addr zone=conn:5m;
  map $cookie_INGRESSCOOKIE $new_cookie { default ""; "" "INGRESSCOOKIE=$request_id; Path=/; HttpOnly"; }
  upstream sticky { zone sticky 64k; hash $cookie_INGRESSCOOKIE consistent; server 127.0.0.1:${ORIGIN_PORTS[0]}; keepalive 1024; keepalive_requests 100000000; }`;

const AFFINITY_AND_LIMITS = `
    limit_req zone=rps burst=5000000 nodelay; limit_conn conn 60000;
    add_header Set-Cookie $new_cookie; proxy_pass http://sticky;`;

/** As ingress-nginx renders it. */
const MIRROR = `
    location / { mirror /copy; mirror_request_body on; proxy_pass http://origin-${ORIGIN_PORTS[0]}; }
    location = /copy { internal; proxy_pass http://origin-${ORIGIN_PORTS[1]}$request_uri; }`;

function renderUpstream(port: number): string {
  return `upstream origin-${port} { server 127.0.0.1:${port}; keepalive 1024; keepalive_requests 100000000; }`;
}

function renderServers({ flavour, ports }: StartOptions): string {
  const listen = `listen 127.0.0.1:${ports.http} backlog=4096; listen 127.0.0.1:${ports.https} ssl http2 backlog=4096;`;
  const again = `listen 127.0.0.1:${ports.http}; listen 127.0.0.1:${ports.https} ssl http2;`;
  if (flavour === 'filters') return `server { ${listen} server_name ${HOST}; location / { ${FILTERS} } }`;
  if (flavour === 'affinityAndLimits') {
    return `server { ${listen} server_name ${HOST}; location / { ${AFFINITY_AND_LIMITS} } }`;
  }
  if (flavour === 'mirror') return `server { ${listen} server_name ${HOST}; ${MIRROR} }`;
  if (flavour === 'grpc') {
    return `server { ${listen} server_name ${HOST}; location / { grpc_pass grpc://origin-${GRPC_PORT}; } }`;
  }
  const servers = [renderServer(listen, HOST, ORIGIN_PORTS[0])];
  const count = flavour === 'manyHosts' ? HOST_COUNT : 0;
  for (let i = 0; i < count; i++) servers.push(renderServer(again, hostName(i), originPortOf(i)));
  return servers.join('\n  ');
}

function renderServer(listen: string, name: string, originPort: number): string {
  return `server { ${listen} server_name ${name}; location / { proxy_pass http://origin-${originPort}; } }`;
}

/** ingress-nginx's default format `upstreaminfo`, as Sluice writes it. */
function accessLog(directory: string, flavour: Flavour): string {
  if (flavour !== 'accessLog') return 'access_log off;';
  const format =
    '$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" ' +
    '"$http_user_agent" $request_length $request_time [bench-origin-80] [] $upstream_addr $upstream_response_length ' +
    '$upstream_response_time $upstream_status $request_id';
  return `log_format upstreaminfo '${format}';\n  access_log ${directory}/access.log upstreaminfo buffer=64k flush=1s;`;
}
