// Small objects for the tests of this folder.

import type { ConfigMap, Ingress, IngressPath, ObjectMeta } from '../../../objects/types.ts';
import { DEFAULT_PREFIX, OWN_PREFIX } from '../annotations.ts';
import { type ParsedAnnotations, parseAnnotations } from '../parse-annotations.ts';
import { type ParsedConfigMap, parseConfigMap } from '../parse-configmap.ts';

function meta(annotations: Readonly<Record<string, string>>): ObjectMeta {
  return { namespace: 'shop', name: 'web', uid: '', creationTimestampMs: 0, annotations, labels: {} };
}

/** An Ingress with annotations by their full key, and one rule with these paths. */
export function ingressWith(annotations: Readonly<Record<string, string>>, paths: readonly string[] = ['/']): Ingress {
  return {
    kind: 'Ingress',
    meta: meta(annotations),
    ingressClassName: null,
    defaultBackend: null,
    rules: [{ index: 0, host: 'shop.test', paths: paths.map(pathTo) }],
    tls: [],
  };
}

function pathTo(path: string, index: number): IngressPath {
  return {
    index,
    path,
    pathType: 'Prefix',
    backend: { kind: 'service', service: 'web', port: { kind: 'number', number: 80 } },
  };
}

/** Puts the default prefix before names. */
export function prefixed(annotations: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(annotations).map(([name, text]) => [`${DEFAULT_PREFIX}/${name}`, text]));
}

/** Parses a ConfigMap with this data. */
export function settings(data: Readonly<Record<string, string>>): ParsedConfigMap {
  const configMap: ConfigMap = { kind: 'ConfigMap', meta: meta({}), data };
  return parseConfigMap(configMap);
}

export interface ParseOptions {
  /** ConfigMap data, default none. */
  readonly data?: Readonly<Record<string, string>>;
  /** Default true. */
  readonly validation?: boolean;
  /** Paths of the one rule, default `/`. */
  readonly paths?: readonly string[];
}

/** Parses annotations by their name without prefix. */
export function parse(
  annotations: Readonly<Record<string, string>>,
  { data = {}, validation = true, paths = ['/'] }: ParseOptions = {},
): ParsedAnnotations {
  return parseAnnotations(ingressWith(prefixed(annotations), paths), {
    prefix: DEFAULT_PREFIX,
    validation,
    global: settings(data).values,
  });
}

/** Parses Sluice's own annotations by their name without prefix, beside some of ingress-nginx. */
export function parseOwn(
  own: Readonly<Record<string, string>>,
  { data = {} }: Pick<ParseOptions, 'data'> = {},
  beside: Readonly<Record<string, string>> = {},
): ParsedAnnotations {
  const entries = Object.entries(own).map(([name, text]) => [`${OWN_PREFIX}/${name}`, text] as const);
  const all = { ...prefixed(beside), ...Object.fromEntries(entries) };
  return parseAnnotations(ingressWith(all), {
    prefix: DEFAULT_PREFIX,
    validation: true,
    global: settings(data).values,
  });
}

/** Severity, reason and field without the prefix, for short expectations. */
export function summary({ diagnostics }: ParsedAnnotations): string[] {
  return diagnostics.map(({ severity, reason, field }) => {
    const name = field.replace(`metadata.annotations[${DEFAULT_PREFIX}/`, '').replace(/\]$/, '');
    return `${severity} ${reason} ${name}`.trim();
  });
}

/** What people read of them. */
export function messages({ diagnostics }: ParsedAnnotations): string[] {
  return diagnostics.map(({ message }) => message);
}
