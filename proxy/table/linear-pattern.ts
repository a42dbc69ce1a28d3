// Regular expressions of users that run in linear time: matching. All ways through the expression are followed at once
// (K. Thompson, "Regular Expression Search Algorithm", 1968), so the time is at most text times instructions; and there is
// a limit to that as well, since a header line of eight kilobytes and a large expression would make 60 ms of it.

import { type Instruction, parsePattern, WORD } from './pattern.ts';

/**
 * Instructions that one search may look at: about a millisecond. As PCRE's match limit in ingress-nginx it is out of reach
 * of expressions that are meant well: a dozen alternatives on a line of eight kilobytes.
 */
const MAX_STEPS = 100_000;

/** A compiled expression. It owns its working memory: use it from one place at a time, as a worker does. */
export class LinearPattern {
  readonly #program: readonly Instruction[];
  readonly #current: Int32Array;
  readonly #next: Int32Array;
  /** By instruction: the step in which it was last reached. */
  readonly #reached: Int32Array;
  readonly #stack: Int32Array;
  #step = 0;
  /** Instructions looked at in this search. */
  #looked = 0;

  private constructor(program: readonly Instruction[]) {
    this.#program = program;
    this.#current = new Int32Array(program.length);
    this.#next = new Int32Array(program.length);
    this.#reached = new Int32Array(program.length);
    this.#stack = new Int32Array(program.length * 2);
  }

  /** Compiles an expression; null when `parsePattern` refuses it. */
  static compile(source: string): LinearPattern | null {
    const parsed = parsePattern(source);
    return parsed.ok ? new LinearPattern(parsed.program) : null;
  }

  /** Whether the expression is found anywhere in a latin1 text; null: it was given up. Allocates nothing. */
  test(text: string): boolean | null {
    let [current, next] = [this.#current, this.#next];
    let count = 0;
    if (this.#step > 2 ** 30) this.#restart();
    this.#looked = 0;
    for (let at = 0; at <= text.length; at++) {
      this.#looked += count;
      if (this.#looked > MAX_STEPS) return null;
      this.#beginStep(current, count);
      // A match may begin at every place: the search is not anchored.
      count = this.#follow(0, text, at, current, count);
      if (count === -1) return true;
      const code = text.charCodeAt(at);
      let kept = 0;
      this.#step++;
      for (let i = 0; i < count; i++) {
        const place = current[i] as number;
        const instruction = this.#program[place];
        if (instruction?.op !== 'set' || instruction.set[code] !== 1) continue;
        kept = this.#follow(place + 1, text, at + 1, next, kept);
        if (kept === -1) return true;
      }
      [current, next] = [next, current];
      count = kept;
    }
    return false;
  }

  /** Marks what is in the list as reached in a step of its own, so that `#follow` adds nothing twice. */
  #beginStep(list: Int32Array, count: number): void {
    this.#step++;
    for (let i = 0; i < count; i++) this.#reached[list[i] as number] = this.#step;
  }

  /** Adds the `set` instructions that can be reached from `from` without reading; gives the new count, -1 for a match. */
  #follow(from: number, text: string, at: number, list: Int32Array, listed: number): number {
    const [stack, reached, step] = [this.#stack, this.#reached, this.#step];
    let count = listed;
    let depth = 0;
    stack[depth++] = from;
    while (depth > 0) {
      const place = stack[--depth] as number;
      this.#looked++;
      if (reached[place] === step) continue;
      reached[place] = step;
      const instruction = this.#program[place] as Instruction;
      switch (instruction.op) {
        case 'match':
          return -1;
        case 'set':
          list[count++] = place;
          break;
        case 'jump':
          stack[depth++] = instruction.to;
          break;
        case 'split':
          stack[depth++] = instruction.b;
          stack[depth++] = instruction.a;
          break;
        default:
          if (holds(instruction, text, at)) stack[depth++] = place + 1;
      }
    }
    return count;
  }

  #restart(): void {
    this.#reached.fill(0);
    this.#step = 0;
  }
}

function holds(
  instruction: Extract<Instruction, { op: 'start' | 'end' | 'boundary' }>,
  text: string,
  at: number,
): boolean {
  if (instruction.op === 'start') return at === 0;
  if (instruction.op === 'end') return at === text.length;
  const before = at > 0 && WORD[text.charCodeAt(at - 1)] === 1;
  const after = at < text.length && WORD[text.charCodeAt(at)] === 1;
  return (before !== after) === instruction.wanted;
}
