// What was broken on purpose, and when: the one thing that excuses a failure a client has seen.

/** A client of a dead worker or endpoint notices at once; this is for a busy machine. */
const NOTICE_MS = 1_500;

export type Fault = { readonly kind: 'worker' } | { readonly kind: 'endpoint'; readonly name: string };

/** What a client has seen that it should not, with its time. */
export interface Failure {
  readonly client: string;
  readonly what: string;
  readonly atMs: number;
}

export class Faults {
  readonly #happened: (Fault & { readonly atMs: number })[] = [];

  note(fault: Fault): void {
    this.#happened.push({ ...fault, atMs: performance.now() });
  }

  count(kind: Fault['kind']): number {
    return this.#happened.filter((fault) => fault.kind === kind).length;
  }

  /** A worker has been killed just before. */
  excusesBrokenConnection({ atMs }: Failure): boolean {
    return this.#happened.some((fault) => fault.kind === 'worker' && isJustBefore(fault.atMs, atMs));
  }

  /** Any endpoint has died, or the named one, just before. */
  excusesLostRequest({ atMs }: Failure, name?: string): boolean {
    return this.#happened.some(
      (fault) =>
        fault.kind === 'endpoint' && (name === undefined || fault.name === name) && isJustBefore(fault.atMs, atMs),
    );
  }
}

function isJustBefore(faultMs: number, atMs: number): boolean {
  return atMs >= faultMs && atMs - faultMs < NOTICE_MS;
}
