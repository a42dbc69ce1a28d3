// The walls of docs/design/0001-architecture.md. Pure folders do no I/O and read neither clock nor chance (scanned here,
// the linter cannot see globals); who may import whom is in biome.json, and the second half proves that it bites.

import { execFile } from 'node:child_process';
import { globSync, readFileSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';

const ROOT = join(import.meta.dirname, '../..');
const PURE_FOLDERS = [
  'controller/objects',
  'controller/compile',
  'proxy/table',
  'proxy/match',
  'proxy/balance',
  'proxy/http',
  'proxy/http2',
  'proxy/stream/wire',
  'templates/engine',
];
/** Modules with side effects. node:crypto (hashes, X509) and node:util are values in, values out. */
const IMPURE_IMPORT =
  /from '(node:(fs|net|tls|https?|http2|dgram|dns|timers|worker_threads|child_process|cluster)(\/[a-z]+)?|undici|ws|pino|prom-client)'/;
const CLOCK_OR_CHANCE =
  /\b(Date\.now|Math\.random|performance\.now|new Date\(\)|randomBytes|randomUUID|setTimeout\(|setInterval\(|process\.(env|argv|exit|hrtime|memoryUsage))/;

function pureSources(folder: string): string[] {
  return globSync(`${folder}/**/*.ts`, { cwd: ROOT }).filter(
    (file) => !/\.(test|bench)\.ts$/.test(file) && !file.includes('/testing/'),
  );
}

/** Code without comments, so that a comment may name what it forbids. */
function codeOf(file: string): string {
  return readFileSync(join(ROOT, file), 'utf8')
    .replace(/\/\*[\s\S]*?\*\//g, '')
    .replace(/(^|\s)\/\/.*$/gm, '');
}

describe('pure folders', () => {
  test.each(PURE_FOLDERS)('%s imports no I/O', (folder) => {
    expect(pureSources(folder).filter((file) => IMPURE_IMPORT.test(codeOf(file)))).toEqual([]);
  });

  test.each(PURE_FOLDERS)('%s asks neither the clock nor chance', (folder) => {
    const found = pureSources(folder).flatMap((file) => {
      const match = CLOCK_OR_CHANCE.exec(codeOf(file));
      return match === null ? [] : [`${file}: ${match[0]}`];
    });
    expect(found).toEqual([]);
  });
});

/** The file and all of ours that it imports, directly or through others; types alone are no import. */
function reachedFrom(entry: string): ReadonlySet<string> {
  const reached = new Set<string>();
  const visit = (file: string): void => {
    if (reached.has(file)) return;
    reached.add(file);
    for (const [, imported = ''] of codeOf(file).matchAll(/^(?:import|export) (?!type\b)[^;]*?from '([.#][^']+)';/gm)) {
      visit(imported.startsWith('#') ? imported.slice(1) : join(dirname(file), imported));
    }
  };
  visit(entry);
  return reached;
}

test('what the admission webhook decides with executes, resolves and writes nothing', () => {
  const reached = [...reachedFrom('controller/admission/decide.ts')];
  // The compiler itself comes as a value, from a folder that is pure.
  expect(reached).toEqual(expect.arrayContaining(['controller/admission/overlap.ts', 'controller/compile/select.ts']));
  expect(reached.filter((file) => IMPURE_IMPORT.test(codeOf(file)) || CLOCK_OR_CHANCE.test(codeOf(file)))).toEqual([]);
});

/** One import per row: file, imported module, and whether the linter must refuse it. */
const IMPORTS: readonly (readonly [file: string, imported: string, verdict: 'allowed' | 'refused'])[] = [
  ['proxy/table/a.ts', './types.ts', 'allowed'],
  ['proxy/table/b.ts', '../http/status.ts', 'refused'],
  ['proxy/table/c.ts', '#proxy/match/index.ts', 'refused'],
  ['proxy/match/a.ts', '../table/types.ts', 'allowed'],
  ['proxy/match/b.ts', '../http/status.ts', 'refused'],
  ['proxy/http2/a.ts', '../http/bytes.ts', 'allowed'],
  ['proxy/http2/b.ts', '../forward/exchange.ts', 'refused'],
  ['proxy/filters/a.ts', '../http/status.ts', 'allowed'],
  ['proxy/filters/b.ts', '../forward/answer.ts', 'refused'],
  ['proxy/forward/a.ts', '../listen/drain.ts', 'allowed'],
  ['proxy/forward/b.ts', '#controller/objects/types.ts', 'refused'],
  ['proxy/workers/a.ts', '../../controller/options.ts', 'refused'],
  ['controller/objects/a.ts', './types.ts', 'allowed'],
  ['controller/objects/b.ts', '../compile/types.ts', 'refused'],
  ['controller/compile/settings/a.ts', '../../objects/types.ts', 'allowed'],
  ['controller/compile/b.ts', '#proxy/table/types.ts', 'allowed'],
  ['controller/compile/c.ts', '#proxy/match/index.ts', 'refused'],
  ['controller/compile/d.ts', '../watch/store.ts', 'refused'],
  ['controller/compile/settings/e.ts', '../../options.ts', 'refused'],
  ['controller/watch/a.ts', '../publish/publisher.ts', 'refused'],
  ['controller/publish/a.ts', '#proxy/workers/pool.ts', 'allowed'],
  ['controller/publish/b.ts', '#proxy/forward/answer.ts', 'refused'],
  ['controller/cli/a.ts', '../publish/publisher.ts', 'refused'],
  ['controller/serve.ts', '#proxy/workers/pool.ts', 'allowed'],
  ['e2e/a.ts', '#controller/options.ts', 'refused'],
];

describe('import walls in biome.json', () => {
  let folder = '';
  let refused: readonly string[] = [];

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'sluice-walls-'));
    const config = JSON.parse(await readFile(join(ROOT, 'biome.json'), 'utf8')) as Record<string, unknown>;
    // No git repository there, and only the walls matter.
    await writeFile(join(folder, 'biome.json'), JSON.stringify({ ...config, vcs: { enabled: false } }));
    for (const [file, imported] of IMPORTS) {
      await mkdir(dirname(join(folder, file)), { recursive: true });
      await writeFile(join(folder, file), `import type { A } from '${imported}';\nexport type B = A;\n`);
    }
    refused = await restrictedImports(folder);
  });
  afterAll(() => rm(folder, { recursive: true }));

  test.each(IMPORTS)('%s importing %s is %s', (file, _, verdict) => {
    expect(refused.includes(file) ? 'refused' : 'allowed').toBe(verdict);
  });
});

interface LintReport {
  readonly diagnostics: readonly { readonly category: string; readonly location: { readonly path: string } }[];
}

function restrictedImports(folder: string): Promise<string[]> {
  const biome = join(ROOT, 'node_modules/.bin/biome');
  const args = ['lint', '--reporter=json', '--only=style/noRestrictedImports', '--max-diagnostics=none', '.'];
  return new Promise((resolve) => {
    // The exit code is 1 whenever something was refused: the report is what counts.
    execFile(biome, args, { cwd: folder }, (_, stdout) => {
      const report = JSON.parse(stdout) as LintReport;
      resolve(
        report.diagnostics
          .filter(({ category }) => category === 'lint/style/noRestrictedImports')
          .map(({ location }) => location.path),
      );
    });
  });
}
