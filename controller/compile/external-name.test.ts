import { expect, test } from '@jest/globals';
import { plainEndpoint } from '#proxy/table/defaults.ts';
import { externalTarget } from './external-name.ts';

const known = new Map([['api.example.com', ['192.0.2.9', '192.0.2.1', '192.0.2.9']]]);

test.each([
  'localhost',
  'LOCALHOST',
  'localhost.',
  'a.localhost',
  '127.0.0.1',
  '127.9.9.9',
  '::1',
  '::ffff:127.0.0.1',
  '0.0.0.0',
  '::',
])('%s is refused', (name) => {
  const target = externalTarget(name, 80, known);
  expect(target.endpoints).toEqual([]);
  expect(target.wantedName).toBeNull();
  expect(target.problem).toMatch(/refused$/);
});

test.each(['', '.', 'bad name', 'a..b', '-a.test', 'http://a.test', '[::1]', '127.1', '0x7f000001'])(
  'nothing is connected for %j without an answer of the resolver',
  (name) => {
    expect(externalTarget(name, 80, known)).toMatchObject({ endpoints: [], problem: expect.any(String) });
  },
);

test('an address is its own endpoint', () => {
  expect(externalTarget('2001:db8::1', 443, known)).toEqual({
    endpoints: [plainEndpoint('2001:db8::1', 443)],
    wantedName: null,
    problem: null,
  });
});

test('a name gives all its addresses once, sorted, whatever its case and trailing dot', () => {
  expect(externalTarget('API.Example.com.', 8443, known)).toEqual({
    endpoints: [plainEndpoint('192.0.2.1', 8443), plainEndpoint('192.0.2.9', 8443)],
    wantedName: 'api.example.com',
    problem: null,
  });
});

test('a name without addresses yet stays wanted', () => {
  const { endpoints, wantedName, problem } = externalTarget('new.example.com', 80, known);
  expect({ endpoints, wantedName }).toEqual({ endpoints: [], wantedName: 'new.example.com' });
  expect(problem).toContain('no known address yet');
});
