import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { parseManifestText } from './manifest-text.ts';

const linesOf = (text: string) => parseManifestText(text).objects.map(({ line }) => line);
const valuesOf = (text: string) => parseManifestText(text).objects.map(({ value }) => value);

describe('documents and lists', () => {
  test('several documents, with comments and empty ones between', () => {
    const text = ['# head', 'kind: A', '---', '# nothing', '---', 'kind: B', '...', '---', '', 'kind: C'].join('\n');
    expect(valuesOf(text)).toEqual([{ kind: 'A' }, { kind: 'B' }, { kind: 'C' }]);
    expect(linesOf(text)).toEqual([2, 6, 10]);
  });

  test.each(['', '\n', '---\n', '# only\n---\n# comments\n', '---\n---\n'])('%j holds nothing', (text) => {
    expect(parseManifestText(text)).toEqual({ objects: [], faults: [] });
  });

  test('a List gives its items, also nested', () => {
    const text = ['kind: List', 'items:', '- kind: A', '- kind: List', '  items:', '  - kind: B', '- 5'].join('\n');
    expect(valuesOf(text)).toEqual([{ kind: 'A' }, { kind: 'B' }, 5]);
    expect(linesOf(text)).toEqual([3, 6, 7]);
  });

  test('items of a typed list take kind and apiVersion from it, their own stay', () => {
    const text = 'apiVersion: networking.k8s.io/v1\nkind: IngressList\nitems: [{a: 1}, {kind: Other, apiVersion: v1}]';
    expect(valuesOf(text)).toEqual([
      { kind: 'Ingress', apiVersion: 'networking.k8s.io/v1', a: 1 },
      { kind: 'Other', apiVersion: 'v1' },
    ]);
  });

  test('a List without items is empty, one whose items are no list is left to the decoder', () => {
    expect(valuesOf('kind: List\nitems:\n')).toEqual([]);
    expect(valuesOf('kind: List\nitems: x')).toEqual([{ kind: 'List', items: 'x' }]);
    expect(valuesOf('kind: PriceList')).toEqual([{ kind: 'PriceList' }]);
  });

  test('JSON, with lines of its items', () => {
    const text = '\n{"kind": "List", "items": [\n  {"kind": "A"},\n  {"kind": "B"}\n]}';
    expect(valuesOf(text)).toEqual([{ kind: 'A' }, { kind: 'B' }]);
    expect(linesOf(text)).toEqual([3, 4]);
    expect(linesOf('\n\n{"kind": "A"}')).toEqual([3]);
  });

  test('JSON with tabs, and flow style that is no JSON', () => {
    expect(valuesOf('{\n\t"kind": "A",\n\t"b": [\n\t\t1\n\t]\n}')).toEqual([{ kind: 'A', b: [1] }]);
    expect(valuesOf('{kind: A}\n---\n{kind: B}')).toEqual([{ kind: 'A' }, { kind: 'B' }]);
  });

  test('reads values as Kubernetes does', () => {
    const text =
      'a: 2026-01-31T09:30:00Z\nb: "80"\nc: 80\nd: true\ne:\nf: &x {p: 1}\ng: {<<: *x, q: 2}\nh: &y {r: 3}\ni: {<<: *x, <<: *y}\n8080: y';
    expect(valuesOf(text)).toEqual([
      {
        a: '2026-01-31T09:30:00Z',
        b: '80',
        c: 80,
        d: true,
        e: null,
        f: { p: 1 },
        g: { p: 1, q: 2 },
        h: { r: 3 },
        i: { p: 1, r: 3 },
        8080: 'y',
      },
    ]);
  });
});

describe('lines of fields', () => {
  const text = [
    'kind: Ingress',
    'metadata:',
    '  annotations:',
    '    a.test/b-c: "x"',
    'spec:',
    '  rules:',
    '  - host: a.test',
    '    http:',
    '      paths:',
    '      - path: /',
    '      - path: /x',
    '        backend: {}',
  ].join('\n');
  test.each([
    ['', 1],
    ['kind', 1],
    ['metadata.annotations[a.test/b-c]', 4],
    ['spec.rules[0].host', 7],
    ['spec.rules[0].http.paths[1]', 11],
    ['spec.rules[0].http.paths[1].backend.service.port', 12],
    ['spec.rules[9].host', 6],
    ['metadata.name', 2],
  ])('%s', (field, line) => {
    expect(parseManifestText(text).objects[0]?.lineOf(field)).toBe(line);
  });

  test('in a list', () => {
    const object = parseManifestText('kind: List\nitems:\n- kind: A\n- kind: B\n  spec:\n    host: x').objects[1];
    expect(object?.lineOf('spec.host')).toBe(6);
  });
});

describe('faults', () => {
  test.each<[string, string, number, string]>([
    ['a tab', 'a:\n\tb: 1', 2, 'Tabs are not allowed'],
    ['a missing bracket', 'a: 1\nb: [1, 2\nc: 3', 3, 'Flow sequence'],
    ['a missing quote', 'a: "x\n', 2, 'Missing closing'],
    ['two colons', 'a: 1\nb: c: d', 2, 'Nested mappings'],
    ['a key twice', 'a: 1\nb:\n  c: 1\n  d: 1\n  c: 2', 5, 'the key "c" stands twice'],
    ['a list as key', '? [a]\n: b', 1, 'keys must be strings'],
    ['an alias without anchor', 'a: 1\nb: *nowhere', 1, 'has no anchor'],
    ['a merge of text', 'a: 1\n<<: x', 1, 'does not fit'],
    ['broken JSON', '{\n  "a": 1,\n  "b" 2\n}', 3, 'YAML syntax error'],
    ['deep nesting', `a: ${'['.repeat(20000)}`, 1, 'Nested too deeply'],
  ])('%s', (_name, text, line, what) => {
    expect(parseManifestText(text)).toEqual({ objects: [], faults: [{ line, what: expect.stringContaining(what) }] });
  });

  test('cost only their document', () => {
    const { objects, faults } = parseManifestText('kind: A\n---\nkind: [\n---\nkind: C\n');
    expect(objects.map(({ value }) => value)).toEqual([{ kind: 'A' }, { kind: 'C' }]);
    expect(faults).toHaveLength(1);
  });

  test.each<[string, (name: string, previous: string) => string]>([
    ['lists', (name, previous) => `${name}: &${name} [${Array(10).fill(`*${previous}`).join(',')}]`],
    [
      'merges',
      (name, previous) => `${name}: &${name} {<<: [${Array(10).fill(`*${previous}`).join(',')}], k${name}: 1}`,
    ],
  ])('a bomb of aliases in %s is refused at once', (_name, layer) => {
    const names = [...'abcdefghijklmnopqrstuvwxyz'];
    const layers = names.slice(1).map((name, i) => layer(name, names[i] ?? ''));
    const { objects, faults } = parseManifestText(['a: &a {k: 1}', ...layers].join('\n'));
    expect([objects, faults]).toEqual([[], [{ line: 1, what: expect.stringContaining('expands to too much') }]]);
  });

  test('never quote the text around them', () => {
    const secret = 'hunter2';
    const texts = [
      `a: "\\q${secret}"`,
      `a: *${secret}`,
      `a: !${secret} {b: 1}\nc: [`,
      `a: |${secret}\n  x`,
      `a: "${secret}`,
      `a: [b, c] ${secret}`,
      `%${secret} x\n--- [`,
      `{"key": ${secret}, "x": ]`,
      `key: ${secret}: x`,
      `a: @${secret}`,
      `- ${secret}\nb: 1`,
      `? {${secret}: 1}\n: 2`,
    ];
    for (const text of texts) {
      const { faults } = parseManifestText(text);
      expect([text, faults.length]).toEqual([text, 1]);
      expect(JSON.stringify(faults)).not.toContain(secret);
    }
  });

  test('any text gives objects or faults, never an exception', () => {
    const scrap = fc.constantFrom(
      ...'\n',
      ' ',
      '  ',
      '- ',
      ': ',
      'a',
      '"',
      "'",
      '{',
      '}',
      '[',
      ']',
      '&a ',
      '*a',
      '|',
      '>',
      '#',
      '---\n',
      '!',
      '%',
      '<<: ',
      '?',
      '\t',
      '0',
      'kind: List\n',
      'items:\n',
    );
    fc.assert(
      fc.property(fc.array(scrap, { maxLength: 40 }), (scraps) => {
        const { objects, faults } = parseManifestText(scraps.join(''));
        for (const { line, lineOf } of objects) expect(Math.min(line, lineOf('a.b[0]'))).toBeGreaterThan(0);
        for (const { line } of faults) expect(line).toBeGreaterThan(0);
      }),
      { numRuns: 2000 },
    );
  });
});
