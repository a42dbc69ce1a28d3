// Annotations of service scope become the settings of an upstream. The Ingress that decides is chosen elsewhere.

import { isOverTls } from '#proxy/table/upstream-protocol.ts';
import type {
  ActiveCheck,
  AdaptiveLimitSettings,
  BalancerSettings,
  OutlierSettings,
  ProbeSettings,
  UpstreamHealth,
  UpstreamLimits,
  ZonePreference,
} from '#proxy/table/upstream-settings.ts';
import { upstreamProtocol } from './backend-protocol.ts';
import { MAX_TIMER_MS } from './durations.ts';
import { loadBalance, upstreamHashBy, upstreamHashBySubset, upstreamHashBySubsetSize } from './load-balancing.ts';
import { balancer, hashBoundedLoad, type OwnBalancer, zonePreference, zoneSpillOver } from './own-balancing.ts';
import {
  activeCheck,
  activeHealthy,
  activeHost,
  activeInterval,
  activePath,
  activePort,
  activeService,
  activeStatus,
  activeTimeout,
  activeUnhealthy,
  passiveEjection,
  passiveErrorRate,
  passiveErrors,
  passiveHealth,
  passiveLatencyFactor,
  passiveMaxEjected,
  passiveMaxEjection,
  passiveMinRequests,
  passiveTuningAnnotations,
  passiveWindow,
  slowStart,
} from './own-health.ts';
import {
  adaptiveConcurrency,
  adaptiveInterval,
  adaptiveMax,
  adaptiveMin,
  adaptiveTolerance,
  maxConnections,
  maxConnectionsPerEndpoint,
  maxPending,
  maxRequests,
  maxRequestsPerEndpoint,
  pendingTimeout,
  retryAfter,
} from './own-overload.ts';
import type { AnnotationValues } from './record.ts';
import { requiredValue } from './values.ts';

const OWN_KINDS: Readonly<Record<OwnBalancer, Exclude<BalancerSettings['kind'], 'consistentHash'>>> = {
  'round-robin': 'roundRobin',
  ewma: 'ewma',
  'least-connections': 'leastConnections',
  'random-two-choices': 'randomTwoChoices',
  'source-hash': 'sourceHash',
  'destination-hash': 'destinationHash',
  'shortest-expected-delay': 'shortestExpectedDelay',
  'never-queue': 'neverQueue',
};

/** Longer, and the probes of one Service that never answers would hold the places of all others. */
const MAX_PROBE_MS = 60_000;

/** More often, the limit would be halved most of the time. */
const MIN_MEASURE_MS = 1000;

/** Size of a group where the annotation says 0 (ingress-nginx `upstreamhashby/main.go`). */
const DEFAULT_SUBSET_SIZE = 3;

/**
 * `upstream-hash-by`, else `balancer`, else `load-balance`. Of the latter, `chash`, `chashsubset` and the sticky ones mean
 * nothing by themselves: without a key ingress-nginx picks in turn as well.
 */
export function balancerSettings(values: AnnotationValues): BalancerSettings {
  const key = values.get(upstreamHashBy);
  if (key !== null) {
    const isSubset = values.get(upstreamHashBySubset) === true;
    const size = requiredValue(upstreamHashBySubsetSize, values);
    return {
      kind: 'consistentHash',
      key,
      subsetSize: isSubset ? (size > 0 ? size : DEFAULT_SUBSET_SIZE) : null,
      boundedLoadFactor: values.get(hashBoundedLoad),
    };
  }
  const own = values.get(balancer);
  if (own !== null) return { kind: OWN_KINDS[own] };
  return { kind: values.get(loadBalance) === 'ewma' ? 'ewma' : 'roundRobin' };
}

/** Health of the endpoints. */
export function healthSettings(values: AnnotationValues): UpstreamHealth {
  return {
    passive: passiveSettings(values),
    active: activeSettings(values),
    slowStartMs: Math.min(requiredValue(slowStart, values), MAX_TIMER_MS),
  };
}

function passiveSettings(values: AnnotationValues): UpstreamHealth['passive'] {
  if (values.get(passiveHealth) === 'off') return 'off';
  if (!passiveTuningAnnotations.some((record) => values.isSet(record))) return 'default';
  const ejectionMs = requiredValue(passiveEjection, values);
  return {
    consecutiveErrors: nullIfZero(requiredValue(passiveErrors, values)),
    errorRatePercent: nullIfZero(requiredValue(passiveErrorRate, values)),
    latencyFactor: values.get(passiveLatencyFactor),
    windowMs: requiredValue(passiveWindow, values),
    minRequests: requiredValue(passiveMinRequests, values),
    ejectionMs,
    maxEjectionMs: Math.max(ejectionMs, requiredValue(passiveMaxEjection, values)),
    maxEjectedPercent: requiredValue(passiveMaxEjected, values),
  } satisfies OutlierSettings;
}

function activeSettings(values: AnnotationValues): ActiveCheck | null {
  const probe = probeSettings(values);
  if (probe === null) return null;
  return {
    probe,
    port: values.get(activePort),
    intervalMs: requiredValue(activeInterval, values),
    timeoutMs: Math.min(MAX_PROBE_MS, requiredValue(activeTimeout, values)),
    healthyThreshold: requiredValue(activeHealthy, values),
    unhealthyThreshold: requiredValue(activeUnhealthy, values),
  };
}

function probeSettings(values: AnnotationValues): ProbeSettings | null {
  const kind = requiredValue(activeCheck, values);
  const overTls = isProbedOverTls(values);
  switch (kind) {
    case 'off':
      return null;
    case 'tcp':
      return { kind };
    case 'grpc':
      return { kind, overTls, service: values.get(activeService) ?? '' };
    case 'http': {
      const { min, max } = requiredValue(activeStatus, values);
      const path = requiredValue(activePath, values);
      return { kind, overTls, path, host: values.get(activeHost), minStatus: min, maxStatus: max };
    }
    default:
      return kind satisfies never;
  }
}

/** The endpoints' own port speaks what requests speak; a port for probes alone hardly ever has a certificate. */
function isProbedOverTls(values: AnnotationValues): boolean {
  return isOverTls(upstreamProtocol(values)) && values.get(activePort) === null;
}

/** Circuit breaking; null when no limit is set. */
export function limitSettings(values: AnnotationValues): UpstreamLimits | null {
  const limits = {
    maxConnections: nullIfZero(requiredValue(maxConnections, values)),
    maxRequests: nullIfZero(requiredValue(maxRequests, values)),
    maxConnectionsPerEndpoint: nullIfZero(requiredValue(maxConnectionsPerEndpoint, values)),
    maxRequestsPerEndpoint: nullIfZero(requiredValue(maxRequestsPerEndpoint, values)),
    adaptive: adaptiveSettings(values),
  };
  if (Object.values(limits).every((limit) => limit === null)) return null;
  return {
    ...limits,
    maxPending: requiredValue(maxPending, values),
    pendingTimeoutMs: requiredValue(pendingTimeout, values),
    retryAfterSeconds: requiredValue(retryAfter, values),
  };
}

function adaptiveSettings(values: AnnotationValues): AdaptiveLimitSettings | null {
  if (values.get(adaptiveConcurrency) !== true) return null;
  const minRequests = requiredValue(adaptiveMin, values);
  return {
    minRequests,
    maxRequests: Math.max(minRequests, requiredValue(adaptiveMax, values)),
    tolerancePercent: requiredValue(adaptiveTolerance, values),
    measureEveryMs: Math.max(MIN_MEASURE_MS, requiredValue(adaptiveInterval, values)),
  };
}

/** Preference for the zone of this node; null without the annotation, or when the zone is unknown (''). */
export function zoneSettings(values: AnnotationValues, nodeZone: string): ZonePreference | null {
  if (values.get(zonePreference) !== true || nodeZone === '') return null;
  return { zone: nodeZone, minUsablePercent: requiredValue(zoneSpillOver, values) };
}

function nullIfZero(value: number): number | null {
  return value === 0 ? null : value;
}
