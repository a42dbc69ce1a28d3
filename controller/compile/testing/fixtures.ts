// The certificates in testdata/_certs: self-signed, made once with openssl, valid for 100 years. They protect nothing.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { pairFromPem } from '../key-pair.ts';
import type { CertificatePair } from '../types.ts';

/** Folder of the golden cases. */
export const testdata = join(import.meta.dirname, '../testdata');

/** Text of one file in testdata/_certs. */
export function fixture(file: string): string {
  return readFileSync(join(testdata, '_certs', file), 'utf8');
}

/** A fixture pair as if it came from a Secret. */
export function pairOfFixture(name: string, secret: string): CertificatePair {
  const parsed = pairFromPem(fixture(`${name}.crt`), fixture(`${name}.key`), secret);
  if (!parsed.ok) throw new Error(`fixture ${name}: ${parsed.field} ${parsed.why}`);
  return parsed.pair;
}
