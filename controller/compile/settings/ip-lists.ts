// Annotations that admit clients by their address. Annotation reference section 13. Not carried out yet, so an Ingress
// with a list answers 503: serving it would let in whom the list keeps out.

import { annotationFamily } from './define.ts';
import type { AnnotationRecord } from './record.ts';
import { cidrList } from './types.ts';

const ipLists = annotationFamily({
  group: 'Address lists',
  scope: 'path',
  support: 'notYet',
  whenUnsupported: 'denyRoutes',
});

/** Who may come. */
export const allowlistSourceRange: AnnotationRecord<readonly string[]> = ipLists({
  name: 'allowlist-source-range',
  aliases: ['whitelist-source-range'],
  type: cidrList,
  globalKey: 'whitelist-source-range',
  risk: 'Medium',
  onInvalid: 'denyRoutes',
  doc: 'Client networks that are served; others get 403.',
  note: 'clients outside the list would be served too',
});

/** Who may not. */
export const denylistSourceRange: AnnotationRecord<readonly string[]> = ipLists({
  name: 'denylist-source-range',
  type: cidrList,
  globalKey: 'denylist-source-range',
  risk: 'Medium',
  onInvalid: 'denyRoutes',
  doc: 'Client networks that get 403, even when the allow list holds them.',
  note: 'clients in the list would be served',
});

/** All of this family, in the order of the reference. */
export const ipListAnnotations: readonly AnnotationRecord<unknown>[] = [allowlistSourceRange, denylistSourceRange];
