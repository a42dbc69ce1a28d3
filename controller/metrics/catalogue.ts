// Every metric Sluice serves, as data: registry, exposition and docs/metrics.md read the same records.
//
// `nginx_ingress_controller_*` keep ingress-nginx's names, labels and units, so that its dashboards and alerts work; they
// carry the constant labels of the controller besides those listed. `sluice_*` are our own.

export type MetricKind = 'counter' | 'gauge' | 'histogram';

export interface MetricRecord {
  readonly name: string;
  readonly kind: MetricKind;
  /** `controller`: set on the main thread. `workers`: counted by the workers and added up. `derived`: made from worker metrics. */
  readonly source: 'controller' | 'workers' | 'derived';
  /** Labels besides the constant ones. */
  readonly labels: readonly string[];
  /** One sentence: what it counts, and when. */
  readonly help: string;
  /** Upper bounds, for histograms of the controller. */
  readonly buckets?: readonly number[];
}

export const nginxPrefix = 'nginx_ingress_controller_';

/** Labels that every `nginx_ingress_controller_*` metric carries, the two of certificates excepted. */
export const constantLabels = ['controller_namespace', 'controller_class', 'controller_pod'] as const;

const requestLabels = ['host', 'status', 'method', 'path', 'namespace', 'ingress', 'service', 'canary'] as const;
const certificateLabels = ['namespace', 'class', 'host', 'secret_name', 'identifier'] as const;

/** Metrics the main thread sets, by the name the code uses. */
export const controllerMetrics = {
  buildInfo: {
    name: `${nginxPrefix}build_info`,
    kind: 'gauge',
    source: 'controller',
    labels: ['release', 'build', 'repository'],
    help: 'Always 1; the labels say which Sluice this is.',
  },
  configHash: {
    name: `${nginxPrefix}config_hash`,
    kind: 'gauge',
    source: 'controller',
    labels: [],
    help: 'Hash of the routing table that was published last: equal tables, equal numbers, on every replica.',
  },
  orphanIngress: {
    name: `${nginxPrefix}orphan_ingress`,
    kind: 'gauge',
    source: 'controller',
    labels: ['namespace', 'ingress', 'type'],
    help: 'Always 1: a backend of the Ingress has no Service (no-service) or no ready endpoint (no-endpoint). The series ends when it has; ingress-nginx sets it to 0.',
  },
  reloadSuccessful: {
    name: `${nginxPrefix}config_last_reload_successful`,
    kind: 'gauge',
    source: 'controller',
    labels: [],
    help: 'Whether the last changed routing table was taken over by all workers.',
  },
  reloadTimestamp: {
    name: `${nginxPrefix}config_last_reload_successful_timestamp_seconds`,
    kind: 'gauge',
    source: 'controller',
    labels: [],
    help: 'Unix time when all workers last took over a changed routing table.',
  },
  success: {
    name: `${nginxPrefix}success`,
    kind: 'counter',
    source: 'controller',
    labels: [],
    help: 'Changed routing tables that all workers took over; changes of endpoints or certificates alone do not count.',
  },
  errors: {
    name: `${nginxPrefix}errors`,
    kind: 'counter',
    source: 'controller',
    labels: [],
    help: 'Routing tables that could not be published, or of which some worker could not use a certificate.',
  },
  sslExpireTime: {
    name: `${nginxPrefix}ssl_expire_time_seconds`,
    kind: 'gauge',
    source: 'controller',
    labels: certificateLabels,
    help: 'Unix time when the certificate of a host expires.',
  },
  sslCertificateInfo: {
    name: `${nginxPrefix}ssl_certificate_info`,
    kind: 'gauge',
    source: 'controller',
    labels: [
      ...certificateLabels,
      'issuer_organization',
      'issuer_common_name',
      'serial_number',
      'public_key_algorithm',
    ],
    help: 'Always 1; the labels describe the certificate of a host.',
  },
  processCount: {
    name: `${nginxPrefix}nginx_process_num_procs`,
    kind: 'gauge',
    source: 'controller',
    labels: [],
    help: 'Always 1: controller and workers are threads of one process.',
  },
  processCpu: {
    name: `${nginxPrefix}nginx_process_cpu_seconds_total`,
    kind: 'counter',
    source: 'controller',
    labels: [],
    help: 'CPU time of the whole process, user and system (ingress-nginx counts system time only).',
  },
  processMemory: {
    name: `${nginxPrefix}nginx_process_resident_memory_bytes`,
    kind: 'gauge',
    source: 'controller',
    labels: [],
    help: 'Resident memory of the whole process.',
  },
  processStart: {
    name: `${nginxPrefix}nginx_process_oldest_start_time_seconds`,
    kind: 'gauge',
    source: 'controller',
    labels: [],
    help: 'Unix time when the process started.',
  },
  tableRevision: {
    name: 'sluice_table_revision',
    kind: 'gauge',
    source: 'controller',
    labels: [],
    help: 'Number of the routing table that all live workers serve; counts from 1 at each start.',
  },
  tableEntries: {
    name: 'sluice_table_entries',
    kind: 'gauge',
    source: 'controller',
    labels: ['kind'],
    help: 'Virtual hosts, routes, upstreams, endpoints and certificates in the routing table.',
  },
  publishDuration: {
    name: 'sluice_publish_duration_seconds',
    kind: 'histogram',
    source: 'controller',
    labels: ['form'],
    help: 'Time from a compiled routing table to its acknowledgement by all workers; form is full or parts.',
    buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5],
  },
  publishBytes: {
    name: 'sluice_publish_bytes_total',
    kind: 'counter',
    source: 'controller',
    labels: ['form'],
    help: 'Encoded size of the updates sent to the workers, each counted once.',
  },
  diagnostics: {
    name: 'sluice_diagnostics',
    kind: 'gauge',
    source: 'controller',
    labels: ['severity', 'reason'],
    help: 'Problems in objects of the cluster, as found by the last compile.',
  },
  workers: {
    name: 'sluice_workers',
    kind: 'gauge',
    source: 'controller',
    labels: ['phase'],
    help: 'Worker threads by what they are doing; serving is the normal phase.',
  },
  workerRestarts: {
    name: 'sluice_worker_restarts_total',
    kind: 'counter',
    source: 'controller',
    labels: [],
    help: 'Worker threads that were started to replace one that crashed or was stuck.',
  },
  leaderElectionStatus: {
    name: `${nginxPrefix}leader_election_status`,
    kind: 'gauge',
    source: 'controller',
    labels: ['name'],
    help: 'Whether this replica is the leader, which writes statuses and Events; `name` is that of the election.',
  },
  endpointChecks: {
    name: 'sluice_endpoint_checks_total',
    kind: 'counter',
    source: 'controller',
    labels: ['result'],
    help: 'Probes of active checks, good or bad; one thread probes for all workers.',
  },
  checkedEndpoints: {
    name: 'sluice_checked_endpoints',
    kind: 'gauge',
    source: 'controller',
    labels: ['upstream', 'state'],
    help: 'Endpoints of each upstream with active checks (namespace-service-port): healthy, or failing and left out by all workers.',
  },
  lostLogLines: {
    name: 'sluice_lost_log_lines_total',
    kind: 'counter',
    source: 'controller',
    labels: ['stream'],
    help: 'Lines that stdout (access log) or stderr did not take: a full disk, or a reader that is gone or too slow.',
  },
  apiLastContact: {
    name: 'sluice_api_last_contact_age_seconds',
    kind: 'gauge',
    source: 'controller',
    labels: ['resource'],
    help: 'Time since the API server last said anything about these objects; some 75 s are normal when nothing changes.',
  },
  apiObjects: {
    name: 'sluice_api_objects',
    kind: 'gauge',
    source: 'controller',
    labels: ['resource'],
    help: 'Objects kept of those the API server has.',
  },
  apiRelists: {
    name: 'sluice_api_relists_total',
    kind: 'counter',
    source: 'controller',
    labels: ['resource'],
    help: 'Complete reads after the first, because a watch could not go on where it was.',
  },
  apiWatchRestarts: {
    name: 'sluice_api_watch_restarts_total',
    kind: 'counter',
    source: 'controller',
    labels: ['resource'],
    help: 'Watches begun after the first; one every 5 to 10 minutes is normal.',
  },
  apiFailures: {
    name: 'sluice_api_failures_total',
    kind: 'counter',
    source: 'controller',
    labels: ['resource'],
    help: 'Lists and watches that failed.',
  },
  checkSuccess: {
    name: `${nginxPrefix}check_success`,
    kind: 'counter',
    source: 'controller',
    labels: ['namespace', 'ingress'],
    help: 'Ingresses that the admission webhook tested and admitted; series of the 10,000 that were reviewed last.',
  },
  checkErrors: {
    name: `${nginxPrefix}check_errors`,
    kind: 'counter',
    source: 'controller',
    labels: ['namespace', 'ingress'],
    help: 'Ingresses refused by the admission webhook for an annotation or a path that is taken; the earlier gates do not count.',
  },
  admissionTestedIngresses: {
    name: `${nginxPrefix}admission_tested_ingresses`,
    kind: 'gauge',
    source: 'controller',
    labels: [],
    help: 'Ingresses in the last admitted state, 1 with `--disable-full-test`.',
  },
  admissionTestedDuration: {
    name: `${nginxPrefix}admission_tested_duration`,
    kind: 'gauge',
    source: 'controller',
    labels: [],
    help: 'Seconds the last admission took to decide.',
  },
  admissionRenderIngresses: {
    name: `${nginxPrefix}admission_render_ingresses`,
    kind: 'gauge',
    source: 'controller',
    labels: [],
    help: 'The same as admission_tested_ingresses: nothing is rendered.',
  },
  admissionRenderDuration: {
    name: `${nginxPrefix}admission_render_duration`,
    kind: 'gauge',
    source: 'controller',
    labels: [],
    help: 'Always 0 after an admission: nothing is rendered.',
  },
  admissionConfigSize: {
    name: `${nginxPrefix}admission_config_size`,
    kind: 'gauge',
    source: 'controller',
    labels: [],
    help: 'Bytes of the last admitted review; there is no configuration file to measure.',
  },
  admissionRoundTrip: {
    name: `${nginxPrefix}admission_roundtrip_duration`,
    kind: 'gauge',
    source: 'controller',
    labels: [],
    help: 'Seconds from the complete request of the last admission to its answer.',
  },
} as const satisfies Readonly<Record<string, MetricRecord>>;

/** Metrics the workers send, and those made from them. */
export const workerMetrics: readonly MetricRecord[] = [
  {
    name: `${nginxPrefix}requests`,
    kind: 'counter',
    source: 'workers',
    labels: requestLabels,
    help: 'Requests that found a route; host is the virtual host, path the Ingress path.',
  },
  {
    name: `${nginxPrefix}request_duration_seconds`,
    kind: 'histogram',
    source: 'workers',
    labels: requestLabels,
    help: 'Time from the first byte of a request to the end of its response.',
  },
  {
    name: `${nginxPrefix}connect_duration_seconds`,
    kind: 'histogram',
    source: 'workers',
    labels: requestLabels,
    help: 'Time to open the connection to the endpoint, 0 on one that was open. This and the next two only of requests with exactly one attempt.',
  },
  {
    name: `${nginxPrefix}header_duration_seconds`,
    kind: 'histogram',
    source: 'workers',
    labels: requestLabels,
    help: 'Time from choosing the endpoint to its response head.',
  },
  {
    name: `${nginxPrefix}response_duration_seconds`,
    kind: 'histogram',
    source: 'workers',
    labels: requestLabels,
    help: 'Time from choosing the endpoint to the end of its response.',
  },
  {
    name: `${nginxPrefix}request_size`,
    kind: 'histogram',
    source: 'workers',
    labels: requestLabels,
    help: 'Bytes of requests received from clients: request line, headers and body.',
  },
  {
    name: `${nginxPrefix}response_size`,
    kind: 'histogram',
    source: 'workers',
    labels: requestLabels,
    help: 'Bytes of responses sent to clients, headers included.',
  },
  {
    name: `${nginxPrefix}bytes_sent`,
    kind: 'histogram',
    source: 'workers',
    labels: requestLabels,
    help: 'The same as response_size, in the buckets ingress-nginx has under this name; deprecated there.',
  },
  {
    name: `${nginxPrefix}nginx_process_connections`,
    kind: 'gauge',
    source: 'derived',
    labels: ['state'],
    help: 'Open client connections; only the state active is known.',
  },
  {
    name: `${nginxPrefix}nginx_process_connections_total`,
    kind: 'counter',
    source: 'derived',
    labels: ['state'],
    help: 'Client connections accepted and handled; those over the connection limit are accepted only.',
  },
  {
    name: `${nginxPrefix}nginx_process_requests_total`,
    kind: 'counter',
    source: 'derived',
    labels: [],
    help: 'All requests, refused ones included.',
  },
  {
    name: 'sluice_refused_requests_total',
    kind: 'counter',
    source: 'workers',
    labels: ['reason'],
    help: 'Requests refused before a route was looked up: malformed, too large, too slow.',
  },
  {
    name: 'sluice_self_answered_requests_total',
    kind: 'counter',
    source: 'workers',
    labels: ['reason'],
    help: 'Requests that found a route and that the proxy answered or cut itself: limits, failures, redirects.',
  },
  {
    name: 'sluice_connections_total',
    kind: 'counter',
    source: 'workers',
    labels: ['state'],
    help: 'Client connections accepted, and refused over the connection limit.',
  },
  {
    name: 'sluice_stalled_connections_total',
    kind: 'counter',
    source: 'workers',
    labels: [],
    help: 'HTTP/1.1 connections cut between requests because the client took nothing of its responses any more (`sluice-client-send-timeout`). Stalls within a request are in the request metrics, as 499.',
  },
  {
    name: 'sluice_limit_entries_given_up_total',
    kind: 'counter',
    source: 'workers',
    labels: [],
    help: 'Clients whose rate was forgotten early, and requests that were not counted, since `--limit-entries` is too small for all that come.',
  },
  {
    name: 'sluice_limit_store_requests_total',
    kind: 'counter',
    source: 'workers',
    labels: ['result'],
    help: 'Requests whose rates the limit store was asked for: passed, refused, or failed (`--limit-store-failure` decided).',
  },
  {
    name: 'sluice_mirrored_requests_total',
    kind: 'counter',
    source: 'workers',
    labels: ['result'],
    help: 'Copies of requests (`mirror-target`): sent, or why not.',
  },
  {
    name: 'sluice_hedged_requests_total',
    kind: 'counter',
    source: 'workers',
    labels: ['result'],
    help: 'Second attempts after `hedge-after`: won, lost, failed or cancelled; or why none was made: overBudget, noEndpoint.',
  },
  {
    name: 'sluice_tls_handshake_failures_total',
    kind: 'counter',
    source: 'workers',
    labels: ['reason'],
    help: 'TLS handshakes that did not complete: failed, cut by the time limit, or refused because too many were under way.',
  },
  {
    name: 'sluice_http2_faults_total',
    kind: 'counter',
    source: 'workers',
    labels: ['reason'],
    help: 'HTTP/2 connections and streams ended for what the client did: protocol errors, floods, stalls (docs/http2.md).',
  },
  {
    name: 'sluice_proxy_header_failures_total',
    kind: 'counter',
    source: 'workers',
    labels: [],
    help: 'Connections closed before TLS or HTTP: no PROXY header or a malformed one, or no ClientHello in time (docs/streams.md).',
  },
  {
    name: 'sluice_stream_connections_total',
    kind: 'counter',
    source: 'workers',
    labels: ['kind', 'port', 'namespace', 'service', 'status'],
    help: 'Finished TCP connections, UDP sessions and TLS passthrough connections, by the status of their log line.',
  },
  {
    name: 'sluice_stream_bytes_total',
    kind: 'counter',
    source: 'workers',
    labels: ['kind', 'port', 'namespace', 'service', 'direction'],
    help: 'Bytes of finished TCP, UDP and passthrough connections, sent to clients and received from them.',
  },
  {
    name: 'sluice_stream_open_connections',
    kind: 'gauge',
    source: 'workers',
    labels: ['kind', 'port', 'namespace', 'service'],
    help: 'Open TCP connections, UDP sessions and passthrough connections.',
  },
  {
    name: 'sluice_stream_ports',
    kind: 'gauge',
    source: 'workers',
    labels: ['state'],
    help: 'Ports of TCP and UDP services, open or failed, added up over all workers.',
  },
  {
    name: 'sluice_open_connections',
    kind: 'gauge',
    source: 'workers',
    labels: ['protocol'],
    help: 'Open client connections by the protocol of their listener.',
  },
  {
    name: 'sluice_upstream_connections',
    kind: 'gauge',
    source: 'workers',
    labels: ['state'],
    help: 'Open connections to endpoints, idle in the pool or busy.',
  },
  {
    name: 'sluice_limited_upstream_requests',
    kind: 'gauge',
    source: 'workers',
    labels: ['upstream', 'state'],
    help: 'Requests of an upstream with circuit breaking that hold a place (running) or wait for one (pending).',
  },
  {
    name: 'sluice_upstream_concurrency_limit',
    kind: 'gauge',
    source: 'workers',
    labels: ['upstream'],
    help: 'Requests that an upstream may have at one time by `adaptive-concurrency`, as found from its response times.',
  },
  {
    name: 'sluice_endpoint_ejections_total',
    kind: 'counter',
    source: 'workers',
    labels: ['reason'],
    help: 'Endpoints that were left out for a while because of how they answered; each worker counts its own decisions.',
  },
];

/** All metrics, in the order of the documentation. */
export const catalogue: readonly MetricRecord[] = [...Object.values(controllerMetrics), ...workerMetrics];
