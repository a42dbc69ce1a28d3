// The compiler: one view of the cluster in, one routing table out. Only the order of the passes stands here. While
// serving, `IncrementalCompiler` (incremental.ts) does the same change by change; this is what it must equal.
//
// Total and deterministic: user input gives diagnostics, never exceptions, and equal sets of objects give equal bytes in
// whatever order they arrived.

import type { RoutingTable } from '#proxy/table/types.ts';
import { compareText } from '../objects/diagnostic.ts';
import type { Snapshot } from '../objects/snapshot.ts';
import { chooseCertificates } from './certificates.ts';
import { readGlobalValues } from './global.ts';
import { planHosts } from './hosts.ts';
import { orderIngresses } from './order.ts';
import { openPolicyBook, PolicyIds } from './policies.ts';
import { finishDiagnostics } from './report.ts';
import { assembleVirtualHosts } from './routes.ts';
import { selectIngresses } from './select.ts';
import { globalSettings } from './settings/global-settings.ts';
import { resolveStreams } from './stream-services.ts';
import type { CompileMemory, CompileOptions, CompileResult } from './types.ts';
import { resolveUpstreams } from './upstreams.ts';

/**
 * Compiles a snapshot. `memory` is `emptyMemory` or that of the previous result: it keeps serving what a bad edit broke.
 * `nowMs` is Unix time and is used for warnings about certificate validity only; it never changes the table. Cost is
 * about linear in paths, endpoints and hosts.
 */
export function compile(
  snapshot: Snapshot,
  options: CompileOptions,
  memory: CompileMemory,
  nowMs: number,
): CompileResult {
  // The ConfigMap first: it is the fallback of annotations and decides which of them are accepted.
  const global = readGlobalValues(snapshot, options);
  const { ingressClasses } = snapshot;
  const selection = selectIngresses(snapshot.ingresses, memory, { ingressClasses, options, global: global.values });
  // From here on the first Ingress wins every conflict.
  const ordered = orderIngresses(selection.accepted);
  const hosts = planHosts(ordered);
  // Certificates before routes: whether a host has one decides its redirects.
  const certificates = chooseCertificates(hosts.plans.values(), snapshot, options, memory, nowMs);
  const upstreams = resolveUpstreams(hosts.plans.values(), ordered, snapshot, options);
  const streams = resolveStreams(snapshot, options);
  const policies = openPolicyBook({ options, global: global.values, ids: new PolicyIds() });
  const virtualHosts = assembleVirtualHosts(hosts.plans.values(), certificates.byHost, {
    policies,
    idByBackend: upstreams.idByBackend,
    settingsByBackend: upstreams.settingsByBackend,
    defaultBackend: upstreams.defaultBackend,
    global: global.values,
    httpsPort: options.httpsPort,
    enableSslPassthrough: options.enableSslPassthrough,
  });
  const pairs = [...certificates.pairs.values()].sort((a, b) => compareText(a.info.id, b.info.id));
  const table: RoutingTable = {
    format: 1,
    global: { ...globalSettings(global.values), defaultCertificate: certificates.defaultCertificate },
    policies: policies.all(),
    virtualHosts,
    upstreams: upstreams.upstreams,
    certificates: pairs.map(({ info }) => info),
    streams: streams.streams,
  };
  const passes = [global, selection, hosts, certificates, upstreams, streams];
  return {
    table,
    material: new Map(pairs.map(({ material }) => [material.id, material])),
    diagnostics: finishDiagnostics(
      snapshot.sourceDiagnostics,
      passes.flatMap(({ diagnostics }) => diagnostics),
      snapshot.sources,
    ),
    memory: { acceptedIngresses: selection.acceptedIngresses, goodPairs: certificates.goodPairs },
    wantedNames: [...new Set([...upstreams.wantedNames, ...streams.wantedNames])].sort(compareText),
  };
}
