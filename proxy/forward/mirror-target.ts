// Reads the URL that a `mirror-target` has become with its variables filled in.

export interface CopyTarget {
  /** Scheme, host and port. */
  readonly origin: string;
  /** Path and query. */
  readonly path: string;
}

/** Nearly all copies go where the one before them went: an origin that is known to be one is not checked again. */
export class TargetReader {
  #lastOrigin = '';

  /** Splits a URL where it must be split and leaves its path as it is; null when it is none, or has a user in it. */
  read(url: string): CopyTarget | null {
    const origin = this.#originOf(url);
    if (origin === null) return null;
    const hash = url.indexOf('#', origin.length);
    const path = url.slice(origin.length, hash === -1 ? url.length : hash);
    if (/[^!-\u00ff]/.test(path)) return null;
    return { origin, path: path.startsWith('/') ? path : `/${path}` };
  }

  #originOf(url: string): string | null {
    const last = this.#lastOrigin;
    if (last !== '' && url.startsWith(last) && isBehindOrigin(url.charAt(last.length))) return last;
    const [origin = ''] = /^https?:\/\/[^/?#@\\]+(?![^/?#])/i.exec(url) ?? [];
    if (!URL.canParse(origin)) return null;
    this.#lastOrigin = origin;
    return origin;
  }
}

function isBehindOrigin(character: string): boolean {
  return character === '/' || character === '?' || character === '#' || character === '';
}
