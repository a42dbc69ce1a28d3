// Pass: the settings ConfigMap of the process options, parsed once for all other passes.

import type { Diagnostic } from '../objects/diagnostic.ts';
import type { Snapshot } from '../objects/snapshot.ts';
import { absentObject, diagnose } from './report.ts';
import { parseConfigMap } from './settings/parse-configmap.ts';
import type { GlobalValues } from './settings/record.ts';
import type { CompileOptions } from './types.ts';

export interface GlobalPass {
  readonly values: GlobalValues;
  readonly diagnostics: readonly Diagnostic[];
}

/** Reads the ConfigMap that `--configmap` names. Without the flag, or while the object is missing, all defaults hold. */
export function readGlobalValues(snapshot: Snapshot, options: CompileOptions): GlobalPass {
  const configMap = snapshot.configMaps.get(options.configMap) ?? null;
  const { values, diagnostics } = parseConfigMap(configMap);
  if (configMap !== null || options.configMap === '') return { values, diagnostics };
  const missing = diagnose(
    'warning',
    'ConfigMapNotFound',
    absentObject('ConfigMap', options.configMap),
    '',
    `--configmap names ConfigMap ${options.configMap}, which does not exist; all traffic is served with the default settings`,
  );
  return { values, diagnostics: [...diagnostics, missing] };
}
