// Text with nginx variables (`$request_uri$host`, `${remote_addr}-text`) becomes a Template of the routing table.
//
// Only variables that Sluice can fill are known: nginx would refuse its whole configuration over another one, or use an
// empty text, which sends every request to one endpoint. Here it is an invalid value, with its name in the message.

import type { RequestVariable, Template, TemplatePart } from '#proxy/table/template.ts';
import { quoteShort } from '../../objects/host-name.ts';
import type { Parsed, ValueType } from './record.ts';
import { trimLines } from './types.ts';

/** nginx and ingress-nginx names. Several name one thing. */
const VARIABLES: ReadonlyMap<string, RequestVariable> = new Map([
  ['remote_addr', 'remoteAddr'],
  // The same key in fewer bytes.
  ['binary_remote_addr', 'remoteAddr'],
  ['remote_port', 'remotePort'],
  ['request_uri', 'requestUri'],
  ['uri', 'uri'],
  ['document_uri', 'uri'],
  ['args', 'args'],
  ['query_string', 'args'],
  ['host', 'host'],
  ['http_host', 'httpHost'],
  ['best_http_host', 'httpHost'],
  ['scheme', 'scheme'],
  ['pass_access_scheme', 'scheme'],
  ['request_method', 'requestMethod'],
  ['request_id', 'requestId'],
  ['req_id', 'requestId'],
  ['server_port', 'serverPort'],
  ['server_protocol', 'serverProtocol'],
]);

/** A template, described as `describe` in the documentation. Needs at least one character. */
export function templateNamed(describe: string): ValueType<Template> {
  return { describe, parse: (text) => parseTemplate(trimLines(text)), render: renderTemplate };
}

/** Reads text with variables. The longest run of letters, digits and `_` behind `$` is the name, unless braces end it. */
export function parseTemplate(text: string): Parsed<Template> {
  const parts: TemplatePart[] = [];
  let at = 0;
  while (at < text.length) {
    const dollar = text.indexOf('$', at);
    const end = dollar === -1 ? text.length : dollar;
    if (end > at) parts.push({ kind: 'text', text: text.slice(at, end) });
    if (dollar === -1) break;
    const variable = readVariable(text, dollar);
    if (!variable.ok) return variable;
    parts.push(variable.value.part);
    at = variable.value.end;
  }
  return parts.length === 0 ? { ok: false, why: 'is empty' } : { ok: true, value: parts };
}

function readVariable(text: string, dollar: number): Parsed<{ readonly part: TemplatePart; readonly end: number }> {
  const hasBrace = text.charAt(dollar + 1) === '{';
  const start = dollar + (hasBrace ? 2 : 1);
  let end = start;
  while (isNameCharacter(text.charCodeAt(end))) end++;
  const name = text.slice(start, end);
  if (name === '') return { ok: false, why: 'holds a $ without the name of a variable' };
  if (hasBrace && text.charAt(end) !== '}') return { ok: false, why: `has no } behind \${${name}` };
  const part = partOf(name);
  if (part === null)
    return { ok: false, why: `names the variable ${quoteShort(`$${name}`)}, which Sluice does not have` };
  return { ok: true, value: { part, end: hasBrace ? end + 1 : end } };
}

/** NaN, behind the end of the text, is none. */
function isNameCharacter(code: number): boolean {
  return (code >= 48 && code <= 57) || (code >= 65 && code <= 90) || (code >= 97 && code <= 122) || code === 95;
}

function partOf(name: string): TemplatePart | null {
  // nginx finds variables in any case.
  const lower = name.toLowerCase();
  const variable = VARIABLES.get(lower);
  if (variable !== undefined) return { kind: 'variable', name: variable };
  const [, family, rest = ''] = /^(http|arg|cookie)_(.+)$/.exec(name) ?? [];
  if (family === 'http') return { kind: 'header', name: rest.toLowerCase().replaceAll('_', '-') };
  if (family === 'arg') return { kind: 'argument', name: rest.toLowerCase() };
  return family === 'cookie' ? { kind: 'cookie', name: rest } : null;
}

const NAMES = new Map([...VARIABLES].reverse().map(([text, name]) => [name, text]));

/** The template as text again. */
function renderTemplate(template: Template): string {
  return template.map(renderPart).join('');
}

function renderPart(part: TemplatePart): string {
  switch (part.kind) {
    case 'text':
      return part.text;
    case 'variable':
      return `\${${NAMES.get(part.name) ?? part.name}}`;
    case 'header':
      return `\${http_${part.name.replaceAll('-', '_')}}`;
    case 'argument':
      return `\${arg_${part.name}}`;
    case 'cookie':
      return `\${cookie_${part.name}}`;
    default:
      return part satisfies never;
  }
}
