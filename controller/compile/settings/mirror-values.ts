// Copies of requests, from the annotations of one Ingress (annotation reference section 12).

import type { MirrorSettings } from '#proxy/table/route-settings.ts';
import type { Template } from '#proxy/table/template.ts';
import { mirrorHost, mirrorRequestBody, mirrorTarget } from './mirroring.ts';
import type { AnnotationValues } from './record.ts';

/** The settings, or null: no copies, also when the target shows no host and none is set. */
export function mirrorSettings(values: AnnotationValues): MirrorSettings | null {
  const target = values.get(mirrorTarget);
  if (target === null) return null;
  const host = values.get(mirrorHost) ?? hostOfTarget(target);
  return host === null ? null : { target, host, sendBody: values.get(mirrorRequestBody) === 'on' };
}

/** The authority of `scheme://authority...`, read up to the first variable; null when there is none. */
export function hostOfTarget([first]: Template): string | null {
  if (first?.kind !== 'text') return null;
  const host = /^https?:\/\/([^/?#]+)/i.exec(first.text)?.[1] ?? null;
  // User information never belongs into a Host header.
  return host === null || host.includes('@') ? null : host;
}
