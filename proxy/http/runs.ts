// Takes header lines out of the runs of a parsed head: the slow path behind a Connection header that names other
// headers (RFC 9110 §7.6.1). PURE.

/** What both kinds of head have. `runs` holds pairs start, end of which the first `runCount` count. */
export interface HeadWithRuns {
  readonly text: string;
  readonly runs: number[];
  runCount: number;
  keep(lineStart: number, lineEnd: number): void;
}

/** Rebuilds the runs of `head` without the lines whose lower-case name is in `names`. */
export function removeNamedLines(head: HeadWithRuns, names: readonly string[]): void {
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
