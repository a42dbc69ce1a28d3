// Tells a client that speaks plain HTTP on an HTTPS port so, as nginx does: a closed connection says nothing.
//
// The answer must go out beside TLS. A TLSSocket that wraps another socket keeps it in `_parent`, which is a private touch
// (others are listed in sockets.ts); where it is missing, nothing is said and the connection is closed as any other.

import net from 'node:net';
import type { TLSSocket } from 'node:tls';
import { answerOf, renderAnswer } from '../http/answer.ts';

/** OpenSSL has found one of the usual methods where a ClientHello should begin. */
const HTTP_REQUEST = 'ERR_SSL_HTTP_REQUEST';

/** nginx logs this as 497 and answers 400. */
const ANSWER = renderAnswer(answerOf(400, 'plainHttpOnTls'), 'Connection: close\r\n', false);

/** Ends a connection whose handshake has failed with `error`. */
export function endFailedHandshake(socket: TLSSocket, error: NodeJS.ErrnoException): void {
  const parent = (socket as unknown as { readonly _parent?: unknown })._parent;
  const canAnswer = error.code === HTTP_REQUEST && parent instanceof net.Socket && parent.writable;
  if (!canAnswer) {
    socket.destroy();
    return;
  }
  parent.end(ANSWER, () => socket.destroy());
}
