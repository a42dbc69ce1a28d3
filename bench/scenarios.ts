// What is measured, as data. The load generator's flags are the definition of a scenario.

import { type Flavour, HOST_COUNT } from './contenders/contender.ts';
import { GRPC_METHOD, grpcMessage } from './grpc-check.ts';
import type { Http2Load } from './h2load.ts';

/** Who takes part: the three proxies of the numbers table, or the Node libraries as well. */
export type Field = 'proxies' | 'all';

export interface Scenario {
  readonly name: string;
  /** For the table. */
  readonly title: string;
  readonly flavour: Flavour;
  readonly field: Field;
  readonly isTls: boolean;
  /** Flags of bench/load/load.c, without port, pids and times; empty where h2load is the generator. */
  readonly load: readonly string[];
  /** HTTP/2 over TLS, loaded by h2load. */
  readonly http2?: Http2Load;
  /** Part of `--quick`. */
  readonly isQuick: boolean;
}

const SIZES = { '/1k': 1024, '/100k': 100 * 1024, '/1m': 1 << 20 } as const;

/** In the order of the report. */
export const SCENARIOS: readonly Scenario[] = [
  get('get-1k-8', '1 KB GET, 8 connections', '/1k', 8),
  get('get-1k-64', '1 KB GET, 64 connections', '/1k', 64, { field: 'all', isQuick: true }),
  get('get-1k-512', '1 KB GET, 512 connections', '/1k', 512),
  get('get-1k-64-log', '1 KB GET, 64 connections, access log on', '/1k', 64, { flavour: 'accessLog' }),
  get('get-1k-64-filters', '1 KB GET, 64 connections, a route with ten filters', '/1k', 64, {
    flavour: 'filters',
  }),
  get('get-1k-64-affinity', '1 KB GET, 64 connections that keep their cookie: affinity, ewma, limits', '/1k', 64, {
    flavour: 'affinityAndLimits',
    extra: ['--cookies'],
  }),
  get(
    'get-1k-64-affinity-new',
    '1 KB GET, 64 connections, each request a new client: affinity, ewma, limits',
    '/1k',
    64,
    {
      flavour: 'affinityAndLimits',
    },
  ),
  get('get-1k-64-mirror', '1 KB GET, 64 connections, a copy of each request to another origin', '/1k', 64, {
    flavour: 'mirror',
  }),
  get('get-100k-16', '100 KB GET, 16 connections', '/100k', 16),
  get('get-1m-8', '1 MB GET, 8 connections', '/1m', 8, { field: 'all', isQuick: true }),
  post('post-1k-64', '1 KB POST, 64 connections', 1024, 64),
  post('post-1m-8', '1 MB POST, 8 connections', 1 << 20, 8),
  post('post-1m-8-buffered', '1 MB POST, 8 connections, read before it is sent on', 1 << 20, 8, 'bufferedUploads'),
  get('tcp-1m-8', 'TCP service, 1 MB, 8 connections', '/1m', 8, { flavour: 'tcpService' }),
  get('tcp-1k-64', 'TCP service, 1 KB, 64 connections', '/1k', 64, { flavour: 'tcpService' }),
  get('tls-1k-64', 'TLS 1.3, 1 KB GET, 64 connections', '/1k', 64, { isTls: true }),
  get('tls-1m-8', 'TLS 1.3, 1 MB GET, 8 connections', '/1m', 8, { isTls: true }),
  http2('http2-1k-16x32', 'HTTP/2 over TLS 1.3, 1 KB GET, 16 connections of 32 streams', 16, 32),
  http2('http2-1k-16x1', 'HTTP/2 over TLS 1.3, 1 KB GET, 16 connections of 1 stream', 16, 1),
  webSocket('websocket-64', 'WebSocket echo, 125-byte messages, 64 connections', 125, 64),
  grpc('grpc-unary-16x16', 'gRPC unary over TLS 1.3, 100-byte messages, 16 connections of 16 streams', 100, 16, 16),
  handshakes('handshake-full', 'full handshake (P-256) and one 1 KB GET', 'handshakes'),
  handshakes('handshake-resumed', 'resumed handshake and one 1 KB GET', 'resumed'),
  get('mixed-slow', '1 KB GET, 198 connections beside 2 slow 10 MB downloads', '/1k', 200, { extra: ['--slow', '2'] }),
  get('mixed-greedy', '1 KB GET, 198 connections beside 2 fast 10 MB downloads', '/1k', 200, {
    extra: ['--greedy', '2'],
  }),
  get('hosts-1', '1 KB GET, table of 10,000 hosts, always the same one', '/1k', 64, {
    flavour: 'manyHosts',
    // One of the table's, so that heads are as long as those of the next row.
    extra: ['--hosts', '1'],
  }),
  get('hosts-10000', '1 KB GET, table of 10,000 hosts, a random one each time', '/1k', 64, {
    flavour: 'manyHosts',
    extra: ['--hosts', String(HOST_COUNT)],
  }),
];

interface Variation {
  readonly flavour?: Flavour;
  readonly field?: Field;
  readonly isTls?: boolean;
  readonly isQuick?: boolean;
  readonly extra?: readonly string[];
}

function get(
  name: string,
  title: string,
  path: keyof typeof SIZES,
  connections: number,
  { flavour = 'plain', field = 'proxies', isTls = false, isQuick = false, extra = [] }: Variation = {},
): Scenario {
  const load = ['--path', path, '--size', String(SIZES[path]), '--connections', String(connections), ...extra];
  return { name, title, flavour, field, isTls, isQuick, load };
}

function post(name: string, title: string, size: number, connections: number, flavour: Flavour = 'plain'): Scenario {
  const load = ['--post', '--path', '/sink', '--size', String(size), '--connections', String(connections)];
  return { name, title, flavour, field: 'proxies', isTls: false, isQuick: false, load };
}

function http2(name: string, title: string, connections: number, streams: number): Scenario {
  const load = { connections, streams, path: '/1k', bodyBytes: SIZES['/1k'], isGrpc: false };
  return { name, title, flavour: 'plain', field: 'proxies', isTls: true, load: [], http2: load, isQuick: false };
}

/** A request is a call of one message, which comes back. */
function grpc(name: string, title: string, size: number, connections: number, streams: number): Scenario {
  const load = { connections, streams, path: GRPC_METHOD, bodyBytes: grpcMessage(size).length, isGrpc: true };
  return { name, title, flavour: 'grpc', field: 'proxies', isTls: true, load: [], http2: load, isQuick: false };
}

/** A request is a message and the same message coming back. */
function webSocket(name: string, title: string, size: number, connections: number): Scenario {
  const mode = ['--mode', 'websocket', '--path', '/echo', '--size', String(size)];
  const load = [...mode, '--connections', String(connections)];
  return { name, title, flavour: 'webSocket', field: 'proxies', isTls: false, load, isQuick: false };
}

function handshakes(name: string, title: string, mode: 'handshakes' | 'resumed'): Scenario {
  const load = ['--mode', mode, '--connections', '16'];
  return { name, title, flavour: 'plain', field: 'proxies', isTls: true, isQuick: false, load };
}
