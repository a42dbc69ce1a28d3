// The hand-written pages keep their promises: links lead somewhere, and commands to copy are accepted by the parser.

import { existsSync, globSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { flags } from '../options/flags.ts';
import { parseOptions } from '../options.ts';

const ROOT = join(import.meta.dirname, '../..');
const PAGES = [...globSync('*.md', { cwd: ROOT }), ...globSync('docs/**/*.md', { cwd: ROOT })];

function textOf(page: string): string {
  return readFileSync(join(ROOT, page), 'utf8');
}

/** Targets of Markdown links to files of this repository. */
function linksOf(text: string): string[] {
  return [...text.matchAll(/\]\(([^)#\s]+)[^)]*\)/g)]
    .map(([, target]) => target ?? '')
    .filter((target) => !/^[a-z]+:/.test(target));
}

/** Command lines that begin with `npx sluice`, continuation lines joined, comments and redirections cut. */
function commandsOf(text: string): string[] {
  return [...text.replaceAll('\\\n', ' ').matchAll(/^npx sluice (.*)$/gm)].map(([, rest]) =>
    (rest ?? '').replace(/\s+[#>].*$/, ''),
  );
}

test.each(PAGES)('every link of %s leads to a file', (page) => {
  const folder = dirname(join(ROOT, page));
  expect(linksOf(textOf(page)).filter((target) => !existsSync(join(folder, target)))).toEqual([]);
});

describe('commands to copy', () => {
  const commands = PAGES.flatMap((page) => commandsOf(textOf(page)).map((command) => [page, command] as const));

  test('are found', () => {
    expect(commands.length).toBeGreaterThan(5);
  });

  test.each(commands)('%s: npx sluice %s', (_, command) => {
    const argv = command.split(/\s+/).filter((word) => word !== '');
    expect(parseOptions(argv, {})).toMatchObject({ ok: true });
  });
});

test('differences.md names every default that is not that of ingress-nginx', () => {
  const page = textOf('docs/differences.md');
  for (const name of ['http-port', 'https-port', 'post-shutdown-grace-period', 'enable-metrics'] as const) {
    expect(Object.keys(flags)).toContain(name);
    expect(page).toContain(`\`--${name}\``);
  }
});
