// Cuts the fields of a copy (`mirror-target`) out of the head that the upstream of the request gets.
//
// A client sends the same head over and over, but for the request id: what was cut once is cut no second time, only the
// id is put in its place.

/** Fields of the request to the upstream that are about its own connection and framing; the rest goes with the copy. */
const NOT_COPIED = new Set([
  'connection',
  'content-length',
  'expect',
  'host',
  'http2-settings',
  'keep-alive',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]);
/** Longer heads are cut each time: thousands of idle clients would each keep one. As those that a parser remembers. */
const MAX_REMEMBERED = 4096;
const LONGEST_NOT_COPIED = Math.max(...Array.from(NOT_COPIED, (name) => name.length));

/** The fields of one client stream, which remembers those of its last head unless that was long. */
export class CopiedFields {
  /** The last head but for its first line, around the id; all of it when it has none. */
  #before = '';
  #behind = '';
  #host = '';
  #fields: readonly string[] = [];
  /** Where `#fields` holds the id; -1: nowhere. */
  #idAt = -1;

  /**
   * The fields as undici takes them: name, value, name, value ... `head` has its first line and the empty one at its end;
   * `requestId` is that of the head, '' for none; `host` is the copy's own.
   */
  of(head: string, requestId: string, host: string): readonly string[] {
    const start = head.indexOf('\r\n') + 2;
    if (!this.#isLast(head, start, requestId, host)) this.#cut(head, start, requestId, host);
    const fields = this.#fieldsWith(requestId);
    if (head.length > MAX_REMEMBERED) this.#forget();
    return fields;
  }

  #fieldsWith(requestId: string): readonly string[] {
    if (this.#idAt === -1) return this.#fields;
    const fields = this.#fields.slice();
    fields[this.#idAt] = requestId;
    return fields;
  }

  /** No head is as short as nothing: the next one is cut. */
  #forget(): void {
    this.#before = '';
    this.#behind = '';
    this.#fields = [];
    this.#idAt = -1;
  }

  #isLast(head: string, start: number, requestId: string, host: string): boolean {
    const before = this.#before;
    const behind = this.#behind;
    const idLength = this.#idAt === -1 ? 0 : requestId.length;
    const idStart = start + before.length;
    const idEnd = idStart + idLength;
    return (
      head.length - start === before.length + idLength + behind.length &&
      host === this.#host &&
      // Slices are compared by the word, `startsWith` goes by the character.
      head.slice(start, idStart) === before &&
      head.slice(idEnd) === behind &&
      (idLength === 0 || head.slice(idStart, idEnd) === requestId)
    );
  }

  #cut(head: string, start: number, requestId: string, host: string): void {
    const fields = ['Host', host];
    let idAt = -1;
    let idStart = head.length;
    let idEnd = head.length;
    for (let at = start; at < head.length; ) {
      const end = head.indexOf('\r\n', at);
      const colon = head.indexOf(':', at);
      if (colon <= at || colon > end) break;
      const name = head.slice(at, colon);
      const value = head.slice(colon + 1, end).trim();
      if (isCopied(name)) {
        if (idAt === -1 && requestId !== '' && value === requestId && name.toLowerCase() === 'x-request-id') {
          idAt = fields.length + 1;
          idStart = head.indexOf(value, colon + 1);
          idEnd = idStart + value.length;
        }
        fields.push(name, value);
      }
      at = end + 2;
    }
    this.#fields = fields;
    this.#host = host;
    this.#idAt = idAt;
    this.#before = head.slice(start, idStart);
    this.#behind = head.slice(idEnd);
  }
}

function isCopied(name: string): boolean {
  return name.length > LONGEST_NOT_COPIED || !NOT_COPIED.has(name.toLowerCase());
}
