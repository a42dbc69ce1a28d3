// Decides which worker gets which table when, and who has acknowledged what.
//
//   publish --> one worker on trial --ack--> accepted --> all others --acks--> acknowledged
//                     +--dies twice--> rejected: all go on with the table accepted before
//
// A table that kills a worker is a bug of ours, but it may be somebody's object that sets it off. Tried on one worker,
// it costs a restart; sent to all at once it would stop all traffic, and again after each restart.

import type { FromWorker, WorkerProblem } from './messages.ts';
import type { PoolMember } from './pool-member.ts';

/** An encoded table update on its way to all workers. */
export interface TableBroadcast {
  readonly revision: number;
  readonly bytes: SharedArrayBuffer;
  /** Encodes the whole table of this revision, for workers that have no base. Called when needed, perhaps never. */
  readonly encodeFull: () => SharedArrayBuffer;
}

export interface AckReport {
  /** `rejected`: workers died of it, the table before serves on. `closed`: the pool was closed meanwhile. */
  readonly kind: 'acknowledged' | 'rejected' | 'closed';
  readonly revision: number;
  /** Workers that acknowledged. */
  readonly workers: number;
  /** Time the slowest worker took to apply the update. */
  readonly slowestMs: number;
  /** One for each certificate some worker could not use. */
  readonly problems: readonly WorkerProblem[];
}

export interface RolloutOptions {
  readonly members: readonly PoolMember[];
  /** Sends an update to a worker and sees to it that it reacts in time. */
  readonly send: (member: PoolMember, revision: number, bytes: SharedArrayBuffer) => void;
  /** Called when `member` died of a table and it is given up. `serving` is the revision in force, 0 when there is none. */
  readonly onRejected: (member: PoolMember, revision: number, serving: number) => void;
}

/** A worker may die by chance while it is on trial; twice in a row is no chance. */
const failuresToReject = 2;

interface Trial {
  readonly broadcast: TableBroadcast;
  /** The worker that tries it; null while none is fit to. */
  scout: PoolMember | null;
  failures: number;
}

interface AckWait {
  readonly revision: number;
  slowestMs: number;
  readonly problems: Map<string, WorkerProblem>;
  readonly resolve: (report: AckReport) => void;
}

export class Rollout {
  readonly #options: RolloutOptions;
  readonly #waits = new Set<AckWait>();
  /** The newest table that some worker has acknowledged: what restarted workers begin with. Without its bytes: they are large. */
  #accepted: Omit<TableBroadcast, 'bytes'> | null = null;
  #trial: Trial | null = null;

  constructor(options: RolloutOptions) {
    this.#options = options;
  }

  /**
   * Brings a table to all workers. Resolves when all that live have acknowledged it or a later one; a worker that is
   * being restarted is not waited for. A table published while another is on trial takes its place.
   */
  publish(broadcast: TableBroadcast): Promise<AckReport> {
    const { promise, resolve } = Promise.withResolvers<AckReport>();
    this.#waits.add({ revision: broadcast.revision, slowestMs: 0, problems: new Map(), resolve });
    this.#trial = { broadcast, scout: null, failures: 0 };
    this.#chooseScout();
    return promise;
  }

  onStarted(member: PoolMember): void {
    if (this.#accepted === null) this.#chooseScout();
    else this.#sendFull(member, this.#accepted);
  }

  /** A worker has no base for what it was sent. */
  onNeedFull(member: PoolMember): void {
    const broadcast = this.#trial?.scout === member ? this.#trial.broadcast : this.#accepted;
    if (broadcast !== null) this.#sendFull(member, broadcast);
  }

  onAck(member: PoolMember, { revision, tookMs, problems }: Extract<FromWorker, { type: 'ack' }>): void {
    member.ackedRevision = revision;
    for (const wait of this.#waits) {
      if (wait.revision > revision) continue;
      wait.slowestMs = Math.max(wait.slowestMs, tookMs);
      for (const problem of problems) wait.problems.set(problem.certificate, problem);
    }
    if (this.#trial?.scout === member && this.#trial.broadcast.revision === revision) this.#accept(this.#trial);
    else this.#chooseScout();
    this.#settle();
  }

  /** A worker is gone; `member` is reset already. */
  onExit(member: PoolMember): void {
    if (this.#trial?.scout === member) {
      this.#trial.scout = null;
      this.#trial.failures++;
      if (this.#trial.failures >= failuresToReject) this.#reject(this.#trial, member);
      else this.#chooseScout();
    }
    this.#settle();
  }

  /** Ends all waiting. */
  close(): void {
    this.#trial = null;
    for (const wait of this.#waits) this.#finish(wait, 'closed', 0);
  }

  #chooseScout(): void {
    const trial = this.#trial;
    if (trial === null || trial.scout !== null) return;
    const { members } = this.#options;
    // The first table of all goes to whoever has started; a later one to a worker that serves and can go back.
    const fit = members.filter(({ phase, ackedRevision }) =>
      this.#accepted === null ? phase === 'idle' : ackedRevision > 0,
    );
    // After a failure somebody must be left to serve while the next one tries.
    const isLast = fit.length < 2 && members.length > 1;
    if (trial.failures > 0 && isLast && this.#accepted !== null) return;
    const [scout] = fit;
    if (scout === undefined) return;
    trial.scout = scout;
    this.#sendUpdate(scout, trial.broadcast);
  }

  #accept({ broadcast, scout }: Trial): void {
    this.#accepted = { revision: broadcast.revision, encodeFull: broadcast.encodeFull };
    this.#trial = null;
    for (const member of this.#options.members) {
      const isAway = member.phase === 'down' || member.phase === 'starting' || member.phase === 'drained';
      if (member !== scout && !isAway) this.#sendUpdate(member, broadcast);
    }
  }

  #reject({ broadcast }: Trial, member: PoolMember): void {
    this.#trial = null;
    this.#options.onRejected(member, broadcast.revision, this.#accepted?.revision ?? 0);
    for (const wait of this.#waits) if (wait.revision <= broadcast.revision) this.#finish(wait, 'rejected', 0);
  }

  #sendUpdate(member: PoolMember, broadcast: TableBroadcast): void {
    // A worker without any table cannot use parts; sending them would only cost a `needFull` round trip.
    if (member.sentRevision === 0) this.#sendFull(member, broadcast);
    else this.#options.send(member, broadcast.revision, broadcast.bytes);
  }

  #sendFull(member: PoolMember, broadcast: Omit<TableBroadcast, 'bytes'>): void {
    this.#options.send(member, broadcast.revision, broadcast.encodeFull());
  }

  #settle(): void {
    // Only an accepted table can be acknowledged by all: until then the others have not even seen it.
    const accepted = this.#accepted?.revision ?? 0;
    for (const wait of this.#waits) {
      if (wait.revision > accepted) continue;
      const acked = this.#options.members.filter(({ ackedRevision }) => ackedRevision >= wait.revision);
      const isMissing = this.#options.members.some((member) => mustAck(member, wait) && !acked.includes(member));
      if (!isMissing && acked.length > 0) this.#finish(wait, 'acknowledged', acked.length);
    }
  }

  #finish(wait: AckWait, kind: AckReport['kind'], workers: number): void {
    this.#waits.delete(wait);
    const { revision, slowestMs, problems } = wait;
    wait.resolve({ kind, revision, workers, slowestMs, problems: [...problems.values()] });
  }
}

/** Who is waited for: at the start everybody, later those who were sent the revision and live. */
function mustAck(member: PoolMember, { revision }: AckWait): boolean {
  if (member.phase === 'down') return false;
  return member.sentRevision >= revision || (member.phase === 'starting' && member.restarts === 0);
}
