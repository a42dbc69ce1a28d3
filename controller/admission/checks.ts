// The checks of the webhook in their order (metrics-and-logs reference §7.2). The first that does not pass decides.
//
// Gates look at the object as text and count nowhere; tests look at what it means and are counted. Messages are
// ingress-nginx's word for word where it has one, because pipelines and people search for them; the reasons in Sluice's
// words come along as warnings.

import { type InspectedPart, inspectIngress } from '../compile/deep-inspection.ts';
import type { CompilerView } from '../compile/incremental/view.ts';
import { whyForeignClass } from '../compile/select.ts';
import { annotationKeyOf } from '../compile/settings/annotation-gates.ts';
import { annotationsByName, DEFAULT_PREFIX } from '../compile/settings/annotations.ts';
import {
  allowSnippetAnnotations,
  annotationValueWordBlocklist,
  strictValidatePathType,
} from '../compile/settings/configmap-security.ts';
import type { Finding } from '../compile/settings/finding.ts';
import type { ParsedAnnotations } from '../compile/settings/parse-annotations.ts';
import type { Ingress } from '../objects/types.ts';
import type { Draft } from './draft.ts';
import { findOverlap } from './overlap.ts';
import { pathTypeProblems } from './path-types.ts';

/** The Ingress that is asked about. */
export interface Candidate {
  readonly draft: Draft;
  readonly ingress: Ingress;
}

/** A candidate with its annotations read. */
export interface ReadCandidate extends Candidate {
  readonly parsed: ParsedAnnotations;
}

/** `pass` goes on to the next check; `allow` ends them. */
export type Outcome =
  | { readonly kind: 'pass' }
  | { readonly kind: 'allow' }
  | { readonly kind: 'refuse'; readonly message: string };

export interface Check<C extends Candidate> {
  readonly name: string;
  readonly judge: (candidate: C, view: CompilerView) => Outcome;
}

const pass: Outcome = { kind: 'pass' };
const allow: Outcome = { kind: 'allow' };

/** Checks 2 to 10. Deletion, the first one, is seen before the object is decoded. */
export const gates: readonly Check<Candidate>[] = [
  // Before the class: text that attacks a controller is refused whichever controller it is meant for.
  { name: 'deepInspection', judge: checkDeepInspection },
  { name: 'class', judge: checkClass },
  { name: 'namespace', judge: checkNamespace },
  { name: 'catchAll', judge: checkCatchAll },
  { name: 'uid', judge: checkUid },
  { name: 'pathType', judge: checkPathTypes },
  { name: 'prefix', judge: checkPrefix },
  { name: 'blockedWord', judge: checkWords },
  { name: 'snippet', judge: checkSnippets },
];

/** Checks 11 to 14. */
export const tests: readonly Check<ReadCandidate>[] = [
  { name: 'risk', judge: checkRisk },
  { name: 'annotation', judge: checkAnnotations },
  { name: 'overlap', judge: checkOverlap },
  { name: 'compile', judge: checkVerdict },
];

function refuse(message: string): Outcome {
  return { kind: 'refuse', message };
}

const INSPECTION_WORDS: Readonly<Record<InspectedPart, readonly [before: string, after: string]>> = {
  host: ['host in ingress', ''],
  path: ['rule in ingress', 'invalid http path: '],
  secretName: ['secret in ingress', ''],
  tlsHost: ['host in ingress tls config', ''],
};

function checkDeepInspection({ draft, ingress }: Candidate, { options }: CompilerView): Outcome {
  const hit = options.deepInspect ? inspectIngress(draft) : null;
  if (hit === null) return pass;
  const { namespace, name } = ingress.meta;
  const [before, after] = INSPECTION_WORDS[hit.part];
  return refuse(`invalid object: invalid ${before} ${namespace}/${name}: ${after}invalid value found: ${hit.value}`);
}

function checkClass({ ingress }: Candidate, { ingressClasses, options }: CompilerView): Outcome {
  return whyForeignClass(ingress, ingressClasses, options) === null ? pass : allow;
}

function checkNamespace({ ingress }: Candidate, { options, namespaces }: CompilerView): Outcome {
  const { namespace } = ingress.meta;
  if (options.watchNamespace !== '' && options.watchNamespace !== namespace) return allow;
  return options.watchNamespaceSelector === '' || namespaces.has(namespace) ? pass : allow;
}

function checkCatchAll({ ingress }: Candidate, { options }: CompilerView): Outcome {
  if (!options.disableCatchAll || ingress.defaultBackend === null) return pass;
  return refuse(
    "This deployment is trying to create a catch-all ingress while DisableCatchAll flag is set to true. Remove '.spec.defaultBackend' or set DisableCatchAll flag to false.",
  );
}

/** RFC 9562 §4. The API server gives every object one before it asks. */
const uuid = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

function checkUid({ ingress }: Candidate): Outcome {
  return uuid.test(ingress.meta.uid) ? pass : refuse(`ingress has invalid UID: ${JSON.stringify(ingress.meta.uid)}`);
}

function checkPathTypes({ draft }: Candidate, { global }: CompilerView): Outcome {
  const problems = global.get(strictValidatePathType) ? pathTypeProblems(draft) : [];
  return problems.length === 0 ? pass : refuse(`ingress contains invalid paths: ${problems.join('\n')}`);
}

function checkPrefix({ draft }: Candidate, { options: { annotationsPrefix } }: CompilerView): Outcome {
  if (annotationsPrefix === DEFAULT_PREFIX || !hasPrefix(draft, DEFAULT_PREFIX)) return pass;
  return refuse(
    `This deployment has a custom annotation prefix defined. Use '${annotationsPrefix}' instead of '${DEFAULT_PREFIX}'`,
  );
}

function hasPrefix({ annotations }: Draft, prefix: string): boolean {
  return [...annotations.keys()].some((key) => key.startsWith(`${prefix}/`));
}

function checkWords({ draft }: Candidate, { global, options }: CompilerView): Outcome {
  const words = global.get(annotationValueWordBlocklist);
  for (const [key, text] of draft.annotations) {
    if (!key.startsWith(`${options.annotationsPrefix}/`)) continue;
    const word = words.find((candidate) => text.includes(candidate));
    if (word !== undefined) return refuse(`${key} annotation contains invalid word ${word}`);
  }
  return pass;
}

/** Any key, whatever its prefix: so does ingress-nginx. */
function checkSnippets({ draft }: Candidate, { global }: CompilerView): Outcome {
  if (global.get(allowSnippetAnnotations)) return pass;
  const key = [...draft.annotations.keys()].find((candidate) => candidate.endsWith('-snippet'));
  if (key === undefined) return pass;
  return refuse(`${key} annotation cannot be used. Snippet directives are disabled by the Ingress administrator`);
}

function checkRisk({ parsed }: ReadCandidate, { options }: CompilerView): Outcome {
  const key = keyOfFinding(parsed, (finding) => finding.reason === 'AnnotationTooRisky');
  if (key === null) return pass;
  const name = key.slice(options.annotationsPrefix.length + 1);
  const group = annotationsByName.get(name)?.group ?? name;
  return refuse(`annotation group ${group} contains risky annotation based on ingress configuration`);
}

/** Only what rejects the whole Ingress (outcome D). A value that closes its paths or is ignored is a warning. */
function checkAnnotations({ parsed }: ReadCandidate): Outcome {
  const key = keyOfFinding(
    parsed,
    ({ reason, effect }) => reason === 'AnnotationParsingFailed' && effect === 'rejectIngress',
  );
  return key === null ? pass : refuse(`annotation ${key} contains invalid value`);
}

function keyOfFinding({ findings }: ParsedAnnotations, isWanted: (finding: Finding) => boolean): string | null {
  const finding = findings.find(isWanted);
  return finding === undefined ? null : annotationKeyOf(finding.field);
}

function checkOverlap({ ingress }: ReadCandidate, view: CompilerView): Outcome {
  const overlap = findOverlap(ingress, view);
  if (overlap === null) return pass;
  const { namespace, name } = overlap.holder.meta;
  return refuse(`host "${overlap.host}" and path "${overlap.path}" is already defined in ingress ${namespace}/${name}`);
}

/** Whatever else compile() would reject: what is let in here is also served. */
function checkVerdict({ parsed: { verdict } }: ReadCandidate): Outcome {
  if (verdict.kind !== 'rejectIngress') return pass;
  return refuse(`the whole Ingress is rejected (${verdict.reasons.join('; ')}); none of its rules would get traffic`);
}
