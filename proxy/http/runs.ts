// The header lines of a parsed head that are forwarded as they stand: runs, contiguous ranges of whole lines of its text.
//
// PURE. Requests and responses share this: lines that nobody asks about never become strings one by one.

/** What both kinds of head are built on. */
export class KeptLines {
  /** The whole head, latin1, from the start line to the empty line. */
  text = '';
  /** Pairs start, end: the lines to forward. Only the first `runCount * 2` entries count. */
  readonly runs: number[] = [];
  runCount = 0;

  /** Adds a header line to what is forwarded. Neighbouring lines make one run. */
  keep(lineStart: number, lineEnd: number): void {
    const last = this.runCount * 2 - 1;
    if (last > 0 && this.runs[last] === lineStart) {
      this.runs[last] = lineEnd;
      return;
    }
    this.runs[last + 1] = lineStart;
    this.runs[last + 2] = lineEnd;
    this.runCount++;
  }

  /** The lines to forward, each with its CRLF. */
  keptText(): string {
    let kept = '';
    for (let i = 0; i < this.runCount; i++) {
      kept += this.text.slice(this.runs[i * 2] as number, this.runs[i * 2 + 1] as number);
    }
    return kept;
  }
}

/**
 * Rebuilds the runs of `head` without the lines whose lower-case name is in `names`: the slow path behind a Connection
 * header that names other headers (RFC 9110 §7.6.1).
 */
export function removeNamedLines(head: KeptLines, names: readonly string[]): void {
  const old = head.runs.slice(0, head.runCount * 2);
  head.runCount = 0;
  for (let i = 0; i < old.length; i += 2) {
    let line = old[i] as number;
    const end = old[i + 1] as number;
    while (line < end) {
      const next = head.text.indexOf('\n', line) + 1;
      const name = head.text.slice(line, head.text.indexOf(':', line)).toLowerCase();
      if (!names.includes(name)) head.keep(line, next);
      line = next;
    }
  }
}
