// What follows when a worker says something, or dies: log lines, and news for what the main thread keeps about workers.

import type { EndpointWatch } from '#proxy/workers/endpoint-watch.ts';
import type { WorkerPoolEvents } from '#proxy/workers/pool.ts';
import type { Logger } from './logger.ts';
import type { StreamPortFaults } from './stream-port-faults.ts';

export interface PoolListeners {
  readonly log: Logger;
  /** Takes complete lines. */
  readonly writeAccessLog: (lines: string) => void;
  readonly watch: EndpointWatch;
  readonly portFaults: StreamPortFaults;
}

export function poolEvents({ log, writeAccessLog, watch, portFaults }: PoolListeners): WorkerPoolEvents {
  return {
    onLog: (worker, { level, message, fields }) => log[level]({ worker, ...fields }, message),
    onAccessLog: writeAccessLog,
    onCrash: ({ workerId, error, exitCode, restartInMs }) => {
      // At once: until the next thread counts for itself the others would see load, and full endpoints, that nobody has.
      watch.onWorkerGone(workerId);
      portFaults.onWorkerGone(workerId);
      const fields = { worker: workerId, exitCode, restartInMs, ...(error === null ? {} : { err: error }) };
      log.error(fields, `worker ${workerId} died; the others serve, it is replaced in ${restartInMs} ms`);
    },
    onSynced: (workerId) => watch.repeatTo(workerId),
    onPortFault: (workerId, id, fault) => portFaults.onFault(workerId, id, fault),
    onProblem: (worker, { certificate, message }) => {
      log.error({ worker, certificate }, `a certificate cannot be used, the one before it stays: ${message}`);
    },
  };
}
