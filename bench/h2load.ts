// Runs h2load (of nghttp2) once: the load generator of the HTTP/2 scenarios.
//
// It counts responses, their times and their bytes; the CPU time of the proxy is read around the run as for the other
// generator, from the schedstat of its process tree. It does not look into bodies: a wrong status and a wrong length are the
// wrong responses that show.

import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { HOST } from './contenders/contender.ts';
import { GRPC_HEADERS, grpcMessage } from './grpc-check.ts';
import type { LoadResult } from './load.ts';
import { cpuNs, LOAD_CORE } from './pinned-process.ts';

/** Connections, and streams at the same time on each. */
export interface Http2Load {
  readonly connections: number;
  readonly streams: number;
  readonly path: string;
  /** Payload of each response. */
  readonly bodyBytes: number;
  /** Unary gRPC calls: what is asked is what must come back. */
  readonly isGrpc: boolean;
}

const GRPC_PREFIX_BYTES = 5;

export interface H2loadOptions extends Http2Load {
  /** HTTPS port. */
  readonly port: number;
  readonly pids: readonly number[];
  readonly warmupSeconds: number;
  readonly seconds: number;
}

/** Rejects when h2load is missing or fails. */
export async function runH2load(options: H2loadOptions): Promise<LoadResult> {
  const directory = mkdtempSync(join(tmpdir(), 'sluice-h2load-'));
  try {
    const flags = options.isGrpc ? grpcFlags(directory, options.bodyBytes) : [];
    if (options.warmupSeconds > 0) await runOnce(options, options.warmupSeconds, flags);
    const log = join(directory, 'requests.log');
    const before = cpuNs(options.pids);
    const output = await runOnce(options, options.seconds, [...flags, `--log-file=${log}`]);
    const used = cpuNs(options.pids) - before;
    return parseH2load(output, readFileSync(log, 'utf8'), used, options);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

function grpcFlags(directory: string, bodyBytes: number): string[] {
  const file = join(directory, 'message');
  writeFileSync(file, grpcMessage(bodyBytes - GRPC_PREFIX_BYTES));
  return ['-d', file, ...Object.entries(GRPC_HEADERS).flatMap(([name, value]) => ['-H', `${name}: ${value}`])];
}

function runOnce(options: H2loadOptions, seconds: number, flags: readonly string[]): Promise<string> {
  const { connections, streams, port, path } = options;
  // biome-ignore format: one flag and its value per line
  const args = [
    '-c', String(LOAD_CORE), 'h2load',
    '-t', '1',
    '-c', String(connections),
    '-m', String(streams),
    // It takes whole seconds only.
    '-D', String(Math.ceil(seconds)),
    `--connect-to=127.0.0.1:${port}`,
    ...flags,
    `https://${HOST}:${port}${path}`,
  ];
  const child = spawn('taskset', args, { stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  let errors = '';
  child.stdout.on('data', (chunk: Buffer) => {
    output += chunk.toString();
  });
  child.stderr.on('data', (chunk: Buffer) => {
    errors += chunk.toString();
  });
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => {
      if (code === 0) resolve(output);
      else reject(new Error(`h2load: ${errors.trim()}`));
    });
  });
}

/** Reads what h2load prints, and its log: start in microseconds, status, duration in microseconds. */
export function parseH2load(
  output: string,
  log: string,
  usedCpuNs: number,
  load: Pick<Http2Load, 'connections' | 'streams' | 'bodyBytes'>,
): LoadResult {
  const seconds = Number(/finished in ([\d.]+)s/.exec(output)?.[1] ?? 'NaN');
  const done = Number(/(\d+) done/.exec(output)?.[1] ?? 'NaN');
  const good = Number(/status codes: (\d+) 2xx/.exec(output)?.[1] ?? 'NaN');
  const failed = Number(/(\d+) failed/.exec(output)?.[1] ?? 'NaN');
  const received = Number(/\((\d+)\) data/.exec(output)?.[1] ?? 'NaN');
  const missing = Math.abs(received - done * load.bodyBytes);
  // Responses that were under way at the end have sent some of theirs.
  const isWhole = missing <= load.connections * load.streams * load.bodyBytes;
  const times = log
    .trimEnd()
    .split('\n')
    .map((line) => Number(line.split('\t')[2]))
    .sort((a, b) => a - b);
  const at = (share: number): number =>
    times[Math.min(times.length - 1, Math.floor(times.length * share))] ?? Number.NaN;
  const errors = failed + Math.abs(done - good) + (isWhole ? 0 : 1);
  return {
    requests: done,
    seconds,
    cpuNs: usedCpuNs,
    bulkBytes: 0,
    p50Us: at(0.5),
    p99Us: at(0.99),
    p999Us: at(0.999),
    handshakes: 0,
    resumptions: 0,
    cipher: /Cipher: (\S+)/.exec(output)?.[1] ?? '',
    errors,
    firstError: errors === 0 ? '' : `h2load: ${failed} failed, ${good} of ${done} answered 2xx, ${received} bytes`,
  };
}
