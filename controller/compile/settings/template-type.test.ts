// biome-ignore-all lint/suspicious/noTemplateCurlyInString: nginx writes its variables this way.
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { Template } from '#proxy/table/template.ts';
import { parseTemplate, templateNamed } from './template-type.ts';

const variable = (name: 'remoteAddr' | 'requestUri' | 'host' | 'httpHost' | 'uri') =>
  ({ kind: 'variable', name }) as const;

describe('text with variables', () => {
  test.each<[string, Template]>([
    ['$request_uri', [variable('requestUri')]],
    ['$request_uri$host', [variable('requestUri'), variable('host')]],
    ['${remote_addr}-text', [variable('remoteAddr'), { kind: 'text', text: '-text' }]],
    ['$binary_remote_addr', [variable('remoteAddr')]],
    ['$http_host', [variable('httpHost')]],
    ['$HTTP_HOST$Uri', [variable('httpHost'), variable('uri')]],
    ['$http_x_user_id', [{ kind: 'header', name: 'x-user-id' }]],
    ['$arg_Id', [{ kind: 'argument', name: 'id' }]],
    ['$cookie_JSESSIONID', [{ kind: 'cookie', name: 'JSESSIONID' }]],
    ['https://m.test$request_uri', [{ kind: 'text', text: 'https://m.test' }, variable('requestUri')]],
    [' constant\n', [{ kind: 'text', text: 'constant' }]],
  ])('%s', (text, want) => {
    expect(templateNamed('').parse(text)).toEqual({ ok: true, value: want });
  });

  test.each([
    ['', 'is empty'],
    ['$', 'without the name'],
    ['a$-b', 'without the name'],
    ['${}', 'without the name'],
    ['${host', 'has no } behind ${host'],
    ['$hostname', 'names the variable "$hostname", which Sluice does not have'],
    ['$http_', 'names the variable "$http_"'],
    ['$upstream_addr', 'names the variable'],
  ])('%s is refused', (text, why) => {
    expect(parseTemplate(text)).toEqual({ ok: false, why: expect.stringContaining(why) });
  });

  test('never throws, and what it renders reads as the same template', () => {
    const piece = fc.constantFrom(
      '$',
      '{',
      '}',
      '$host',
      '${uri}',
      '$arg_a',
      '${http_x_y}',
      '$cookie_b',
      'a',
      '-',
      '_9',
      ' ',
    );
    fc.assert(
      fc.property(
        fc.oneof(
          fc.array(piece).map((pieces) => pieces.join('')),
          fc.string(),
        ),
        (text) => {
          const parsed = parseTemplate(text);
          if (!parsed.ok) return;
          const rendered = templateNamed('').render?.(parsed.value) ?? '';
          expect(parseTemplate(rendered)).toEqual(parsed);
        },
      ),
    );
  });
});
