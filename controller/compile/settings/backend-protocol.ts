// Annotations about the protocol towards the upstream. Annotation reference section 11.

import type { UpstreamProtocol } from '#proxy/table/upstream-protocol.ts';
import { annotationFamily } from './define.ts';
import type { AnnotationRecord, AnnotationValues } from './record.ts';
import { bool, oneOfAnyCase, textNamed } from './types.ts';
import { basicChars, fileName } from './validators.ts';
import { requiredValue } from './values.ts';

const protocol = annotationFamily({ group: 'Backend protocol', scope: 'path', support: 'notYet' });

/** Protocols ingress-nginx can speak to a Service, and `HTTP2`, which is Sluice's own. */
export type BackendProtocol = 'HTTP' | 'HTTPS' | 'GRPC' | 'GRPCS' | 'AUTO_HTTP' | 'FCGI' | 'HTTP2';

/** Protocol towards the upstream. FastCGI is not spoken; plain HTTP to such a port would be wrong. */
export const backendProtocol: AnnotationRecord<BackendProtocol> = protocol({
  name: 'backend-protocol',
  type: oneOfAnyCase(['HTTP', 'HTTPS', 'GRPC', 'GRPCS', 'AUTO_HTTP', 'FCGI', 'HTTP2']),
  default: 'HTTP',
  risk: 'Low',
  support: 'partial',
  whenUnsupported: 'denyRoutes',
  shortfall: (value) => (value === 'FCGI' ? 'the Service would get plain HTTP instead of FCGI' : null),
  doc: 'Protocol that the Service speaks. `HTTP2` is not in ingress-nginx: HTTP/2 without TLS, by prior knowledge.',
  note: 'carried out: all but FCGI, which would get plain HTTP',
});

const PROTOCOLS: Readonly<Record<BackendProtocol, UpstreamProtocol>> = {
  HTTP: 'http',
  HTTPS: 'https',
  AUTO_HTTP: 'auto',
  GRPC: 'grpc',
  GRPCS: 'grpcs',
  HTTP2: 'http2',
  // Its routes answer 503.
  FCGI: 'http',
};

/** The protocol of an Ingress for the table. */
export function upstreamProtocol(values: AnnotationValues): UpstreamProtocol {
  return PROTOCOLS[requiredValue(backendProtocol, values)];
}

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
