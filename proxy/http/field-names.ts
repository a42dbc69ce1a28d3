// The header names a proxy must look at, found by length and then by spelling.
//
// PURE. Every other header is forwarded untouched and costs one look-up in a small list by length. Requests and
// responses share one numbering so that both parsers share one scanner.

import { equalsIgnoreCase } from './bytes.ts';

/** What a header line is to the proxy. `other` is forwarded as it stands. */
export const Field = {
  other: 0,
  host: 1,
  contentLength: 2,
  transferEncoding: 3,
  connection: 4,
  /** `keep-alive`, `proxy-connection`, `trailer`, `proxy-authenticate` ...: hop-by-hop, never forwarded. */
  hopByHop: 5,
  upgrade: 6,
  te: 7,
  expect: 8,
  xForwardedFor: 9,
  xForwardedHost: 10,
  xForwardedProto: 11,
  xForwardedPort: 12,
  /** Set by the proxy itself and never believed: `x-real-ip`, `x-scheme`, `x-forwarded-scheme`, `x-original-forwarded-for`... */
  ownForwarding: 13,
  xRequestId: 14,
  /** `proxy`: httpoxy, CVE-2016-5385. Always dropped. */
  httpoxy: 15,
  /** `forwarded`, `x-forwarded-prefix`: passed on only from trusted peers. */
  trustedOnly: 16,
  date: 17,
  server: 18,
  strictTransportSecurity: 19,
  referer: 20,
  userAgent: 21,
  authorization: 22,
  /** `x-accel-redirect` and the like: words to the nginx in front, which keeps them to itself. Never forwarded. */
  nginxControl: 23,
} as const;

export type FieldId = (typeof Field)[keyof typeof Field];

const REQUEST_NAMES: ReadonlyArray<readonly [string, FieldId]> = [
  ['host', Field.host],
  ['content-length', Field.contentLength],
  ['transfer-encoding', Field.transferEncoding],
  ['connection', Field.connection],
  ['keep-alive', Field.hopByHop],
  ['proxy-connection', Field.hopByHop],
  ['proxy-authorization', Field.hopByHop],
  ['trailer', Field.hopByHop],
  ['http2-settings', Field.hopByHop],
  ['upgrade', Field.upgrade],
  ['te', Field.te],
  ['expect', Field.expect],
  ['x-forwarded-for', Field.xForwardedFor],
  ['x-forwarded-host', Field.xForwardedHost],
  ['x-forwarded-proto', Field.xForwardedProto],
  ['x-forwarded-port', Field.xForwardedPort],
  ['x-forwarded-scheme', Field.ownForwarding],
  ['x-scheme', Field.ownForwarding],
  ['x-real-ip', Field.ownForwarding],
  ['x-original-forwarded-for', Field.ownForwarding],
  ['x-original-forwarded-host', Field.ownForwarding],
  ['x-request-id', Field.xRequestId],
  ['proxy', Field.httpoxy],
  ['forwarded', Field.trustedOnly],
  ['x-forwarded-prefix', Field.trustedOnly],
  ['referer', Field.referer],
  ['user-agent', Field.userAgent],
  ['authorization', Field.authorization],
];

const RESPONSE_NAMES: ReadonlyArray<readonly [string, FieldId]> = [
  ['content-length', Field.contentLength],
  ['transfer-encoding', Field.transferEncoding],
  ['connection', Field.connection],
  ['keep-alive', Field.hopByHop],
  ['proxy-connection', Field.hopByHop],
  ['proxy-authenticate', Field.hopByHop],
  ['trailer', Field.hopByHop],
  ['te', Field.hopByHop],
  ['upgrade', Field.upgrade],
  ['date', Field.date],
  ['server', Field.server],
  ['strict-transport-security', Field.strictTransportSecurity],
  ['x-accel-redirect', Field.nginxControl],
  ['x-accel-buffering', Field.nginxControl],
  ['x-accel-limit-rate', Field.nginxControl],
  ['x-accel-expires', Field.nginxControl],
  ['x-accel-charset', Field.nginxControl],
];

/** Header names by length; a length with no name of interest is `undefined`. */
export type FieldNames = ReadonlyArray<ReadonlyArray<readonly [string, FieldId]> | undefined>;

export const REQUEST_FIELDS: FieldNames = byLength(REQUEST_NAMES);
export const RESPONSE_FIELDS: FieldNames = byLength(RESPONSE_NAMES);

/** Finds what the name in `buf[start..end)` is. */
export function identifyField(names: FieldNames, buf: Uint8Array, start: number, end: number): FieldId {
  const candidates = names[end - start];
  if (candidates === undefined) return Field.other;
  for (let i = 0; i < candidates.length; i++) {
    const candidate = candidates[i] as readonly [string, FieldId];
    if (equalsIgnoreCase(buf, start, candidate[0])) return candidate[1];
  }
  return Field.other;
}

function byLength(names: ReadonlyArray<readonly [string, FieldId]>): FieldNames {
  const out: Array<Array<readonly [string, FieldId]> | undefined> = [];
  for (const entry of names) {
    const length = entry[0].length;
    const list = out[length] ?? [];
    list.push(entry);
    out[length] = list;
  }
  // A holey array look-up is slow: fill the gaps.
  for (let i = 0; i < out.length; i++) out[i] ??= undefined;
  return out;
}
