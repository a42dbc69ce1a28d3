// Cuts an update into lines of bounded size and puts it together again: the head with everything short, then pieces of
// the lists that are long. PURE: values in, values out; codec.ts makes text of them.

import type { PolicyId, RoutePolicy } from './types.ts';
import type { TableUpdate } from './update.ts';

/** Entries of a line: 100 hosts or upstreams are some 100 KB, which is read in about a millisecond. */
const entriesPerLine = 100;

const longLists = ['certificates', 'virtualHosts', 'upstreams', 'material'] as const;
type LongList = (typeof longLists)[number];

/** A piece of a list, or of the policies as pairs. */
interface Piece {
  readonly list: LongList | 'policies';
  readonly entries: readonly unknown[];
}

/** Tells whether the update is more than one line: then it is worth taking turns with others. */
export function isLongUpdate(update: TableUpdate): boolean {
  const lists = listsOf(update);
  return longLists.some((list) => isLong(lists[list])) || isLong(Object.keys(lists.policies));
}

/** Gives the update as lines, in the order in which `joinLine` wants them. Short updates are one line, themselves. */
export function* updateLines(update: TableUpdate): Generator<TableUpdate | Piece> {
  const lists = listsOf(update);
  const long = longLists.filter((list) => isLong(lists[list]));
  const policies = Object.entries(lists.policies);
  const hasManyPolicies = isLong(policies);
  if (long.length === 0 && !hasManyPolicies) {
    yield update;
    return;
  }
  const emptied = Object.fromEntries(long.map((list) => [list, []]));
  yield withLists(update, { ...lists, ...emptied, ...(hasManyPolicies ? { policies: {} } : {}) });
  if (hasManyPolicies) yield* piecesOf('policies', policies);
  for (const list of long) yield* piecesOf(list, lists[list]);
}

/** Reads the first line. */
export function readHeadLine(line: unknown): TableUpdate {
  return line as TableUpdate;
}

/** Adds a later line to the update that the first one began. The update is the caller's own until it is complete. */
export function joinLine(update: TableUpdate, line: unknown): void {
  const { list, entries } = line as Piece;
  const lists = listsOf(update);
  if (list === 'policies') Object.assign(lists.policies, Object.fromEntries(entries as [PolicyId, RoutePolicy][]));
  else (lists[list] as unknown[]).push(...entries);
}

function isLong(entries: readonly unknown[]): boolean {
  return entries.length > entriesPerLine;
}

type Lists = { readonly [K in LongList]: readonly unknown[] } & {
  readonly policies: Readonly<Record<PolicyId, RoutePolicy>>;
};

function listsOf(update: TableUpdate): Lists {
  const { certificates, virtualHosts, upstreams, policies } = update.kind === 'full' ? update.table : update;
  return { certificates, virtualHosts, upstreams, policies, material: update.material };
}

function withLists(update: TableUpdate, { material, ...lists }: Lists): TableUpdate {
  // The lists are those of the update itself, or empty.
  const changed = update.kind === 'full' ? { table: { ...update.table, ...lists } } : lists;
  return { ...update, ...changed, material } as TableUpdate;
}

function* piecesOf(list: Piece['list'], entries: readonly unknown[]): Generator<Piece> {
  for (let at = 0; at < entries.length; at += entriesPerLine) {
    yield { list, entries: entries.slice(at, at + entriesPerLine) };
  }
}
