// Decodes v1 Secret: base64 `data`, and `stringData` over it, as the API server merges them.
//
// In: raw JSON. Out: a Secret whose values are wrapped in Redacted. No message of this file quotes a value: diagnostics
// name the key, never what stands behind it.

import { Buffer } from 'node:buffer';
import { z } from 'zod';
import { decodeStringMap } from './decode-meta.ts';
import { type DecodeReport, isRecord } from './decode-report.ts';
import { type ObjectMeta, Redacted, type Secret } from './types.ts';

const keyLost = 'this key is ignored: hosts that need it get the default certificate';
const shape = z.object({
  type: z.string().nullish(),
  data: z.unknown().optional(),
  stringData: z.unknown().optional(),
});

/** Decodes the body of a Secret. `type` defaults to Opaque; bytes that are not UTF-8 become replacement characters. */
export function decodeSecret(
  raw: Readonly<Record<string, unknown>>,
  meta: ObjectMeta,
  effect: string,
  report: DecodeReport,
): Secret | null {
  const secret = report.shape(shape, raw, '', effect);
  if (secret === null) return null;
  const type = secret.type || 'Opaque';
  const data = new Map<string, Redacted>();
  for (const [key, text] of decodeData(secret.data, report)) data.set(key, new Redacted(text));
  const stringData = decodeStringMap(secret.stringData, 'stringData', keyLost, report);
  for (const [key, text] of Object.entries(stringData)) data.set(key, new Redacted(text));
  if (type === 'kubernetes.io/tls') requireKeyPair(secret, report);
  return { kind: 'Secret', meta, type, data: Object.fromEntries(data) };
}

function decodeData(raw: unknown, report: DecodeReport): readonly (readonly [string, string])[] {
  if (raw === undefined || raw === null) return [];
  if (!isRecord(raw)) {
    report.invalid('data', raw, 'must be a map of base64 strings', keyLost);
    return [];
  }
  const entries: [string, string][] = [];
  for (const [key, value] of Object.entries(raw)) {
    const field = `data[${key}]`;
    const text = value === null ? '' : decodeBase64(value);
    if (text === null) report.invalid(field, value, 'must be base64 (plain text belongs in stringData)', keyLost);
    else entries.push([key, text]);
  }
  return entries;
}

/** Standard alphabet with padding, line breaks allowed: what Go's `base64.StdEncoding` takes. Null when it is anything else. */
function decodeBase64(value: unknown): string | null {
  if (typeof value !== 'string') return null;
  const compact = value.replace(/[\r\n]/g, '');
  if (compact.length % 4 !== 0 || !/^[A-Za-z0-9+/]*={0,2}$/.test(compact)) return null;
  return Buffer.from(compact, 'base64').toString('utf8');
}

/** The API server checks only that both keys exist, not what they hold. */
function requireKeyPair(secret: z.infer<typeof shape>, report: DecodeReport): void {
  for (const key of ['tls.crt', 'tls.key']) {
    if (hasKey(secret.data, key) || hasKey(secret.stringData, key)) continue;
    report.missing(`data[${key}]`, 'hosts that use this Secret get the default certificate');
  }
}

function hasKey(map: unknown, key: string): boolean {
  return isRecord(map) && Object.hasOwn(map, key);
}
