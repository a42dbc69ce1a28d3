// Annotations that hold raw nginx text. Annotation reference section 15. Sluice has no nginx to run it, so they are
// refused for good. A snippet that both gates let through closes its paths: it may hold the rule that protects them
// (`deny all`, `auth_basic`), and nobody can tell from the outside.

import { annotationFamily } from './define.ts';
import type { AnnotationRecord } from './record.ts';
import { rawText } from './types.ts';

const snippets = annotationFamily({
  group: 'Snippets',
  scope: 'path',
  support: 'refused',
  whenUnsupported: 'denyRoutes',
  note: 'Sluice runs no nginx text, and serving without it could open what it protects',
});

/** Text inside each path. */
export const configurationSnippet: AnnotationRecord<string> = snippets({
  name: 'configuration-snippet',
  type: rawText,
  risk: 'Critical',
  doc: 'Raw nginx text for each path.',
});

/** Text inside the host. */
export const serverSnippet: AnnotationRecord<string> = snippets({
  name: 'server-snippet',
  type: rawText,
  scope: 'host',
  risk: 'Critical',
  doc: 'Raw nginx text for the host.',
});

/** Text outside HTTP: it says nothing about the paths of the Ingress, which therefore stay open. */
export const streamSnippet: AnnotationRecord<string> = snippets({
  name: 'stream-snippet',
  type: rawText,
  scope: 'host',
  risk: 'Critical',
  whenUnsupported: 'warn',
  doc: 'Raw nginx text for TCP and UDP.',
  note: 'Sluice runs no nginx text; the HTTP paths of the Ingress are served as usual',
});

/** All of this family, in the order of the reference. */
export const snippetAnnotations: readonly AnnotationRecord<unknown>[] = [
  configurationSnippet,
  serverSnippet,
  streamSnippet,
];
