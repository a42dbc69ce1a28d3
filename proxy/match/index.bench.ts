// Measures lookups against the number of hosts and routes, and one changed host in a large index.
//
// Run: node proxy/match/index.bench.ts. Prints nanoseconds per lookup; the columns should stay flat downwards. The
// "Map" lines do the same work with strings cut out and looked up in a Map, as the reason for SpanTable.

import { buildHost, buildParts, buildTable, testGlobal } from '../table/testing/build.ts';
import type { PartsUpdate } from '../table/update.ts';
import { indexRoutes, updateIndex } from './index.ts';
import { matchHost, matchRoute } from './match-route.ts';

const rounds = 2_000_000;
const sizes = [1, 100, 10_000];
/** Sums something of every result, so that the engine cannot drop the call. */
let sink = 0;

/** Texts as the parser makes them: fresh from bytes, so that no hash is cached in the string. */
function freshCopies(texts: readonly string[]): readonly Buffer[] {
  return texts.map((text) => Buffer.from(text, 'latin1'));
}

/** Time of one `run` per text; the cost of making the string is measured alone and taken off. */
function measure(texts: readonly string[], run: (text: string) => number): number {
  const bytes = freshCopies(texts);
  const loop = (body: (text: string) => number): number => {
    const start = process.hrtime.bigint();
    for (let i = 0; i < rounds; i++) sink += body((bytes[i % bytes.length] as Buffer).latin1Slice());
    return Number(process.hrtime.bigint() - start) / rounds;
  };
  loop(run);
  const empty = Math.min(
    loop((text) => text.length),
    loop((text) => text.length),
  );
  return Math.min(loop(run), loop(run), loop(run)) - empty;
}

function print(what: string, nanoseconds: number): void {
  console.log(`${what.padEnd(44)} ${nanoseconds.toFixed(0).padStart(6)} ns`);
}

function benchHosts(count: number): void {
  const names = Array.from({ length: count }, (_, i) => `tenant-${i}.apps.example.com`);
  const index = indexRoutes(
    buildTable([...names.map((name) => buildHost(name, [])), buildHost('*.wild.example.com', [])]),
  );
  const asked = names.slice(0, 500);
  print(
    `host, exact, ${count} hosts`,
    measure(asked, (host) => matchHost(index, host).name.length),
  );
  const wild = asked.map((_, i) => `tenant-${i}.wild.example.com`);
  print(
    `host, wildcard, ${count} hosts`,
    measure(wild, (host) => matchHost(index, host).name.length),
  );
  const map = new Map(names.map((name) => [name, name]));
  print(
    `host, exact, ${count} hosts, Map`,
    measure(asked, (host) => map.get(host)?.length ?? 0),
  );
}

function benchRoutes(count: number): void {
  const prefixes = Array.from({ length: count }, (_, i) => `/api/v1/tenant-${i}`);
  const host = matchHost(
    indexRoutes(
      buildTable([
        buildHost(
          'h',
          prefixes.map((path) => ({ kind: 'prefix', path })),
        ),
      ]),
    ),
    'h',
  );
  const asked = prefixes.slice(0, 500).map((path) => `${path}/orders/2026/11`);
  print(
    `path, ${count} prefixes, 6 elements`,
    measure(asked, (path) => matchRoute(host, path)?.route.id.length ?? 0),
  );
  const map = new Map(prefixes.map((path) => [path, path]));
  print(
    `path, ${count} prefixes, 6 elements, Map`,
    measure(asked, (path) => longestInMap(map, path)),
  );
}

function longestInMap(map: ReadonlyMap<string, string>, path: string): number {
  for (let end = path.length; end > 0; end = path.lastIndexOf('/', end - 1)) {
    const found = map.get(path.slice(0, end));
    if (found !== undefined) return found.length;
  }
  return 0;
}

function benchUpdates(count: number): void {
  let index = indexRoutes(buildTable(Array.from({ length: count }, (_, i) => buildHost(`h${i}.test`, []))));
  const parts = (i: number): PartsUpdate =>
    buildParts({
      revision: i,
      baseRevision: i - 1,
      global: testGlobal,
      virtualHosts: [buildHost(`h${i % count}.test`, [{ kind: 'prefix', path: `/${i}` }])],
    });
  const start = process.hrtime.bigint();
  for (let i = 0; i < 2000; i++) index = updateIndex(index, parts(i));
  print(`update of one host, ${count} hosts`, Number(process.hrtime.bigint() - start) / 2000);
}

for (const count of sizes) benchHosts(count);
for (const count of sizes) benchRoutes(count);
for (const count of sizes) benchUpdates(count);
if (sink === 0) console.log('nothing was found');
