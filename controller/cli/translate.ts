// `sluice translate`: what the manifests of a folder mean, without serving them. Runs the same reader and compiler as
// `serve` once and prints the routing table and the diagnostics. Asks no DNS, opens no port, shows no key.

import { stringify } from 'yaml';
import type { RoutingTable } from '#proxy/table/types.ts';
import { compile } from '../compile/compile.ts';
import { emptyMemory } from '../compile/memory.ts';
import type { CertificatePair } from '../compile/types.ts';
import type { Diagnostic } from '../objects/diagnostic.ts';
import { compileOptionsOf } from '../options/compile-options.ts';
import type { Options } from '../options.ts';
import { openManifestFolder } from '../watch/manifests.ts';
import { ObjectStore } from '../watch/store.ts';

/** What `translate` prints. The table holds no key material by its type. */
export interface Translation {
  readonly table: RoutingTable;
  readonly diagnostics: readonly Diagnostic[];
}

export type TranslateOutcome =
  | { readonly ok: true; readonly translation: Translation; readonly hasErrors: boolean }
  /** The folder cannot be read at all; one line for the user. */
  | { readonly ok: false; readonly message: string };

/** Stands for the certificate that `serve` generates: it is new at each start, and this output should not be. */
const GENERATED_AT_START: CertificatePair = {
  info: {
    id: 'generated-at-start',
    secret: '',
    commonName: 'Kubernetes Ingress Controller Fake Certificate',
    dnsNames: ['ingress.local'],
    notBeforeMs: 0,
    notAfterMs: 0,
    serialNumber: '0',
    issuerCommonName: 'Kubernetes Ingress Controller Fake Certificate',
    issuerOrganization: 'Acme Co',
    publicKeyAlgorithm: 'ECDSA',
  },
  material: { id: 'generated-at-start', certPem: '', keyPem: '' },
};

/** Everything worth saying is a diagnostic, and those are the output. */
const SILENT = { debug: () => {}, warn: () => {} };

/** Reads `options.manifests` and compiles it. `hasErrors` is true when a diagnostic has severity `error`. */
export async function translateFolder(options: Options): Promise<TranslateOutcome> {
  const store = new ObjectStore();
  await using folder = openManifestFolder(options.manifests, {
    log: SILENT,
    maxFileBytes: options.maxManifestBytes,
    watch: false,
  });
  try {
    await folder.start((changes) => store.apply(changes));
  } catch (error) {
    return { ok: false, message: error instanceof Error ? error.message : String(error) };
  }
  const compileOptions = compileOptionsOf(options, GENERATED_AT_START);
  const { table, diagnostics } = compile(store.snapshot(), compileOptions, emptyMemory, Date.now());
  const hasErrors = diagnostics.some(({ severity }) => severity === 'error');
  return { ok: true, translation: { table, diagnostics }, hasErrors };
}

/** The translation as text, ending with a line break. Diagnostics come last, so that a terminal ends with them. */
export function renderTranslation({ table, diagnostics }: Translation, output: 'json' | 'yaml'): string {
  const document = { table, diagnostics };
  if (output === 'json') return `${JSON.stringify(document, null, 2)}\n`;
  return stringify(document, { lineWidth: 0, aliasDuplicateObjects: false });
}
