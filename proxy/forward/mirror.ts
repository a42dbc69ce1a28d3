// Sends copies of requests to another place (ingress-nginx `mirror-target`) and throws the answers away.
//
//   request begins -> begin -> (its body is copied) -> an endpoint is picked for it, its body is complete -> queued
//   end of the turn -> MirrorClient -> answer dropped
// A copy never delays or fails its request. Whatever is over a limit is dropped and counted by reason.

import { renderTemplate, type TemplateSource } from '../filters/template.ts';
import type { MirrorLimits } from '../table/mirror-limits.ts';
import type { MirrorSettings } from '../table/route-settings.ts';
import type { VirtualHost } from '../table/types.ts';
import type { CopiedFields } from './copied-fields.ts';
import type { CopyEnd, CopyToSend } from './copy-connection.ts';
import { type CopyClient, MirrorClient } from './mirror-client.ts';
import { type CopyTarget, TargetReader } from './mirror-target.ts';
import type { TimerWheel } from './timer-wheel.ts';

/**
 * How a copy ended. `tooMany`, `targetFull`: so many are under way, at all or to this target. `requestFailed`: the request
 * itself was given up before it had an endpoint and all of its body.
 */
export type MirrorOutcome =
  | CopyEnd
  | 'tooMany'
  | 'targetFull'
  | 'bodyTooLarge'
  | 'memoryFull'
  | 'badTarget'
  | 'requestFailed';

/** Copies that are sent in one turn: about half a millisecond of work that requests wait for. */
const SENT_PER_TURN = 32;
const FIRST_BYTES = 1024;

export class Mirrors {
  readonly outcomes = new Map<MirrorOutcome, number>();
  readonly #limits: () => MirrorLimits;
  readonly #wheel: TimerWheel;
  readonly #client: CopyClient;
  readonly #targets = new TargetReader();
  /** Copies that hold memory for a body that is not complete, oldest first. */
  readonly #gathering = new Set<MirrorCopy>();
  /** Copies under way by target. */
  readonly #byOrigin = new Map<string, number>();
  #queue: MirrorCopy[] = [];
  #underWay = 0;
  #memoryBytes = 0;

  /** `limits` are asked for each copy. */
  constructor(limits: () => MirrorLimits, wheel: TimerWheel, client: CopyClient = new MirrorClient(wheel)) {
    this.#limits = limits;
    this.#wheel = wheel;
    this.#client = client;
  }

  /** Copies on their way to their target. */
  get underWay(): number {
    return this.#underWay;
  }

  /** The client is there, or will be soon. */
  get isPrepared(): boolean {
    return this.#client.isLoaded;
  }

  /** Bytes held for bodies. */
  get memoryBytes(): number {
    return this.#memoryBytes;
  }

  /** The largest body that is copied. */
  get maxBodyBytes(): number {
    return this.#limits().maxBodyBytes;
  }

  /**
   * Makes ready for the routes of a table: the client takes tens of milliseconds to load, which no request should wait
   * for, and 10 MB, which most clusters need not spend. Linear in the routes, until one of them has a mirror.
   */
  prepare(hosts: readonly VirtualHost[]): void {
    if (this.#client.isLoaded) return;
    if (hosts.some(({ routes }) => routes.some(({ mirror }) => mirror !== null))) this.#client.load();
  }

  /**
   * Begins the copy of a request. `head` is what its upstream gets, of which `fields` cuts those of the copy. Gives the
   * copy, which waits for the request's endpoint and, where it has one, for the body; null when there will be none.
   */
  begin(
    settings: MirrorSettings,
    source: TemplateSource,
    head: string,
    fields: CopiedFields,
    hasBody: boolean,
  ): MirrorCopy | null {
    const limits = this.#limits();
    if (this.#underWay >= limits.maxRequests) return this.#drop('tooMany');
    const target = this.#targets.read(renderTemplate(settings.target, source));
    if (target === null) return this.#drop('badTarget');
    // Its body need not be gathered for nothing.
    if (this.#isFull(target, limits)) return this.#drop('targetFull');
    const { host, sendBody } = settings;
    const { method, requestId } = source;
    const request = { target, host, method, requestId, head, fields };
    return new MirrorCopy(this, request, hasBody && sendBody, this.#wheel.nowMs);
  }

  /** A copy is complete: it is sent once those who wait in this turn have been served. */
  queue(copy: MirrorCopy): void {
    const limits = this.#limits();
    const { target } = copy;
    this.#gathering.delete(copy);
    const refusal =
      this.#underWay >= limits.maxRequests ? 'tooMany' : this.#isFull(target, limits) ? 'targetFull' : null;
    if (refusal !== null) return this.forget(copy, refusal);
    this.#underWay++;
    this.#byOrigin.set(target.origin, (this.#byOrigin.get(target.origin) ?? 0) + 1);
    // Writes of requests leave in the immediates of this turn, which may be behind this one: so it takes another.
    if (this.#queue.push(copy) === 1) setImmediate(() => setImmediate(this.#sendQueued));
  }

  /** Memory for the body of a copy, more by `bytes` than it had; false: there is none left. */
  reserve(copy: MirrorCopy, bytes: number): boolean {
    const { maxMemoryBytes, timeoutMs } = this.#limits();
    if (bytes > maxMemoryBytes) return false;
    while (this.#memoryBytes + bytes > maxMemoryBytes) {
      const [oldest] = this.#gathering;
      // Streams that never end must not keep it for ever; among those that do end, who came first is nearest to it.
      if (oldest === undefined || oldest === copy || this.#wheel.nowMs - oldest.beganAtMs < timeoutMs) return false;
      oldest.drop('timedOut');
    }
    this.#gathering.add(copy);
    this.#memoryBytes += bytes;
    return true;
  }

  /** What was queued has been sent, or was not. */
  sent(copy: MirrorCopy, end: CopyEnd): void {
    const { origin } = copy.target;
    const others = (this.#byOrigin.get(origin) ?? 1) - 1;
    if (others === 0) this.#byOrigin.delete(origin);
    else this.#byOrigin.set(origin, others);
    this.#underWay--;
    this.forget(copy, end);
  }

  /** A copy is over: gives back its memory, and counts it. */
  forget(copy: MirrorCopy, outcome: MirrorOutcome): void {
    this.#gathering.delete(copy);
    this.#memoryBytes -= copy.heldBytes;
    this.#count(outcome);
  }

  /** Cuts what is under way. */
  close(): void {
    this.#client.close();
  }

  readonly #sendQueued = (): void => {
    const queue = this.#queue;
    this.#queue = queue.length > SENT_PER_TURN ? queue.slice(SENT_PER_TURN) : [];
    const limits = this.#limits();
    const count = Math.min(queue.length, SENT_PER_TURN);
    for (let i = 0; i < count; i++) {
      const copy = queue[i] as MirrorCopy;
      this.#client.send(copy.target.origin, copy, limits);
    }
    if (this.#queue.length > 0) setImmediate(this.#sendQueued);
  };

  #isFull({ origin }: CopyTarget, { maxRequestsPerTarget }: MirrorLimits): boolean {
    return (this.#byOrigin.get(origin) ?? 0) >= maxRequestsPerTarget;
  }

  #drop(outcome: MirrorOutcome): null {
    this.#count(outcome);
    return null;
  }

  #count(outcome: MirrorOutcome): void {
    this.outcomes.set(outcome, (this.outcomes.get(outcome) ?? 0) + 1);
  }
}

/** What is copied, but for the body. */
interface CopiedRequest {
  readonly target: CopyTarget;
  /** Host header. */
  readonly host: string;
  readonly method: string;
  readonly requestId: string;
  /** The head that the upstream of the request gets. */
  readonly head: string;
  readonly fields: CopiedFields;
}

const NOTHING = Buffer.alloc(0);

/** The copy of one request. Until it is queued it waits for an endpoint of the request, and for the body. */
export class MirrorCopy implements CopyToSend {
  readonly beganAtMs: number;
  readonly #mirrors: Mirrors;
  readonly #request: CopiedRequest;
  /** One buffer that doubles: small parts of a body would each cost more than they hold. */
  #held = NOTHING;
  #length = 0;
  /** It has a body. */
  readonly #gathers: boolean;
  #isComplete: boolean;
  #isReleased = false;
  #isOver = false;

  constructor(mirrors: Mirrors, request: CopiedRequest, gathers: boolean, nowMs: number) {
    this.#mirrors = mirrors;
    this.#request = request;
    this.#gathers = gathers;
    this.#isComplete = !gathers;
    this.beganAtMs = nowMs;
  }

  get target(): CopyTarget {
    return this.#request.target;
  }

  get path(): string {
    return this.#request.target.path;
  }

  get method(): string {
    return this.#request.method;
  }

  get fields(): readonly string[] {
    const { fields, head, requestId, host } = this.#request;
    return fields.of(head, requestId, host);
  }

  /** Memory that the body takes. */
  get heldBytes(): number {
    return this.#held.length;
  }

  /** null: the copy has none. */
  get body(): Buffer | null {
    return this.#gathers ? this.#held.subarray(0, this.#length) : null;
  }

  /** Copies a part of the body; beyond a limit the whole copy is dropped. */
  add(buf: Buffer, start: number, end: number): void {
    if (this.#isOver || this.#isComplete) return;
    const length = this.#length + end - start;
    if (length > this.#held.length && !this.#grow(length)) return;
    buf.copy(this.#held, this.#length, start, end);
    this.#length = length;
  }

  /** The body is complete. */
  end(): void {
    this.#isComplete = true;
    this.#queueWhenReady();
  }

  /** The request is under way to an endpoint. Without one the client gets our own answer, and there is nothing to copy. */
  release(): void {
    this.#isReleased = true;
    this.#queueWhenReady();
  }

  /** The request has ended. Drops the copy unless it is on its way already. */
  requestEnded(): void {
    this.drop('requestFailed');
  }

  onSent(end: CopyEnd): void {
    this.#mirrors.sent(this, end);
  }

  drop(outcome: MirrorOutcome): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#mirrors.forget(this, outcome);
    this.#held = NOTHING;
  }

  #queueWhenReady(): void {
    if (this.#isOver || !this.#isReleased || !this.#isComplete) return;
    this.#isOver = true;
    this.#mirrors.queue(this);
  }

  /** False: a limit is reached, and the copy is dropped. */
  #grow(length: number): boolean {
    const { maxBodyBytes } = this.#mirrors;
    const size = Math.min(maxBodyBytes, Math.max(length, 2 * this.#held.length, FIRST_BYTES));
    const outcome = length > maxBodyBytes ? 'bodyTooLarge' : 'memoryFull';
    if (length > maxBodyBytes || !this.#mirrors.reserve(this, size - this.#held.length)) {
      this.drop(outcome);
      return false;
    }
    const larger = Buffer.allocUnsafeSlow(size);
    this.#held.copy(larger, 0, 0, this.#length);
    this.#held = larger;
    return true;
  }
}
