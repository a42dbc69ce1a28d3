// Every value type: what it takes, what it refuses, and how it prints.

import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { ValueType } from './record.ts';
import {
  bool,
  buffers,
  cidrList,
  decimalFrom,
  fraction,
  goDuration,
  headerNames,
  integer,
  integerFrom,
  list,
  nginxTime,
  oneOf,
  oneOfAnyCase,
  onOff,
  optional,
  rawText,
  renderValue,
  risk,
  seconds,
  secondsFromOne,
  secretText,
  size,
  statusCode,
  statusList,
  statusRange,
  text,
  timeFromOne,
  wordList,
} from './types.ts';

const words = wordList(['error', 'timeout', 'off']);
const codes = statusList(400, 599);

describe('accepted texts', () => {
  const cases: readonly [string, ValueType<unknown>, string, unknown][] = [
    ...['1', 't', 'T', 'true', 'True', 'TRUE'].map((word): [string, ValueType<unknown>, string, unknown] => [
      'bool',
      bool,
      word,
      true,
    ]),
    ...['0', 'f', 'F', 'false', 'False', 'FALSE'].map((word): [string, ValueType<unknown>, string, unknown] => [
      'bool',
      bool,
      word,
      false,
    ]),
    ['integer', integer, '42', 42],
    ['integer with sign', integer, '+42', 42],
    ['negative integer', integer, '-7', -7],
    ['integer with leading zeros', integer, '007', 7],
    ['minus zero is zero', integer, '-0', 0],
    ['largest safe integer', integer, '9007199254740991', 9_007_199_254_740_991],
    ['bounded integer, lower bound', integerFrom(2, 4), '2', 2],
    ['bounded integer, upper bound', integerFrom(2, 4), '4', 4],
    ['seconds', seconds, '0', 0],
    ['seconds from one', secondsFromOne, '1', 1],
    ['status code', statusCode(400, 599), '429', 429],
    ['fraction', fraction, '0.25', 0.25],
    ['fraction without leading zero', fraction, '.5', 0.5],
    ['fraction one', fraction, '1', 1],
    ['text is trimmed line by line', text, '  a \n  b  ', 'a\nb'],
    ['raw text', rawText, ' deny all; ', 'deny all;'],
    ['secret text', secretText, 'c2VjcmV0', 'c2VjcmV0'],
    ['on/off', onOff, ' on ', 'on'],
    ['one of', oneOf(['any', 'all']), 'all', 'all'],
    ['one of, any case', oneOfAnyCase(['HTTP', 'GRPC']), ' grpc ', 'GRPC'],
    ['risk', risk, 'critical', 'Critical'],
    ['words', words, 'timeout error', ['error', 'timeout']],
    ['words, repeated and spread out', words, '  off \t off ', ['off']],
    ['list', list, ' a , b,,c ', ['a', 'b', 'c']],
    ['empty list', list, '', []],
    ['list of commas', list, ',,', []],
    ['CIDR list', cidrList, '10.0.0.0/8, 2001:DB8::/32', ['10.0.0.0/8', '2001:db8::/32']],
    ['addresses become blocks', cidrList, '1.2.3.4,::1', ['1.2.3.4/32', '::1/128']],
    ['status list', codes, '404, 503', [404, 503]],
    ['header names', headerNames, 'X-One, x_two', ['X-One', 'x_two']],
    ['size in bytes', size, '1000', 1000],
    ['size zero', size, '0', 0],
    ['size k', size, '8k', 8192],
    ['size m, upper case', size, '1M', 1_048_576],
    ['size g', size, '2g', 2_147_483_648],
    ['size is trimmed', size, ' 8m ', 8_388_608],
    ['buffers', buffers, '4 8k', { count: 4, bytes: 8192 }],
    ['buffers, more space', buffers, ' 2   1m ', { count: 2, bytes: 1_048_576 }],
    ['nginx time without unit', nginxTime, '90', 90_000],
    ['nginx time in seconds', nginxTime, '240s', 240_000],
    ['nginx time in milliseconds', nginxTime, '500ms', 500],
    ['nginx time m is minutes', nginxTime, '1m', 60_000],
    ['nginx time M is months', nginxTime, '1M', 2_592_000_000],
    ['nginx time combined', nginxTime, '1h 30m', 5_400_000],
    ['nginx time combined without space', nginxTime, '1d12h', 129_600_000],
    ['nginx time with bare seconds last', nginxTime, '1m 30', 90_000],
    ['Go duration', goDuration, '1m30s', 90_000],
    ['Go duration with fraction', goDuration, '1.5h', 5_400_000],
    ['Go duration zero', goDuration, '0', 0],
    ['optional, empty', optional(size), '  ', null],
    ['optional, set', optional(size), '4k', 4096],
  ];

  test.each(cases)('%s: %j', (_, type, input, value) => {
    expect(type.parse(input)).toEqual({ ok: true, value });
  });
});

describe('refused texts', () => {
  const cases: readonly [string, ValueType<unknown>, string, RegExp][] = [
    ['bool word', bool, 'yes', /not a bool/],
    ['bool is not trimmed', bool, 'true ', /not a bool/],
    ['bool mixed case', bool, 'tRUE', /not a bool/],
    ['bool on', bool, 'on', /not a bool/],
    ['integer with unit', integer, '50k', /not a whole number/],
    ['integer fraction', integer, '1.5', /not a whole number/],
    ['integer with space', integer, ' 5', /not a whole number/],
    ['integer hexadecimal', integer, '0x10', /not a whole number/],
    ['integer exponent', integer, '1e3', /not a whole number/],
    ['integer other digits', integer, '٣', /not a whole number/],
    ['integer empty', integer, '', /not a whole number/],
    ['integer out of range', integer, '9007199254740992', /out of range/],
    ['bounded below', integerFrom(2, 4), '1', /below 2/],
    ['bounded above', integerFrom(2, 4), '5', /above 4/],
    ['negative seconds', seconds, '-1', /below 0/],
    ['zero seconds', secondsFromOne, '0', /below 1/],
    ['status code', statusCode(400, 599), '399', /below 400/],
    ['fraction above one', fraction, '1.01', /above 1/],
    ['fraction sign', fraction, '-0.1', /not a decimal number/],
    ['on/off case', onOff, 'On', /not one of on, off/],
    ['one of', oneOf(['any', 'all']), 'none', /not one of any, all/],
    ['risk', risk, 'extreme', /not one of Low, Medium, High, Critical/],
    ['unknown word', words, 'error http_418', /not one of error, timeout, off/],
    ['no word', words, '  ', /names no word/],
    ['CIDR entry', cidrList, '10.0.0.0/8, example.com', /number 2/],
    ['status entry', codes, '404,600', /number 2/],
    ['status entry with text', codes, '4xx', /number 1/],
    ['header name', headerNames, 'X-A, a b', /number 2/],
    ['size in b', size, '1b', /not a size/],
    ['size fraction', size, '1.5m', /not a size/],
    ['size with inner space', size, '8 m', /not a size/],
    ['size negative', size, '-1', /not a size/],
    ['size out of range', size, '99999999999g', /out of range/],
    ['buffers without size', buffers, '4', /a number and a size/],
    ['buffers of size 0', buffers, '4 0', /a number and a size/],
    ['buffers, none', buffers, '0 8k', /a number and a size/],
    ['buffers with more', buffers, '4 8k 1', /a number and a size/],
    ['nginx time unit', nginxTime, '5x', /not a time/],
    ['nginx time empty', nginxTime, '', /not a time/],
    ['Go duration without unit', goDuration, '5', /not a duration/],
    ['Go duration in days', goDuration, '1d', /not a duration/],
    ['optional, set', optional(size), 'x', /not a size/],
  ];

  test.each(cases)('%s: %j', (_, type, input, why) => {
    expect(type.parse(input)).toEqual({ ok: false, why: expect.stringMatching(why) });
  });
});

describe('renderValue', () => {
  const cases: readonly [string, ValueType<unknown>, unknown, string][] = [
    ['null', text, null, 'unset'],
    ['empty text', text, '', 'empty'],
    ['empty list', list, [], 'empty'],
    ['list', list, ['a', 'b'], 'a, b'],
    ['bool', bool, false, 'false'],
    ['size in m', size, 1_048_576, '1m'],
    ['size in g', size, 1024 ** 3, '1g'],
    ['odd size', size, 1000, '1000'],
    ['size zero', size, 0, '0'],
    ['buffers', buffers, { count: 4, bytes: 8192 }, '4 8k'],
    ['time', nginxTime, 3_600_000, '3600s'],
    ['time in ms', goDuration, 1500, '1500ms'],
    ['one status', statusRange, { min: 204, max: 204 }, '204'],
    ['statuses', statusRange, { min: 200, max: 399 }, '200-399'],
    ['optional unset', optional(size), null, 'unset'],
    ['optional set', optional(size), 4096, '4k'],
  ];

  test.each(cases)('%s', (_, type, value, rendered) => {
    expect(renderValue(type, value)).toBe(rendered);
  });

  test('a rendered size, time or buffer reads back as the same value', () => {
    fc.assert(
      fc.property(fc.nat(), fc.integer({ min: 1, max: 2 ** 40 }), (ms, bytes) => {
        expect(size.parse(renderValue(size, bytes))).toEqual({ ok: true, value: bytes });
        expect(nginxTime.parse(renderValue(nginxTime, ms))).toEqual({ ok: true, value: ms });
        const value = { count: 3, bytes };
        expect(buffers.parse(renderValue(buffers, value))).toEqual({ ok: true, value });
      }),
    );
  });
});

test('snippets and keys are marked as sensitive, nothing else is', () => {
  expect([rawText, secretText].map(({ sensitive }) => sensitive)).toEqual([true, true]);
  expect([text, list, size, bool].map(({ sensitive }) => sensitive ?? false)).toEqual([false, false, false, false]);
});

test('integer agrees with its grammar for any text', () => {
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.integer().map(String), fc.stringMatching(/^[+-]?[0-9]{0,20}$/)), (input) => {
      const isInteger = /^[+-]?[0-9]+$/.test(input) && Math.abs(Number(input)) <= Number.MAX_SAFE_INTEGER;
      expect(integer.parse(input).ok).toBe(isInteger);
    }),
  );
});

describe("types of Sluice's own annotations", () => {
  const half = decimalFrom(0.5, 2);
  test.each<[string, ValueType<unknown>, string, unknown]>([
    ['a decimal', half, '1.25', 1.25],
    ['the lowest', half, '0.5', 0.5],
    ['a whole number', half, '2', 2],
    ['a time', timeFromOne, '1500ms', 1500],
    ['seconds without unit', timeFromOne, '3', 3000],
    ['the longest time', timeFromOne, '2147483647ms', 2_147_483_647],
    ['a status', statusRange, '204', { min: 204, max: 204 }],
    ['a range', statusRange, ' 200-399 ', { min: 200, max: 399 }],
  ])('%s: %s', (_, type, text, value) => {
    expect(type.parse(text)).toEqual({ ok: true, value });
  });

  test.each<[ValueType<unknown>, string, string]>([
    [half, '0.4', 'is below 0.5'],
    [half, '2.1', 'is above 2'],
    [half, '1e0', 'is not a decimal number'],
    [half, '-1', 'is not a decimal number'],
    [half, '', 'is not a decimal number'],
    [timeFromOne, '0', 'is no time at all'],
    [timeFromOne, '2147483648ms', 'is out of range'],
    [timeFromOne, 'soon', 'is not a time'],
    [statusRange, '399-200', 'ends before it starts'],
    [statusRange, '99', 'is not a status code'],
    [statusRange, '200-700', 'is not a status code'],
    [statusRange, '200-', 'is not a status code'],
  ])('%# refuses %j', (type, text, why) => {
    expect(type.parse(text)).toEqual({ ok: false, why: expect.stringContaining(why) });
  });
});
