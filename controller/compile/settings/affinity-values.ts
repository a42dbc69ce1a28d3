// Affinity of a Service port, from all Ingresses that ask for it (annotation reference section 6).

import type { AffinitySettings } from '#proxy/table/route-settings.ts';
import {
  affinity,
  affinityMode,
  sessionCookieChangeOnFailure,
  sessionCookieConditionalSamesiteNone,
  sessionCookieDomain,
  sessionCookieExpires,
  sessionCookieMaxAge,
  sessionCookieName,
  sessionCookiePath,
  sessionCookieSamesite,
  sessionCookieSecure,
} from './affinity.ts';
import type { AnnotationValues } from './record.ts';
import { requiredValue } from './values.ts';

/** Affinity of an upstream, before a route gives the cookie the path that it has where none is set. */
export interface UpstreamAffinity extends Omit<AffinitySettings, 'cookie' | 'setsCookie'> {
  readonly cookie: Omit<AffinitySettings['cookie'], 'path'> & { readonly path: string | null };
}

/** True for an Ingress that asks for affinity: its routes set the cookie, those of others to the same Service obey it. */
export function wantsAffinity(values: AnnotationValues): boolean {
  return values.get(affinity) === 'cookie';
}

/** Mode from the `first` Ingress that asks, cookie from the `last`, as ingress-nginx's getBackendServers does. */
export function affinitySettings(first: AnnotationValues, last: AnnotationValues): UpstreamAffinity {
  return {
    mode: requiredValue(affinityMode, first),
    cookie: {
      name: requiredValue(sessionCookieName, last),
      path: last.get(sessionCookiePath),
      domain: last.get(sessionCookieDomain),
      sameSite: last.get(sessionCookieSamesite),
      conditionalSameSiteNone: last.get(sessionCookieConditionalSamesiteNone) === true,
      secure: last.get(sessionCookieSecure) === true,
      expiresSeconds: last.get(sessionCookieExpires),
      maxAgeSeconds: last.get(sessionCookieMaxAge),
    },
    changeOnFailure: last.get(sessionCookieChangeOnFailure) === true,
  };
}

/** Affinity of a route whose Ingress path is `ingressPath`. `setsCookie`: its Ingress asks for affinity. */
export function routeAffinity(
  { mode, cookie, changeOnFailure }: UpstreamAffinity,
  ingressPath: string,
  setsCookie: boolean,
): AffinitySettings {
  return { mode, cookie: { ...cookie, path: cookie.path ?? ingressPath }, changeOnFailure, setsCookie };
}
