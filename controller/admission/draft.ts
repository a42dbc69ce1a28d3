// The parts of a submitted Ingress that are judged as text, read from the raw object.
//
// In: any JSON value. Out: a Draft, with whatever is missing or of another type left out. Apart from decode.ts, because
// that drops a host or path which the API server would refuse, and the text of exactly those is to be looked at.

import type { InspectedIngress } from '../compile/deep-inspection.ts';
import { isRecord } from '../objects/decode-report.ts';

export interface DraftPath {
  readonly index: number;
  readonly path: string;
  /** null when absent. */
  readonly pathType: string | null;
}

export interface DraftRule {
  readonly index: number;
  readonly host: string;
  readonly paths: readonly DraftPath[];
}

export interface Draft extends InspectedIngress {
  /** `metadata.deletionTimestamp` is set. */
  readonly isBeingDeleted: boolean;
  /** By full key; values that are no text are left out. */
  readonly annotations: ReadonlyMap<string, string>;
  readonly rules: readonly DraftRule[];
}

/** Reads what is there. Never throws. */
export function readDraft(raw: unknown): Draft {
  const object = recordOf(raw);
  const meta = recordOf(object['metadata']);
  const spec = recordOf(object['spec']);
  return {
    isBeingDeleted: meta['deletionTimestamp'] !== undefined && meta['deletionTimestamp'] !== null,
    annotations: readAnnotations(meta['annotations']),
    rules: listOf(spec['rules']).map(readRule),
    tls: listOf(spec['tls']).map((item, index) => {
      const tls = recordOf(item);
      return { index, hosts: listOf(tls['hosts']).map(textOf), secretName: textOf(tls['secretName']) };
    }),
  };
}

/** Sorted by key, so that the first of several problems is always the same. */
function readAnnotations(raw: unknown): ReadonlyMap<string, string> {
  const texts = Object.entries(recordOf(raw)).filter(
    (entry): entry is [string, string] => typeof entry[1] === 'string',
  );
  return new Map(texts.sort(([a], [b]) => (a < b ? -1 : 1)));
}

function readRule(raw: unknown, index: number): DraftRule {
  const rule = recordOf(raw);
  const paths = listOf(recordOf(rule['http'])['paths']).map((item, i) => {
    const path = recordOf(item);
    const pathType = path['pathType'];
    return { index: i, path: textOf(path['path']), pathType: typeof pathType === 'string' ? pathType : null };
  });
  return { index, host: textOf(rule['host']), paths };
}

function recordOf(value: unknown): Readonly<Record<string, unknown>> {
  return isRecord(value) ? value : {};
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : '';
}
