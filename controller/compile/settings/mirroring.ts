// Annotations that send a copy of each request elsewhere. Annotation reference section 12.

import type { Template } from '#proxy/table/template.ts';
import { annotationFamily } from './define.ts';
import type { AnnotationRecord } from './record.ts';
import { templateNamed } from './template-type.ts';
import { type OnOff, onOff, textNamed } from './types.ts';
import { serverName } from './validators.ts';

const mirroring = annotationFamily({
  group: 'Mirroring',
  scope: 'path',
  support: 'full',
  dependsOn: ['mirror-target'],
});

/** Where copies go. */
export const mirrorTarget: AnnotationRecord<Template> = mirroring({
  name: 'mirror-target',
  type: templateNamed('URL, variables allowed'),
  validate: serverName,
  risk: 'High',
  dependsOn: [],
  doc: 'URL that gets a copy of each request; its answer is thrown away.',
});

/** Host of the copies. */
export const mirrorHost: AnnotationRecord<string> = mirroring({
  name: 'mirror-host',
  type: textNamed('host name'),
  validate: serverName,
  risk: 'High',
  doc: 'Host header of the copies; by default the host of `mirror-target`.',
});

/** Whether copies have a body. */
export const mirrorRequestBody: AnnotationRecord<OnOff> = mirroring({
  name: 'mirror-request-body',
  type: onOff,
  default: 'on',
  risk: 'Low',
  doc: 'Whether the copies carry the request body.',
});

/** All of this family, in the order of the reference. */
export const mirroringAnnotations: readonly AnnotationRecord<unknown>[] = [mirrorTarget, mirrorHost, mirrorRequestBody];
