// Label and field selectors of lists and watches, from query text to a predicate.

import { type ApiError, badRequest } from './api-error.ts';
import type { KubeObject } from './objects.ts';

export type Selector = (object: KubeObject) => boolean;

/** Field values an object can be selected by; every kind has metadata.name and metadata.namespace. */
export type SelectableFields = (object: KubeObject) => Readonly<Record<string, string>>;

interface LabelRequirement {
  readonly key: string;
  readonly operator: 'in' | 'notIn' | 'exists' | 'absent';
  readonly values: readonly string[];
}

const everything: Selector = () => true;

/** Parses `a=b,c!=d,e in (f,g),h,!i`. An empty text selects everything; a malformed one is a 400. */
export function parseLabelSelector(text: string): Selector {
  const requirements = splitOutsideParentheses(text).map(parseLabelRequirement);
  if (requirements.length === 0) return everything;
  return ({ metadata }) => requirements.every((requirement) => holds(requirement, metadata.labels?.[requirement.key]));
}

/** Parses `metadata.name=x,type!=y`. A field the kind cannot be selected by is a 400, as on a real server. */
export function parseFieldSelector(text: string, fieldsOf: SelectableFields): Selector {
  const requirements = text.split(',').flatMap((part) => (part === '' ? [] : [parseFieldRequirement(part)]));
  if (requirements.length === 0) return everything;
  return (object) => {
    const { name, namespace = '' } = object.metadata;
    const fields = { 'metadata.name': name, 'metadata.namespace': namespace, ...fieldsOf(object) };
    return requirements.every(({ field, value, negated }) => {
      if (!Object.hasOwn(fields, field)) throw unsupportedField(field);
      return ((fields as Record<string, string>)[field] === value) !== negated;
    });
  };
}

/** Refuses a selector by fields the kind does not offer, before any object is looked at. */
export function checkFieldSelector(selector: Selector): void {
  selector({ apiVersion: '', kind: '', metadata: { name: '' } });
}

/** The LabelSelector of API objects (matchLabels, matchExpressions); an absent one selects everything. */
export function matchesLabelSelector(selector: unknown, labels: Readonly<Record<string, string>> = {}): boolean {
  const { matchLabels = {}, matchExpressions = [] } = (selector ?? {}) as {
    matchLabels?: Record<string, string>;
    matchExpressions?: readonly { key: string; operator: string; values?: readonly string[] }[];
  };
  const operators = { In: 'in', NotIn: 'notIn', Exists: 'exists', DoesNotExist: 'absent' } as const;
  return (
    Object.entries(matchLabels).every(([key, value]) => labels[key] === value) &&
    matchExpressions.every(({ key, operator, values = [] }) =>
      holds({ key, operator: operators[operator as keyof typeof operators], values }, labels[key]),
    )
  );
}

function holds({ operator, values }: LabelRequirement, value: string | undefined): boolean {
  switch (operator) {
    case 'exists':
      return value !== undefined;
    case 'absent':
      return value === undefined;
    case 'in':
      return value !== undefined && values.includes(value);
    case 'notIn':
      return value === undefined || !values.includes(value);
  }
}

function splitOutsideParentheses(text: string): string[] {
  return text
    .split(/,(?![^(]*\))/)
    .map((part) => part.trim())
    .filter((part) => part !== '');
}

const LABEL_KEY = String.raw`([A-Za-z0-9][\w./-]*)`;
const SET_BASED = new RegExp(`^${LABEL_KEY}\\s+(in|notin)\\s+\\(([^)]*)\\)$`);
const EQUALITY = new RegExp(`^${LABEL_KEY}\\s*(==|!=|=)\\s*([\\w.-]*)$`);
const PRESENCE = new RegExp(`^(!?)\\s*${LABEL_KEY}$`);

function parseLabelRequirement(text: string): LabelRequirement {
  const set = SET_BASED.exec(text);
  if (set !== null) {
    const [, key = '', operator, values = ''] = set;
    return {
      key,
      operator: operator === 'in' ? 'in' : 'notIn',
      values: values.split(',').map((value) => value.trim()),
    };
  }
  const equality = EQUALITY.exec(text);
  if (equality !== null) {
    const [, key = '', operator, value = ''] = equality;
    return { key, operator: operator === '!=' ? 'notIn' : 'in', values: [value] };
  }
  const presence = PRESENCE.exec(text);
  if (presence === null) throw badRequest(`unable to parse requirement: found '${text}', expected: identifier`);
  return { key: presence[2] ?? '', operator: presence[1] === '!' ? 'absent' : 'exists', values: [] };
}

function parseFieldRequirement(text: string) {
  const match = /^([^=!]+)(==|!=|=)(.*)$/.exec(text);
  if (match === null) throw badRequest(`invalid field selector: ${text}; can't understand '${text}'`);
  const [, field = '', operator, value = ''] = match;
  return { field, value, negated: operator === '!=' };
}

function unsupportedField(field: string): ApiError {
  return badRequest(`field label not supported: ${field}`);
}
