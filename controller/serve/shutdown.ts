// What a signal does. First: not ready at once, keep serving for the grace period (load balancers need that time to look
// elsewhere), then stop accepting and drain, then exit 0. Second: exit at once with 128 + signal number, as a shell
// would report it. The steps are functions given from outside; this file only orders them in time.

export type StopSignal = 'SIGTERM' | 'SIGINT';

const EXIT_CODES: Readonly<Record<StopSignal, number>> = { SIGINT: 130, SIGTERM: 143 };

/**
 * Ctrl-C reaches a child twice, from the terminal and from npm or a launcher that passes it on; `timeout` signals the
 * child and then its group. One intention, one signal.
 */
const ECHO_MS = 300;

export interface ShutdownSteps {
  /** Makes /healthz answer 500. */
  readonly notReady: () => void;
  /** Stops accepting and resolves when the last connection is gone or the drain deadline has passed. */
  readonly drain: () => Promise<void>;
  /** Ends the process. Called once for an orderly end, or at once by a second signal. */
  readonly exit: (code: number) => void;
  readonly log: (message: string) => void;
  readonly wait: (ms: number) => Promise<void>;
  readonly nowMs: () => number;
}

/** Times as the flags give them, in seconds. */
export interface ShutdownTimes {
  readonly shutdownGracePeriod: number;
  readonly postShutdownGracePeriod: number;
}

/** Turns signals into one orderly shutdown. A step that throws still ends the process, with code 1. */
export class Shutdown {
  readonly #steps: ShutdownSteps;
  readonly #times: ShutdownTimes;
  #first: { readonly signal: StopSignal; readonly atMs: number } | null = null;

  constructor(times: ShutdownTimes, steps: ShutdownSteps) {
    this.#times = times;
    this.#steps = steps;
  }

  /** Handles one signal. Resolves when the sequence it started is over; at once for any later signal. */
  async onSignal(signal: StopSignal): Promise<void> {
    if (this.#first === null) {
      this.#first = { signal, atMs: this.#steps.nowMs() };
      await this.#runSequence(signal);
      return;
    }
    if (this.#isEcho(signal, this.#first)) return;
    this.#steps.log(`second signal (${signal}): exiting without waiting for connections`);
    this.#steps.exit(EXIT_CODES[signal]);
  }

  #isEcho(signal: StopSignal, first: { readonly signal: StopSignal; readonly atMs: number }): boolean {
    return signal === first.signal && this.#steps.nowMs() - first.atMs < ECHO_MS;
  }

  async #runSequence(signal: StopSignal): Promise<void> {
    const { notReady, drain, exit, log, wait } = this.#steps;
    const { shutdownGracePeriod, postShutdownGracePeriod } = this.#times;
    notReady();
    try {
      if (shutdownGracePeriod > 0) {
        log(
          `${signal}: not ready any more, serving for another ${shutdownGracePeriod} s (signal again to exit at once)`,
        );
        await wait(shutdownGracePeriod * 1000);
      }
      log('stopping: no new connections, running requests finish (signal again to exit at once)');
      await drain();
      if (postShutdownGracePeriod > 0) await wait(postShutdownGracePeriod * 1000);
      log('stopped');
      exit(0);
    } catch (error) {
      log(`stopping failed: ${error instanceof Error ? error.message : String(error)}`);
      exit(1);
    }
  }
}
