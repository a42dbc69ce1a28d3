import { expect, test } from '@jest/globals';
import { systemClock } from './clock.ts';
import { parseManifestText } from './manifest-text.ts';
import { type ParseLimits, parseApart } from './parse-apart.ts';
import { FakeClock } from './testing/fake-clock.ts';

const limits: ParseLimits = { clock: systemClock, signal: new AbortController().signal };

test('a worker gives what parsing here gives, with the lines of wrong fields', async () => {
  const text = [
    'apiVersion: v1',
    'kind: Service',
    'metadata: {name: s}',
    'spec:',
    '  ports:',
    '  - port: 0',
    '---',
    'kind: [',
    '---',
    'kind: List',
    'items: [5]',
  ].join('\n');
  const here = parseManifestText(text);
  const there = await parseApart(text, limits);
  expect(there.faults).toEqual(here.faults);
  expect(there.objects.map(({ value, line }) => ({ value, line }))).toEqual(
    here.objects.map(({ value, line }) => ({ value, line })),
  );
  expect(there.objects[0]?.lineOf('spec.ports[0].port')).toBe(6);
});

test.each<[string, Partial<ParseLimits>, string]>([
  ['too much memory', { maxHeapMiB: 16 }, 'it takes too much memory to parse'],
  ['an end of interest before', { signal: AbortSignal.abort() }, 'reading was stopped'],
])('%s is a fault of the text', async (_name, limit, what) => {
  const text = 'a: [b, c]\n---\n'.repeat(20_000);
  expect(await parseApart(text, { ...limits, ...limit })).toEqual({ objects: [], faults: [{ line: 1, what }] });
});

test('too much time is a fault of the text', async () => {
  const clock = new FakeClock();
  const parsed = parseApart('a: [b, c]\n---\n'.repeat(20_000), { ...limits, clock, timeoutMs: 50 });
  clock.advance(50);
  expect((await parsed).faults).toEqual([{ line: 1, what: 'it takes more than 50 ms to parse' }]);
});
