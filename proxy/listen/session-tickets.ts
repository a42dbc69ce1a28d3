// Session tickets that are renewed: every resumed TLS connection gets a new ticket, so that clients which use a ticket
// once (RFC 8446 appendix C.4) can go on resuming.
//
// Node's `ticketKeys` decrypts tickets but never asks OpenSSL to renew one, so a client runs out of them and half of its
// connections are full handshakes. Node's secure context has a callback that can ask for it, but only privately: this file
// is that private touch. Where it is missing, `ticketKeys` alone stays in force; both ways understand each other's tickets.

import { randomFillSync } from 'node:crypto';
import type tls from 'node:tls';

/** The ticket key has three parts: name, HMAC-SHA256 key, AES-128-CBC key; see `TICKET_KEY_BYTES`. */
const PART_BYTES = 16;

/** Initialisation vectors are made so many at a time: one by one, they were a fiftieth of a full handshake's CPU. */
const VECTORS_AT_ONCE = 256;

/** OpenSSL's answers to "may this ticket be used" (SSL_CTX_set_tlsext_ticket_key_cb). */
const UNKNOWN_KEY = 0;
const USE = 1;
const USE_AND_RENEW = 2;

type TicketKeyAnswer = [result: number, hmacKey: Buffer, aesKey: Buffer, name?: Buffer, iv?: Buffer];

interface TicketKeyContext {
  enableTicketKeyCallback(): void;
  onticketkeycallback: (name: Buffer, iv: Buffer, isEncrypting: boolean) => TicketKeyAnswer;
}

/**
 * Makes `server` renew the tickets of resumed connections. Call it again after `setSecureContext`, which makes a new
 * context. False when this Node does not let us: `ticketKeys` then does without renewal.
 */
export function renewTickets(server: tls.Server, keys: Buffer): boolean {
  const context = contextOf(server);
  if (context === null) return false;
  const name = keys.subarray(0, PART_BYTES);
  const hmacKey = keys.subarray(PART_BYTES, 2 * PART_BYTES);
  const aesKey = keys.subarray(2 * PART_BYTES, 3 * PART_BYTES);
  const vectors = new RandomVectors();
  context.onticketkeycallback = (ticketName, _iv, isEncrypting) => {
    if (isEncrypting) return [USE, hmacKey, aesKey, name, vectors.next()];
    return [name.equals(ticketName) ? USE_AND_RENEW : UNKNOWN_KEY, hmacKey, aesKey];
  };
  context.enableTicketKeyCallback();
  return true;
}

/** Unpredictable initialisation vectors (AES-CBC needs no less); none is given out twice. */
class RandomVectors {
  readonly #bytes = Buffer.allocUnsafeSlow(VECTORS_AT_ONCE * PART_BYTES);
  #next = this.#bytes.length;

  /** Valid until the next call. */
  next(): Buffer {
    if (this.#next === this.#bytes.length) {
      randomFillSync(this.#bytes);
      this.#next = 0;
    }
    const start = this.#next;
    this.#next += PART_BYTES;
    return this.#bytes.subarray(start, this.#next);
  }
}

function contextOf(server: tls.Server): TicketKeyContext | null {
  const { _sharedCreds } = server as unknown as { readonly _sharedCreds?: { readonly context?: unknown } };
  const context = _sharedCreds?.context as Partial<TicketKeyContext> | undefined;
  return typeof context?.enableTicketKeyCallback === 'function' ? (context as TicketKeyContext) : null;
}
