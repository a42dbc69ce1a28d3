// Every annotation of the groups about upstreams has cases, by construction: which there are, and between which ends their
// values lie, is asked of Sluice itself. Who adds an annotation to these groups, a word to one or another end, adds cases in
// e2e/upstreams/cases.

import { execFile } from 'node:child_process';
import { readdir, readFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { beforeAll, expect, test } from '@jest/globals';
import { SLUICE_MAIN } from '../harness/sluice-process.ts';
import type { AnnotationCases, CaseTable } from '../upstreams/annotation-cases.ts';
import { globalDefaultCases } from '../upstreams/cases/global-defaults.ts';
import { missingOf, type ValueRange } from '../upstreams/value-ranges.ts';

const run = promisify(execFile);
const casesUrl = new URL('../upstreams/cases/', import.meta.url);

/** Groups of ingress-nginx's annotations that are about upstreams; of Sluice's own all are. */
const GROUPS = ['Canary', 'Session affinity', 'Load balancing', 'Rate limits', 'Mirroring'];
/** And of other groups these. */
const SINGLE = ['service-upstream', 'proxy-next-upstream', 'proxy-next-upstream-tries', 'proxy-next-upstream-timeout'];

interface Listed {
  readonly name: string;
  readonly aliases: readonly string[];
  readonly group: string;
  readonly support: string;
  readonly globalKey: string | null;
  readonly range: ValueRange | null;
}

/** The names of a case and what the catalogue says about it. */
type Wanted = ReadonlyMap<string, Listed>;

let wanted: Wanted;
/** Tables by the name of their file. */
let tables: ReadonlyMap<string, CaseTable>;

beforeAll(async () => {
  wanted = await listed();
  tables = await readTables();
}, 60_000);

/** As `sluice annotations --json` prints them; what is not carried out yet has no cases. */
async function listed(): Promise<Wanted> {
  const { stdout } = await run(process.execPath, [SLUICE_MAIN, 'annotations', '--json'], {
    env: { PATH: process.env['PATH'] ?? '' },
  });
  const { annotations, own } = JSON.parse(stdout) as { annotations: Listed[]; own: { annotations: Listed[] } };
  const ofNginx = annotations.filter(({ name, group }) => GROUPS.includes(group) || SINGLE.includes(name));
  const ofSluice = own.annotations.filter(({ support }) => support !== 'notYet');
  const named = (each: Listed, prefix: string) =>
    [each.name, ...each.aliases].map((name) => [`${prefix}${name}`, each] as const);
  return new Map([
    ...ofNginx.flatMap((each) => named(each, '')),
    ...ofSluice.flatMap((each) => named(each, 'sluice/')),
  ]);
}

/** What the files of the folder export: one table each. */
async function readTables(): Promise<ReadonlyMap<string, CaseTable>> {
  const files = (await readdir(casesUrl)).filter((file) => file.endsWith('.ts'));
  const read = async (file: string) => {
    const [table] = Object.values(await import(new URL(file, casesUrl).href)) as CaseTable[];
    return [file.replace('.ts', ''), table ?? {}] as const;
  };
  return new Map(await Promise.all(files.map(read)));
}

/** All cases but those of defaults in the ConfigMap, which are about annotations of the other tables. */
function cases(): readonly (readonly [string, AnnotationCases])[] {
  return [...tables].flatMap(([file, table]) => (file === 'global-defaults' ? [] : Object.entries(table)));
}

test('every annotation has its cases, and no case is about another', () => {
  expect(
    cases()
      .map(([name]) => name)
      .toSorted(),
  ).toEqual([...wanted.keys()].toSorted());
});

test('each has a value that holds when it is absent, accepted values and refused ones', () => {
  const poor = cases().filter(
    ([, { absent, values, invalid }]) => !absent || values.length < 2 || invalid.length === 0,
  );
  expect(poor.map(([name]) => name)).toEqual([]);
});

test('they reach both ends of the values, and beyond', () => {
  const missing = cases().flatMap(([name, { values, invalid }]) => {
    const accepted = values.map(([value]) => value);
    const refused = invalid.map(([value]) => value);
    return missingOf(wanted.get(name)?.range ?? null, accepted, refused).map((what) => `${name}: ${what}`);
  });
  expect(missing).toEqual([]);
});

test('every default that the ConfigMap may give has cases of its own', () => {
  const names = [...wanted].filter(([name, { globalKey }]) => globalKey !== null && !name.startsWith('sluice/'));
  expect(Object.keys(globalDefaultCases).toSorted()).toEqual(names.map(([name]) => name).toSorted());
});

test('every table is run', async () => {
  for (const [file, table] of tables) {
    const text = await readFile(new URL(`annotations-${file}.test.ts`, import.meta.url), 'utf8');
    const [, name = ''] = new RegExp(`import \\{ (\\w+) \\} from '../upstreams/cases/${file}\\.ts'`).exec(text) ?? [];
    expect([file, Object.keys(table).length > 0, text.includes(`describeAnnotations(${name}`)]).toEqual([
      file,
      true,
      true,
    ]);
  }
});
