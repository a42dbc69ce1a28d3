// Decodes what one manifest file holds. No I/O.
//
// In: the parsed text, file name, and whether an earlier good version of the file is in use. Out: what the file holds, and whether it
// is broken: a broken file does not replace its last good version, exactly as an API server refuses a bad object and
// keeps the old one.

import { decodeObject } from '../objects/decode.ts';
import type { Diagnostic, SourceLocation } from '../objects/diagnostic.ts';
import { type KubernetesObject, keyOf } from '../objects/types.ts';
import type { ManifestText, RawObject } from './manifest-text.ts';

/** One object and where it stands. `id` is `Kind/key`, unique over all sources. */
export interface ManifestObject {
  readonly id: string;
  readonly object: KubernetesObject;
  readonly source: SourceLocation;
}

export interface ManifestContent {
  /** In the order of the file. */
  readonly objects: readonly ManifestObject[];
  readonly diagnostics: readonly Diagnostic[];
  /** True when a document could not be parsed or an object was refused as a whole: what it meant is unknown. */
  readonly isBroken: boolean;
}

/** What a broken file means for traffic. */
export type BrokenEffect = 'keepsLastGood' | 'isNotUsed';

const effects: Readonly<Record<BrokenEffect, string>> = {
  keepsLastGood: 'the last good objects of this file stay in use',
  isNotUsed: 'nothing of it is used until it is fixed',
};

/**
 * Decodes the objects of a manifest file. In a file that is broken the sound documents are read too: they are used when there is no
 * earlier good version.
 */
export function decodeManifest(parsed: ManifestText, file: string, brokenEffect: BrokenEffect): ManifestContent {
  const { objects: raws, faults } = parsed;
  const objects: ManifestObject[] = [];
  const diagnostics = faults.map(({ line, what }) =>
    fileDiagnostic('InvalidManifest', { file, line }, `${file}:${line}: ${what}`, documentEffect(brokenEffect)),
  );
  let isBroken = faults.length > 0;
  const refusalEffect = brokenEffect === 'keepsLastGood' ? effects.keepsLastGood : undefined;
  for (const raw of raws) {
    const source = { file, line: raw.line };
    const { object, diagnostics: found } = decodeObject(raw.value, source, refusalEffect);
    diagnostics.push(...found.map((diagnostic) => withFieldLine(diagnostic, raw, file)));
    if (object !== null) objects.push({ id: `${object.kind}/${keyOf(object.meta)}`, object, source });
    else if (found.some(({ severity }) => severity === 'error')) isBroken = true;
  }
  return { objects, diagnostics, isBroken };
}

function documentEffect(brokenEffect: BrokenEffect): string {
  return brokenEffect === 'keepsLastGood'
    ? effects.keepsLastGood
    : 'this document is not used, other documents of the file are';
}

/** Reports a file that cannot be read at all. */
export function unreadableFile(reason: string, file: string, what: string, brokenEffect: BrokenEffect): Diagnostic {
  return fileDiagnostic(reason, { file, line: null }, `${file}: ${what}`, effects[brokenEffect]);
}

function fileDiagnostic(reason: string, source: SourceLocation, what: string, effect: string): Diagnostic {
  const object = { kind: 'ManifestFile', namespace: '', name: source.file };
  return { severity: 'error', reason, object, field: '', message: `${what}; ${effect}`, source };
}

/** Points a diagnostic at the line of its field rather than of its object. */
function withFieldLine(diagnostic: Diagnostic, raw: RawObject, file: string): Diagnostic {
  return diagnostic.field === '' ? diagnostic : { ...diagnostic, source: { file, line: raw.lineOf(diagnostic.field) } };
}
