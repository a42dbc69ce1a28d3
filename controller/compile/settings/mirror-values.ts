// Copies of requests, from the annotations of one Ingress (annotation reference section 12).

import type { MirrorSettings } from '#proxy/table/route-settings.ts';
import type { Template } from '#proxy/table/template.ts';
import { mirrorHost, mirrorRequestBody, mirrorTarget } from './mirroring.ts';
import type { AnnotationValues } from './record.ts';

/** The settings; null: no copies, also where `mirrorProblem` says why. */
export function mirrorSettings(values: AnnotationValues): MirrorSettings | null {
  const target = values.get(mirrorTarget);
  if (target === null || mirrorProblem(values) !== null) return null;
  const host = values.get(mirrorHost) ?? hostOfTarget(target);
  return host === null ? null : { target, host, sendBody: values.get(mirrorRequestBody) === 'on' };
}

/** Why no copies can be sent although `mirror-target` is set; null when they can. The value itself may hold a password. */
export function mirrorProblem(values: AnnotationValues): string | null {
  const target = values.get(mirrorTarget);
  const first = target?.[0];
  if (target === null || first === undefined) return null;
  // What begins with a variable may become a URL; that shows with each request.
  if (first.kind === 'text' && !/^https?:\/\//i.test(first.text)) return 'does not begin with http:// or https://';
  if (values.get(mirrorHost) !== null || hostOfTarget(target) !== null) return null;
  return 'shows no plain host before its first variable, and mirror-host is not set';
}

/** The authority of `scheme://authority...`, read up to the first variable; null when there is none. */
function hostOfTarget([first]: Template): string | null {
  if (first?.kind !== 'text') return null;
  const host = /^https?:\/\/([^/?#]+)/i.exec(first.text)?.[1] ?? null;
  // User information never belongs into a Host header.
  return host === null || host.includes('@') ? null : host;
}
