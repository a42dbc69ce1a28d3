// Regular expressions of users that run in linear time: parsing. Whoever may write an Ingress chooses the expression and
// whoever may send a request chooses the text, so an engine that tracks back would be a way to stop a worker.
//
// In: the common part of PCRE and JavaScript. Out: instructions for `LinearPattern` (linear-pattern.ts), or why not.
// What needs back-tracking (back-references, look-around, possessive repetition) is refused, and so is what is too large.
// Of flags there is `(?i)` at the start.

/** Bytes 0 to 255 as a set. */
export type ByteSet = Uint8Array;

export type Instruction =
  | { readonly op: 'set'; readonly set: ByteSet }
  /** Goes on at both places. */
  | { readonly op: 'split'; readonly a: number; readonly b: number }
  | { readonly op: 'jump'; readonly to: number }
  | { readonly op: 'start' }
  | { readonly op: 'end' }
  /** `\b`, or `\B` when not wanted. */
  | { readonly op: 'boundary'; readonly wanted: boolean }
  | { readonly op: 'match' };

export type ParsedPattern =
  | { readonly ok: true; readonly program: readonly Instruction[] }
  | { readonly ok: false; readonly why: string };

/** At the start of an expression: in any case. */
const FOLDED = '(?i)';
/** Time for one text is at most its length times this. */
const MAX_INSTRUCTIONS = 500;
const MAX_DEPTH = 50;
const MAX_REPETITION = 255;

/** Parses an expression. Never throws; cost is linear in its length and in what its repetitions expand to. */
export function parsePattern(source: string): ParsedPattern {
  const parser = new PatternParser(source);
  try {
    return { ok: true, program: parser.parse() };
  } catch (error) {
    if (error instanceof PatternFault) return { ok: false, why: error.message };
    throw error;
  }
}

class PatternFault extends Error {}

type Node =
  | { readonly kind: 'set'; readonly set: ByteSet }
  | { readonly kind: 'sequence'; readonly nodes: readonly Node[] }
  | { readonly kind: 'either'; readonly nodes: readonly Node[] }
  /** `max` null: without end. */
  | { readonly kind: 'repeat'; readonly node: Node; readonly min: number; readonly max: number | null }
  | { readonly kind: 'start' | 'end' }
  | { readonly kind: 'boundary'; readonly wanted: boolean };

class PatternParser {
  readonly #source: string;
  #at = 0;
  #depth = 0;
  /** Letters stand for both cases. */
  readonly #isFolded: boolean;

  constructor(source: string) {
    this.#source = source;
    this.#isFolded = source.startsWith(FOLDED);
    if (this.#isFolded) this.#at = FOLDED.length;
  }

  parse(): readonly Instruction[] {
    const node = this.#either();
    if (this.#at < this.#source.length) throw new PatternFault('has a ) without (');
    const program: Instruction[] = [];
    emit(node, program);
    program.push({ op: 'match' });
    return program;
  }

  #peek(): string {
    return this.#source.charAt(this.#at);
  }

  #either(): Node {
    if (++this.#depth > MAX_DEPTH) throw new PatternFault('nests too deep');
    const nodes = [this.#sequence()];
    while (this.#peek() === '|') {
      this.#at++;
      nodes.push(this.#sequence());
    }
    this.#depth--;
    return nodes.length === 1 && nodes[0] !== undefined ? nodes[0] : { kind: 'either', nodes };
  }

  #sequence(): Node {
    const nodes: Node[] = [];
    while (this.#at < this.#source.length && this.#peek() !== '|' && this.#peek() !== ')') {
      nodes.push(this.#repeated(this.#atom()));
    }
    return { kind: 'sequence', nodes };
  }

  #atom(): Node {
    const sign = this.#peek();
    this.#at++;
    switch (sign) {
      case '(':
        return this.#group();
      case '[':
        return { kind: 'set', set: this.#class() };
      case '.':
        return { kind: 'set', set: ANY };
      case '^':
        return { kind: 'start' };
      case '$':
        return { kind: 'end' };
      case '\\':
        return this.#escape();
      case '*':
      case '+':
      case '?':
        throw new PatternFault(`has nothing in front of ${sign}`);
      default:
        return { kind: 'set', set: this.#folded(setOf(byteOf(sign))) };
    }
  }

  #folded(set: ByteSet): ByteSet {
    if (!this.#isFolded) return set;
    for (let upper = 65; upper <= 90; upper++) {
      const bit = (set[upper] ?? 0) | (set[upper + 32] ?? 0);
      set[upper] = bit;
      set[upper + 32] = bit;
    }
    return set;
  }

  #group(): Node {
    if (this.#peek() === '?') {
      if (this.#source.charAt(this.#at + 1) !== ':')
        throw new PatternFault('has a group that only a back-tracking engine can run');
      this.#at += 2;
    }
    const node = this.#either();
    if (this.#peek() !== ')') throw new PatternFault('has a ( without )');
    this.#at++;
    return node;
  }

  #escape(): Node {
    const sign = this.#peek();
    this.#at++;
    if (sign === 'b' || sign === 'B') return { kind: 'boundary', wanted: sign === 'b' };
    return { kind: 'set', set: escapedSet(sign) };
  }

  #repeated(node: Node): Node {
    const bounds = this.#bounds();
    if (bounds === null) return node;
    // Lazy or not, it is found or not.
    if (this.#peek() === '?') this.#at++;
    if (this.#peek() !== '' && '*+?{'.includes(this.#peek())) throw new PatternFault('repeats a repetition');
    return { kind: 'repeat', node, ...bounds };
  }

  #bounds(): { readonly min: number; readonly max: number | null } | null {
    const sign = this.#peek();
    if (sign === '{') return this.#counted();
    if (sign === '' || !'*+?'.includes(sign)) return null;
    this.#at++;
    return { min: sign === '+' ? 1 : 0, max: sign === '?' ? 1 : null };
  }

  #counted(): { readonly min: number; readonly max: number | null } {
    const close = this.#source.indexOf('}', this.#at);
    const inside = close === -1 ? '' : this.#source.slice(this.#at + 1, close);
    const [, low = '', comma = '', high = ''] = /^(\d{1,4})(,?)(\d{0,4})$/.exec(inside) ?? [];
    if (low === '') throw new PatternFault('has a { that is not {n}, {n,} or {n,m}');
    this.#at = close + 1;
    const min = Number(low);
    const max = comma === '' ? min : high === '' ? null : Number(high);
    if (max !== null && max < min) throw new PatternFault('has a repetition whose end is below its start');
    if (Math.max(min, max ?? 0) > MAX_REPETITION) throw new PatternFault(`repeats more than ${MAX_REPETITION} times`);
    return { min, max };
  }

  #class(): ByteSet {
    const isNegated = this.#peek() === '^';
    if (isNegated) this.#at++;
    const set = new Uint8Array(256);
    let isFirst = true;
    while (isFirst || this.#peek() !== ']') {
      isFirst = false;
      if (this.#at >= this.#source.length) throw new PatternFault('has a [ without ]');
      this.#classItem(set);
    }
    this.#at++;
    this.#folded(set);
    return isNegated ? set.map((bit) => 1 - bit) : set;
  }

  #classItem(set: ByteSet): void {
    const low = this.#classAtom();
    const isRange =
      this.#peek() === '-' && this.#source.charAt(this.#at + 1) !== ']' && this.#at + 1 < this.#source.length;
    if (!isRange) return addAll(set, low);
    this.#at++;
    const [from, to] = [onlyByte(low), onlyByte(this.#classAtom())];
    if (from > to) throw new PatternFault('has a range whose end is below its start');
    set.fill(1, from, to + 1);
  }

  #classAtom(): ByteSet {
    const sign = this.#peek();
    this.#at++;
    if (sign !== '\\') return setOf(byteOf(sign));
    const escaped = this.#peek();
    this.#at++;
    return escapedSet(escaped);
  }
}

const ANY: ByteSet = new Uint8Array(256).fill(1);
const DIGITS = setWhere((code) => code >= 48 && code <= 57);
/** Letters, digits and `_`. */
export const WORD: ByteSet = setWhere(
  (code) => (code >= 48 && code <= 57) || (code >= 65 && code <= 90) || (code >= 97 && code <= 122) || code === 95,
);
const SPACES = setWhere((code) => code === 32 || (code >= 9 && code <= 13));

function setWhere(test: (code: number) => boolean): ByteSet {
  return new Uint8Array(256).map((_, code) => (test(code) ? 1 : 0));
}

function setOf(code: number): ByteSet {
  const set = new Uint8Array(256);
  set[code] = 1;
  return set;
}

function byteOf(sign: string): number {
  const code = sign.charCodeAt(0);
  // Heads are latin1; what is beyond it could only be compared by guessing an encoding.
  if (Number.isNaN(code) || code > 255) throw new PatternFault('holds a character beyond latin1');
  return code;
}

function escapedSet(sign: string): ByteSet {
  const not = (set: ByteSet) => set.map((bit) => 1 - bit);
  switch (sign) {
    case 'd':
      return DIGITS;
    case 'D':
      return not(DIGITS);
    case 'w':
      return WORD;
    case 'W':
      return not(WORD);
    case 's':
      return SPACES;
    case 'S':
      return not(SPACES);
    case '':
      throw new PatternFault('ends with a \\');
    default:
      if (/[A-Za-z0-9]/.test(sign)) throw new PatternFault(`has the escape \\${sign}, which is not supported`);
      return setOf(byteOf(sign));
  }
}

function addAll(set: ByteSet, other: ByteSet): void {
  for (let code = 0; code < 256; code++) if (other[code] === 1) set[code] = 1;
}

function onlyByte(set: ByteSet): number {
  const first = set.indexOf(1);
  if (set.indexOf(1, first + 1) !== -1) throw new PatternFault('has a range from or to a class');
  return first;
}

function emit(node: Node, program: Instruction[]): void {
  if (program.length > MAX_INSTRUCTIONS) throw new PatternFault('is too large');
  switch (node.kind) {
    case 'set':
      program.push({ op: 'set', set: node.set });
      return;
    case 'start':
    case 'end':
      program.push({ op: node.kind });
      return;
    case 'boundary':
      program.push({ op: 'boundary', wanted: node.wanted });
      return;
    case 'sequence':
      for (const part of node.nodes) emit(part, program);
      return;
    case 'either':
      emitEither(node.nodes, program);
      return;
    case 'repeat':
      for (let i = 0; i < node.min; i++) emit(node.node, program);
      if (node.max === null) emitLoop(node.node, program);
      else for (let i = node.min; i < node.max; i++) emitOptional(node.node, program);
      return;
    default:
      node satisfies never;
  }
}

function emitEither(nodes: readonly Node[], program: Instruction[]): void {
  const jumps: number[] = [];
  for (const [i, part] of nodes.entries()) {
    const isLast = i === nodes.length - 1;
    const split = program.length;
    if (!isLast) program.push({ op: 'jump', to: 0 });
    emit(part, program);
    if (isLast) continue;
    jumps.push(program.length);
    program.push({ op: 'jump', to: 0 });
    program[split] = { op: 'split', a: split + 1, b: program.length };
  }
  for (const at of jumps) program[at] = { op: 'jump', to: program.length };
}

function emitLoop(node: Node, program: Instruction[]): void {
  const split = program.length;
  program.push({ op: 'jump', to: 0 });
  emit(node, program);
  program.push({ op: 'jump', to: split });
  program[split] = { op: 'split', a: split + 1, b: program.length };
}

function emitOptional(node: Node, program: Instruction[]): void {
  const split = program.length;
  program.push({ op: 'jump', to: 0 });
  emit(node, program);
  program[split] = { op: 'split', a: split + 1, b: program.length };
}
