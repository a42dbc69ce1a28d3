// Deep inspection (`--deep-inspect`, routing-semantics §1 step 6): text that was used to break out of generated nginx
// configuration (CVE-2021-25745 and later). Sluice generates none, so nothing could break out here; the check stays
// because an object that carries such text is an attack or a mistake, and must behave as it does under ingress-nginx.

/**
 * The part of an Ingress that is inspected. An `Ingress` is one; so is what the admission webhook reads from an object
 * whose unusable parts the decoder would drop.
 */
export interface InspectedIngress {
  readonly rules: readonly {
    readonly index: number;
    readonly host: string;
    readonly paths: readonly { readonly index: number; readonly path: string }[] | null;
  }[];
  readonly tls: readonly { readonly index: number; readonly hosts: readonly string[]; readonly secretName: string }[];
}

/** One field of an Ingress that holds forbidden text. `what` completes "holds ...". */
export interface InspectionHit {
  readonly part: InspectedPart;
  readonly field: string;
  readonly value: string;
  readonly what: string;
}

export type InspectedPart = 'host' | 'path' | 'secretName' | 'tlsHost';

const forbiddenPath = /\/etc\/(?:passwd|shadow|group|nginx|ingress-controller)|\/var\/run\/secrets/;

/** Looks at hosts, paths, TLS hosts and Secret names; gives the first hit in field order, or null. */
export function inspectIngress(ingress: InspectedIngress): InspectionHit | null {
  for (const { part, field, value } of inspectedFields(ingress)) {
    const what = forbiddenIn(value);
    if (what !== null) return { part, field, value, what };
  }
  return null;
}

function* inspectedFields(ingress: InspectedIngress): Generator<Omit<InspectionHit, 'what'>> {
  for (const rule of ingress.rules) {
    yield { part: 'host', field: `spec.rules[${rule.index}].host`, value: rule.host };
    for (const { index, path } of rule.paths ?? []) {
      yield { part: 'path', field: `spec.rules[${rule.index}].http.paths[${index}].path`, value: path };
    }
  }
  for (const tls of ingress.tls) {
    yield { part: 'secretName', field: `spec.tls[${tls.index}].secretName`, value: tls.secretName };
    for (const [i, host] of tls.hosts.entries()) {
      yield { part: 'tlsHost', field: `spec.tls[${tls.index}].hosts[${i}]`, value: host };
    }
  }
}

function forbiddenIn(value: string): string | null {
  if (holdsDirective(value, 'alias')) return 'an nginx "alias" directive';
  if (holdsDirective(value, 'root')) return 'an nginx "root" directive';
  if (value.includes('_by_lua')) return 'an nginx "_by_lua" directive';
  return forbiddenPath.test(value) ? 'a path to system or credential files' : null;
}

/** The word and any `;` after it. Not a regular expression: `alias.*;` is quadratic on a value full of the word. */
function holdsDirective(value: string, word: string): boolean {
  const at = value.indexOf(word);
  return at >= 0 && value.indexOf(';', at + word.length) >= 0;
}
