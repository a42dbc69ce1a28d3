// The decision about one submitted Ingress: a pure function of what the compiler knows and the request. It reads no
// clock, file or network, runs no template and changes nothing; it looks only at the hosts that the candidate names.
//
//   raw object -> draft (text) + decoded Ingress -> gates -> annotations -> tests -> plan of its hosts -> decision

import type { CompilerView } from '../compile/incremental/view.ts';
import { acceptedWith } from '../compile/select.ts';
import { canary } from '../compile/settings/canary.ts';
import { parseAnnotations } from '../compile/settings/parse-annotations.ts';
import { decodeObject } from '../objects/decode.ts';
import type { Diagnostic } from '../objects/diagnostic.ts';
import { keyOf, type ObjectRef } from '../objects/types.ts';
import { type Candidate, type Check, gates, type Outcome, type ReadCandidate, tests } from './checks.ts';
import { readDraft } from './draft.ts';
import type { AdmissionRequest } from './review.ts';
import { generalWarnings, limitWarnings, warningsOf } from './warnings.ts';

export interface AdmissionOptions {
  /** `--disable-full-test`: the hosts of the candidate are planned without the other Ingresses. Overlaps are found anyway. */
  readonly disableFullTest: boolean;
}

interface DecisionParts {
  /** null when the object has no usable name. */
  readonly object: ObjectRef | null;
  /** At most 21, each one line. */
  readonly warnings: readonly string[];
}

export type AdmissionDecision =
  | (DecisionParts & {
      readonly kind: 'allow';
      /** Ingresses the candidate was tested with, itself included; 0 when it did not have to be tested. */
      readonly testedIngresses: number;
    })
  | (DecisionParts & {
      readonly kind: 'refuse';
      /** Name of the check that refused, or `decode`. */
      readonly check: string;
      readonly message: string;
      /** True for refusals that ingress-nginx counts in `check_errors`. */
      readonly isCounted: boolean;
    });

const refusalEffect = 'the Ingress is not admitted, and what is served today stays';

/** Decides about `request.object`. Never throws, whatever the object is. */
export function decide(view: CompilerView, request: AdmissionRequest, options: AdmissionOptions): AdmissionDecision {
  const draft = readDraft(request.object);
  // Whatever is wrong with it: it must be possible to get rid of it, and a status is nobody's mistake.
  if (request.operation === 'DELETE' || draft.isBeingDeleted || request.subResource !== '') return allowed(null, []);
  const { object, diagnostics } = decodeObject(request.object, null, refusalEffect);
  if (object?.kind !== 'Ingress') return notDecoded(diagnostics);
  const candidate: Candidate = { draft, ingress: object };
  const warnings = generalWarnings(draft, view.options.annotationsPrefix);
  const gated = firstOutcome(gates, candidate, view);
  if (gated !== null) return conclude(gated, candidate, warnings, false);
  return decideMeaning(view, candidate, [...warnings, ...warningsOf(diagnostics)], options);
}

/** The rest for an Ingress that is ours. */
function decideMeaning(
  view: CompilerView,
  candidate: Candidate,
  warnings: readonly string[],
  options: AdmissionOptions,
): AdmissionDecision {
  const parsed = parseAnnotations(candidate.ingress, {
    prefix: view.options.annotationsPrefix,
    validation: view.options.enableAnnotationValidation,
    global: view.global,
  });
  const all = [...warnings, ...warningsOf(parsed.diagnostics)];
  const read: ReadCandidate = { ...candidate, parsed };
  const tested = firstOutcome(tests, read, view);
  if (tested !== null) return conclude(tested, candidate, all, true);
  // A canary has no routes of its own yet; its annotations have said so.
  const isCanary = parsed.values.get(canary) === true;
  const planned = isCanary ? [] : view.planWith(acceptedWith(candidate.ingress, parsed), options.disableFullTest);
  const testedIngresses = options.disableFullTest ? 1 : ingressesWith(view, candidate);
  return { ...allowed(candidate, [...all, ...warningsOf(planned)]), testedIngresses };
}

interface Decided {
  readonly check: string;
  readonly outcome: Exclude<Outcome, { kind: 'pass' }>;
}

function firstOutcome<C extends Candidate>(
  checks: readonly Check<C>[],
  candidate: C,
  view: CompilerView,
): Decided | null {
  for (const { name, judge } of checks) {
    const outcome = judge(candidate, view);
    if (outcome.kind !== 'pass') return { check: name, outcome };
  }
  return null;
}

function conclude(
  { check, outcome }: Decided,
  candidate: Candidate,
  warnings: readonly string[],
  isCounted: boolean,
): AdmissionDecision {
  if (outcome.kind === 'allow') return allowed(candidate, warnings);
  return {
    kind: 'refuse',
    check,
    message: cutMessage(outcome.message),
    isCounted,
    object: refOf(candidate),
    warnings: limitWarnings(warnings),
  };
}

function allowed(candidate: Candidate | null, warnings: readonly string[]): AdmissionDecision & { kind: 'allow' } {
  const object = candidate === null ? null : refOf(candidate);
  return { kind: 'allow', object, warnings: limitWarnings(warnings), testedIngresses: 0 };
}

function notDecoded(diagnostics: readonly Diagnostic[]): AdmissionDecision {
  const reasons = diagnostics.filter(({ severity }) => severity === 'error').map(({ message }) => message);
  const message = reasons.length === 0 ? 'the object is not an Ingress of networking.k8s.io/v1' : reasons.join('\n');
  return {
    kind: 'refuse',
    check: 'decode',
    message: cutMessage(message),
    isCounted: false,
    object: null,
    warnings: [],
  };
}

/** One line per bad path may be thousands; nobody reads them all, and the API server copies them around. */
const maxMessage = 8192;

function cutMessage(message: string): string {
  return message.length <= maxMessage ? message : `${message.slice(0, maxMessage)}...`;
}

function refOf({ ingress }: Candidate): ObjectRef {
  return { kind: 'Ingress', namespace: ingress.meta.namespace, name: ingress.meta.name };
}

/** An update of a stored Ingress does not add one. */
function ingressesWith(view: CompilerView, { ingress }: Candidate): number {
  return view.ingressCount + (view.hasIngress(keyOf(ingress.meta)) ? 0 : 1);
}
