import { readFileSync, writeFileSync } from 'node:fs';
import { expect, test } from '@jest/globals';
import { catalogue } from './catalogue.ts';
import { renderMetricsPage } from './page.ts';

const file = new URL('../../docs/metrics.md', import.meta.url);

test('docs/metrics.md is what the catalogue says (npm run golden:update)', () => {
  if (process.env['GOLDEN_UPDATE'] === '1' && process.env['CI'] === undefined) writeFileSync(file, renderMetricsPage());
  expect(readFileSync(file, 'utf8')).toBe(renderMetricsPage());
});

test('names are unique, counters of our own end in _total, and units stand in the name', () => {
  const names = catalogue.map(({ name }) => name);
  expect(new Set(names).size).toBe(names.length);
  const own = catalogue.filter(({ name }) => name.startsWith('sluice_'));
  for (const { name, kind } of own) expect([name, name.endsWith('_total')]).toEqual([name, kind === 'counter']);
  for (const { help } of catalogue) expect(help).toMatch(/^[A-Z].*\.$/);
});
