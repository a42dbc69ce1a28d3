// AdmissionReview v1 (admission.k8s.io): text of a request to what the webhook needs of it, and a decision to the text
// of the answer. Kubernetes docs, "Dynamic Admission Control", Webhook request and response.

import { isRecord } from '../objects/decode-report.ts';
import type { AdmissionDecision } from './decide.ts';

/** The part of `AdmissionReview.request` that is used. Absent text is ''. */
export interface AdmissionRequest {
  readonly uid: string;
  readonly operation: string;
  /** `status` for writes of the status alone. */
  readonly subResource: string;
  /** The object as it would be stored; anything at all, and null for deletions. */
  readonly object: unknown;
}

/** `undecodable`: no review at all. `wrongKind`: not one for this webhook. `why` is a sentence for the log and the API server. */
export type ReviewReading =
  | { readonly kind: 'review'; readonly request: AdmissionRequest }
  | { readonly kind: 'undecodable'; readonly why: string }
  | { readonly kind: 'wrongKind'; readonly why: string };

const reviewVersion = 'admission.k8s.io/v1';
const ingressKind = { group: 'networking.k8s.io', version: 'v1', kind: 'Ingress' } as const;

/** Reads a request body. Never throws. */
export function readReview(body: string): ReviewReading {
  const review = parseJson(body);
  if (!isRecord(review)) return { kind: 'undecodable', why: 'the body is not a JSON object' };
  const { apiVersion, kind, request } = review;
  if (typeof apiVersion !== 'string' || typeof kind !== 'string') {
    return { kind: 'undecodable', why: 'the body has no apiVersion and kind' };
  }
  if (apiVersion !== reviewVersion || kind !== 'AdmissionReview') {
    return { kind: 'wrongKind', why: `the request is not of type AdmissionReview of ${reviewVersion}` };
  }
  if (!isRecord(request)) return { kind: 'undecodable', why: 'the AdmissionReview has no request' };
  if (!isIngressKind(request['kind'])) {
    return { kind: 'wrongKind', why: 'the request does not contain an Ingress of networking.k8s.io/v1' };
  }
  return { kind: 'review', request: readRequest(request) };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // Why is of no use to anybody but the API server's authors, and the error quotes the object.
    return undefined;
  }
}

function isIngressKind(kind: unknown): boolean {
  return isRecord(kind) && Object.entries(ingressKind).every(([key, value]) => kind[key] === value);
}

function readRequest(request: Readonly<Record<string, unknown>>): AdmissionRequest {
  return {
    uid: textOf(request['uid']),
    operation: textOf(request['operation']),
    subResource: textOf(request['subResource']),
    object: request['object'] ?? null,
  };
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

/** Renders the answer to the request with this uid. */
export function renderReview(uid: string, decision: AdmissionDecision): string {
  const { warnings } = decision;
  const response = {
    uid,
    allowed: decision.kind === 'allow',
    ...(decision.kind === 'refuse' ? { status: failureStatus(decision.message) } : {}),
    ...(warnings.length === 0 ? {} : { warnings }),
  };
  return JSON.stringify({ apiVersion: reviewVersion, kind: 'AdmissionReview', response });
}

/** metav1.Status as ingress-nginx fills it. */
function failureStatus(message: string) {
  return { metadata: {}, status: 'Failure', message, reason: 'BadRequest', code: 400 };
}
