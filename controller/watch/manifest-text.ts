// Parses the text of one manifest file into raw objects that know their lines. No I/O, nothing is decoded here.
//
// In: text (YAML, or JSON as kubectl prints it). Out: raw objects with lists taken apart, and the faults that keep a
// document from being read. Messages are our own words: those of the parsers quote the text around a fault, and that
// text may be the key of a Secret.

import {
  type Document,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  parseAllDocuments,
  visit,
  type YAMLError,
} from 'yaml';
import { jsonItemLines } from './json-lines.ts';

/** One object as it stands in the file. Lines count from 1. */
export interface RawObject {
  readonly value: unknown;
  readonly line: number;
  /** Line of a field by its path, e.g. `spec.rules[0].host`; of its nearest known parent when the field is not there. */
  lineOf(field: string): number;
}

/** Why a document, or the whole text, cannot be read. `what` follows the name of the file. */
export interface TextFault {
  readonly line: number;
  readonly what: string;
}

export interface ManifestText {
  readonly objects: readonly RawObject[];
  readonly faults: readonly TextFault[];
}

/** Parses every document of a text and takes `kind: List` and typed lists (`IngressList`) apart. Never throws. */
export function parseManifestText(text: string): ManifestText {
  const json = text.trimStart().startsWith('{') ? parseJson(text) : null;
  return json ?? parseYaml(text);
}

/** JSON is read as JSON, ten times faster than as YAML. Null when it is something else: YAML in flow style, or broken. */
function parseJson(text: string): ManifestText | null {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return null;
  }
  const itemLines = jsonItemLines(text);
  const firstLine = 1 + countLines(text.slice(0, text.indexOf('{')));
  return takeListsApart(value, (path) => (path[0] === 'items' && itemLines[Number(path[1])]) || firstLine);
}

function countLines(text: string): number {
  return text.split('\n').length - 1;
}

/** The library's default: a document whose aliases expand to more nodes than this is taken for an attack. */
const maxAliasCount = 100;

function parseYaml(text: string): ManifestText {
  const lines = new LineCounter();
  const lineAt = (offset: number) => Math.max(1, lines.linePos(offset).line);
  const objects: RawObject[] = [];
  const faults: TextFault[] = [];
  const options = { lineCounter: lines, prettyErrors: false, merge: true, stringKeys: true } as const;
  // `uniqueKeys` of the library compares each key with each other: minutes for a map of 100,000 keys.
  const documents = parseAllDocuments(text, { ...options, uniqueKeys: false, logLevel: 'silent' });
  for (const document of documents) {
    const parsed = readDocument(document, lineAt);
    objects.push(...parsed.objects);
    faults.push(...parsed.faults);
  }
  return { objects, faults };
}

function readDocument(document: Document.Parsed, lineAt: (offset: number) => number): ManifestText {
  const [error] = document.errors;
  // Later errors of a document are mostly echoes of the first.
  if (error !== undefined) return faultAt(lineAt(error.pos[0]), describeYamlError(error));
  const duplicate = findDuplicateKey(document);
  if (duplicate !== null)
    return faultAt(lineAt(duplicate.offset), `the key ${JSON.stringify(duplicate.key)} stands twice in one map`);
  const { contents } = document;
  if (contents === null) return { objects: [], faults: [] };
  const line = lineAt(contents.range?.[0] ?? 0);
  let value: unknown;
  try {
    value = document.toJS({ maxAliasCount });
  } catch {
    // The library throws for an alias without anchor, for too many aliases, for a merge of what is no map: all faults of
    // the text, and its message would quote the name after `*`.
    return faultAt(line, 'an alias (*name) or merge (<<) has no anchor, does not fit or expands to too much');
  }
  // A document of nothing but comments, as between two `---`.
  if (value === null) return { objects: [], faults: [] };
  return takeListsApart(value, (path) => lineAt(offsetOf(contents, path)));
}

function faultAt(line: number, what: string): ManifestText {
  return { objects: [], faults: [{ line, what }] };
}

/** Codes whose messages quote the text; all other messages of the library are fixed sentences. */
const quotingCodes: ReadonlyMap<YAMLError['code'], string> = new Map([
  ['BAD_DQ_ESCAPE', 'Invalid escape sequence in a double-quoted string'],
  ['TAG_RESOLVE_FAILED', 'Unknown tag (!name)'],
  ['BAD_COLLECTION_TYPE', 'Tag (!name) of another type than its value'],
  ['UNEXPECTED_TOKEN', 'Unexpected text'],
  ['BAD_PROP_ORDER', 'Anchor or tag in the wrong place'],
  ['BAD_DIRECTIVE', 'Unknown directive (%NAME)'],
  ['RESOURCE_EXHAUSTION', 'Nested too deeply'],
]);

function describeYamlError(error: YAMLError): string {
  return `YAML syntax error: ${quotingCodes.get(error.code) ?? error.message}`;
}

/** kubectl refuses a key that stands twice in one map: with "the last wins", half of an edit would vanish without a word. */
function findDuplicateKey(document: Document.Parsed): { key: string; offset: number } | null {
  let found: { key: string; offset: number } | null = null;
  visit(document, {
    Map(_key, map) {
      const keys = new Set<unknown>();
      for (const { key } of map.items) {
        if (!isScalar(key) || key.value === '<<') continue;
        if (keys.has(key.value)) {
          found = { key: String(key.value).slice(0, 64), offset: key.range?.[0] ?? 0 };
          return visit.BREAK;
        }
        keys.add(key.value);
      }
      return undefined;
    },
  });
  return found;
}

type Path = readonly (string | number)[];

/** Items of a typed list carry neither kind nor apiVersion when an API server sent it: they take them from the list. */
function takeListsApart(value: unknown, lineOf: (path: Path) => number, path: Path = []): ManifestText {
  const list = listOf(value);
  if (list === null) {
    const line = lineOf(path);
    return { objects: [{ value, line, lineOf: (field) => lineOf([...path, ...splitField(field)]) }], faults: [] };
  }
  const parts = list.map((item, index) => takeListsApart(item, lineOf, [...path, 'items', index]));
  return { objects: parts.flatMap((part) => part.objects), faults: [] };
}

function listOf(value: unknown): readonly unknown[] | null {
  if (typeof value !== 'object' || value === null || !('kind' in value) || !('items' in value)) return null;
  const { kind, items } = value;
  if (typeof kind !== 'string' || !kind.endsWith('List')) return null;
  if (items === null) return [];
  if (!Array.isArray(items)) return null;
  if (kind === 'List') return items;
  const defaults = {
    kind: kind.slice(0, -'List'.length),
    apiVersion: 'apiVersion' in value ? value.apiVersion : undefined,
  };
  return items.map((item: unknown) => (typeof item === 'object' && item !== null ? { ...defaults, ...item } : item));
}

/** Splits `metadata.annotations[a.b/c]` and `spec.rules[0]` into keys and indexes. */
function splitField(field: string): Path {
  return [...field.matchAll(/\[([^\]]*)\]|([^.[\]]+)/g)].map(([, index, key]) => {
    const part = index ?? key ?? '';
    return index !== undefined && /^[0-9]+$/.test(part) ? Number(part) : part;
  });
}

/** Walks as far down the path as the document goes, and gives the offset of what it reached: of the key, where there is one. */
function offsetOf(root: Node, path: Path): number {
  let offset = root.range?.[0] ?? 0;
  let node: unknown = root;
  for (const step of path) {
    if (isMap(node)) {
      const pair = node.items.find(({ key }) => isScalar(key) && String(key.value) === String(step));
      if (pair === undefined) break;
      if (isScalar(pair.key)) offset = pair.key.range?.[0] ?? offset;
      node = pair.value;
    } else if (isSeq(node) && typeof step === 'number') {
      const item: unknown = node.items[step];
      if (!isMap(item) && !isSeq(item) && !isScalar(item) && !isAlias(item)) break;
      offset = item.range?.[0] ?? offset;
      node = item;
    } else {
      break;
    }
  }
  return offset;
}
