// Golden cases: testdata/<case>/in.yaml compiled must give want.yaml, and its requests the answers in requests.yaml.
// `npm run golden:update` rewrites every want.yaml and removes folders that hold no case; review the change like code.

import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { stringify } from 'yaml';
import { indexRoutes } from '#proxy/match/index.ts';
import { validateTable } from '#proxy/table/validate.ts';
import { testdata } from './testing/fixtures.ts';
import { runCase } from './testing/golden.ts';
import { answerRequest, presentedCertificate, renderResult } from './testing/render.ts';

const isUpdate = process.env['GOLDEN_UPDATE'] === '1';
if (isUpdate && process.env['CI'] !== undefined) throw new Error('golden files are not updated in CI');

const folders = readdirSync(testdata).filter((name) => !name.startsWith('_'));
const cases = folders.filter((name) => existsSync(join(testdata, name, 'in.yaml')));

if (isUpdate) {
  for (const orphan of folders.filter((name) => !cases.includes(name)))
    rmSync(join(testdata, orphan), { recursive: true });
}

test('every folder of testdata is a case named in kebab-case', () => {
  expect(isUpdate ? cases : folders).toEqual(cases);
  expect(cases.filter((name) => !/^[a-z0-9]+(-[a-z0-9]+)*$/.test(name))).toEqual([]);
});

describe.each(cases)('%s', (name) => {
  const { options, result, requests } = runCase(name);
  const index = indexRoutes(result.table);

  test('gives want.yaml', () => {
    const file = join(testdata, name, 'want.yaml');
    const rendered = stringify(renderResult(result, options), { lineWidth: 0 });
    if (isUpdate) writeFileSync(file, rendered);
    expect(rendered).toBe(readFileSync(file, 'utf8'));
  });

  test('gives a valid table', () => {
    expect(validateTable(result.table)).toEqual([]);
  });

  if (requests.length > 0) {
    test.each(requests)('$request -> $want', ({ request, want, certificate }) => {
      expect(answerRequest(request, result.table, index)).toBe(want);
      if (certificate !== undefined) expect(presentedCertificate(request, result.table, index)).toBe(certificate);
    });
  }
});
