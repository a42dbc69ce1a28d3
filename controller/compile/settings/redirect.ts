// The redirect from HTTP to HTTPS of one path. Annotation reference section 2, routing semantics section 8.
//
// What is known at compile time is decided here; whether a request came over TLS is left to the filter.

import type { HttpsRedirectFilter } from '#proxy/table/types.ts';
import { httpRedirectCode, noTlsRedirectLocations } from './configmap-tls.ts';
import type { AnnotationValues, GlobalValues } from './record.ts';
import { forceSslRedirect, preserveTrailingSlash, sslRedirect, usePortInRedirects } from './redirects.ts';

/** The path that a filter is for. */
export interface RedirectPlace {
  /** True when the host, or the wildcard that covers it, has a TLS entry, even if its Secret is missing. */
  readonly hostHasCertificate: boolean;
  /** The Ingress path as written; `/` where it has none. */
  readonly ingressPath: string;
  /** HTTPS port of the controller; 0 is any free one, which no redirect can name. */
  readonly httpsPort: number;
}

/** The filter, or null when plain HTTP is served as it is. */
export function httpsRedirectFilter(
  values: AnnotationValues,
  global: GlobalValues,
  { hostHasCertificate, ingressPath, httpsPort }: RedirectPlace,
): HttpsRedirectFilter | null {
  const isWanted = values.get(forceSslRedirect) === true || (values.get(sslRedirect) === true && hostHasCertificate);
  if (!isWanted || isExempt(ingressPath, global)) return null;
  return {
    kind: 'httpsRedirect',
    status: global.get(httpRedirectCode),
    port: values.get(usePortInRedirects) === true && httpsPort > 0 ? httpsPort : null,
    preserveTrailingSlash: values.get(preserveTrailingSlash) === true,
  };
}

/** A prefix of the text, not of path elements, as ingress-nginx compares (`isLocationInLocationList`). */
function isExempt(ingressPath: string, global: GlobalValues): boolean {
  return global.get(noTlsRedirectLocations).some((prefix) => ingressPath.startsWith(prefix));
}
