// Rate and connection limits of one Ingress. All its paths share the counters (annotation reference section 8).

import type { BandwidthLimit, ConnectionLimitFilter, RateLimitFilter } from '#proxy/table/route-settings.ts';
import { limitConnStatusCode, limitConnZoneVariable, limitReqStatusCode } from './configmap-limits.ts';
import {
  limitAllowlist,
  limitBurstMultiplier,
  limitConnections,
  limitRate,
  limitRateAfter,
  limitRpm,
  limitRps,
} from './rate-limits.ts';
import type { AnnotationValues, GlobalValues } from './record.ts';
import { requiredValue } from './values.ts';

const KIB = 1024;

/**
 * The limits of an Ingress, in the order in which nginx asks them: requests, then connections. `zone` is
 * `namespace/name` of the Ingress. A limit that is not above zero is off, as in ingress-nginx.
 */
export function limitFilters(
  values: AnnotationValues,
  global: GlobalValues,
  zone: string,
): (RateLimitFilter | ConnectionLimitFilter)[] {
  const shared = { zone, key: global.get(limitConnZoneVariable), allowCidrs: values.get(limitAllowlist) ?? [] };
  const filters: (RateLimitFilter | ConnectionLimitFilter)[] = [];
  for (const [record, per] of [[limitRpm, 'minute'] as const, [limitRps, 'second'] as const]) {
    const requests = requiredValue(record, values);
    if (requests < 1) continue;
    const burst = Math.max(0, requests * requiredValue(limitBurstMultiplier, values));
    filters.push({ kind: 'rateLimit', ...shared, requests, per, burst, status: global.get(limitReqStatusCode) });
  }
  const max = requiredValue(limitConnections, values);
  if (max > 0) filters.push({ kind: 'connectionLimit', ...shared, max, status: global.get(limitConnStatusCode) });
  return filters;
}

/** `limit-rate` and `limit-rate-after`, both KiB in the annotations. null: no limit. */
export function bandwidthLimit(values: AnnotationValues): BandwidthLimit | null {
  const rate = requiredValue(limitRate, values);
  if (rate < 1) return null;
  return { bytesPerSecond: rate * KIB, afterBytes: Math.max(0, requiredValue(limitRateAfter, values)) * KIB };
}
