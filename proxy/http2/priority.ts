// Extensible priorities (RFC 9218 §4): how urgent a response is, and whether it is useful in pieces. PURE.

/** 0 is the most urgent (RFC 9218 §4.1). */
export const DEFAULT_URGENCY = 3;
const URGENCY_LEVELS = 8;

export interface Priority {
  urgency: number;
  /** May share the connection with others of its urgency (RFC 9218 §4.2). */
  isIncremental: boolean;
}

/**
 * Reads a Priority field value, a dictionary of structured fields (RFC 8941 §3.2), into `priority`. Members that are
 * unknown or of the wrong type are ignored, and so is a value that is no dictionary (RFC 9218 §4, §5).
 */
export function readPriority(value: string, priority: Priority): void {
  priority.urgency = DEFAULT_URGENCY;
  priority.isIncremental = false;
  let at = 0;
  while (at < value.length) {
    const comma = value.indexOf(',', at);
    const end = comma === -1 ? value.length : comma;
    readMember(value.slice(at, end).trim(), priority);
    at = end + 1;
  }
}

function readMember(member: string, priority: Priority): void {
  const semicolon = member.indexOf(';');
  const plain = semicolon === -1 ? member : member.slice(0, semicolon);
  if (plain === 'i' || plain === 'i=?1') priority.isIncremental = true;
  else if (plain === 'i=?0') priority.isIncremental = false;
  else if (plain.length === 3 && plain.startsWith('u=')) {
    const urgency = plain.charCodeAt(2) - 48;
    if (urgency >= 0 && urgency < URGENCY_LEVELS) priority.urgency = urgency;
  }
}

/** What the scheduler keeps of a stream. */
export interface Schedulable extends Priority {
  readonly id: number;
  /** In the queue; owned by the queue. */
  isQueued: boolean;
}

/**
 * The streams that have something to send, the most urgent first. Within one urgency, streams that are not incremental
 * go first and one after the other in the order of their ids; incremental ones take turns (RFC 9218 §10).
 */
export class SendQueue<T extends Schedulable> {
  readonly #levels: T[][] = Array.from({ length: URGENCY_LEVELS * 2 }, () => []);
  #size = 0;

  get isEmpty(): boolean {
    return this.#size === 0;
  }

  /** Adds a stream that is not queued yet. */
  add(stream: T): void {
    if (stream.isQueued) return;
    const level = this.#levelOf(stream);
    let at = level.length;
    if (!stream.isIncremental) while (at > 0 && (level[at - 1] as T).id > stream.id) at--;
    level.splice(at, 0, stream);
    stream.isQueued = true;
    this.#size++;
  }

  /** Takes the next one out. */
  next(): T | null {
    if (this.#size === 0) return null;
    for (const level of this.#levels) {
      const stream = level.shift();
      if (stream === undefined) continue;
      stream.isQueued = false;
      this.#size--;
      return stream;
    }
    return null;
  }

  remove(stream: T): void {
    if (!stream.isQueued) return;
    const level = this.#levelOf(stream);
    level.splice(level.indexOf(stream), 1);
    stream.isQueued = false;
    this.#size--;
  }

  /** Changes a stream's priority, queued or not. */
  reprioritize(stream: T, priority: Readonly<Priority>): void {
    const wasQueued = stream.isQueued;
    this.remove(stream);
    stream.urgency = priority.urgency;
    stream.isIncremental = priority.isIncremental;
    if (wasQueued) this.add(stream);
  }

  #levelOf(stream: T): T[] {
    return this.#levels[stream.urgency * 2 + (stream.isIncremental ? 1 : 0)] as T[];
  }
}
