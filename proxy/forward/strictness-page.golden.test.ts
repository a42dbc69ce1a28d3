import { readFileSync, writeFileSync } from 'node:fs';
import { expect, test } from '@jest/globals';
import { brokenBodies, refusedRequests } from './testing/request-attacks.ts';
import { disguisedPaths, forwardedRequests } from './testing/request-rewrites.ts';
import { cutResponses, refusedResponses, spoiledConnections } from './testing/response-attacks.ts';
import { renderStrictnessPage } from './testing/strictness-page.ts';

const file = new URL('../../docs/http-strictness.md', import.meta.url);

test('docs/http-strictness.md is what the rules say (npm run golden:update)', () => {
  const page = renderStrictnessPage();
  if (process.env['GOLDEN_UPDATE'] === '1' && process.env['CI'] === undefined) writeFileSync(file, page);
  expect(readFileSync(file, 'utf8')).toBe(page);
});

test.each([
  ['refused requests', refusedRequests],
  ['broken bodies', brokenBodies],
  ['forwarded requests', forwardedRequests],
  ['paths in disguise', disguisedPaths],
  ['refused responses', refusedResponses],
  ['cut responses', cutResponses],
  ['spoiled connections', spoiledConnections],
])('rules for %s have names of their own, a source, and no bar that would break the table', (_name, rules) => {
  expect(new Set(rules.map(({ name }) => name)).size).toBe(rules.length);
  for (const { name, source } of rules) {
    expect(source).toMatch(/^(RFC \d{4} §[\d.]+|CVE-\d{4}-\d+|nginx |Kubernetes )/);
    expect(name).not.toMatch(/\|/);
  }
});
