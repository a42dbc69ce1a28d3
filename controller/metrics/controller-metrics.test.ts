import { describe, expect, test } from '@jest/globals';
import { buildHost, buildTable, testGlobal } from '#proxy/table/testing/build.ts';
import type { CertificateInfo, RoutingTable } from '#proxy/table/types.ts';
import type { Diagnostic } from '../objects/diagnostic.ts';
import { versionOf } from '../publish/testing/version-of.ts';
import { catalogue } from './catalogue.ts';
import { type CheckSample, type ClusterSample, ControllerMetrics, type PublishedTable } from './controller-metrics.ts';
import { workerMetrics } from './worker-catalogue.ts';

const constants = { controller_namespace: 'ns', controller_class: 'k8s.io/ingress-nginx', controller_pod: 'pod' };
const K = 'controller_namespace="ns",controller_class="k8s.io/ingress-nginx",controller_pod="pod"';
const published: PublishedTable = {
  form: 'full',
  bytes: 1000,
  latencyMs: 7,
  changesConfiguration: true,
  problems: [],
};
const table = buildTable([buildHost('a.test', [{ kind: 'prefix', path: '' }])]);

const certificate: CertificateInfo = {
  id: 'c0',
  secret: 'shop/tls',
  commonName: 'a.test',
  dnsNames: ['a.test'],
  notBeforeMs: 0,
  notAfterMs: 1_800_000_000_999,
  serialNumber: '4711',
  issuerCommonName: 'Test CA',
  issuerOrganization: 'Acme "Co"',
  publicKeyAlgorithm: 'ECDSA',
};

function start(defaultMetrics = false, cluster: (() => ClusterSample) | null = null, mostReviewed = 10) {
  const checks: CheckSample = { good: 0, bad: 0, upstreams: [] };
  const state = {
    revision: 0,
    wallMs: 1_700_000_000_500,
    workers: [{ phase: 'serving', restarts: 0 }],
    checks,
    lost: {},
  };
  const metrics = new ControllerMetrics({
    constants,
    build: { release: '1.2.3', build: 'abc', repository: 'none' },
    sampleWorkers: async () => ({
      counters: [{ name: 'nginx_ingress_controller_requests', labels: { host: 'a.test' }, value: 9 }],
      gauges: [],
      histograms: [],
    }),
    workers: () => state.workers,
    acknowledgedRevision: () => state.revision,
    checks: () => state.checks,
    lostLogLines: () => state.lost,
    cluster,
    wallMs: () => state.wallMs,
    mostReviewed,
    defaultMetrics,
  });
  /** Value of one line, by its exact name and labels; undefined when there is no such line. */
  const read = async (series: string): Promise<number | undefined> => {
    const line = String(await metrics.render())
      .split('\n')
      .find((each) => each.startsWith(`${series} `));
    return line === undefined ? undefined : Number(line.slice(series.length));
  };
  return { metrics, state, read };
}

const nginx = (name: string, labels = '') => `nginx_ingress_controller_${name}{${K}${labels}}`;

describe('ControllerMetrics', () => {
  test('before the first table there is no success and no failure', async () => {
    const { metrics, read } = start();
    expect(await read(nginx('build_info', ',release="1.2.3",build="abc",repository="none"'))).toBe(1);
    expect(await read(nginx('success'))).toBeUndefined();
    expect(await read(nginx('config_last_reload_successful'))).toBeUndefined();
    expect(String(await metrics.render())).toContain('# TYPE nginx_ingress_controller_success counter');
  });

  test('a cluster: watches of one resource are added up, the oldest counts, and counters never go down', async () => {
    const watch = { resource: 'secrets', ageSeconds: 3, objects: 5, relists: 1, watchRestarts: 2, failures: 3 };
    const sample = { watches: [watch, { ...watch, ageSeconds: 61 }], election: { name: 'lead', isLeader: true } };
    const { read } = start(false, () => sample);
    expect(await read('sluice_api_last_contact_age_seconds{resource="secrets"}')).toBe(61);
    expect(await read('sluice_api_objects{resource="secrets"}')).toBe(10);
    expect(await read('sluice_api_failures_total{resource="secrets"}')).toBe(6);
    expect(await read(nginx('leader_election_status', ',name="lead"'))).toBe(1);
    sample.watches.pop();
    expect(await read('sluice_api_objects{resource="secrets"}')).toBe(5);
    expect(await read('sluice_api_failures_total{resource="secrets"}')).toBe(6);
  });

  test('active checks: an upstream that is no longer checked loses its series', async () => {
    const { metrics, state, read } = start();
    expect(String(await metrics.render())).not.toMatch(/^sluice_(endpoint_checks|checked_endpoints).*\{/m);
    state.checks = { good: 7, bad: 3, upstreams: [{ upstreamId: 'shop-web-80', healthy: 2, failing: 1 }] };
    expect(await read('sluice_endpoint_checks_total{result="good"}')).toBe(7);
    expect(await read('sluice_endpoint_checks_total{result="bad"}')).toBe(3);
    expect(await read('sluice_checked_endpoints{upstream="shop-web-80",state="healthy"}')).toBe(2);
    expect(await read('sluice_checked_endpoints{upstream="shop-web-80",state="failing"}')).toBe(1);
    state.checks = { ...state.checks, upstreams: [] };
    expect(await read('sluice_checked_endpoints{upstream="shop-web-80",state="failing"}')).toBeUndefined();
    expect(await read('sluice_endpoint_checks_total{result="bad"}')).toBe(3);
  });

  test('reviews of the admission webhook', async () => {
    const { metrics, read } = start();
    const object = { kind: 'Ingress', namespace: 'shop', name: 'web' };
    metrics.onReview({ object, isAdmitted: false });
    expect(await read(nginx('check_errors', ',namespace="shop",ingress="web"'))).toBe(1);
    expect(await read(nginx('admission_tested_ingresses'))).toBeUndefined();
    metrics.onReview({ object, isAdmitted: true, testedIngresses: 7, decideMs: 2, roundTripMs: 3, bodyBytes: 900 });
    expect(await read(nginx('check_success', ',namespace="shop",ingress="web"'))).toBe(1);
    const gauges = ['tested_ingresses', 'render_ingresses', 'tested_duration', 'render_duration', 'config_size'];
    const values = await Promise.all([...gauges, 'roundtrip_duration'].map((name) => read(nginx(`admission_${name}`))));
    expect(values).toEqual([7, 7, 0.002, 0, 900, 0.003]);
  });

  test('names that clients make up do not pile up: the Ingress reviewed longest ago loses its series', async () => {
    const { metrics, read } = start(false, null, 1);
    const object = { kind: 'Ingress', namespace: 'shop', name: 'web' };
    metrics.onReview({ object, isAdmitted: false });
    metrics.onReview({ object: { ...object, name: 'other' }, isAdmitted: false });
    expect(await read(nginx('check_errors', ',namespace="shop",ingress="web"'))).toBeUndefined();
    expect(await read(nginx('check_errors', ',namespace="shop",ingress="other"'))).toBe(1);
  });

  test('a published table counts as a reload', async () => {
    const { metrics, state, read } = start();
    metrics.onPublished(versionOf(table), published);
    state.revision = 1;
    expect(await read(nginx('success'))).toBe(1);
    expect(await read(nginx('config_last_reload_successful'))).toBe(1);
    expect(await read(nginx('config_last_reload_successful_timestamp_seconds'))).toBe(1_700_000_000);
    expect(await read('sluice_table_revision')).toBe(1);
    expect(await read('sluice_table_entries{kind="virtualHost"}')).toBe(2);
    expect(await read('sluice_table_entries{kind="endpoint"}')).toBe(1);
    expect(await read('sluice_publish_duration_seconds_bucket{le="0.005",form="full"}')).toBe(0);
    expect(await read('sluice_publish_duration_seconds_bucket{le="0.01",form="full"}')).toBe(1);
    expect(await read('sluice_publish_bytes_total{form="full"}')).toBe(1000);
  });

  test('a change of endpoints alone is no reload, but is successful', async () => {
    const { metrics, state, read } = start();
    metrics.onPublished(versionOf(table), published);
    state.wallMs += 60_000;
    metrics.onPublished(versionOf(table), { ...published, form: 'parts', changesConfiguration: false });
    expect(await read(nginx('success'))).toBe(1);
    expect(await read(nginx('config_last_reload_successful_timestamp_seconds'))).toBe(1_700_000_000);
    expect(await read('sluice_publish_duration_seconds_count{form="parts"}')).toBe(1);
  });

  test('a failure shows until the next success', async () => {
    const { metrics, read } = start();
    metrics.onPublished(versionOf(table), published);
    metrics.onPublished(versionOf(table), { ...published, problems: ['a certificate'] });
    metrics.onPublishFailed();
    expect(await read(nginx('config_last_reload_successful'))).toBe(0);
    expect(await read(nginx('errors'))).toBe(2);
    metrics.onPublished(versionOf(table), published);
    expect(await read(nginx('config_last_reload_successful'))).toBe(1);
  });

  test('the hash is the same for equal tables and another for others', async () => {
    const hashOf = async (some: RoutingTable) => {
      const { metrics, read } = start();
      metrics.onPublished(versionOf(some), published);
      return read(nginx('config_hash'));
    };
    const hash = await hashOf(table);
    expect(hash).toBeGreaterThan(0);
    expect(Number.isSafeInteger(hash)).toBe(true);
    expect(await hashOf(structuredClone(table))).toBe(hash);
    expect(await hashOf({ ...table, global: { ...testGlobal, serverTokens: true } })).not.toBe(hash);
  });

  test('certificates: a series for each host that has one and for the default; gone ones disappear', async () => {
    const { metrics, read } = start();
    const [catchAll, host] = table.virtualHosts;
    if (catchAll === undefined || host === undefined) throw new Error('expected two hosts');
    metrics.onPublished(
      versionOf({
        ...table,
        global: { ...testGlobal, defaultCertificate: 'fake' },
        virtualHosts: [catchAll, { ...host, certificate: 'c0' }, { ...host, name: 'b.test', certificate: null }],
        certificates: [certificate, { ...certificate, id: 'fake', secret: '', serialNumber: '1' }],
      }),
      published,
    );
    const labels = 'namespace="shop",class="k8s.io/ingress-nginx",host="a.test",secret_name="tls",identifier="-4711"';
    const expiry = `nginx_ingress_controller_ssl_expire_time_seconds{${labels}}`;
    expect(await read(expiry)).toBe(1_800_000_000);
    const issuer = 'issuer_organization="Acme \\"Co\\"",issuer_common_name="Test CA"';
    const info = `${labels},${issuer},serial_number="4711",public_key_algorithm="ECDSA"`;
    expect(await read(`nginx_ingress_controller_ssl_certificate_info{${info}}`)).toBe(1);
    const text = String(await metrics.render());
    expect(text).toContain('{namespace="",class="k8s.io/ingress-nginx",host="_",secret_name="",identifier="-1"}');
    expect(text).not.toContain('host="b.test"');

    metrics.onPublished(versionOf(table), published);
    expect(await read(expiry)).toBeUndefined();
  });

  test('diagnostics are those of the last compile', async () => {
    const { metrics, read } = start();
    const diagnostic: Diagnostic = {
      severity: 'error',
      reason: 'ServiceNotFound',
      object: { kind: 'Ingress', namespace: 'ns', name: 'web' },
      field: '',
      message: 'no',
      source: null,
    };
    metrics.onDiagnostics([diagnostic, diagnostic, { ...diagnostic, severity: 'warning', reason: 'Other' }]);
    expect(await read('sluice_diagnostics{severity="error",reason="ServiceNotFound"}')).toBe(2);
    const orphan = nginx('orphan_ingress', ',namespace="ns",ingress="web",type="no-service"');
    expect(await read(orphan)).toBe(1);
    metrics.onDiagnostics([{ ...diagnostic, reason: 'NoEndpoints' }]);
    expect(await read(orphan)).toBeUndefined();
    expect(await read(orphan.replace('no-service', 'no-endpoint'))).toBe(1);
    metrics.onDiagnostics([diagnostic]);
    expect(await read('sluice_diagnostics{severity="error",reason="ServiceNotFound"}')).toBe(1);
    expect(await read('sluice_diagnostics{severity="warning",reason="Other"}')).toBeUndefined();
  });

  test('workers are counted by phase at the scrape', async () => {
    const { state, read } = start();
    state.workers = [
      { phase: 'serving', restarts: 2 },
      { phase: 'serving', restarts: 0 },
      { phase: 'down', restarts: 1 },
    ];
    expect(await read('sluice_workers{phase="serving"}')).toBe(2);
    expect(await read('sluice_workers{phase="down"}')).toBe(1);
    expect(await read('sluice_worker_restarts_total')).toBe(3);
  });

  test('worker metrics follow on the same page', async () => {
    const { read } = start();
    expect(await read(nginx('requests', ',host="a.test"'))).toBe(9);
    expect(await read(nginx('nginx_process_requests_total'))).toBe(9);
  });

  test('the page is well-formed: every metric once, described, and every line after its own type', async () => {
    const { metrics } = start(true);
    metrics.onPublished(versionOf(table), published);
    const text = String(await metrics.render());
    expect(metrics.contentType).toContain('text/plain; version=0.0.4');
    const described = [...text.matchAll(/^# HELP (\S+) ./gm)].map(([, name]) => name);
    expect(new Set(described).size).toBe(described.length);
    expect(described).toEqual(expect.arrayContaining(['process_cpu_seconds_total', 'sluice_workers']));
    const workerNames = new Set(workerMetrics.map(({ name }) => name));
    for (const { name } of catalogue) if (!workerNames.has(name)) expect(described).toContain(name);
    let current = '';
    for (const line of text.split('\n').filter((each) => each !== '')) {
      const type = /^# TYPE (\S+)/.exec(line)?.[1];
      if (type !== undefined) current = type;
      else if (!line.startsWith('#')) expect(line).toMatch(new RegExp(`^${current}(_bucket|_sum|_count)?[{ ]`));
    }
  });
});

test('lines that a log could not take are counted by stream', async () => {
  const { state, read } = start();
  state.lost = { stdout: 3, stderr: 0 };
  expect(await read('sluice_lost_log_lines_total{stream="stdout"}')).toBe(3);
  state.lost = { stdout: 5, stderr: 0 };
  expect(await read('sluice_lost_log_lines_total{stream="stdout"}')).toBe(5);
  expect(await read('sluice_lost_log_lines_total{stream="stderr"}')).toBe(0);
});
