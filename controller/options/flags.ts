// The one table of command line flags: Sluice's own, all 72 of ingress-nginx v1.15 and klog's. Parsing, --help, warnings
// and the `Options` type come from it. Names are the flags as users write them; order is the order of --help.

import { type Flag, full, noEffect, notYet } from './flag.ts';
import {
  bool,
  buckets,
  count,
  decimal,
  durationMs,
  entryCount,
  list,
  listenAddress,
  objectKey,
  oneOf,
  path,
  placeCount,
  port,
  seconds,
  text,
  workerCount,
} from './value-types.ts';

const NO_GEOIP = 'No GeoIP database is downloaded.';
const HOST_LABEL = 'Request metrics carry the name of the virtual host.';

const source = {
  manifests: full(
    path,
    '',
    'Folder of Kubernetes manifests (.yaml, .yml, .json, recursive) to serve and to watch. Default: the API server.',
  ),
  'max-manifest-bytes': full(count, 16 * 1024 * 1024, 'Largest manifest file that is read; a larger one is reported.'),
  'apiserver-host': full(text, '', 'URL of the Kubernetes API server. Default: the one of the pod or the kubeconfig.', [
    'serve',
  ]),
  'certificate-authority': full(path, '', 'CA file for --apiserver-host.', ['serve']),
  kubeconfig: full(path, '', 'kubeconfig file of the cluster to read. Default: the service account of the pod.', [
    'serve',
  ]),
  'watch-namespace': full(text, '', 'Read only this namespace. Default: all.'),
  'watch-namespace-selector': full(text, '', 'Read only Ingresses of namespaces with these labels.', ['serve']),
  'sync-period': full(durationMs, 0, 'Read everything again this often; 0: only when a watch is lost.'),
  'force-namespace-isolation': noEffect(
    bool,
    false,
    'Gone from ingress-nginx since 0.24: isolation is the rule, allow-cross-namespace-resources the exception.',
  ),
  'sync-rate-limit': noEffect(decimal, 0.3, 'Syncs per second; Sluice applies changes as they come.'),
} satisfies FlagGroup;

const routing = {
  'ingress-class': full(text, 'nginx', 'Class name matched in the annotation kubernetes.io/ingress.class.'),
  'controller-class': full(text, 'k8s.io/ingress-nginx', 'IngressClasses with this .spec.controller are served.'),
  'ingress-class-by-name': full(bool, false, 'Also serve an IngressClass named like --ingress-class.'),
  'watch-ingress-without-class': full(bool, false, 'Also serve Ingresses that name no class.'),
  configmap: full(objectKey, '', 'ConfigMap with global settings.'),
  'default-backend-service': full(objectKey, '', 'Service for requests that no Ingress matches. Default: a plain 404.'),
  'default-ssl-certificate': full(objectKey, '', 'TLS Secret for unknown names. Default: a generated certificate.'),
  'annotations-prefix': full(text, 'nginx.ingress.kubernetes.io', 'Prefix of Ingress annotations.'),
  'enable-annotation-validation': full(bool, true, 'Refuse annotation values that could be harmful.'),
  'deep-inspect': full(bool, true, 'Refuse Ingresses whose fields hold text that attacks nginx.'),
  'disable-catch-all': full(bool, false, 'Ignore Ingresses with .spec.defaultBackend.'),
  'disable-svc-external-name': full(bool, false, 'Give ExternalName Services no endpoints.'),
  'enable-topology-aware-routing': full(bool, false, 'Follow topology hints of EndpointSlices.'),
  'node-zone': full(text, '', 'Zone of this node, for topology hints. Default: its label topology.kubernetes.io/zone.'),
} satisfies FlagGroup;

const listeners = {
  'http-port': full(port, 8080, 'Port for HTTP (ingress-nginx: 80). 0 takes a free one.'),
  'https-port': full(port, 8443, 'Port for HTTPS (ingress-nginx: 443). 0 takes a free one.'),
  'bind-address': full(
    text,
    '',
    'Address of all traffic listeners. Default: bind-address of the ConfigMap, else every IPv4 and IPv6 address.',
  ),
  workers: full(workerCount, 'auto', 'Worker threads. auto: the processor cores this container may use.'),
  'max-connections': full(count, 16_384, 'Most client connections of one worker; more are closed as they come.'),
  'limit-entries': full(
    entryCount,
    65_536,
    'Clients that rate and connection limits count at a time, over all workers and Ingresses; the longest at rest are forgotten.',
  ),
  'limit-entries-full': full(
    oneOf('open', 'closed'),
    'open',
    'Where requests under way leave limit-entries no room for another client: open lets it pass uncounted, closed refuses it, as nginx does.',
    ['serve'],
  ),
  'shared-counts': full(
    entryCount,
    16_384,
    'Upstreams and endpoints whose requests are counted over all workers, where balancer or limits ask for it; others are counted per worker.',
  ),
  'max-active-checks': full(
    placeCount,
    64,
    'Probes of active checks (annotation active-check) at one time; a quarter of them, at most, for one Service.',
    ['serve'],
  ),
  'limit-store-url': full(
    text,
    '',
    'redis:// or rediss:// URL of a store in which replicas count limit-rps and limit-rpm together. Default: each counts alone.',
    ['serve'],
  ),
  'limit-store-ca': full(
    path,
    '',
    'File with certificates (PEM) that a rediss:// store is checked against. Default: those of Node.',
    ['serve'],
  ),
  'limit-store-password-file': full(
    path,
    '',
    'File with the password of the limit store, as a mounted Secret has it. Default: that of the URL, if it has one.',
    ['serve'],
  ),
  'limit-store-timeout': full(durationMs, 25, 'Longest time that a request waits for the limit store.', ['serve']),
  'limit-store-failure': full(
    oneOf('local', 'open', 'closed'),
    'local',
    'Without an answer of the limit store: local counts in this process, open serves, closed answers 503.',
    ['serve'],
  ),
  'static-read-buffer': full(bool, true, 'Read sockets into one shared buffer; false is slower and more conservative.'),
  'enable-ssl-passthrough': full(bool, false, 'Pass TLS of Ingresses that ask for it through to the backend.'),
  'ssl-passthrough-proxy-port': noEffect(port, 442, 'Internal port of ingress-nginx.'),
  'enable-ssl-chain-completion': notYet(
    bool,
    false,
    'Fetch missing intermediate certificates.',
    'Certificates are served as they stand in their Secret.',
  ),
  'tcp-services-configmap': full(
    objectKey,
    '',
    'ConfigMap of TCP ports: port to namespace/service:port[:PROXY][:PROXY].',
  ),
  'udp-services-configmap': full(objectKey, '', 'ConfigMap of UDP ports: port to namespace/service:port.'),
  'default-server-port': noEffect(port, 8181, 'Port of the built-in 404 server; workers answer by themselves.'),
  'status-port': noEffect(port, 10_246, 'Internal port of ingress-nginx.'),
  'stream-port': noEffect(port, 10_247, 'Internal port of ingress-nginx.'),
} satisfies FlagGroup;

const lifecycle = {
  'healthz-host': full(text, '', 'Address of the health and metrics server. Default: every address.'),
  'healthz-port': full(port, 10_254, 'Port of the health and metrics server.'),
  'health-check-path': full(text, '/healthz', 'Path of the health check.'),
  'health-check-timeout': full(seconds, 10, 'Time limit of one health or metrics request.'),
  'shutdown-grace-period': full(seconds, 0, 'Keep serving this long after SIGTERM while the health check fails.'),
  'post-shutdown-grace-period': full(
    seconds,
    0,
    'Wait this long between the last connection and the exit (ingress-nginx: 10).',
  ),
} satisfies FlagGroup;

const logging = {
  'log-format': full(oneOf('auto', 'json', 'pretty'), 'auto', 'auto: pretty on a terminal, else JSON lines.'),
  'log-level': full(oneOf('error', 'warn', 'info', 'debug', 'trace'), 'info', 'Least important level that is written.'),
  v: full(count, 0, "klog's verbosity: 3 and 4 mean --log-level debug, 5 and more trace."),
  vmodule: noEffect(text, '', 'klog.'),
  logtostderr: noEffect(bool, true, 'klog.'),
  alsologtostderr: noEffect(bool, false, 'klog.'),
  stderrthreshold: noEffect(text, '2', 'klog.'),

  'legacy-stderr-threshold-behavior': noEffect(bool, true, 'klog.'),
  'log-dir': noEffect(path, '', 'klog.'),
  'log-file': noEffect(path, '', 'klog.'),
  'log-file-max-size': noEffect(count, 1800, 'klog.'),
  'log-backtrace-at': noEffect(text, '', 'klog.'),
  'add-dir-header': noEffect(bool, false, 'klog.'),
  'skip-headers': noEffect(bool, false, 'klog.'),
  'skip-log-headers': noEffect(bool, false, 'klog.'),
  'one-output': noEffect(bool, false, 'klog.'),
  'internal-logger-address': noEffect(text, '127.0.0.1:11514', 'Syslog of the ingress-nginx chroot image.'),
} satisfies FlagGroup;

const metrics = {
  'enable-metrics': full(bool, true, 'Serve request and controller metrics (ingress-nginx: false).'),
  'metrics-per-host': full(bool, true, 'Label request metrics with the host.'),
  'metrics-per-undefined-host': notYet(
    bool,
    false,
    'Also count hosts that no Ingress names. Needs --metrics-per-host.',
    HOST_LABEL,
  ),
  'report-status-classes': full(bool, false, 'Label 2xx, 3xx ... instead of status codes.'),
  'time-buckets': full(
    buckets,
    [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
    'Histogram bounds for durations, in seconds.',
  ),
  'length-buckets': full(
    buckets,
    [10, 20, 30, 40, 50, 60, 70, 80, 90, 100],
    'Histogram bounds for request and response sizes, in bytes.',
  ),
  'size-buckets': full(
    buckets,
    [10, 100, 1000, 10_000, 100_000, 1_000_000, 10_000_000],
    'Histogram bounds for bytes_sent.',
  ),
  'exclude-socket-metrics': full(list, [], 'Request metrics to leave out, with or without prefix.'),
  'bucket-factor': notYet(decimal, 0, 'Growth factor of native histograms.', 'Histograms keep their classic buckets.'),
  'max-buckets': noEffect(count, 100, 'Most buckets of a native histogram.'),
  'monitor-max-batch-size': noEffect(count, 10_000, 'Batch size of the ingress-nginx Lua monitor.'),
  profiling: noEffect(bool, true, 'Go pprof.'),
  'profiler-port': noEffect(port, 10_245, 'Go pprof.'),
  'profiler-address': noEffect(text, '127.0.0.1', 'Go pprof.'),
} satisfies FlagGroup;

const cluster = {
  'publish-service': full(objectKey, '', 'Service whose addresses go to the Ingress status.'),
  'publish-status-address': full(list, [], 'Addresses that go to the Ingress status.'),
  'update-status': full(bool, true, 'Write the status of Ingresses (not from a manifest folder).'),
  'update-status-on-shutdown': full(bool, true, 'Clear the status on exit, unless others serve on.'),
  'status-update-interval': full(seconds, 60, 'Time between two status updates, at least 5.'),
  'report-node-internal-ip-address': full(bool, false, 'Publish internal node addresses.'),
  'election-id': full(text, 'ingress-controller-leader', 'Name of the leader election Lease.'),
  'election-ttl': full(durationMs, 30_000, 'Duration of the leader election Lease.'),
  'disable-leader-election': full(bool, false, 'Never become leader: no status and no Events are written.'),
  'disable-sync-events': full(bool, false, 'Write no Sync Events.'),
  'validating-webhook': full(listenAddress, '', 'Address of the admission webhook, such as :8443. Default: none.'),
  'validating-webhook-certificate': full(path, '', 'Certificate of the admission webhook; read again when it changes.'),
  'validating-webhook-key': full(path, '', 'Key of the admission webhook.'),
  'disable-full-test': full(bool, false, 'Webhook: look at other Ingresses for overlapping paths only.'),
  'dynamic-configuration-retries': noEffect(count, 15, 'Retries of the ingress-nginx Lua configuration.'),
  'maxmind-mirror': notYet(text, '', 'Mirror of GeoIP databases.', NO_GEOIP),
  'maxmind-license-key': notYet(text, '', 'License key for GeoIP databases.', NO_GEOIP),
  'maxmind-edition-ids': noEffect(list, ['GeoLite2-City', 'GeoLite2-ASN'], 'GeoIP databases to download.'),
  'maxmind-retries-count': noEffect(count, 1, 'Tries of a GeoIP download.'),
  'maxmind-retries-timeout': noEffect(durationMs, 0, 'Pause between tries of a GeoIP download.'),
} satisfies FlagGroup;

const commands = {
  output: full(oneOf('yaml', 'json'), 'yaml', 'translate: form of the printed table.', ['translate']),
  json: full(bool, false, 'annotations: print JSON instead of a table.', ['annotations']),
  help: full(bool, false, 'Print this text.', ['serve', 'translate', 'annotations', 'rbac', 'version', 'help']),
  version: full(bool, false, 'Print the version.', ['serve', 'translate', 'annotations', 'rbac', 'version', 'help']),
} satisfies FlagGroup;

type FlagGroup = Readonly<Record<string, Flag<unknown>>>;

/** All flags by name. */
export const flags = {
  ...source,
  ...routing,
  ...listeners,
  ...lifecycle,
  ...logging,
  ...metrics,
  ...cluster,
  ...commands,
} satisfies FlagGroup;

export type FlagName = keyof typeof flags;

/** The same flags under their headings, in the order of --help. */
export const flagGroups: readonly { readonly title: string; readonly flags: FlagGroup }[] = [
  { title: 'Where objects come from', flags: source },
  { title: 'Which objects are served, and how', flags: routing },
  { title: 'Listeners and workers', flags: listeners },
  { title: 'Health and shutdown', flags: lifecycle },
  { title: 'Log', flags: logging },
  { title: 'Metrics', flags: metrics },
  { title: 'Cluster', flags: cluster },
  { title: 'Commands', flags: commands },
];

type CamelCase<Name extends string> = Name extends `${infer Head}-${infer Tail}`
  ? `${Head}${Capitalize<CamelCase<Tail>>}`
  : Name;
type ValueOf<F> = F extends Flag<infer T> ? T : never;

/** Every flag's value, given or default, under its name in camel case (`--http-port` is `httpPort`). */
export type FlagValues = { readonly [Name in FlagName as CamelCase<Name>]: ValueOf<(typeof flags)[Name]> };

/** The property of `FlagValues` that holds a flag. */
export function propertyOf(name: string): string {
  return name.replace(/-(.)/g, (_, letter: string) => letter.toUpperCase());
}
