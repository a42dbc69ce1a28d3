// Pass: the ConfigMaps of `--tcp-services-configmap` and `--udp-services-configmap` -> stream services (configmap-and-flags.md).
//
// In: `port: namespace/service:port[:PROXY][:PROXY]`, the first word for clients, the second for endpoints. Out: one service
// per port, sorted by id. A wrong entry costs its own port. A service without endpoints keeps its port, so that clients of a
// restarting one are not told that there is nothing; ingress-nginx closes the port then.

import { plainUpstream } from '#proxy/table/defaults.ts';
import type { Endpoint, StreamService } from '#proxy/table/types.ts';
import type { ZonePreference } from '#proxy/table/upstream-settings.ts';
import { compareText, type Diagnostic } from '../objects/diagnostic.ts';
import { quoteShort } from '../objects/host-name.ts';
import type { Snapshot } from '../objects/snapshot.ts';
import { type ConfigMap, keyOf, type ObjectKey, type Service } from '../objects/types.ts';
import { preferenceOf, sliceEndpoints, zoneHints } from './endpoints.ts';
import { externalTarget } from './external-name.ts';
import { absentObject, diagnose } from './report.ts';
import { externalPort } from './service-ports.ts';
import { parseStreamEntry, type StreamEntry } from './stream-entry.ts';
import type { CompileOptions } from './types.ts';

export interface StreamsPass {
  /** Sorted by id. */
  readonly streams: readonly StreamService[];
  /** Services that the entries name, whether they exist or not. */
  readonly services: ReadonlySet<ObjectKey>;
  /** External names that somebody must resolve. */
  readonly wantedNames: ReadonlySet<string>;
  readonly diagnostics: readonly Diagnostic[];
}

/** The part of a snapshot that decides about stream services. */
export type StreamObjects = Pick<Snapshot, 'configMaps' | 'services' | 'slicesByService' | 'resolvedNames'>;

interface Found {
  readonly streams: StreamService[];
  readonly services: Set<ObjectKey>;
  readonly wantedNames: Set<string>;
  readonly diagnostics: Diagnostic[];
}

/** Resolves all stream services. Linear in their entries and endpoints. */
export function resolveStreams(snapshot: StreamObjects, options: CompileOptions): StreamsPass {
  const found: Found = { streams: [], services: new Set(), wantedNames: new Set(), diagnostics: [] };
  readConfigMap('tcp', options.tcpServicesConfigMap, snapshot, options, found);
  readConfigMap('udp', options.udpServicesConfigMap, snapshot, options, found);
  return { ...found, streams: found.streams.sort((a, b) => compareText(a.id, b.id)) };
}

function readConfigMap(
  protocol: 'tcp' | 'udp',
  key: ObjectKey,
  snapshot: StreamObjects,
  options: CompileOptions,
  found: Found,
): void {
  if (key === '') return;
  const configMap = snapshot.configMaps.get(key);
  if (configMap === undefined) {
    const message = `--${protocol}-services-configmap names ConfigMap ${key}, which does not exist; no ${protocol.toUpperCase()} port is open`;
    found.diagnostics.push(diagnose('warning', 'ConfigMapNotFound', absentObject('ConfigMap', key), '', message));
    return;
  }
  for (const [port, text] of Object.entries(configMap.data)) {
    const parsed = parseStreamEntry(protocol, port, text, options.reservedPorts);
    const report = entryReporter(configMap, port, found);
    if (!parsed.ok) report('error', 'StreamServiceInvalid', `${parsed.why}; the port is not opened`);
    else {
      for (const warning of parsed.warnings) report('warning', 'StreamServiceFlag', warning);
      found.streams.push(resolveEntry(parsed.entry, snapshot, options, found, report));
    }
  }
}

type Report = (severity: 'error' | 'warning', reason: string, message: string) => void;

function entryReporter(configMap: ConfigMap, port: string, { diagnostics }: Found): Report {
  return (severity, reason, message) => {
    const text = `${keyOf(configMap.meta)} key ${quoteShort(port)}: ${message}`;
    diagnostics.push(diagnose(severity, reason, configMap, `data[${port}]`, text));
  };
}

function resolveEntry(
  entry: StreamEntry,
  snapshot: StreamObjects,
  options: CompileOptions,
  found: Found,
  report: Report,
): StreamService {
  const { protocol, port, namespace, service, servicePort } = entry;
  const id = `${protocol}:${port}`;
  const key = `${namespace}/${service}`;
  found.services.add(key);
  const object = snapshot.services.get(key);
  const closed =
    protocol === 'tcp' ? 'connections to the port are closed at once' : 'datagrams to the port are dropped';
  let upstream = plainUpstream(id, []);
  if (object === undefined) report('error', 'ServiceNotFound', `Service ${key} does not exist; ${closed}`);
  else {
    const target = resolveService(object, entry, snapshot, options);
    upstream = { ...upstream, endpoints: target.endpoints, zone: target.zone };
    if (target.wantedName !== null) found.wantedNames.add(target.wantedName);
    if (target.problem !== null) report(...target.severity, `Service ${key} ${target.problem}; ${closed}`);
  }
  return {
    id,
    protocol,
    port,
    expectsProxyHeader: entry.expectsProxyHeader,
    sendsProxyHeader: entry.sendsProxyHeader,
    upstream,
    labels: { namespace, service, servicePort },
  };
}

interface StreamTarget {
  readonly endpoints: readonly Endpoint[];
  /** By topology hints of the Service; null without them. */
  readonly zone: ZonePreference | null;
  readonly wantedName: string | null;
  /** null: traffic arrives. */
  readonly problem: string | null;
  readonly severity: readonly ['error' | 'warning', string];
}

function resolveService(
  service: Service,
  entry: StreamEntry,
  snapshot: StreamObjects,
  options: CompileOptions,
): StreamTarget {
  if (service.type === 'ExternalName') return resolveExternal(service, entry, snapshot, options);
  const { protocol, servicePort } = entry;
  // By number or by name, and of the right protocol (controller.go, getStreamServices); never by target port.
  const port = service.ports.find(
    (candidate) =>
      candidate.protocol === protocol.toUpperCase() &&
      (entry.isNumber ? String(candidate.port) === servicePort : candidate.name === servicePort),
  );
  if (port === undefined) {
    const problem = `has no ${protocol.toUpperCase()} port ${entry.isNumber ? servicePort : quoteShort(servicePort)}`;
    return failed(problem, 'error', 'ServicePortNotFound', null);
  }
  const slices = snapshot.slicesByService.get(keyOf(service.meta)) ?? [];
  const hints = zoneHints(service, options);
  const endpoints = sliceEndpoints(slices, port, hints, protocol === 'tcp' ? 'TCP' : 'UDP');
  if (endpoints.length > 0) return reached(endpoints, preferenceOf(hints), null);
  return failed(`has no ready endpoint for port ${servicePort}`, 'warning', 'NoEndpoints', null);
}

function resolveExternal(
  service: Service,
  { service: name, servicePort, isNumber }: StreamEntry,
  snapshot: StreamObjects,
  options: CompileOptions,
): StreamTarget {
  if (options.disableSvcExternalName) {
    const problem = 'is of type ExternalName, which --disable-svc-external-name forbids';
    return failed(problem, 'error', 'ExternalNameDisabled', null);
  }
  const use = { service: name, port: servicePort, portKind: isNumber ? ('number' as const) : ('name' as const) };
  const port = externalPort(service, use);
  if (port === null) return failed(`has no port ${quoteShort(servicePort)}`, 'error', 'ServicePortNotFound', null);
  const { endpoints, wantedName, problem } = externalTarget(service.externalName, port, snapshot.resolvedNames);
  if (problem === null) return reached(endpoints, null, wantedName);
  // A name that is still being resolved is nobody's mistake; a refused one is.
  return wantedName === null
    ? failed(problem, 'error', 'ExternalNameRefused', null)
    : failed(problem, 'warning', 'ExternalNameUnresolved', wantedName);
}

function reached(endpoints: readonly Endpoint[], zone: ZonePreference | null, wantedName: string | null): StreamTarget {
  return { endpoints, zone, wantedName, problem: null, severity: ['warning', ''] };
}

function failed(
  problem: string,
  severity: 'error' | 'warning',
  reason: string,
  wantedName: string | null,
): StreamTarget {
  return { endpoints: [], zone: null, wantedName, problem, severity: [severity, reason] };
}
