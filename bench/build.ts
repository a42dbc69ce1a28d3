// Compiles the C origins and the load generator into the folder of this run, and makes its certificate.

import { execFileSync } from 'node:child_process';
import { join } from 'node:path';

export interface Built {
  readonly origin: string;
  readonly grpcOrigin: string;
  readonly load: string;
  /** PEM files of one P-256 pair for bench.test and *.bench.test. */
  readonly certFile: string;
  readonly keyFile: string;
}

/** Takes about two seconds. Throws with the compiler's message. */
export function build(directory: string): Built {
  const origin = join(directory, 'origin');
  const grpcOrigin = join(directory, 'grpc-origin');
  const load = join(directory, 'load');
  const flags = ['-O2', '-Wall', '-Wextra'];
  execFileSync('gcc', [...flags, '-o', origin, join(import.meta.dirname, 'origin/origin.c')]);
  execFileSync('gcc', [...flags, '-o', grpcOrigin, join(import.meta.dirname, 'origin/grpc.c')]);
  execFileSync('gcc', [...flags, '-o', load, join(import.meta.dirname, 'load/load.c'), '-lssl', '-lcrypto']);
  const certFile = join(directory, 'cert.pem');
  const keyFile = join(directory, 'key.pem');
  // biome-ignore format: one flag and its value per line
  execFileSync('openssl', [
    'req', '-x509', '-nodes', '-days', '2',
    '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256',
    '-subj', '/CN=bench.test',
    '-addext', 'subjectAltName=DNS:bench.test,DNS:*.bench.test',
    '-keyout', keyFile, '-out', certFile,
  ], { stdio: 'pipe' });
  return { origin, grpcOrigin, load, certFile, keyFile };
}
