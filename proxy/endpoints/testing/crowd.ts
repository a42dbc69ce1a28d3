// Worker threads that want the same places at the same moment, for tests of exactness: they begin together, and note how many
// had a place at once. All see one board of shared memory.

/** Words of the board: members that are ready, those that hold a place now, most seen at once. */
const [READY, HOLDING, MOST] = [0, 1, 2];

export class Crowd {
  readonly #words: Int32Array;

  /** `board`: three words of zeros. */
  constructor(board: SharedArrayBuffer) {
    this.#words = new Int32Array(board);
  }

  /** Sleeps until all `members` have come here. */
  awaitAll(members: number): void {
    const words = this.#words;
    Atomics.add(words, READY, 1);
    Atomics.notify(words, READY);
    for (let ready = Atomics.load(words, READY); ready < members; ready = Atomics.load(words, READY)) {
      Atomics.wait(words, READY, ready);
    }
  }

  /** This member holds a place for a moment. Call it while it does. */
  hold(): void {
    const words = this.#words;
    const holding = Atomics.add(words, HOLDING, 1) + 1;
    for (let most = Atomics.load(words, MOST); holding > most; most = Atomics.load(words, MOST)) {
      Atomics.compareExchange(words, MOST, most, holding);
    }
    Atomics.sub(words, HOLDING, 1);
  }
}
