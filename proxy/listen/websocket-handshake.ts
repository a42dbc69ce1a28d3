// The HTTP/1.1 handshake that stands behind an extended CONNECT (RFC 8441 §5, RFC 6455 §4): HTTP/2 has no key and no
// accept value, so the proxy is the one that makes the first and checks the second.

import { createHash, randomBytes } from 'node:crypto';

/** RFC 6455 §1.3. */
const GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';

/** Makes a Sec-WebSocket-Key: 16 random bytes. */
export function newWebSocketKey(): string {
  return randomBytes(16).toString('base64');
}

/** True when the 101 response with `responseText` accepts the request with `requestText` (RFC 6455 §4.1, client item 4). */
export function isWebSocketAccepted(requestText: string, responseText: string): boolean {
  const key = /^sec-websocket-key: *([^\r]*)/im.exec(requestText)?.[1];
  const accept = /^sec-websocket-accept: *([^\r]*)/im.exec(responseText)?.[1];
  if (key === undefined || accept === undefined) return false;
  return accept.trim() === createHash('sha1').update(`${key.trim()}${GUID}`, 'latin1').digest('base64');
}
