// Annotations about the protocol towards the upstream. Annotation reference section 11.

import { annotationFamily } from './define.ts';
import type { AnnotationRecord } from './record.ts';
import { bool, oneOfAnyCase, textNamed } from './types.ts';
import { basicChars, fileName } from './validators.ts';

const protocol = annotationFamily({ group: 'Backend protocol', scope: 'path', support: 'notYet' });

/** Protocols ingress-nginx can speak to a Service. */
export type BackendProtocol = 'HTTP' | 'HTTPS' | 'GRPC' | 'GRPCS' | 'AUTO_HTTP' | 'FCGI';

/** Protocol towards the upstream. Only HTTP is spoken; plain HTTP to a port of another protocol would be wrong. */
export const backendProtocol: AnnotationRecord<BackendProtocol> = protocol({
  name: 'backend-protocol',
  type: oneOfAnyCase(['HTTP', 'HTTPS', 'GRPC', 'GRPCS', 'AUTO_HTTP', 'FCGI']),
  default: 'HTTP',
  risk: 'Low',
  support: 'partial',
  whenUnsupported: 'denyRoutes',
  shortfall: (value) => (value === 'HTTP' ? null : `the Service would get plain HTTP instead of ${value}`),
  doc: 'Protocol that the Service speaks.',
  note: 'carried out: HTTP; with any other value the Service would get plain HTTP, which it does not expect',
});

const fastCgi = annotationFamily({
  group: 'Backend protocol',
  scope: 'path',
  support: 'notYet',
  note: 'FastCGI is not spoken',
});

/** File name appended to directories. */
export const fastcgiIndex: AnnotationRecord<string> = fastCgi({
  name: 'fastcgi-index',
  type: textNamed('file name'),
  validate: fileName,
  risk: 'Medium',
  onInvalid: 'rejectIngress',
  doc: 'File name appended to paths ending in `/`, for FCGI.',
});

/** FastCGI parameters. */
export const fastcgiParamsConfigmap: AnnotationRecord<string> = fastCgi({
  name: 'fastcgi-params-configmap',
  type: textNamed('`name` or `namespace/name` of a ConfigMap'),
  validate: basicChars,
  risk: 'Medium',
  onInvalid: 'rejectIngress',
  doc: 'ConfigMap with FastCGI parameters.',
});

/** HTTP/2 push, which browsers and nginx have removed. */
export const http2PushPreload: AnnotationRecord<boolean> = protocol({
  name: 'http2-push-preload',
  type: bool,
  default: false,
  risk: 'Low',
  onInvalid: 'rejectIngress',
  support: 'noEffect',
  doc: 'HTTP/2 push of resources named in Link headers.',
  note: 'browsers and nginx have removed HTTP/2 push',
});

/** All of this family, in the order of the reference. */
export const backendProtocolAnnotations: readonly AnnotationRecord<unknown>[] = [
  backendProtocol,
  fastcgiIndex,
  fastcgiParamsConfigmap,
  http2PushPreload,
];
