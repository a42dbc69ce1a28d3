// `sluice annotations [--json]`: what Sluice does with each annotation, from the records that the compiler itself uses.

import { annotations, DEFAULT_PREFIX, OWN_PREFIX, ownAnnotations } from '../compile/settings/annotations.ts';
import type {
  AnnotationRecord,
  OnInvalid,
  Risk,
  Scope,
  Support,
  ValueRange,
  WhenUnsupported,
} from '../compile/settings/record.ts';
import { renderValue } from '../compile/settings/types.ts';

/** One annotation as printed by `--json`. Field meanings: `AnnotationRecord`. */
export interface AnnotationEntry {
  readonly name: string;
  readonly aliases: readonly string[];
  readonly group: string;
  readonly value: string;
  /** null: text of some form. */
  readonly range: ValueRange | null;
  /** Text form; null when the annotation is off by default. */
  readonly default: string | null;
  readonly globalKey: string | null;
  readonly scope: Scope;
  readonly risk: Risk;
  readonly onInvalid: OnInvalid;
  readonly onUnparsable: OnInvalid;
  readonly dependsOn: readonly string[];
  readonly support: Support;
  readonly whenUnsupported: WhenUnsupported;
  readonly doc: string;
  readonly note: string;
}

/** Support levels in the order in which they are counted and explained. */
export const SUPPORT_LEVELS: readonly Support[] = ['full', 'partial', 'notYet', 'noEffect', 'refused'];

/** Renders the list of all annotations: a table for people, or JSON with a stable shape for programs. Ends in a newline. */
export function renderAnnotations(format: 'text' | 'json'): string {
  if (format === 'json') {
    const own = { prefix: OWN_PREFIX, annotations: ownAnnotations.map(entryOf) };
    return `${JSON.stringify({ prefix: DEFAULT_PREFIX, annotations: annotations.map(entryOf), own }, null, 2)}\n`;
  }
  const ownSummary = `${ownAnnotations.length} annotations of Sluice itself, prefix ${OWN_PREFIX}/: ${countsOf(ownAnnotations)}`;
  return `${[renderSummary(), ...renderGroups(annotations), ownSummary, ...renderGroups(ownAnnotations)].join('\n\n')}\n`;
}

function renderGroups(records: readonly AnnotationRecord<unknown>[]): string[] {
  const groups = groupBy(records, ({ group }) => group);
  return [...groups].map(([group, ofGroup]) => [group, ...ofGroup.map(renderLine)].join('\n'));
}

function entryOf(record: AnnotationRecord<unknown>): AnnotationEntry {
  const { name, aliases, group, globalKey, scope, risk, onInvalid, onUnparsable, dependsOn } = record;
  return {
    name,
    aliases,
    group,
    value: record.type.describe,
    range: record.type.range ?? null,
    default: record.default === null ? null : renderValue(record.type, record.default),
    globalKey,
    scope,
    risk,
    onInvalid,
    onUnparsable,
    dependsOn,
    support: record.support,
    whenUnsupported: record.whenUnsupported,
    doc: record.doc,
    note: record.note,
  };
}

function renderSummary(): string {
  return [
    `${annotations.length} annotations, prefix ${DEFAULT_PREFIX}/ (--annotations-prefix): ${countsOf(annotations)}`,
    '"503": while the annotation asks for what Sluice does not do, the paths of the Ingress answer 503.',
  ].join('\n');
}

function countsOf(records: readonly AnnotationRecord<unknown>[]): string {
  return SUPPORT_LEVELS.map((level) => `${records.filter(({ support }) => support === level).length} ${level}`).join(
    ', ',
  );
}

const NAME_WIDTH = Math.max(...[...annotations, ...ownAnnotations].map(({ name }) => name.length));

function renderLine(record: AnnotationRecord<unknown>): string {
  const closes = record.support !== 'full' && record.whenUnsupported === 'denyRoutes' ? '503' : '';
  const columns = [record.name.padEnd(NAME_WIDTH), record.support.padEnd(8), record.risk.padEnd(8), closes.padEnd(3)];
  return `  ${columns.join('  ')}  ${record.note === '' ? record.doc : record.note}`;
}

/** Groups in order of first appearance. */
export function groupBy<T>(items: readonly T[], groupOf: (item: T) => string): ReadonlyMap<string, readonly T[]> {
  const groups = new Map<string, T[]>();
  for (const item of items) {
    const group = groups.get(groupOf(item));
    if (group === undefined) groups.set(groupOf(item), [item]);
    else group.push(item);
  }
  return groups;
}
