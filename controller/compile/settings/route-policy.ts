// How requests of one Ingress are forwarded: annotations over ConfigMap over the defaults of ingress-nginx.

import type { HedgeSettings, RetryBudget } from '#proxy/table/route-settings.ts';
import type { RoutePolicy } from '#proxy/table/types.ts';
import { upstreamProtocol } from './backend-protocol.ts';
import { retryNonIdempotent } from './configmap-proxying.ts';
import { timerMs } from './durations.ts';
import { bandwidthLimit } from './limit-filters.ts';
import { enableAccessLog } from './observability.ts';
import { hedgeAfter, hedgeBudget, hedgeBudgetMin, perTryTimeout, retryBudget, retryBudgetMin } from './own-overload.ts';
import {
  clientBodyBufferSize,
  proxyBodySize,
  proxyBufferSize,
  proxyConnectTimeout,
  proxyNextUpstream,
  proxyNextUpstreamTimeout,
  proxyNextUpstreamTries,
  proxyReadTimeout,
  proxyRequestBuffering,
  proxySendTimeout,
} from './proxying.ts';
import type { AnnotationValues, GlobalValues } from './record.ts';
import { type NextUpstreamWord, retryConditions } from './retry-words.ts';
import { requiredValue } from './values.ts';

/** The policy for all paths of an Ingress. Denied Ingresses have one too; it is never used. */
export function routePolicy(values: AnnotationValues, global: GlobalValues): RoutePolicy {
  const retryTimeout = requiredValue(proxyNextUpstreamTimeout, values);
  return {
    protocol: upstreamProtocol(values),
    upstreamTls: null,
    connectTimeoutMs: timerMs(requiredValue(proxyConnectTimeout, values)),
    sendTimeoutMs: timerMs(requiredValue(proxySendTimeout, values)),
    readTimeoutMs: timerMs(requiredValue(proxyReadTimeout, values)),
    maxResponseHeadBytes: requiredValue(proxyBufferSize, values),
    maxBodyBytes: nullIfZero(requiredValue(proxyBodySize, values)),
    maxAttempts: nullIfZero(requiredValue(proxyNextUpstreamTries, values)),
    retryTimeoutMs: retryTimeout === 0 ? null : timerMs(retryTimeout),
    retryOn: retryConditions(retryWords(values, global)),
    perTryTimeoutMs: values.get(perTryTimeout),
    retryBudget: budget(values),
    bufferRequestBytes:
      requiredValue(proxyRequestBuffering, values) === 'on' ? requiredValue(clientBodyBufferSize, values) : 0,
    hedge: hedge(values),
    bandwidth: bandwidthLimit(values),
    accessLog: requiredValue(enableAccessLog, values),
  };
}

function budget(values: AnnotationValues): RetryBudget | null {
  const percent = values.get(retryBudget);
  return percent === null ? null : { percent, minPerSecond: requiredValue(retryBudgetMin, values) };
}

function hedge(values: AnnotationValues): HedgeSettings | null {
  const afterMs = values.get(hedgeAfter);
  if (afterMs === null) return null;
  const budget = { percent: requiredValue(hedgeBudget, values), minPerSecond: requiredValue(hedgeBudgetMin, values) };
  return { afterMs, budget };
}

/** `retry-non-idempotent` adds its word to every list, as ingress-nginx's `buildNextUpstream` does. */
function retryWords(values: AnnotationValues, global: GlobalValues): readonly NextUpstreamWord[] {
  const words = requiredValue(proxyNextUpstream, values);
  if (!global.get(retryNonIdempotent) || words.includes('non_idempotent')) return words;
  return [...words, 'non_idempotent'];
}

/** 0 means "no limit" in nginx; the table says so in its own way. */
function nullIfZero(value: number): number | null {
  return value === 0 ? null : value;
}
