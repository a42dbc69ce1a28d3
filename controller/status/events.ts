// What Kubernetes Events say about our Ingresses and the ConfigMaps of the flags, and how many may be written. Pure.
//
// Events are of core v1: `kubectl describe` reads those, and roles made for ingress-nginx allow to create and patch them.

import { createHash } from 'node:crypto';
import type { Diagnostic } from '../objects/diagnostic.ts';
import type { ObjectRef } from '../objects/types.ts';

/** One thing to be said; saying it again counts up. */
export interface EventNote {
  /** Name of the Event: the same for the same note, whichever replica writes it. */
  readonly name: string;
  readonly object: ObjectRef;
  readonly uid: string;
  readonly type: 'Normal' | 'Warning';
  readonly reason: string;
  readonly message: string;
  /** Path in the object; '' for the whole. */
  readonly field: string;
}

/** The API's limit for `message`. */
const maxMessageLength = 1024;

/** Kinds that Events are written about, with their group and version. */
const apiVersions: Readonly<Record<string, string>> = { Ingress: 'networking.k8s.io/v1', ConfigMap: 'v1' };

/**
 * The note of a diagnostic; null when it is about an object of another kind, or only informs. What keeps an object from
 * being served as written is `Rejected`; a warning keeps its own reason.
 */
export function noteOfDiagnostic(diagnostic: Diagnostic, uid: string): EventNote | null {
  const { object, severity, field } = diagnostic;
  if (apiVersions[object.kind] === undefined || severity === 'info') return null;
  const isError = severity === 'error';
  const message = isError ? `${diagnostic.reason}: ${diagnostic.message}` : diagnostic.message;
  return noteOf(object, uid, 'Warning', isError ? 'Rejected' : diagnostic.reason, message, field);
}

/** As ingress-nginx: an Ingress came or changed and is served. */
export function syncNote(object: ObjectRef, uid: string): EventNote {
  return noteOf(object, uid, 'Normal', 'Sync', 'Scheduled for sync', '');
}

function noteOf(
  object: ObjectRef,
  uid: string,
  type: EventNote['type'],
  reason: string,
  text: string,
  field: string,
): EventNote {
  const message = text.length > maxMessageLength ? `${text.slice(0, maxMessageLength - 1)}…` : text;
  const identity = createHash('sha256')
    .update(JSON.stringify([uid, type, reason, field, message]))
    .digest('hex');
  // 253 characters at most, with the dot and the hash.
  return { name: `${object.name.slice(0, 235)}.${identity.slice(0, 16)}`, object, uid, type, reason, message, field };
}

export interface EventWriter {
  readonly component: string;
  /** Name of the pod. */
  readonly instance: string;
}

/** The Event as it is created. `wallMs` is Unix time; Events have whole seconds. */
export function renderEvent(note: EventNote, wallMs: number, { component, instance }: EventWriter): object {
  const time = eventTime(wallMs);
  const { name, object, uid, field, reason, message, type } = note;
  return {
    apiVersion: 'v1',
    kind: 'Event',
    metadata: { name, namespace: object.namespace },
    involvedObject: {
      apiVersion: apiVersions[object.kind],
      kind: object.kind,
      namespace: object.namespace,
      name: object.name,
      uid,
      ...(field === '' ? {} : { fieldPath: field }),
    },
    type,
    reason,
    message,
    count: 1,
    firstTimestamp: time,
    lastTimestamp: time,
    source: { component, host: instance },
    reportingComponent: component,
    reportingInstance: instance,
  };
}

export function eventTime(wallMs: number): string {
  return new Date(wallMs).toISOString().replace(/\.\d{3}Z$/, 'Z');
}

/** Lets a burst through, then a steady rate. Time comes from outside. */
export class TokenBucket {
  readonly #burst: number;
  readonly #perSecond: number;
  #tokens: number;
  #filledAtMs: number;

  constructor(burst: number, perSecond: number, nowMs: number) {
    this.#burst = burst;
    this.#perSecond = perSecond;
    this.#tokens = burst;
    this.#filledAtMs = nowMs;
  }

  /** Takes one token and gives 0, or takes none and says how many milliseconds to wait for one. */
  take(nowMs: number): number {
    const filled = this.#tokens + ((nowMs - this.#filledAtMs) / 1000) * this.#perSecond;
    this.#tokens = Math.min(this.#burst, filled);
    this.#filledAtMs = nowMs;
    // What floating point leaves below one whole token must not cost another wait.
    if (this.#tokens < 1 - 1e-9) return Math.ceil(((1 - this.#tokens) / this.#perSecond) * 1000);
    this.#tokens -= 1;
    return 0;
  }
}
