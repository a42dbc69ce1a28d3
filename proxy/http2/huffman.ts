// The Huffman code of HPACK (RFC 7541 §5.2, Appendix B).
//
// PURE. The code is canonical: codes of one length follow each other in the order of their symbols, so the lengths say it
// all. Decoding walks a table four bits at a time; no code is shorter than five bits, so a step gives at most one byte.

/** Length in bits of the code of each byte, then of EOS (Appendix B). */
const CODE_LENGTHS: readonly number[] = [
  13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28,
  28, 28, 28, 6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, 5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10,
  13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6, 15, 5, 6, 5, 6,
  5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5, 6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28, 20, 22, 20, 20, 22, 22, 22, 23,
  22, 23, 23, 23, 23, 23, 24, 23, 24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24, 22, 21, 20, 22, 22,
  23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23, 21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23, 26, 26,
  20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25, 19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27,
  27, 20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23, 26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27,
  27, 27, 27, 26, 30,
];

const EOS = 256;
const CODES = canonicalCodes();
const FAIL = -1;
const EMITS = 1 << 16;
/** Index `state * 16 + nibble`: next state, the byte to emit in bits 8-15, and EMITS; or FAIL where EOS would begin. */
const STEPS = new Int32Array(256 * 16);
/** 1 for states in which a string may end: at most seven bits into a code, all of them ones (§5.2). */
const MAY_END = new Uint8Array(256);
buildSteps();

/** Bytes that `text` (latin1) takes encoded. */
export function huffmanLength(text: string): number {
  let bits = 0;
  for (let i = 0; i < text.length; i++) bits += CODE_LENGTHS[text.charCodeAt(i) & 0xff] as number;
  return (bits + 7) >>> 3;
}

/** Encodes `text` (latin1) into `out` at `at`; gives the position behind it. The caller has made room. */
export function huffmanEncode(text: string, out: Uint8Array, at: number): number {
  let next = at;
  // At most seven bits wait between symbols; a code has up to 30, so both halves stay within 32 bits.
  let pending = 0;
  let count = 0;
  for (let i = 0; i < text.length; i++) {
    const symbol = text.charCodeAt(i) & 0xff;
    const code = CODES[symbol] as number;
    let left = CODE_LENGTHS[symbol] as number;
    while (left > 0) {
      const take = Math.min(8 - count, left);
      left -= take;
      pending = (pending << take) | ((code >>> left) & ((1 << take) - 1));
      count += take;
      if (count === 8) {
        out[next++] = pending;
        pending = 0;
        count = 0;
      }
    }
  }
  if (count > 0) out[next++] = (pending << (8 - count)) | (0xff >>> count);
  return next;
}

/**
 * Decodes `buf[start..end)` into `out` at `at`, which must have room for 8/5 of the input. Gives the number of bytes, or
 * -1 for what RFC 7541 §5.2 calls a decoding error: EOS in the string, or padding that is too long or not all ones.
 */
export function huffmanDecode(buf: Uint8Array, start: number, end: number, out: Uint8Array, at: number): number {
  let state = 0;
  let next = at;
  for (let i = start; i < end; i++) {
    const byte = buf[i] as number;
    const high = STEPS[(state << 4) | (byte >>> 4)] as number;
    if (high === FAIL) return -1;
    if (high >= EMITS) out[next++] = high >>> 8;
    const low = STEPS[((high & 0xff) << 4) | (byte & 15)] as number;
    if (low === FAIL) return -1;
    if (low >= EMITS) out[next++] = low >>> 8;
    state = low & 0xff;
  }
  return MAY_END[state] === 1 ? next - at : -1;
}

function canonicalCodes(): Int32Array {
  const codes = new Int32Array(257);
  let code = 0;
  for (let length = 1; length <= 30; length++) {
    for (let symbol = 0; symbol <= EOS; symbol++) if (CODE_LENGTHS[symbol] === length) codes[symbol] = code++;
    code <<= 1;
  }
  return codes;
}

/** A node of the code tree: children for bit 0 and 1; a leaf has a symbol. */
interface CodeNode {
  readonly id: number;
  readonly children: Array<CodeNode | number>;
}

function buildSteps(): void {
  const states: CodeNode[] = [];
  const newState = (): CodeNode => {
    const state: CodeNode = { id: states.length, children: [] };
    states.push(state);
    return state;
  };
  const root = newState();
  for (let symbol = 0; symbol <= EOS; symbol++) {
    let node = root;
    for (let bit = (CODE_LENGTHS[symbol] as number) - 1; bit > 0; bit--) {
      const side = ((CODES[symbol] as number) >>> bit) & 1;
      node.children[side] ??= newState();
      node = node.children[side] as CodeNode;
    }
    node.children[(CODES[symbol] as number) & 1] = symbol;
  }
  for (const state of states) for (let nibble = 0; nibble < 16; nibble++) addStep(root, state, nibble);
  let ones = root;
  for (let depth = 0; depth < 8; depth++) {
    MAY_END[ones.id] = 1;
    ones = ones.children[1] as CodeNode;
  }
}

function addStep(root: CodeNode, from: CodeNode, nibble: number): void {
  let node = from;
  let emitted = 0;
  for (let bit = 3; bit >= 0; bit--) {
    const child = node.children[(nibble >>> bit) & 1] as CodeNode | number;
    if (child === EOS) {
      STEPS[from.id * 16 + nibble] = FAIL;
      return;
    }
    if (typeof child === 'number') emitted = EMITS | (child << 8);
    node = typeof child === 'number' ? root : child;
  }
  STEPS[from.id * 16 + nibble] = emitted | node.id;
}
