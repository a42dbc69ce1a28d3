// How many client connections a worker may hold without using up the files that the system lets this process open: what
// is left belongs to upstream connections, health checks, manifests and the API server. A flood of idle clients must not
// take those.

import { readFileSync } from 'node:fs';

/** Sockets and files of the process itself, and of each worker before its first connection (measured: 100 and 32). */
const FILES_OF_PROCESS = 128;
const FILES_PER_WORKER = 64;
/** Share of the other files for clients; the rest is for their requests' connections to endpoints. */
const CLIENT_SHARE = 0.75;
const FEWEST_CONNECTIONS = 16;

/** The largest number of client connections per worker, `asked` at most, that leaves files for everything else. */
export function affordableConnections(asked: number, workers: number, openFiles: number): number {
  const forPeers = openFiles - FILES_OF_PROCESS - FILES_PER_WORKER * workers;
  return Math.min(asked, Math.max(FEWEST_CONNECTIONS, Math.floor((forPeers * CLIENT_SHARE) / workers)));
}

/**
 * Files that this process may have open (`ulimit -n`); infinite where the system does not say. Node raises its soft limit
 * to the hard one when it starts.
 */
export function openFileLimit(readLimits: () => string = readOwnLimits): number {
  const [, soft] = /^Max open files +(\S+)/m.exec(readLimits()) ?? [];
  const limit = Number(soft);
  return Number.isNaN(limit) ? Number.POSITIVE_INFINITY : limit;
}

function readOwnLimits(): string {
  try {
    return readFileSync('/proc/self/limits', 'utf8');
  } catch {
    return ''; // Not Linux.
  }
}
