import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { parseIngressHost, whyNotDnsLabel, whyNotPortName } from './host-name.ts';

describe('parseIngressHost', () => {
  test.each([
    ['', { ok: true, kind: 'any', host: '' }],
    ['a.test', { ok: true, kind: 'exact', host: 'a.test' }],
    ['localhost', { ok: true, kind: 'exact', host: 'localhost' }],
    ['xn--bcher-kva.example', { ok: true, kind: 'exact', host: 'xn--bcher-kva.example' }],
    ['1.2.3.4.example', { ok: true, kind: 'exact', host: '1.2.3.4.example' }],
    ['*.a.test', { ok: true, kind: 'wildcard', host: '*.a.test', suffix: 'a.test' }],
  ])('takes %j', (text, want) => {
    expect(parseIngressHost(text)).toEqual(want);
  });

  test.each([
    ['10.0.0.1', 'IP address'],
    ['2001:db8::1', 'IP address'],
    ['*', 'only as its whole first label'],
    ['a.*.test', 'only as its whole first label'],
    ['*a.test', 'only as its whole first label'],
    ['*.*.test', 'bad label "*"'],
    ['*.', 'empty label'],
    ['A.test', 'bad label "A"'],
    ['bad_label.test', 'bad label "bad_label"'],
    ['-a.test', 'bad label "-a"'],
    ['a-.test', 'bad label "a-"'],
    ['a..test', 'empty label'],
    ['a.test.', 'empty label'],
    ['.a.test', 'empty label'],
    ['a.test:80', 'bad label "test:80"'],
    ['bücher.test', 'bad label "bücher"'],
    ['a b.test', 'bad label "a b"'],
    ['a.test\n', 'bad label'],
    [`${'a'.repeat(250)}.test`, 'longer than 253'],
  ])('refuses %j', (text, why) => {
    expect(parseIngressHost(text)).toEqual({ ok: false, why: expect.stringContaining(why) });
  });

  test('keeps accepted text as it is, in lower case and within the limit', () => {
    fc.assert(
      fc.property(fc.oneof(fc.domain(), fc.string(), fc.stringMatching(/^[*a-z0-9._-]{0,12}$/)), (text) => {
        const parsed = parseIngressHost(text);
        if (!parsed.ok) return;
        expect(parsed.host).toBe(text);
        expect(text).toMatch(/^(\*\.)?[a-z0-9.-]*$/);
        expect(text.length).toBeLessThanOrEqual(253);
      }),
    );
  });
});

test.each([
  ['http', null],
  ['a-b-1', null],
  ['80', 'port name'],
  ['Http', 'port name'],
  ['a--b', 'port name'],
  ['a'.repeat(16), 'port name'],
])('judges port name %j', (text, why) => {
  expect(whyNotPortName(text)).toEqual(why === null ? null : expect.stringContaining(why));
});

test.each([
  ['web', null],
  ['a'.repeat(63), null],
  ['a'.repeat(64), 'longer than 63'],
  ['a.b', 'must hold only'],
  ['', 'must hold only'],
])('judges label %j', (text, why) => {
  expect(whyNotDnsLabel(text)).toEqual(why === null ? null : expect.stringContaining(why));
});
