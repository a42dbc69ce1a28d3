// Limits on copies of requests (`mirror-target`). They hold for each worker; what is over one of them is dropped and
// counted, the requests themselves go on.
// PURE. Part of the table contract.

export interface MirrorLimits {
  /** ConfigMap `sluice-mirror-max-requests`: copies under way in one worker. */
  readonly maxRequests: number;
  /** ConfigMap `sluice-mirror-max-requests-per-target`: those to one scheme, host and port. */
  readonly maxRequestsPerTarget: number;
  /** ConfigMap `sluice-mirror-max-body-size`: largest request body that is copied, bytes. */
  readonly maxBodyBytes: number;
  /** ConfigMap `sluice-mirror-max-memory`: bodies of all copies under way in one worker, bytes. */
  readonly maxMemoryBytes: number;
  /** ConfigMap `sluice-mirror-timeout`: from sending a copy to the end of its answer. */
  readonly timeoutMs: number;
}

export const defaultMirrorLimits: MirrorLimits = {
  maxRequests: 100,
  maxRequestsPerTarget: 50,
  maxBodyBytes: 1024 * 1024,
  maxMemoryBytes: 16 * 1024 * 1024,
  timeoutMs: 10_000,
};
