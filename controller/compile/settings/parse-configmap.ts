// Reads the settings ConfigMap: text in, typed values and diagnostics out. Never throws; a bad key costs only itself.
//
// ingress-nginx ignores unknown keys silently and logs bad ones; here each is a diagnostic with what holds instead.

import { compareText, type Diagnostic } from '../../objects/diagnostic.ts';
import type { ConfigMap } from '../../objects/types.ts';
import { configMapKeysByName } from './configmap.ts';
import { removedKeys } from './configmap-removed.ts';
import { diagnosticsOf, type Finding, quoteValue } from './finding.ts';
import type { ConfigMapRecord, GlobalDenial, GlobalValues, Support } from './record.ts';
import { nearestName } from './suggest.ts';
import { renderValue } from './types.ts';
import { globalValuesOf } from './values.ts';

export interface ParsedConfigMap {
  readonly values: GlobalValues;
  readonly diagnostics: readonly Diagnostic[];
}

const CLOSED = 'every path of every Ingress that is not exempt answers 503';

/** Parses the ConfigMap; null (none is configured, or it does not exist) gives all defaults. */
export function parseConfigMap(configMap: ConfigMap | null): ParsedConfigMap {
  const valid = new Map<string, unknown>();
  const invalid = new Set<string>();
  const denials: GlobalDenial[] = [];
  const findings: Finding[] = [];
  const entries = Object.entries(configMap?.data ?? {}).sort(([a], [b]) => compareText(a, b));
  for (const [key, text] of entries) {
    const record = configMapKeysByName.get(key);
    if (record === undefined) {
      findings.push(unknownKey(key));
      continue;
    }
    const parsed = record.type.parse(text);
    if (parsed.ok) valid.set(key, parsed.value);
    else invalid.add(key);
    const finding = parsed.ok ? shortfallOf(record, text, parsed.value) : invalidValue(record, text, parsed.why);
    if (finding === null) continue;
    findings.push(finding);
    if (finding.effect === 'denyRoutes') denials.push({ key, reason: finding.problem });
  }
  return {
    values: globalValuesOf({ valid, invalid, denials }),
    diagnostics: configMap === null ? [] : diagnosticsOf(findings, configMap),
  };
}

function unknownKey(key: string): Finding {
  const near = nearestName(key, configMapKeysByName.keys());
  const suggestion = near === null ? '' : ` (did you mean ${near}?)`;
  return {
    severity: 'warning',
    reason: 'SettingUnknown',
    field: fieldOf(key),
    problem: `ConfigMap key ${key} is unknown${suggestion}`,
    consequence: 'it has no effect',
    effect: 'none',
  };
}

function invalidValue(record: ConfigMapRecord<unknown>, text: string, why: string): Finding {
  const closes = record.whenUnsupported === 'denyRoutes';
  const kept = renderValue(record.type, record.whenInvalid);
  return {
    severity: 'error',
    reason: 'SettingInvalid',
    field: fieldOf(record.key),
    problem: `ConfigMap key ${record.key} ${quoteValue(text, record.type)} ${why}`,
    consequence: closes ? CLOSED : `the value that holds for all traffic is: ${kept}`,
    effect: closes ? 'denyRoutes' : 'none',
  };
}

const SUPPORT_WORDS: Readonly<Record<Exclude<Support, 'full'>, { readonly reason: string; readonly says: string }>> = {
  partial: { reason: 'SettingNotSupported', says: 'is carried out only in part' },
  notYet: { reason: 'SettingNotSupported', says: 'is not carried out yet' },
  refused: { reason: 'SettingRefused', says: 'is refused' },
  noEffect: { reason: 'SettingNoEffect', says: 'has no effect here' },
};

function shortfallOf(record: ConfigMapRecord<unknown>, text: string, value: unknown): Finding | null {
  const missing = record.shortfall(value);
  if (missing === null || record.support === 'full') return null;
  const { reason, says } = SUPPORT_WORDS[record.support];
  const closes = record.whenUnsupported === 'denyRoutes';
  const isRemoved = removedKeys.includes(record);
  return {
    severity: closes ? 'error' : record.support === 'noEffect' && !isRemoved ? 'info' : 'warning',
    reason: isRemoved ? 'SettingRemoved' : reason,
    field: fieldOf(record.key),
    problem: `ConfigMap key ${record.key} ${quoteValue(text, record.type)} ${says}: ${missing}`,
    consequence: closes ? CLOSED : '',
    effect: closes ? 'denyRoutes' : 'none',
  };
}

function fieldOf(key: string): string {
  return `data[${key}]`;
}
