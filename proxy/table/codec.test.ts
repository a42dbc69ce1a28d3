import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { decodeUpdate, decodeUpdateInTurns, encodeUpdate, encodeUpdateInTurns, renderCanonical } from './codec.ts';
import { plainEndpoint, plainUpstream } from './defaults.ts';
import { arbitraryTable, materialOf } from './testing/arbitrary.ts';
import { buildHost, buildTable } from './testing/build.ts';
import type { RoutingTable } from './types.ts';
import type { TableUpdate } from './update.ts';
import { isLongUpdate } from './update-lines.ts';

describe('encode and decode', () => {
  test('a decoded full update equals the encoded one, key pairs included', () => {
    fc.assert(
      fc.property(arbitraryTable, fc.nat(), (table, revision) => {
        const update = { kind: 'full', revision, table, material: [...materialOf(table).values()] } as const;
        expect(decodeUpdate(encodeUpdate(update))).toEqual(update);
      }),
    );
  });

  test('bytes live in shared memory, so that workers read them without a copy', () => {
    const update = { kind: 'full', revision: 1, table: buildTable([]), material: [] } as const;
    expect(encodeUpdate(update)).toBeInstanceOf(SharedArrayBuffer);
  });

  test.each(['', 'without an end', 'no JSON\n'])('decoding bytes that are no update throws: %j', (text) => {
    const bytes = new SharedArrayBuffer(text.length);
    Buffer.from(bytes).write(text, 'latin1');
    expect(() => decodeUpdate(bytes)).toThrow(SyntaxError);
  });
});

describe('long updates', () => {
  /** 250 of everything that can be many. */
  const numbers = Array.from({ length: 250 }, (_, i) => String(1000 + i));
  const [policy] = Object.values(buildTable([buildHost('a.test', [{ kind: 'prefix', path: '' }])]).policies);
  const policies = Object.fromEntries(numbers.map((id) => [`p${id}`, policy]));
  const virtualHosts = numbers.map((id) => buildHost(`${id}.test`, [{ kind: 'prefix', path: `/${id}` }]));
  const upstreams = numbers.map((id) => plainUpstream(id, [plainEndpoint('10.0.0.1', Number(id))]));
  const material = numbers.map((id) => ({ id, certPem: `cert ${id}`, keyPem: `key ${id}` }));
  const table = { ...buildTable(virtualHosts), policies, upstreams } as RoutingTable;
  const full: TableUpdate = { kind: 'full', revision: 7, table, material };
  const parts: TableUpdate = {
    kind: 'parts',
    revision: 8,
    baseRevision: 7,
    global: null,
    policies: table.policies,
    removedPolicies: numbers,
    virtualHosts,
    removedVirtualHosts: [],
    upstreams,
    removedUpstreams: [],
    certificates: [],
    removedCertificates: [],
    streams: null,
    material,
  };

  test.each([
    ['full', full],
    ['parts', parts],
  ])('%s: read at once or in turns they are what was written, at once or in turns', async (_, update) => {
    let turns = 0;
    const turn = async () => void turns++;
    const bytes = await encodeUpdateInTurns(update, turn);
    // The head, then three lines for each of four lists.
    expect(turns).toBe(12);
    expect(bytes).toEqual(encodeUpdate(update));
    expect(decodeUpdate(bytes)).toEqual(update);
    expect(await decodeUpdateInTurns(bytes, turn)).toEqual(update);
    expect(turns).toBe(24);
  });

  test('no line holds more than 100 entries, the first line none', () => {
    const [head, ...lines] = Buffer.from(encodeUpdate(parts))
      .toString()
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(head).toMatchObject({ virtualHosts: [], upstreams: [], material: [], policies: {} });
    expect(lines.map(({ entries }) => entries.length)).toEqual([
      100, 100, 50, 100, 100, 50, 100, 100, 50, 100, 100, 50,
    ]);
  });

  test('a short update is one line and takes no turn', async () => {
    const turn = () => Promise.reject(new Error('a turn'));
    const update = { ...full, table: buildTable([]), material: [] };
    expect(await decodeUpdateInTurns(await encodeUpdateInTurns(update, turn), turn)).toEqual(update);
    expect(isLongUpdate(update)).toBe(false);
    expect(isLongUpdate(full)).toBe(true);
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
