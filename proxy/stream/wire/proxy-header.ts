// Reads the PROXY header that a load balancer puts before the first byte of a connection (the PROXY protocol of HAProxy,
// versions 1 and 2: proxy-protocol.txt, revision 2020/03/05).
//
// PURE and total. Works on all bytes of the connection so far, so it does not matter how they were split. Strict: what is not
// exactly a header is refused, because a header that two readers understand in two ways lets a client choose its address.

import { readProxyV1 } from './proxy-v1.ts';
import { readProxyV2, V2_SIGNATURE } from './proxy-v2.ts';

/** Longest header that is read, bytes, TLVs included; nginx has the same limit. */
export const MAX_PROXY_HEADER_BYTES = 4096;

/** Whose connection it is, as the sender of the header saw it. Addresses as `renderIp` gives them. */
export interface ProxiedAddresses {
  readonly sourceAddress: string;
  readonly sourcePort: number;
  readonly destinationAddress: string;
  readonly destinationPort: number;
}

export type ProxyHeaderReading =
  /** Not yet to be told: at least `atLeast` bytes are needed in all. */
  | { readonly kind: 'more'; readonly atLeast: number }
  | { readonly kind: 'refused'; readonly why: string }
  /**
   * A header of `length` bytes. `addresses` null: the connection is the sender's own (`LOCAL`), or of a kind without IP
   * addresses (`UNKNOWN`, `AF_UNSPEC`, `AF_UNIX`); it counts as coming from the socket's peer.
   */
  | { readonly kind: 'done'; readonly length: number; readonly addresses: ProxiedAddresses | null };

const V1_SIGNATURE = 'PROXY ';

/** Reads the header at the start of `buf`, of which the bytes up to `end` have arrived. */
export function readProxyHeader(buf: Buffer, end: number): ProxyHeaderReading {
  if (end === 0) return { kind: 'more', atLeast: 1 };
  if (buf[0] === V1_SIGNATURE.charCodeAt(0)) {
    return isStartOf(buf, end, Buffer.from(V1_SIGNATURE)) ? readProxyV1(buf, end) : notAHeader;
  }
  return isStartOf(buf, end, V2_SIGNATURE) ? readProxyV2(buf, end, MAX_PROXY_HEADER_BYTES) : notAHeader;
}

const notAHeader: ProxyHeaderReading = { kind: 'refused', why: 'no PROXY header' };

function isStartOf(buf: Buffer, end: number, signature: Buffer): boolean {
  const length = Math.min(end, signature.length);
  return buf.compare(signature, 0, length, 0, length) === 0;
}
