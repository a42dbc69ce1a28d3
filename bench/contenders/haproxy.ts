// HAProxy, tuned as a careful user tunes it for this work, and made to add the same headers as Sluice.
//
// Deviations from its defaults, each in HAProxy's favour: one thread, kernel splicing, connection reuse always, a pool as
// large as the others'.

import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { PinnedProcess, PROXY_CORE } from '../pinned-process.ts';
import {
  type Contender,
  type Flavour,
  GRPC_PORT,
  HOST_COUNT,
  hostName,
  ORIGIN_PORTS,
  originPortOf,
  type StartOptions,
} from './contender.ts';

export const haproxy: Contender = {
  name: 'haproxy',
  flavours: ['plain', 'accessLog', 'manyHosts', 'filters', 'affinityAndLimits', 'tcpService', 'webSocket', 'grpc'],
  hasTls: true,
  version: () =>
    spawnSync('haproxy', ['-v'], { encoding: 'utf8' })
      .stdout.split(' ')
      .slice(0, 3)
      .join(' ')
      .replace(' version ', '/'),
  start: (options) => {
    const { directory } = options;
    const file = join(directory, 'haproxy.cfg');
    writeFileSync(
      join(directory, 'pair.pem'),
      readFileSync(options.certFile, 'utf8') + readFileSync(options.keyFile, 'utf8'),
    );
    writeFileSync(join(directory, 'hosts.map'), renderMap(options.flavour));
    writeFileSync(file, renderConfiguration(options));
    return new PinnedProcess({
      core: PROXY_CORE,
      command: 'haproxy',
      args: ['-f', file],
      logFile: join(directory, 'output.log'),
    });
  },
};

function renderConfiguration(options: StartOptions): string {
  return options.flavour === 'tcpService' ? renderTcp(options) : renderHttp(options);
}

const GLOBAL = `
global
  nbthread 1
  maxconn 12000
  maxpipes 1000
  no strict-limits
`;

/** Of the section `defaults`. */
const TIMES = `  timeout connect 5s
  timeout client 600s
  timeout server 600s
  option splice-auto
`;

function renderTcp({ ports }: StartOptions): string {
  return `${GLOBAL}defaults
  mode tcp
${TIMES}frontend tcp
  bind 127.0.0.1:${ports.http} backlog 4096
  default_backend origin-${ORIGIN_PORTS[0]}
backend origin-${ORIGIN_PORTS[0]}
  server origin 127.0.0.1:${ORIGIN_PORTS[0]}
`;
}

function renderHttp({ directory, flavour, ports }: StartOptions): string {
  return `${GLOBAL}  tune.ssl.default-dh-param 2048
  ssl-default-bind-options ssl-min-ver TLSv1.2
  ${flavour === 'accessLog' ? 'log stdout format raw local0' : ''}
defaults
  mode http
${TIMES}  timeout http-keep-alive 600s
  http-reuse always
  ${flavour === 'accessLog' ? 'log global\n  option httplog' : ''}
frontend http
  bind 127.0.0.1:${ports.http} backlog 4096
  bind 127.0.0.1:${ports.https} backlog 4096 ssl crt ${directory}/pair.pem alpn h2,http/1.1
  http-request set-header X-Request-ID %[uuid()]
  http-request set-header X-Real-IP %[src]
  http-request set-header X-Forwarded-For %[src]
  http-request set-header X-Forwarded-Host %[req.hdr(host)]
  http-request set-header X-Forwarded-Port %[dst_port]
  http-request set-header X-Forwarded-Proto %[ssl_fc,iif(https,http)]
  http-request set-header X-Forwarded-Scheme %[ssl_fc,iif(https,http)]
  http-request set-header X-Scheme %[ssl_fc,iif(https,http)]
  ${flavour === 'manyHosts' ? `use_backend %[req.hdr(host),lower,map_str(${directory}/hosts.map,origin-${ORIGIN_PORTS[0]})]` : ''}
  ${flavour === 'filters' ? FILTERS : ''}${flavour === 'affinityAndLimits' ? LIMITS : ''}
  default_backend ${defaultBackend(flavour)}
${flavour === 'filters' ? FILTER_BACKENDS : ''}${flavour === 'affinityAndLimits' ? AFFINITY_BACKENDS : ''}${flavour === 'grpc' ? GRPC_BACKEND : ''}${ORIGIN_PORTS.map(renderBackend).join('')}`;
}

/** Without a bandwidth limit, which HAProxy has from 2.7 on, and without ewma and retry budgets, which it has not. */
const FILTERS = `acl is_allowed src 192.0.2.0/24
  http-request track-sc0 src table rates unless is_allowed
  http-request track-sc1 src table minutes unless is_allowed
  http-request deny deny_status 503 if { sc_http_req_rate(0) gt 1000000 } || { sc_http_req_rate(1) gt 60000000 }
  http-request deny deny_status 503 if { sc_conn_cur(0) gt 1000 }
  use_backend origin-${ORIGIN_PORTS[0]} if { req.hdr(x-canary) always } || { req.cook(canary) always }`;

const FILTER_BACKENDS = `backend rates
  stick-table type ip size 64k expire 10s store http_req_rate(1s),conn_cur
backend minutes
  stick-table type ip size 64k expire 70s store http_req_rate(60s)
backend sticky
  balance leastconn
  cookie INGRESSCOOKIE insert indirect nocache httponly
  retries 2
  retry-on conn-failure empty-response 503
  server origin 127.0.0.1:${ORIGIN_PORTS[0]} cookie a maxconn 100000 pool-max-conn 1024
`;

const LIMITS = `http-request track-sc0 src table rates
  http-request deny deny_status 503 if { sc_http_req_rate(0) gt 1000000 } || { sc_conn_cur(0) gt 60000 }`;

const AFFINITY_BACKENDS = `backend rates
  stick-table type ip size 64k expire 10s store http_req_rate(1s),conn_cur
backend sticky
  balance leastconn
  cookie INGRESSCOOKIE insert indirect nocache httponly
  server origin 127.0.0.1:${ORIGIN_PORTS[0]} cookie a pool-max-conn 1024
`;

const GRPC_BACKEND = `backend grpc\n  server origin 127.0.0.1:${GRPC_PORT} proto h2 pool-max-conn 1024\n`;

function defaultBackend(flavour: Flavour): string {
  if (flavour === 'filters' || flavour === 'affinityAndLimits') return 'sticky';
  return flavour === 'grpc' ? 'grpc' : `origin-${ORIGIN_PORTS[0]}`;
}

function renderBackend(port: number): string {
  return `backend origin-${port}\n  server origin 127.0.0.1:${port} pool-max-conn 1024\n`;
}

function renderMap(flavour: Flavour): string {
  const count = flavour === 'manyHosts' ? HOST_COUNT : 0;
  return Array.from({ length: count }, (_, i) => `${hostName(i)} origin-${originPortOf(i)}\n`).join('');
}
