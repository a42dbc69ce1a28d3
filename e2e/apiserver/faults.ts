// What can go wrong with an API server, as switches a test turns while the server runs.
//
// Requests pass `enter` before they are authenticated; watch streams register themselves and are dropped, frozen or held
// from here. All switches are off at the start, and `clear` turns them off again.

import type { Socket } from 'node:net';
import { ApiError } from './api-error.ts';
import { type LoggedRequest, matchesRequest, type RequestFilter } from './request-log.ts';

/** What a watch stream lets faults do to it. */
export interface ControlledStream {
  /** `ingresses.networking.k8s.io`. */
  readonly resource: string;
  readonly user: string;
  /** Cuts the connection. */
  drop(): void;
  /** Writes what was kept back while held or paused. */
  flush(): void;
}

export interface FailingAnswer {
  readonly code: number;
  /** Seconds for the Retry-After header and the Status. */
  readonly retryAfterSeconds?: number;
  /** How many requests are answered so; default all until removed. */
  readonly times?: number;
}

interface Rule {
  readonly filter: RequestFilter;
  readonly delayMs: number;
  readonly answer: FailingAnswer | null;
  timesLeft: number;
}

/** Turns a switch off again. Calling it twice does nothing more. */
export type TurnOff = () => void;

export class Faults {
  readonly #rules = new Set<Rule>();
  readonly #streams = new Set<ControlledStream>();
  readonly #held = new Map<string, number>();
  readonly #deadSockets = new WeakSet<Socket>();
  readonly #liveSockets: ReadonlySet<Socket>;
  #pause: { readonly over: Promise<void>; readonly end: () => void } | null = null;

  constructor(liveSockets: ReadonlySet<Socket>) {
    this.#liveSockets = liveSockets;
  }

  /** Answers matching requests late. */
  delay(delayMs: number, filter: RequestFilter = {}): TurnOff {
    return this.#addRule({ filter, delayMs, answer: null, timesLeft: Number.POSITIVE_INFINITY });
  }

  /** Answers matching requests with an error of this code (429 with Retry-After, 500, 503, ...) instead of serving them. */
  fail(answer: FailingAnswer, filter: RequestFilter = {}): TurnOff {
    return this.#addRule({ filter, delayMs: 0, answer, timesLeft: answer.times ?? Number.POSITIVE_INFINITY });
  }

  /** Cuts running watches, all or those of one resource. Returns how many. */
  dropWatches(resource?: string): number {
    const dropped = [...this.#streams].filter((stream) => resource === undefined || stream.resource === resource);
    for (const stream of dropped) stream.drop();
    return dropped.length;
  }

  /** How many watches run, all or those of one resource. */
  countWatches(resource?: string): number {
    return [...this.#streams].filter((stream) => resource === undefined || stream.resource === resource).length;
  }

  /**
   * Keeps back the watch events of one resource until turned off, while other kinds go on: events arrive in another
   * order across kinds than they were written in.
   */
  hold(resource: string): TurnOff {
    this.#held.set(resource, (this.#held.get(resource) ?? 0) + 1);
    return once(() => {
      const left = (this.#held.get(resource) ?? 1) - 1;
      if (left > 0) this.#held.set(resource, left);
      else this.#held.delete(resource);
      this.#flush();
    });
  }

  /** Stops answering anything and sending any event; connections stay open. Everything goes on when turned off. */
  pause(): TurnOff {
    if (this.#pause === null) {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#pause = { over: promise, end: resolve };
    }
    return once(() => {
      this.#pause?.end();
      this.#pause = null;
      this.#flush();
    });
  }

  /** Makes all connections of this moment half-open: nothing is ever sent on them again, and they are not closed. */
  halfOpen(): void {
    for (const socket of this.#liveSockets) this.#deadSockets.add(socket);
  }

  /** Turns off everything except half-open connections, which stay as they are. */
  clear(): void {
    this.#rules.clear();
    this.#held.clear();
    this.#pause?.end();
    this.#pause = null;
    this.#flush();
  }

  /** Lets a request in, late or not at all. Throws the answer of a `fail`. Never resolves on a half-open connection. */
  async enter(request: LoggedRequest, socket: Socket): Promise<void> {
    if (this.isDead(socket)) await new Promise<never>(() => {});
    await this.#pause?.over;
    for (const rule of [...this.#rules]) {
      if (rule.timesLeft <= 0 || !matchesRequest(request, rule.filter)) continue;
      rule.timesLeft -= 1;
      if (rule.delayMs > 0) await after(rule.delayMs);
      if (rule.answer !== null) throw failure(rule.answer);
    }
  }

  isDead(socket: Socket): boolean {
    return this.#deadSockets.has(socket);
  }

  /** Whether events of this resource are kept back now. */
  isHeld(resource: string): boolean {
    return this.#pause !== null || this.#held.has(resource);
  }

  register(stream: ControlledStream): TurnOff {
    this.#streams.add(stream);
    return () => this.#streams.delete(stream);
  }

  #addRule(rule: Rule): TurnOff {
    this.#rules.add(rule);
    return () => this.#rules.delete(rule);
  }

  #flush(): void {
    for (const stream of [...this.#streams]) stream.flush();
  }
}

function once(run: () => void): TurnOff {
  let isDone = false;
  return () => {
    if (isDone) return;
    isDone = true;
    run();
  };
}

function after(delayMs: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, delayMs));
}

const REASONS: Readonly<Record<number, readonly [reason: string, message: string]>> = {
  429: ['TooManyRequests', 'The apiserver is handling too many requests, please try again later'],
  500: ['InternalError', 'Internal error occurred: fault switch'],
  503: ['ServiceUnavailable', 'the server is currently unable to handle the request'],
  504: ['Timeout', 'the server was unable to return a response in the time allotted'],
};

function failure({ code, retryAfterSeconds }: FailingAnswer): ApiError {
  const [reason, message] = REASONS[code] ?? ['', `fault switch ${code}`];
  return new ApiError(code, reason, message, retryAfterSeconds === undefined ? {} : { details: { retryAfterSeconds } });
}
