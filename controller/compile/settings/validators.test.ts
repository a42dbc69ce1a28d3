// The validators that --enable-annotation-validation switches: what passes, what does not, and that none can be made slow.

import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { Validator } from './validators.ts';
import * as validators from './validators.ts';

const {
  authType,
  basicChars,
  charsWithSpace,
  cipherString,
  commonName,
  cookieDomainPair,
  errorPage,
  exposedHeaders,
  extendedChars,
  fileName,
  headerList,
  hostName,
  integerText,
  methodList,
  operationName,
  probePath,
  pathWithCaptures,
  regexChars,
  serverName,
  serverNames,
  serviceName,
  sizeGrammar,
  upstreamCipherString,
  urlChars,
  urlCharsNoSpace,
  urlWithVariables,
  variableChars,
} = validators;

const table: readonly [string, Validator, readonly string[], readonly string[]][] = [
  ['basicChars', basicChars, ['ns/name', 'a-b_c.d~e:1', 'with space'], ['a,b', 'a$b', 'a\nb', 'a;b']],
  ['charsWithSpace', charsWithSpace, ['My Realm'], ['My "Realm"', 'a\nb']],
  ['extendedChars', extendedChars, ['200 202 401 5m, 404 1s'], ['200;5m']],
  ['urlChars', urlChars, ['https://a.b/c?d=e&f=g', 'a b'], ['https://u@h', '$x', 'a\nb']],
  ['urlCharsNoSpace', urlCharsNoSpace, ['https://a.b:1/c?d=e&f=g', '/path'], ['a b', 'https://u@h', 'a#b']],
  ['urlWithVariables', urlWithVariables, ['http://auth.$host/x?y=$arg', 'http://a/b, c'], ['http://a/{b}', 'x\r\ny']],
  ['variableChars', variableChars, ['$remote_user$host', '\x24{remote_addr}-text'], ['a/b', '$a;']],
  ['pathWithCaptures', pathWithCaptures, ['/$1/x', 'a/$2'], ['/a(b)', '/a b', '/a?b', '/\n']],
  ['headerList', headerList, ['X-A, X_B,c'], ['X-A: b', 'a;b']],
  ['regexChars', regexChars, ['^www\\d+\\.a\\.com$', '(a|b)+[c]{2}?'], ['a"b', 'a b', 'a;b']],
  [
    'cipherString',
    cipherString,
    ['ECDHE+AESGCM:!aNULL:@STRENGTH', 'HIGH@SECLEVEL=2'],
    ['HIGH@SECLEVEL=9', 'A B;', '@FOO'],
  ],
  ['upstreamCipherString', upstreamCipherString, ['HIGH:!aNULL'], ['HIGH@STRENGTH']],
  ['fileName', fileName, ['index.php'], ['a/b', '']],
  ['operationName', operationName, ['my-span_1', ''], ['a.b']],
  ['methodList', methodList, ['GET', 'GET, PUT', 'GET,PUT,', 'GET PUT'], ['GET,,PUT', ',GET', 'GET;PUT', '']],
  ['exposedHeaders', exposedHeaders, ['*', 'X-A, X_B', '*,X-A', 'a,'], [',a', 'a,,b', 'a;b']],
  ['errorPage', errorPage, ['@fallback', '/a/b.html', 'https://a.com:8/x', ''], ['/a?b', 'ftp://a', '@a b;']],
  ['cookieDomainPair', cookieDomainPair, ['off', 'a.com b.com', 'a.com   b.com'], ['a.com', 'a.com b.com c.com', 'on']],
  ['sizeGrammar', sizeGrammar, ['1', '1b', '8 K', '1g'], ['1x', '', '-1', '1.5m']],
  ['authType', authType, ['basic', 'digest', 'xbasic'], ['Basic', 'ntlm']],
  ['serverNames', serverNames, ['a.com, *.b.com', 'a.com,~^www\\d+$'], ['a.com, b c.com', 'a.com;b.com']],
  ['serverName', serverName, [' a.com ', '$http_x_host'], ['a b', 'a;b']],
  ['probePath', probePath, ['/', '/healthz?full=1', '/a%20b'], ['', 'healthz', '/a b', '/a#b', '/a\nb']],
  ['hostName', hostName, ['a.com', 'a.com:8080', '[::1]:80'], ['', 'a b', 'a/b', 'a\n']],
  ['serviceName', serviceName, ['web', 'web-1', 'a'.repeat(63)], ['Web', '1web', 'web-', 'a'.repeat(64), 'a.b', '']],
  ['commonName', commonName, ['CN=a|CN=b', 'CN=.*'], ['cn=a', 'a', 'CN=(']],
  ['integerText', integerText, ['1', '-3'], ['1.5', '']],
];

describe.each(table)('%s', (_, validate, good, bad) => {
  test.each(good.map((text) => [text]))('takes %j', (text) => {
    expect(validate(text)).toBeNull();
  });
  test.each(bad.map((text) => [text]))('refuses %j', (text) => {
    expect(validate(text)).toEqual(expect.any(String));
  });
});

test('the table covers every validator', () => {
  const makers = new Set(['pattern', 'isRegex']);
  const exported = Object.keys(validators).filter((name) => !makers.has(name));
  expect(table.map(([name]) => name).sort()).toEqual(exported.sort());
});

describe('patterns rewritten from nested repetitions', () => {
  test('methodList accepts what `^([A-Za-z]+,?\\s?)+$` accepts', () => {
    const original = /^([A-Za-z]+,?\s?)+$/;
    fc.assert(
      fc.property(fc.array(fc.constantFrom('A', 'b', ',', '\t', '1'), { maxLength: 12 }), (parts) => {
        const text = parts.join('');
        expect([text, methodList(text) === null]).toEqual([text, original.test(text)]);
      }),
    );
  });

  test('exposedHeaders accepts what `^(([A-Za-z0-9\\-\\_]+|\\*),?\\s?)+$` accepts', () => {
    const original = /^(([A-Za-z0-9\-_]+|\*),?\s?)+$/;
    fc.assert(
      fc.property(fc.array(fc.constantFrom('A', '-', '*', ',', '\t', ';'), { maxLength: 12 }), (parts) => {
        const text = parts.join('');
        expect([text, exposedHeaders(text) === null]).toEqual([text, original.test(text)]);
      }),
    );
  });
});

// A pattern that back-tracks badly needs more than the life of the universe for these; the test's time limit is the check.
test.each(table.map(([name, validate]) => [name, validate] as const))(
  '%s answers at once on hostile text',
  (_, validate) => {
    for (const unit of ['a', 'a,', 'a ', '/a', '*.', '-', '@STRENGTH', 'a:1', '\\', '(']) {
      validate(`${unit.repeat(10_000)}!`);
    }
  },
);
