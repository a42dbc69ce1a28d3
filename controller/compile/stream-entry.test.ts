import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { parseStreamEntry, type StreamEntry } from './stream-entry.ts';

const reserved = [{ port: 443, flag: '--https-port' }];
const plain = {
  protocol: 'tcp',
  port: 9000,
  namespace: 'db',
  service: 'pg',
  servicePort: '5432',
  isNumber: true,
  expectsProxyHeader: false,
  sendsProxyHeader: false,
} as const;

describe('parseStreamEntry', () => {
  test.each<[string, Partial<StreamEntry>]>([
    ['db/pg:5432', {}],
    ['db/pg:5432\n', {}],
    ['db/pg:sql', { servicePort: 'sql', isNumber: false }],
    ['db/pg:5432:PROXY', { expectsProxyHeader: true }],
    ['db/pg:5432:proxy:Proxy', { expectsProxyHeader: true, sendsProxyHeader: true }],
    ['db/pg:5432::PROXY', { sendsProxyHeader: true }],
  ])('%j', (text, want) => {
    expect(parseStreamEntry('tcp', '9000', text, reserved)).toEqual({
      ok: true,
      entry: { ...plain, ...want },
      warnings: [],
    });
  });

  test.each([
    ['9000', 'pg:5432'],
    ['9000', 'db/pg'],
    ['9000', 'db/pg:'],
    ['9000', 'db/pg:0'],
    ['9000', 'db/pg:65536'],
    ['9000', 'db/pg:5432:PROXY:PROXY:PROXY'],
    ['9000', 'a/b/c:1'],
    ['9000', 'Db/pg:1'],
    ['9000', ''],
    ['0', 'db/pg:1'],
    ['09000', 'db/pg:1'],
    ['65536', 'db/pg:1'],
    ['http', 'db/pg:1'],
    ['443', 'db/pg:1'],
  ])('%j: %j is refused', (port, text) => {
    expect(parseStreamEntry('tcp', port, text, reserved)).toMatchObject({ ok: false });
  });

  test('a TCP port of ours is free for UDP', () => {
    expect(parseStreamEntry('udp', '443', 'db/pg:443', reserved)).toMatchObject({ ok: true, entry: { port: 443 } });
  });

  test.each<['tcp' | 'udp', string, number]>([
    ['tcp', 'db/pg:1:proxi', 1],
    ['udp', 'db/pg:1:PROXY:PROXY', 2],
  ])('%s %s: a word that means nothing is told', (protocol, text, warnings) => {
    const parsed = parseStreamEntry(protocol, '9000', text, reserved);
    expect(parsed).toMatchObject({ ok: true, entry: { expectsProxyHeader: false, sendsProxyHeader: false } });
    expect(parsed.ok && parsed.warnings.length).toBe(warnings);
  });

  test('any text gives an answer', () => {
    const words = fc.array(fc.constantFrom('a', '/', ':', 'PROXY', '1', '-', ' '), { maxLength: 9 });
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          words.map((all) => all.join('')),
        ),
        fc.string(),
        (text, key) => {
          expect(typeof parseStreamEntry('tcp', key, text, reserved).ok).toBe('boolean');
        },
      ),
    );
  });
});
