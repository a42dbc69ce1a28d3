// Whether /healthz says 200. Pure: the state of the process in, the reason against it out.

import type { WorkerPool } from '#proxy/workers/pool.ts';

export interface ReadinessFacts {
  /** True from the first stop signal on. */
  readonly isStopping: boolean;
  readonly pool: Pick<WorkerPool, 'isReady'> & {
    readonly workers: readonly Pick<WorkerPool['workers'][number], 'phase'>[];
  };
}

/**
 * Why Sluice is not ready; null when it is. Ready means that every worker has acknowledged the first table and listens.
 * Afterwards one serving worker is enough: a crashed one is replaced, and the others take its connections meanwhile.
 */
export function findFault({ isStopping, pool }: ReadinessFacts): string | null {
  if (isStopping) return 'shutting down';
  if (!pool.isReady) return 'not every worker serves the first routing table yet';
  return pool.workers.some(({ phase }) => phase === 'serving') ? null : 'no worker serves';
}
