// The generated pages say what the records say, and are in the repository as generated.

import { readFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import { annotations, ownAnnotations } from '../compile/settings/annotations.ts';
import { configMapKeys } from '../compile/settings/configmap.ts';
import { pages, renderAnnotationsPage, renderSettingsPage } from './generate-docs.ts';

describe('generated pages', () => {
  test.each(pages.map((page) => [page.path, page] as const))('%s is up to date (npm run docs)', (path, { render }) => {
    const written = readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8');
    expect(written === render() ? 'up to date' : 'run `npm run docs` and commit the result').toBe('up to date');
  });

  test('the annotations page has one row for each annotation', () => {
    const rows = tableRows(renderAnnotationsPage());
    for (const { name } of [...annotations, ...ownAnnotations]) {
      expect(rows.filter((row) => row.startsWith(`| \`${name}\``) && cellsOf(row) === 7)).toHaveLength(1);
    }
  });

  test('the settings page has one row for each key', () => {
    const rows = tableRows(renderSettingsPage());
    for (const { key } of configMapKeys) {
      expect(rows.filter((row) => row.startsWith(`| \`${key}\` |`) && cellsOf(row) === 5)).toHaveLength(1);
    }
  });

  test('a row tells value, default, outcome, risk, support and what is missing', () => {
    const rowOf = (name: string) => tableRows(renderAnnotationsPage()).find((row) => row.startsWith(`| \`${name}\``));
    expect(rowOf('proxy-body-size')).toBe(
      '| `proxy-body-size` | size (`8k`, `1m`, `1g`) | ConfigMap `proxy-body-size`, else `1m` | default | Medium, path | full | Largest request body; a larger one is answered 413. `0` is unlimited. |',
    );
    expect(rowOf('auth-type')).toContain('| notYet, **503** |');
    expect(rowOf('auth-url')).toContain('| rejected; 503 when only its meaning is wrong |');
    expect(rowOf('auth-realm')).toContain('Only with `auth-type`. *Passwords are not checked.*');
    expect(rowOf('allowlist-source-range')).toContain('`allowlist-source-range`, alias `whitelist-source-range`');
  });
});

function tableRows(page: string): string[] {
  return page.split('\n').filter((line) => line.startsWith('| `'));
}

/** Cells of a row; an escaped pipe does not end one. */
function cellsOf(row: string): number {
  return row.split(/(?<!\\)\|/).length - 2;
}
