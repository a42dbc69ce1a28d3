// The Node proxies of bench/peers, each a process of its own on the Node that runs Sluice.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { PinnedProcess, PROXY_CORE } from '../pinned-process.ts';
import { type Contender, ORIGIN_PORTS } from './contender.ts';

const REPOSITORY = join(import.meta.dirname, '../..');

export const nodePeers: readonly Contender[] = [
  nodePeer('http-proxy', 'http-proxy'),
  nodePeer('httpxy', 'httpxy'),
  nodePeer('fastify', '@fastify/http-proxy'),
  nodePeer('undici', 'undici'),
];

/** `name` is the file in bench/peers, `packageName` the package it stands for. */
function nodePeer(name: string, packageName: string): Contender {
  return {
    name,
    flavours: ['plain'],
    hasTls: false,
    version: () => `${packageName}/${packageVersion(packageName)}`,
    start: ({ directory, ports }) =>
      new PinnedProcess({
        core: PROXY_CORE,
        command: process.execPath,
        args: [join(import.meta.dirname, `../peers/${name}.ts`), String(ports.http), String(ORIGIN_PORTS[0])],
        logFile: join(directory, 'output.log'),
      }),
  };
}

function packageVersion(packageName: string): string {
  const file = join(REPOSITORY, 'node_modules', packageName, 'package.json');
  const { version } = JSON.parse(readFileSync(file, 'utf8')) as { readonly version: string };
  return version;
}
