// Which methods are taken (RFC 9110 §9.1), the same over HTTP/1.1 and HTTP/2.
//
// PURE. nginx's rule: capital letters, `-` and `_`. A server that folds `get` to `GET` would take what a rule about GET has
// not seen.

/** Longest method, bytes. */
export const MAX_METHOD_BYTES = 32;

/** A capital letter, `-` or `_`. */
export function isMethodChar(code: number): boolean {
  return (code >= 65 && code <= 90) || code === 45 || code === 95;
}

/** Whether a token is a method that is taken. */
export function isMethod(token: string): boolean {
  if (token === 'GET' || token === 'POST') return true;
  if (token.length === 0 || token.length > MAX_METHOD_BYTES) return false;
  for (let i = 0; i < token.length; i++) if (!isMethodChar(token.charCodeAt(i))) return false;
  return true;
}
