// Reads the options of a Connection header (RFC 9110 §7.6.1).
//
// PURE. Common values are recognised on bytes. Any other option names a header that is hop-by-hop for this message and
// must not be forwarded; those names are collected for the slow path.

import { COMMA, equalsIgnoreCase, HT, SP } from './bytes.ts';

/**
 * Headers that a Connection option cannot remove, because the upstream relies on them being there: a client could
 * otherwise strip its own address or credentials (the "hop-by-hop abuse" attack). Deviation: RFC 9110 §7.6.1 would remove them.
 */
const PROTECTED =
  /^(host|content-length|transfer-encoding|authorization|cookie|date|server|x-real-ip|x-request-id|x-scheme|forwarded|x-(original-)?forwarded-.*|ssl-client-.*)$/;

/** More than any honest sender names. Removing only some of them would forward what the sender wanted dropped. */
const MAX_NAMED_HEADERS = 16;

export class ConnectionOptions {
  close = false;
  keepAlive = false;
  upgrade = false;
  te = false;
  /** Lower-case names of other headers to drop; null when there are none, which is the common case. */
  named: string[] | null = null;
  /** More headers are named than are looked at: the message is refused. */
  isOverfull = false;

  reset(): void {
    this.close = false;
    this.keepAlive = false;
    this.upgrade = false;
    this.te = false;
    this.named = null;
    this.isOverfull = false;
  }

  /** Adds the options of one header line's value `buf[start..end)`. */
  add(buf: Uint8Array, start: number, end: number): void {
    let from = start;
    while (from <= end) {
      let to = from;
      while (to < end && buf[to] !== COMMA) to++;
      this.#addOption(buf, from, to);
      from = to + 1;
    }
  }

  #addOption(buf: Uint8Array, from: number, to: number): void {
    let start = from;
    let end = to;
    while (start < end && (buf[start] === SP || buf[start] === HT)) start++;
    while (end > start && (buf[end - 1] === SP || buf[end - 1] === HT)) end--;
    const length = end - start;
    if (length === 0) return;
    if (length === 10 && equalsIgnoreCase(buf, start, 'keep-alive')) this.keepAlive = true;
    else if (length === 5 && equalsIgnoreCase(buf, start, 'close')) this.close = true;
    else if (length === 7 && equalsIgnoreCase(buf, start, 'upgrade')) this.upgrade = true;
    else if (length === 2 && equalsIgnoreCase(buf, start, 'te')) this.te = true;
    else this.#addName(buf, start, end);
  }

  #addName(buf: Uint8Array, start: number, end: number): void {
    const name = Buffer.from(buf.buffer, buf.byteOffset + start, end - start)
      .toString('latin1')
      .toLowerCase();
    if (PROTECTED.test(name)) return;
    this.named ??= [];
    if (this.named.length < MAX_NAMED_HEADERS) this.named.push(name);
    else this.isOverfull = true;
  }
}
