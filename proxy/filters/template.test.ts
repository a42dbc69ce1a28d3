import { expect, test } from '@jest/globals';
import type { RequestVariable, Template } from '../table/template.ts';
import { renderTemplate, type TemplateSource } from './template.ts';

const source: TemplateSource = {
  text: 'GET /a/b?id=7 HTTP/1.1\r\nHost: Shop.test:8080\r\nX-User: eve\r\n\r\n',
  cookies: 'a=1; sid=9',
  method: 'GET',
  target: '/a/b?id=7',
  path: '/a/b',
  host: 'shop.test',
  rawHost: 'Shop.test:8080',
  remoteAddr: '192.0.2.1',
  remotePort: 4711,
  scheme: 'https',
  requestId: 'abc',
  serverPort: 443,
  serverProtocol: 'HTTP/1.1',
};
const text = (value: string) => ({ kind: 'text', text: value }) as const;

test.each<[RequestVariable, string]>([
  ['remoteAddr', '192.0.2.1'],
  ['remotePort', '4711'],
  ['requestUri', '/a/b?id=7'],
  ['uri', '/a/b'],
  ['args', 'id=7'],
  ['host', 'shop.test'],
  ['httpHost', 'Shop.test:8080'],
  ['scheme', 'https'],
  ['requestMethod', 'GET'],
  ['requestId', 'abc'],
  ['serverPort', '443'],
  ['serverProtocol', 'HTTP/1.1'],
])('variable %s', (name, want) => {
  expect(renderTemplate([{ kind: 'variable', name }], source)).toBe(want);
});

test.each<[string, Template, string]>([
  ['text', [text('x')], 'x'],
  ['a header', [{ kind: 'header', name: 'x-user' }], 'eve'],
  ['all cookies', [{ kind: 'header', name: 'cookie' }], 'a=1; sid=9'],
  ['a cookie', [{ kind: 'cookie', name: 'sid' }], '9'],
  ['an argument', [{ kind: 'argument', name: 'id' }], '7'],
  ['nothing', [{ kind: 'header', name: 'x-none' }], ''],
  [
    'parts in order',
    [text('u:'), { kind: 'header', name: 'x-user' }, text('@'), { kind: 'variable', name: 'host' }],
    'u:eve@shop.test',
  ],
])('%s', (_, template, want) => {
  expect(renderTemplate(template, source)).toBe(want);
});
