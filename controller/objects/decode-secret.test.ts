import { inspect } from 'node:util';
import { expect, test } from '@jest/globals';
import { decodeObject } from './decode.ts';
import { decodeAs, rawObject, summary } from './testing/raw-objects.ts';

const base64 = (text: string) => Buffer.from(text).toString('base64');

function reveal(raw: unknown): Record<string, string> {
  const { data } = decodeAs('Secret', raw).object;
  return Object.fromEntries(Object.entries(data).map(([key, value]) => [key, value.reveal()]));
}

test('decodes data, with stringData over it', () => {
  const raw = rawObject('Secret', {
    data: { a: base64('one'), b: base64('two'), empty: '', none: null, broken: 'b25l\nb25l\n' },
    stringData: { b: 'over', c: 'three' },
  });
  expect(reveal(raw)).toEqual({ a: 'one', b: 'over', c: 'three', empty: '', none: '', broken: 'oneone' });
  expect(decodeAs('Secret', raw).object.type).toBe('Opaque');
});

test.each(['not base64!', 'YQ', 'YQ=', 'Y Q=', 'YQ==YQ==', '-_-_', 5, {}])(
  'drops the key with %j and keeps the others',
  (bad) => {
    const raw = rawObject('Secret', { data: { bad, good: base64('x') } });
    expect(reveal(raw)).toEqual({ good: 'x' });
    expect(summary(decodeAs('Secret', raw).diagnostics)).toEqual(['error InvalidField data[bad]']);
  },
);

test.each<[string, unknown, string[]]>([
  ['both keys', { data: { 'tls.crt': '', 'tls.key': '' } }, []],
  ['plain text keys', { stringData: { 'tls.crt': 'rubbish', 'tls.key': 'rubbish' } }, []],
  ['no key', { data: { 'tls.crt': '' } }, ['error MissingField data[tls.key]']],
  ['a key that is no base64', { data: { 'tls.crt': '', 'tls.key': '?' } }, ['error InvalidField data[tls.key]']],
  ['nothing', {}, ['error MissingField data[tls.crt]', 'error MissingField data[tls.key]']],
])('judges a TLS Secret with %s', (_name, body, want) => {
  const raw = rawObject('Secret', { type: 'kubernetes.io/tls', ...(body as object) });
  expect(summary(decodeAs('Secret', raw).diagnostics)).toEqual(want);
});

test('no secret text reaches diagnostics, dumps or the annotations', () => {
  const secret = 'hunter2-very-secret';
  const raws = [
    rawObject('Secret', { data: { a: secret, b: base64(secret) }, stringData: { c: secret, d: { e: secret } } }),
    rawObject('Secret', { data: secret, stringData: secret }),
    rawObject('Secret', { stringData: { pin: 73313373 } }),
    rawObject('Secret', {
      metadata: { name: 'web', annotations: { 'kubectl.kubernetes.io/last-applied-configuration': secret } },
    }),
  ];
  for (const raw of raws) {
    const result = decodeObject(raw, null);
    const printed = `${JSON.stringify(result)} ${inspect(result, { depth: 9, showHidden: true })}`;
    expect(printed).not.toContain(secret);
    expect(printed).not.toContain(base64(secret));
    expect(printed).not.toContain('73313373');
  }
});
