// Runs a table of annotation cases: every row is an Ingress of its own, and all of them are served by one Sluice process
// with two workers. Rows run at the same time, since some wait for seconds; each test then awaits its own.

import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { stringify } from 'yaml';
import type { AnnotationCases, CaseTable, Check, Outcome } from './annotation-cases.ts';
import { Edge, ManifestFolder } from './edge.ts';
import { Endpoints } from './endpoints.ts';
import { Site, type Surroundings } from './site.ts';

interface Row {
  readonly name: string;
  /** The annotation of the case; '' leaves it out. */
  readonly annotation: string;
  readonly value: string;
  readonly surroundings: Surroundings;
  readonly check: Check;
  /** Diagnostics of the row, in full. */
  readonly complaints: readonly string[];
}

const atOnce = 16;
const startLimitMs = 60_000;
const rowLimitMs = 60_000;
const NOT_LOADED = 'there is no earlier version to keep, so none of its rules gets traffic';
const REJECTED = 'the whole Ingress is not loaded (an edited one keeps serving its last accepted version)';

/** Tests every annotation of a table. `flags` are those of the Sluice process, `settings` its ConfigMap `default/settings`. */
export function describeAnnotations(
  table: CaseTable,
  flags: readonly string[] = [],
  settings: Readonly<Record<string, string>> = {},
): void {
  const rows = Object.entries(table).flatMap(([annotation, cases]) => rowsOf(annotation, cases));
  const outcomes = new Map(rows.map((row) => [row, Promise.withResolvers<void>()]));
  const stack = new AsyncDisposableStack();

  beforeAll(async () => {
    const endpoints = stack.use(await Endpoints.start());
    const sites = rows.map(({ annotation, value, surroundings }, number) => {
      return stack.use(new Site(number, endpoints, surroundings, annotation === '' ? {} : { [annotation]: value }));
    });
    const configMap = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'settings' }, data: settings };
    const files = {
      settings: stringify(configMap),
      ...Object.fromEntries(sites.map(({ name, yaml }) => [name, yaml])),
    };
    const edge = stack.use(await Edge.start(stack.use(await ManifestFolder.create(files)), flags));
    for (const site of sites) site.open(edge.ports);
    startAll(rows, (row, at) => run(row, sites[at] as Site, edge), outcomes);
  }, startLimitMs);

  afterAll(async () => {
    await Promise.allSettled([...outcomes.values()].map(({ promise }) => promise));
    await stack.disposeAsync();
  }, rowLimitMs);

  for (const annotation of Object.keys(table)) {
    describe(annotation, () => {
      for (const row of rows.filter(({ name }) => name.startsWith(`${annotation} `))) {
        test(row.name.slice(annotation.length + 1), () => outcomes.get(row)?.promise, rowLimitMs);
      }
    });
  }
}

/** Runs rows side by side, `atOnce` at a time: more would make their process, and so their clocks, too slow. */
function startAll(
  rows: readonly Row[],
  start: (row: Row, at: number) => Promise<void>,
  outcomes: ReadonlyMap<Row, PromiseWithResolvers<void>>,
): void {
  const queue = rows.entries();
  const work = async () => {
    for (const [at, row] of queue) {
      const outcome = outcomes.get(row);
      // Whoever awaits it sees the failure.
      outcome?.promise.catch(() => undefined);
      await start(row, at).then(outcome?.resolve, outcome?.reject);
    }
  };
  for (let each = 0; each < atOnce; each++) void work();
}

async function run({ check, complaints }: Row, site: Site, edge: Edge): Promise<void> {
  const expected = [...complaints, ...site.complaints];
  expect(edge.complaints((name) => site.owns(name)).toSorted()).toEqual(expected.toSorted());
  await check(site);
}

function rowsOf(annotation: string, cases: AnnotationCases): Row[] {
  const { absent, values, invalid, whenInvalid, ...shared } = cases;
  const row = (says: string, value: string, check: Check, more: Surroundings = {}, complaints: string[] = []): Row => {
    const surroundings = { ...shared, ...more, with: { ...shared.with, ...more.with } };
    return { name: `${annotation} ${says}`, annotation, value, surroundings, check, complaints };
  };
  return [
    { ...row('is absent', '', absent), annotation: '' },
    ...values.map(([value, check, more = {}], at) => row(`= ${value}${note(values, value, at)}`, value, check, more)),
    ...invalid.map(([value, why, outcome = whenInvalid]) => {
      const check = outcome === 'rejected' ? isNotLoaded : absent;
      return row(`= ${value} is refused`, value, check, {}, complaintsOf(annotation, value, why, outcome));
    }),
  ];
}

/** Tells cases of one value apart. */
function note(values: AnnotationCases['values'], value: string, at: number): string {
  const earlier = values.slice(0, at).filter(([each]) => each === value).length;
  return earlier === 0 ? '' : ` (${earlier + 1})`;
}

function complaintsOf(annotation: string, value: string, why: string, outcome: Outcome): string[] {
  const isOwn = annotation.startsWith('sluice/');
  const name = isOwn ? annotation.slice('sluice/'.length) : annotation;
  const field = `metadata.annotations[${isOwn ? 'sluice' : 'nginx'}.ingress.kubernetes.io/${name}]`;
  const problem = `${name} ${JSON.stringify(value)} ${why}`;
  if (outcome !== 'rejected') return [`warning ${field}: ${problem}; the value for its paths is: ${outcome.holds}`];
  return [
    `error metadata.annotations: the whole Ingress is rejected (${problem}); ${NOT_LOADED}`,
    `error ${field}: ${problem}; ${REJECTED}`,
  ];
}

async function isNotLoaded(site: Site): Promise<void> {
  expect((await site.ask()).status).toBe(404);
  expect(site.calls).toEqual([]);
}
