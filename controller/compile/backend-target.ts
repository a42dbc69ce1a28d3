// Where one backend leads: Service, EndpointSlices and resolved names -> endpoints, or why there are none
// (routing-semantics §7).

import { plainEndpoint } from '#proxy/table/defaults.ts';
import type { Endpoint } from '#proxy/table/types.ts';
import type { ZonePreference } from '#proxy/table/upstream-settings.ts';
import { quoteShort } from '../objects/host-name.ts';
import { parseIpAddress } from '../objects/ip-address.ts';
import type { Snapshot } from '../objects/snapshot.ts';
import type { Service } from '../objects/types.ts';
import { preferenceOf, sliceEndpoints, zoneHints } from './endpoints.ts';
import { externalTarget } from './external-name.ts';
import type { BackendUse } from './host-plan.ts';
import { clusterIpPort, externalPort, findServicePort } from './service-ports.ts';
import type { CompileOptions } from './types.ts';

/** What is wrong with a backend. `text` is the first half of a message. */
export interface BackendProblem {
  readonly severity: 'error' | 'warning';
  readonly reason: string;
  readonly field: '' | '.name' | '.port';
  readonly text: string;
}

export interface BackendTarget {
  readonly endpoints: readonly Endpoint[];
  /** By topology hints of the Service; null without them. */
  readonly zone: ZonePreference | null;
  /** External name that somebody must resolve. */
  readonly wantedName: string | null;
  /** null: traffic arrives. Otherwise there is no endpoint. */
  readonly problem: BackendProblem | null;
}

/** A Service port that Ingresses of `namespace` name. */
export interface Backend {
  readonly namespace: string;
  readonly use: BackendUse;
}

/** The part of a snapshot that decides where a backend leads. */
export type BackendObjects = Pick<Snapshot, 'services' | 'slicesByService' | 'resolvedNames'>;

/**
 * Resolves one backend. It depends on the Service, its slices and, for an ExternalName, the addresses of `wantedName`.
 * `isViaClusterIp`: see `service-upstream`.
 */
export function resolveBackend(
  { namespace, use }: Backend,
  isViaClusterIp: boolean,
  snapshot: BackendObjects,
  options: CompileOptions,
): BackendTarget {
  const serviceKey = `${namespace}/${use.service}`;
  const service = snapshot.services.get(serviceKey);
  if (service === undefined) {
    return failed('error', 'ServiceNotFound', '.name', `Service ${serviceKey} does not exist`);
  }
  if (isViaClusterIp) {
    const endpoint = clusterIpEndpoint(service, use);
    if (endpoint !== null) return reached([endpoint], null, null);
  }
  if (service.type === 'ExternalName') return resolveExternalName(service, serviceKey, use, snapshot, options);
  const port = findServicePort(service, use);
  if (port === null) {
    return failed('error', 'ServicePortNotFound', '.port', `Service ${serviceKey} has no port ${portText(use)}`);
  }
  const slices = snapshot.slicesByService.get(serviceKey) ?? [];
  const hints = zoneHints(service, options);
  const endpoints = sliceEndpoints(slices, port, hints);
  if (endpoints.length > 0) return reached(endpoints, preferenceOf(hints), null);
  return failed('warning', 'NoEndpoints', '', `Service ${serviceKey} has no ready endpoint for port ${portText(use)}`);
}

/** Null when there is no ClusterIP or no such port: pod endpoints are used then, as in ingress-nginx. */
function clusterIpEndpoint(service: Service, use: BackendUse): Endpoint | null {
  const port = clusterIpPort(service, use);
  const isAddress = parseIpAddress(service.clusterIP) !== null;
  return port !== null && isAddress ? plainEndpoint(service.clusterIP, port) : null;
}

function resolveExternalName(
  service: Service,
  serviceKey: string,
  use: BackendUse,
  snapshot: BackendObjects,
  options: CompileOptions,
): BackendTarget {
  if (options.disableSvcExternalName) {
    const text = `Service ${serviceKey} is of type ExternalName, which --disable-svc-external-name forbids`;
    return failed('error', 'ExternalNameDisabled', '.name', text);
  }
  const port = externalPort(service, use);
  if (port === null) {
    return failed('error', 'ServicePortNotFound', '.port', `Service ${serviceKey} has no port ${portText(use)}`);
  }
  const { endpoints, wantedName, problem } = externalTarget(service.externalName, port, snapshot.resolvedNames);
  if (problem === null) return reached(endpoints, null, wantedName);
  // A name that is still being resolved is nobody's mistake; a refused one is.
  const [severity, reason] =
    wantedName === null
      ? (['error', 'ExternalNameRefused'] as const)
      : (['warning', 'ExternalNameUnresolved'] as const);
  return { ...failed(severity, reason, '.name', `Service ${serviceKey} ${problem}`), wantedName };
}

function reached(
  endpoints: readonly Endpoint[],
  zone: ZonePreference | null,
  wantedName: string | null,
): BackendTarget {
  return { endpoints, zone, wantedName, problem: null };
}

function failed(
  severity: BackendProblem['severity'],
  reason: string,
  field: BackendProblem['field'],
  text: string,
): BackendTarget {
  return { endpoints: [], zone: null, wantedName: null, problem: { severity, reason, field, text } };
}

function portText(use: BackendUse): string {
  return use.portKind === 'name' ? quoteShort(use.port) : use.port;
}
