// Golden cases of compile(): a folder of files in, the result as readable values out.
//
// A case holds `in.yaml` (manifests as users write them), `want.yaml` (the rendered result), and where needed
// `options.yaml` (process options that differ from the defaults, `now`, `resolvedNames`), `before.yaml` (manifests
// compiled first, whose memory the real run gets) and `requests.yaml` (who answers which request). A Secret value
// `@name.crt` stands for that file of `testdata/_certs`.

import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse, parseAllDocuments } from 'yaml';
import { decodeObject } from '../../objects/decode.ts';
import type { Diagnostic } from '../../objects/diagnostic.ts';
import type { Snapshot, StoreChange } from '../../objects/snapshot.ts';
import { ObjectStore } from '../../watch/store.ts';
import { compile } from '../compile.ts';
import { emptyMemory } from '../memory.ts';
import type { CompileOptions, CompileResult } from '../types.ts';
import { fixture, pairOfFixture, testdata } from './fixtures.ts';

/** The flags' defaults, with the fixture pair in place of a generated one. */
export const defaultOptions: CompileOptions = {
  ingressClass: 'nginx',
  controllerClass: 'k8s.io/ingress-nginx',
  ingressClassByName: false,
  watchIngressWithoutClass: false,
  watchNamespace: '',
  watchNamespaceSelector: '',
  configMap: '',
  defaultSslCertificate: '',
  defaultBackendService: '',
  tcpServicesConfigMap: '',
  udpServicesConfigMap: '',
  reservedPorts: [{ port: 80, flag: '--http-port' }],
  enableSslPassthrough: false,
  annotationsPrefix: 'nginx.ingress.kubernetes.io',
  enableAnnotationValidation: true,
  deepInspect: true,
  disableCatchAll: false,
  disableSvcExternalName: false,
  enableTopologyAwareRouting: false,
  nodeZone: '',
  httpsPort: 443,
  fallbackCertificate: pairOfFixture('fallback', ''),
};

/** Inside the validity of all fixture certificates. */
const defaultNow = '2030-01-01T00:00:00Z';

interface CaseOptions extends Partial<CompileOptions> {
  readonly now?: string;
  readonly resolvedNames?: Readonly<Record<string, readonly string[]>>;
}

/** One request of `requests.yaml`; `want` is written as `answerRequest` words it. */
export interface GoldenRequest {
  /** `http://host/path` or `https://host/path`; the host may be empty, the path may hold escapes. */
  readonly request: string;
  readonly want: string;
  /** For https: Secret of the presented certificate, `generated` for the fallback pair. */
  readonly certificate?: string;
}

export interface GoldenCase {
  readonly options: CompileOptions;
  readonly result: CompileResult;
  readonly requests: readonly GoldenRequest[];
}

/** Reads and compiles the case in a folder of testdata. */
export function runCase(name: string): GoldenCase {
  const folder = join(testdata, name);
  const { now, resolvedNames, ...changed } = (readYaml(folder, 'options.yaml') ?? {}) as CaseOptions;
  const options = { ...defaultOptions, ...changed };
  const nowMs = Date.parse(now ?? defaultNow);
  const compileFile = (file: string, memory: CompileResult['memory']) =>
    compile(snapshotOf(readFileSync(join(folder, file), 'utf8'), resolvedNames ?? {}), options, memory, nowMs);
  const memory = existsSync(join(folder, 'before.yaml')) ? compileFile('before.yaml', emptyMemory).memory : emptyMemory;
  const requests = (readYaml(folder, 'requests.yaml') ?? []) as readonly GoldenRequest[];
  return { options, result: compileFile('in.yaml', memory), requests };
}

/** Decodes manifests into a snapshot, as a manifest folder would. */
export function snapshotOf(
  manifests: string,
  resolvedNames: Readonly<Record<string, readonly string[]>> = {},
): Snapshot {
  const changes: StoreChange[] = [];
  const problems: Diagnostic[] = [];
  for (const document of parseAllDocuments(manifests)) {
    const { object, diagnostics } = decodeObject(withFixtures(document.toJS()), null);
    problems.push(...diagnostics);
    if (object !== null) changes.push({ kind: 'upsert', object, source: null });
  }
  for (const [name, addresses] of Object.entries(resolvedNames))
    changes.push({ kind: 'resolvedName', name, addresses });
  changes.push({ kind: 'sourceDiagnostics', origin: 'in.yaml', diagnostics: problems });
  const store = new ObjectStore();
  store.apply(changes);
  return store.snapshot();
}

function withFixtures(value: unknown): unknown {
  if (typeof value === 'string') return value.startsWith('@') ? fixture(value.slice(1)) : value;
  if (Array.isArray(value)) return value.map(withFixtures);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, withFixtures(item)]));
}

function readYaml(folder: string, file: string): unknown {
  const path = join(folder, file);
  return existsSync(path) ? parse(readFileSync(path, 'utf8')) : null;
}
