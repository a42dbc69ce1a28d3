// How requests of one Ingress are forwarded: annotations over ConfigMap over the defaults of ingress-nginx.

import type { RoutePolicy } from '#proxy/table/types.ts';
import { retryNonIdempotent } from './configmap-proxying.ts';
import { timerMs } from './durations.ts';
import { enableAccessLog } from './observability.ts';
import {
  clientBodyBufferSize,
  proxyBodySize,
  proxyConnectTimeout,
  proxyNextUpstream,
  proxyNextUpstreamTimeout,
  proxyNextUpstreamTries,
  proxyReadTimeout,
  proxyRequestBuffering,
  proxySendTimeout,
} from './proxying.ts';
import type { AnnotationRecord, AnnotationValues, GlobalValues } from './record.ts';
import { type NextUpstreamWord, retryConditions } from './retry-words.ts';

/** The policy for all paths of an Ingress. Denied Ingresses have one too; it is never used. */
export function routePolicy(values: AnnotationValues, global: GlobalValues): RoutePolicy {
  const retryTimeout = required(proxyNextUpstreamTimeout, values);
  return {
    protocol: 'http',
    connectTimeoutMs: timerMs(required(proxyConnectTimeout, values)),
    sendTimeoutMs: timerMs(required(proxySendTimeout, values)),
    readTimeoutMs: timerMs(required(proxyReadTimeout, values)),
    maxBodyBytes: nullIfZero(required(proxyBodySize, values)),
    maxAttempts: nullIfZero(required(proxyNextUpstreamTries, values)),
    retryTimeoutMs: retryTimeout === 0 ? null : timerMs(retryTimeout),
    retryOn: retryConditions(retryWords(values, global)),
    perTryTimeoutMs: null,
    retryBudget: null,
    bufferRequestBytes: required(proxyRequestBuffering, values) === 'on' ? required(clientBodyBufferSize, values) : 0,
    hedge: null,
    bandwidth: null,
    accessLog: required(enableAccessLog, values),
  };
}

/** `retry-non-idempotent` adds its word to every list, as ingress-nginx's `buildNextUpstream` does. */
function retryWords(values: AnnotationValues, global: GlobalValues): readonly NextUpstreamWord[] {
  const words = required(proxyNextUpstream, values);
  if (!global.get(retryNonIdempotent) || words.includes('non_idempotent')) return words;
  return [...words, 'non_idempotent'];
}

/** 0 means "no limit" in nginx; the table says so in its own way. */
function nullIfZero(value: number): number | null {
  return value === 0 ? null : value;
}

function required<T>(record: AnnotationRecord<T>, values: AnnotationValues): T {
  const value = values.get(record);
  // Only a record without default gives null, and every record used here has one.
  if (value === null) throw new Error(`annotation record ${record.name} has no default`);
  return value;
}
