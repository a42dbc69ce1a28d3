// Pass: which Ingresses are ours, and which version of each counts (routing-semantics §1; annotation reference §0).
//
// In: all Ingresses and IngressClasses, the settings, the memory. Out: the accepted Ingresses with their parsed
// annotations, canaries among them, in no particular order, and the memory of accepted versions.

import type { Diagnostic } from '../objects/diagnostic.ts';
import { quoteShort } from '../objects/host-name.ts';
import type { Snapshot } from '../objects/snapshot.ts';
import type { Ingress, ObjectKey } from '../objects/types.ts';
import { inspectIngress } from './deep-inspection.ts';
import { diagnose } from './report.ts';
import { canary } from './settings/canary.ts';
import { type ParsedAnnotations, parseAnnotations } from './settings/parse-annotations.ts';
import type { AnnotationValues, GlobalValues } from './settings/record.ts';
import { speaksOfServices } from './settings/service-scope.ts';
import { sslPassthrough } from './settings/tls.ts';
import type { CompileMemory, CompileOptions } from './types.ts';

/** An Ingress whose rules become routes, or canaries of routes. */
export interface AcceptedIngress {
  readonly ingress: Ingress;
  readonly values: AnnotationValues;
  /** True when an annotation closes every route of this Ingress (outcome X): they answer 503. */
  readonly isDenied: boolean;
  /** True: it makes no host and no route of its own, but may join those of others. */
  readonly isCanary: boolean;
  /** Whether it has annotations of service scope. */
  readonly speaksOfServices: boolean;
}

export interface Selection {
  readonly accepted: readonly AcceptedIngress[];
  readonly acceptedIngresses: CompileMemory['acceptedIngresses'];
  readonly diagnostics: readonly Diagnostic[];
}

/** What choosing depends on besides the Ingress itself and its remembered version. */
export interface SelectionContext {
  readonly ingressClasses: Snapshot['ingressClasses'];
  readonly options: CompileOptions;
  readonly global: GlobalValues;
}

/** What became of one Ingress. */
export interface IngressSelection {
  /** null: it has no part in the table. */
  readonly accepted: AcceptedIngress | null;
  /** The version that the memory holds from here on; null forgets it. */
  readonly remembered: Ingress | null;
  readonly diagnostics: readonly Diagnostic[];
}

/** Chooses among all Ingresses of the snapshot. Rejected edits keep the version that `memory` holds. */
export function selectIngresses(
  ingresses: Snapshot['ingresses'],
  memory: CompileMemory,
  context: SelectionContext,
): Selection {
  const accepted: AcceptedIngress[] = [];
  const acceptedIngresses = new Map<ObjectKey, Ingress>();
  const diagnostics: Diagnostic[] = [];
  for (const [key, ingress] of ingresses) {
    const selection = selectIngress(ingress, memory.acceptedIngresses.get(key) ?? null, context);
    diagnostics.push(...selection.diagnostics);
    if (selection.accepted !== null) accepted.push(selection.accepted);
    if (selection.remembered !== null) acceptedIngresses.set(key, selection.remembered);
  }
  return { accepted, acceptedIngresses, diagnostics };
}

/** Decides about one Ingress. `remembered` is its last accepted version: with it as memory, the answer is the same again. */
export function selectIngress(
  ingress: Ingress,
  remembered: Ingress | null,
  context: SelectionContext,
): IngressSelection {
  const ignored = whyIgnored(ingress, context.ingressClasses, context.options);
  if (ignored !== null) return { accepted: null, remembered: null, diagnostics: ignored };
  const { accepted, diagnostics } = chooseVersion(ingress, remembered, context);
  const disabled = accepted === null ? [] : disabledPassthrough(accepted, context.options);
  return { accepted, remembered: accepted?.ingress ?? null, diagnostics: [...diagnostics, ...disabled] };
}

/** Without the flag nothing is passed through, as in ingress-nginx; there nobody is told. */
function disabledPassthrough(
  { ingress, values }: AcceptedIngress,
  { enableSslPassthrough }: CompileOptions,
): Diagnostic[] {
  if (enableSslPassthrough || values.get(sslPassthrough) !== true) return [];
  const message =
    'ssl-passthrough needs the flag --enable-ssl-passthrough, which is off; TLS for its hosts ends at Sluice, and requests are forwarded as backend-protocol says';
  return [diagnose('warning', 'PassthroughDisabled', ingress, 'metadata.annotations', message)];
}

/** The options that decide which Ingresses are ours. */
export type SelectionOptions = Pick<
  CompileOptions,
  | 'ingressClass'
  | 'controllerClass'
  | 'ingressClassByName'
  | 'watchIngressWithoutClass'
  | 'watchNamespace'
  | 'disableCatchAll'
  | 'deepInspect'
>;

/** True for an Ingress that Sluice serves or would serve were its annotations valid: its status is ours to write. */
export function isForUs(
  ingress: Ingress,
  ingressClasses: Snapshot['ingressClasses'],
  options: SelectionOptions,
): boolean {
  return whyIgnored(ingress, ingressClasses, options) === null;
}

/** Diagnostics when the Ingress is not for us (an empty list: it is somebody else's), null when it is. Order as in §1. */
function whyIgnored(
  ingress: Ingress,
  ingressClasses: Snapshot['ingressClasses'],
  options: SelectionOptions,
): Diagnostic[] | null {
  const { namespace } = ingress.meta;
  if (options.watchNamespace !== '' && namespace !== options.watchNamespace) return [];
  const foreign = whyForeignClass(ingress, ingressClasses, options);
  if (foreign !== null) return foreign;
  if (options.disableCatchAll && ingress.defaultBackend !== null) {
    const message =
      'spec.defaultBackend is set, but the controller runs with --disable-catch-all; the whole Ingress is ignored and none of its rules gets traffic';
    return [diagnose('error', 'CatchAllDisabled', ingress, 'spec.defaultBackend', message)];
  }
  const hit = options.deepInspect ? inspectIngress(ingress) : null;
  if (hit === null) return null;
  const message = `${hit.field} ${quoteShort(hit.value)} holds ${hit.what}; the whole Ingress is ignored and none of its rules gets traffic`;
  return [diagnose('error', 'DeepInspectionFailed', ingress, hit.field, message)];
}

const classAnnotation = 'kubernetes.io/ingress.class';

/** As `whyIgnored`, for the class only. A set `ingressClassName` decides alone; the annotation is the older way. */
export function whyForeignClass(
  ingress: Ingress,
  ingressClasses: Snapshot['ingressClasses'],
  options: SelectionOptions,
): Diagnostic[] | null {
  const className = ingress.ingressClassName;
  if (className !== null) return whyForeignClassName(ingress, className, ingressClasses, options);
  const annotated = ingress.meta.annotations[classAnnotation];
  if (annotated !== undefined) return annotated === options.ingressClass ? null : [];
  if (options.watchIngressWithoutClass) return null;
  const message = `neither spec.ingressClassName nor the annotation ${classAnnotation} is set, and the controller runs without --watch-ingress-without-class; the Ingress is ignored and gets no traffic`;
  return [diagnose('info', 'NoIngressClass', ingress, 'spec.ingressClassName', message)];
}

function whyForeignClassName(
  ingress: Ingress,
  className: string,
  ingressClasses: Snapshot['ingressClasses'],
  options: SelectionOptions,
): Diagnostic[] | null {
  const ingressClass = ingressClasses.get(className);
  if (ingressClass === undefined) {
    const message = `IngressClass ${quoteShort(className)} does not exist; the Ingress is ignored and gets no traffic until it does`;
    return [diagnose('warning', 'IngressClassNotFound', ingress, 'spec.ingressClassName', message)];
  }
  const isOurs =
    ingressClass.controller === options.controllerClass ||
    (options.ingressClassByName && className === options.ingressClass);
  return isOurs ? null : [];
}

interface VersionChoice {
  readonly accepted: AcceptedIngress | null;
  readonly diagnostics: readonly Diagnostic[];
}

/**
 * Takes the Ingress as it stands unless its annotations reject it as a whole (outcome D); then the last accepted
 * version serves on, provided that today's ConfigMap still accepts it.
 */
function chooseVersion(ingress: Ingress, remembered: Ingress | null, context: SelectionContext): VersionChoice {
  const current = parse(ingress, context);
  if (current.verdict.kind !== 'rejectIngress') {
    return { accepted: acceptedWith(ingress, current), diagnostics: current.diagnostics };
  }
  const { reasons } = current.verdict;
  const earlier = remembered === null ? null : parse(remembered, context);
  const isServing = remembered !== null && earlier !== null && earlier.verdict.kind !== 'rejectIngress';
  const consequence = isServing
    ? 'its last accepted version keeps serving and this change has no effect'
    : 'there is no earlier version to keep, so none of its rules gets traffic';
  const message = `the whole Ingress is rejected (${reasons.join('; ')}); ${consequence}`;
  const rejected = diagnose('error', 'IngressRejected', ingress, 'metadata.annotations', message);
  return {
    accepted: isServing ? acceptedWith(remembered, earlier) : null,
    diagnostics: [...current.diagnostics, rejected],
  };
}

function parse(ingress: Ingress, { options, global }: SelectionContext): ParsedAnnotations {
  return parseAnnotations(ingress, {
    prefix: options.annotationsPrefix,
    validation: options.enableAnnotationValidation,
    global,
  });
}

/** The Ingress as its own annotations have it. Makes sense unless their verdict is `rejectIngress`. */
export function acceptedWith(ingress: Ingress, parsed: ParsedAnnotations): AcceptedIngress {
  const { values, verdict } = parsed;
  return {
    ingress,
    values,
    isDenied: verdict.kind === 'denyRoutes',
    isCanary: values.get(canary) === true,
    speaksOfServices: speaksOfServices(values),
  };
}
