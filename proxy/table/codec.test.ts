import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { decodeTable, decodeUpdate, encodeTable, encodeUpdate, renderCanonical } from './codec.ts';
import { arbitraryTable, materialOf } from './testing/arbitrary.ts';
import { buildTable } from './testing/build.ts';

describe('encode and decode', () => {
  test('a decoded table equals the encoded one', () => {
    fc.assert(
      fc.property(arbitraryTable, (table) => {
        expect(decodeTable(encodeTable(table))).toEqual(table);
      }),
    );
  });

  test('a decoded full update equals the encoded one, key pairs included', () => {
    fc.assert(
      fc.property(arbitraryTable, fc.nat(), (table, revision) => {
        const update = { kind: 'full', revision, table, material: [...materialOf(table).values()] } as const;
        expect(decodeUpdate(encodeUpdate(update))).toEqual(update);
      }),
    );
  });

  test('bytes live in shared memory, so that workers read them without a copy', () => {
    expect(encodeTable(buildTable([]))).toBeInstanceOf(SharedArrayBuffer);
  });

  test('decoding bytes that are no JSON throws', () => {
    expect(() => decodeTable(new SharedArrayBuffer(4))).toThrow(SyntaxError);
  });
});

describe('canonical form', () => {
  test('the order in which keys were written does not change the bytes', () => {
    expect(renderCanonical({ b: 1, a: { d: [2, { f: 1, e: 0 }], c: null } })).toBe(
      renderCanonical({ a: { c: null, d: [2, { e: 0, f: 1 }] }, b: 1 }),
    );
  });

  test('any JSON value renders as text that JSON.parse reads back', () => {
    fc.assert(
      fc.property(fc.jsonValue({ noUnicodeString: false }), (value) => {
        expect(renderCanonical(JSON.parse(renderCanonical(value)))).toBe(renderCanonical(value));
        expect(JSON.parse(renderCanonical(value))).toEqual(JSON.parse(JSON.stringify(value)));
      }),
    );
  });

  test('a key named like the prototype stays a key', () => {
    const value: unknown = JSON.parse('{"b":1,"__proto__":{"d":1,"c":2}}');
    expect(renderCanonical(value)).toBe('{"__proto__":{"c":2,"d":1},"b":1}');
  });

  test.each([
    ['undefined', { a: undefined }],
    ['NaN', [Number.NaN]],
    ['Infinity', Number.POSITIVE_INFINITY],
    ['a function', [() => 1]],
    ['a Map', new Map()],
    ['a Date', { at: new Date(0) }],
  ])('%s is refused', (_name, value) => {
    expect(() => renderCanonical(value)).toThrow(TypeError);
  });
});
