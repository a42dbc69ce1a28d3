// The key pair of the webhook, read from two files and read again when they change.
//
// In: two paths, mostly of a mounted Secret, which Kubernetes swaps through its `..data` link. Out: a checked pair, the
// first one and each new one. A pair that does not work is logged and the one before stays: in the middle of a change
// certificate and key do not belong together, and the next look finds them whole.

import { type FSWatcher, watch } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { createSecureContext } from 'node:tls';

export interface KeyPair {
  readonly cert: string;
  readonly key: string;
}

export interface CertificateFilesOptions {
  readonly certPath: string;
  readonly keyPath: string;
  /** Told each new pair. */
  readonly onPair: (pair: KeyPair) => void;
  /** Told what is wrong with the files, once per problem. Never holds their content. */
  readonly onProblem: (message: string) => void;
  /** Longest time a change stays unseen where the system gives no hints. Default 10 s. */
  readonly checkEveryMs?: number;
}

/** Hints come in bursts, a link swap makes several. */
const settleMs = 20;

/** Watches the pair from `start` to `close`. */
export class CertificateFiles {
  readonly #options: CertificateFilesOptions;
  readonly #watchers: FSWatcher[] = [];
  #timer: NodeJS.Timeout | null = null;
  #hintTimer: NodeJS.Timeout | null = null;
  #current: KeyPair | null = null;
  #problem = '';
  /** Looks run one after the other, so that an older one never overtakes a newer. */
  #looking: Promise<void> = Promise.resolve();
  #isClosed = false;

  constructor(options: CertificateFilesOptions) {
    this.#options = options;
  }

  /** Reads the files a first time; whether they are good is told by `onPair` or `onProblem`. */
  async start(): Promise<void> {
    const { certPath, keyPath, checkEveryMs = 10_000 } = this.#options;
    for (const directory of new Set([dirname(certPath), dirname(keyPath)])) this.#watch(directory);
    this.#timer = setInterval(() => void this.look(), checkEveryMs).unref();
    await this.look();
  }

  close(): void {
    this.#isClosed = true;
    for (const watcher of this.#watchers) watcher.close();
    if (this.#timer !== null) clearInterval(this.#timer);
    if (this.#hintTimer !== null) clearTimeout(this.#hintTimer);
  }

  /** Looks whether the files changed, and takes over what is new. Never rejects. */
  look(): Promise<void> {
    this.#looking = this.#looking.then(() => this.#lookOnce());
    return this.#looking;
  }

  #watch(directory: string): void {
    try {
      const watcher = watch(directory, { persistent: false }, () => this.#onHint());
      watcher.on('error', () => watcher.close());
      this.#watchers.push(watcher);
    } catch {
      // The directory is not there yet, or the system has no watch left: the regular look has to do.
    }
  }

  #onHint(): void {
    if (this.#isClosed || this.#hintTimer !== null) return;
    this.#hintTimer = setTimeout(() => {
      this.#hintTimer = null;
      void this.look();
    }, settleMs).unref();
  }

  async #lookOnce(): Promise<void> {
    if (this.#isClosed) return;
    const pair = await this.#read();
    if (pair === null || this.#isClosed) return;
    this.#problem = '';
    if (pair.cert === this.#current?.cert && pair.key === this.#current.key) return;
    this.#current = pair;
    this.#options.onPair(pair);
  }

  async #read(): Promise<KeyPair | null> {
    const { certPath, keyPath } = this.#options;
    try {
      const [cert, key] = await Promise.all([readFile(certPath, 'utf8'), readFile(keyPath, 'utf8')]);
      if (cert !== this.#current?.cert || key !== this.#current.key) createSecureContext({ cert, key });
      return { cert, key };
    } catch (error) {
      // OpenSSL names the reason and no content.
      const { message } = error as Error;
      const consequence = this.#current === null ? 'no handshake succeeds until they are' : 'the pair before stays';
      this.#report(`${certPath} and ${keyPath} are not usable (${message}); ${consequence}`);
      return null;
    }
  }

  #report(message: string): void {
    if (message === this.#problem) return;
    this.#problem = message;
    this.#options.onProblem(message);
  }
}
