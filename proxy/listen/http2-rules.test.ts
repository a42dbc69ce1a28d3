// docs/http2.md lists the rules of RFC 9113 with their tests: every test that it names is there.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';

const ROOT = join(import.meta.dirname, '../..');
const FILES: Readonly<Record<string, string>> = {
  conformance: 'proxy/listen/http2-conformance.test.ts',
  abuse: 'proxy/listen/http2-abuse.test.ts',
  forwarding: 'proxy/listen/http2-forwarding.test.ts',
  frames: 'proxy/http2/frame-reader.test.ts',
  hpack: 'proxy/http2/hpack.test.ts',
  huffman: 'proxy/http2/huffman.test.ts',
  https: 'proxy/listen/https.test.ts',
  upstream: 'proxy/forward/upstream-http2.test.ts',
  faults: 'proxy/forward/upstream-http2-faults.test.ts',
  response: 'proxy/http2/response-fields.test.ts',
};

const rows = readFileSync(join(ROOT, 'docs/http2.md'), 'utf8')
  .split('\n')
  .map((line) => /^\| ([^|]+) \| .* \| (\w+): ([^|]+) \|$/.exec(line))
  .filter((match) => match !== null)
  .map((match) => match.slice(1) as [section: string, file: string, words: string]);

test('the table has rows', () => {
  expect(rows.length).toBeGreaterThan(80);
});

test.each(rows)('%s: %s: %s', (_section, file, words) => {
  const path = FILES[file];
  expect(path).toBeDefined();
  const names = readFileSync(join(ROOT, path as string), 'utf8').match(/'[^'\n]*'/g) ?? [];
  expect(names.some((name) => name.includes(words.trim()))).toBe(true);
});
