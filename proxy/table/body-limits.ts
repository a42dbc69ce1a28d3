// How much of request bodies is read before an endpoint is picked (`proxy-request-buffering`), beyond what each request may
// have for itself (`client-body-buffer-size`). PURE. Part of the table contract.

export interface BodyLimits {
  /** ConfigMap `sluice-request-buffer-size`: a body that is longer is sent on from here, bytes. */
  readonly maxBodyBytes: number;
  /**
   * ConfigMap `sluice-request-buffer-memory`: bytes of all bodies that one worker holds. While there are more, each request
   * has only what is its own.
   */
  readonly maxMemoryBytes: number;
}

export const defaultBodyLimits: BodyLimits = {
  maxBodyBytes: 1024 * 1024,
  maxMemoryBytes: 32 * 1024 * 1024,
};
