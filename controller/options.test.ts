// The command line as users write it: ingress-nginx's arguments, Go's spellings, and each kind of mistake with its line.

import { describe, expect, test } from '@jest/globals';
import type { Flag, FlagSupport } from './options/flag.ts';
import { flagGroups, flags, propertyOf } from './options/flags.ts';
import { renderHelp } from './options/help.ts';
import { splitListenAddress } from './options/value-types.ts';
import { type Options, type OptionsOutcome, parseOptions } from './options.ts';

/** Every flag that ingress-nginx v1.15.1 registers (pkg/flags/flags.go), klog's aside. */
const INGRESS_NGINX_FLAGS = `apiserver-host certificate-authority kubeconfig configmap default-backend-service
  default-server-port default-ssl-certificate ingress-class controller-class ingress-class-by-name
  watch-ingress-without-class watch-namespace watch-namespace-selector sync-period sync-rate-limit publish-service
  publish-status-address update-status update-status-on-shutdown status-update-interval report-node-internal-ip-address
  election-id election-ttl disable-leader-election annotations-prefix enable-annotation-validation deep-inspect
  disable-catch-all disable-svc-external-name enable-topology-aware-routing enable-ssl-passthrough
  ssl-passthrough-proxy-port enable-ssl-chain-completion tcp-services-configmap udp-services-configmap http-port
  https-port healthz-port healthz-host health-check-path health-check-timeout status-port stream-port
  internal-logger-address profiling profiler-port profiler-address enable-metrics metrics-per-host
  metrics-per-undefined-host report-status-classes time-buckets length-buckets size-buckets bucket-factor max-buckets
  exclude-socket-metrics monitor-max-batch-size validating-webhook validating-webhook-certificate validating-webhook-key
  disable-full-test dynamic-configuration-retries disable-sync-events shutdown-grace-period post-shutdown-grace-period
  maxmind-mirror maxmind-license-key maxmind-edition-ids maxmind-retries-count maxmind-retries-timeout version`
  .split(/\s+/)
  .filter((name) => name !== '');

/** Defaults that differ from ingress-nginx on purpose; docs/differences.md lists them. */
const OWN_DEFAULTS = ['http-port', 'https-port', 'post-shutdown-grace-period', 'enable-metrics'];

function parse(line: string): OptionsOutcome {
  return parseOptions(
    line.split(' ').filter((word) => word !== ''),
    {},
  );
}

function optionsOf(line: string): Options {
  const outcome = parse(`--manifests m ${line}`);
  if (!outcome.ok) throw new Error(outcome.message);
  return outcome.options;
}

describe('the table of flags', () => {
  const outcome = parse('help');
  const defaults = outcome.ok ? outcome.options : null;

  test('holds all 72 flags of ingress-nginx', () => {
    expect(INGRESS_NGINX_FLAGS).toHaveLength(72);
    expect(INGRESS_NGINX_FLAGS.filter((name) => !Object.hasOwn(flags, name))).toEqual([]);
  });

  test('names each flag once over all groups', () => {
    const names = flagGroups.flatMap((group) => Object.keys(group.flags));
    expect(new Set(names).size).toBe(names.length);
    expect(names.sort()).toEqual(Object.keys(flags).sort());
  });

  test.each(Object.entries<Flag<unknown>>(flags))(
    '--%s has a doc, a default of its type and a property',
    (name, flag) => {
      expect(flag.doc).toMatch(/^\S.*\.$/);
      expect(flag.instead === '').toBe(flag.support !== 'notYet');
      const given = Array.isArray(flag.default) ? flag.default.join(',') : String(flag.default);
      // A duration is written with a unit: its default has no text form that could be compared.
      if (flag.type.placeholder !== 'DURATION')
        expect(flag.type.parse(given)).toEqual({ ok: true, value: flag.default });
      expect(defaults).toHaveProperty(propertyOf(name), flag.default);
    },
  );

  test.each([
    ['http-port', 8080],
    ['https-port', 8443],
    ['post-shutdown-grace-period', 0],
    ['enable-metrics', true],
  ] as const)('--%s keeps its documented default, which is not that of ingress-nginx', (name, want) => {
    expect(OWN_DEFAULTS).toContain(name);
    expect(flags[name].default).toBe(want);
  });

  test('appears completely in --help', () => {
    const help = renderHelp();
    for (const name of Object.keys(flags)) expect(help).toContain(`  --${name}`);
    const marks: Record<FlagSupport, string> = { full: '', noEffect: '[no effect]', notYet: '[not yet]' };
    for (const [name, flag] of Object.entries<Flag<unknown>>(flags)) {
      expect(help.split('\n').find((line) => new RegExp(`^ {2}--${name}( |$)`).test(line))).toContain(
        marks[flag.support],
      );
    }
  });

  test('every default in --help is a value that the flag takes, and means the default', () => {
    const shown = [...renderHelp().matchAll(/^ {2}--([a-z-]+) .*\(default (.*)\)$/gm)];
    expect(shown.length).toBeGreaterThan(20);
    for (const [, name = '', text = ''] of shown) {
      const flag = flags[name as keyof typeof flags] as Flag<unknown>;
      expect([name, flag.type.parse(text)]).toEqual([name, { ok: true, value: flag.default }]);
    }
  });
});

describe('spellings', () => {
  test.each([
    ['two dashes and =', '--http-port=81', 81],
    ['two dashes and a space', '--http-port 81', 81],
    ['one dash and =', '-http-port=81', 81],
    ['one dash and a space', '-http-port 81', 81],
    ['underscores', '--http_port=81', 81],
    ['the last one counts', '--http-port=80 --http-port=81', 81],
  ])('%s', (_, line, want) => {
    expect(optionsOf(line).httpPort).toBe(want);
  });

  test.each([
    ['--update-status', true],
    ['--update-status=true', true],
    ['--update-status=T', true],
    ['--update-status=false', false],
    ['--update-status=0', false],
    ['-update-status=F', false],
  ])('a switch: %s', (line, want) => {
    expect(optionsOf(line).updateStatus).toBe(want);
  });

  test('a value may start with a dash or hold an equals sign', () => {
    expect(optionsOf('--ingress-class -x').ingressClass).toBe('-x');
    expect(optionsOf('--ingress-class=a=b').ingressClass).toBe('a=b');
  });

  test('a list flag adds up', () => {
    expect(optionsOf('--exclude-socket-metrics=a,b --exclude-socket-metrics c').excludeSocketMetrics).toEqual([
      'a',
      'b',
      'c',
    ]);
  });

  test.each([
    ['30s', 30_000],
    ['1m30s', 90_000],
    ['1.5h', 5_400_000],
    ['250ms', 250],
    ['0', 0],
    ['-5s', -5000],
  ])('a duration: %s', (text, want) => {
    expect(optionsOf(`--election-ttl=${text}`).electionTtl).toBe(want);
  });

  test.each([
    ['', 'info'],
    ['--v=2', 'info'],
    ['-v=3', 'debug'],
    ['-v 5', 'trace'],
    ['-v 5 --log-level=warn', 'warn'],
  ])('klog verbosity "%s"', (line, want) => {
    expect(optionsOf(line).logLevel).toBe(want);
  });
});

describe('commands', () => {
  test.each([
    ['--manifests m', 'serve'],
    ['serve --manifests m', 'serve'],
    ['--manifests m serve', 'serve'],
    ['translate --manifests m --output json', 'translate'],
    ['annotations --json', 'annotations'],
    ['version', 'version'],
    ['--version', 'version'],
    ['help', 'help'],
    ['-h', 'help'],
    ['serve --help', 'help'],
    ['--http-port=1 --version', 'version'],
  ])('%s', (line, want) => {
    expect(parse(line)).toMatchObject({ ok: true, command: want });
  });

  test('the pod comes from the environment', () => {
    const outcome = parseOptions(['--manifests', 'm'], { POD_NAMESPACE: 'edge', POD_NAME: 'sluice-1' });
    expect(outcome).toMatchObject({ ok: true, options: { pod: { namespace: 'edge', name: 'sluice-1' } } });
    expect(optionsOf('').pod).toEqual({ namespace: 'default', name: '' });
  });
});

function webhookAddress(text: string): string {
  return `--validating-webhook "${text}" is not an address to listen on (such as :8443 or [::1]:8443)`;
}

const STORE_URL =
  '--limit-store-url is not of the form redis://user:password@host:port/database (or rediss://, for TLS), with % codes for what is special in a URL';

test.each([
  ['', 64],
  ['--max-active-checks=1', 1],
  ['--max-active-checks=10000', 10_000],
])('probes at one time: %j is %d', (flag, places) => {
  expect(optionsOf(`--manifests m ${flag}`.trim()).maxActiveChecks).toBe(places);
});

describe('limit store', () => {
  test('defaults', () => {
    expect(optionsOf('--manifests m')).toMatchObject({
      limitEntries: 65_536,
      limitEntriesFull: 'open',
      limitStoreUrl: '',
      limitStoreTimeout: 25,
      limitStoreFailure: 'local',
    });
  });

  test.each([
    'redis://store',
    'redis://store:6379/',
    'redis://10.0.0.1:6379/2',
    'rediss://user:p%40ss@[fd00::1]:6380',
    'redis://:pass@s',
  ])('%s', (url) => {
    expect(optionsOf(`--manifests m --limit-store-url=${url}`).limitStoreUrl).toBe(url);
  });

  test.each([
    ['1ms', 1],
    ['10s', 10_000],
  ])('waits %s', (text, ms) => {
    expect(optionsOf(`--manifests m --limit-store-timeout=${text}`).limitStoreTimeout).toBe(ms);
  });
});

describe('listen addresses', () => {
  test.each([
    [':8443', '', 8443],
    ['0.0.0.0:8443', '0.0.0.0', 8443],
    ['[::1]:0', '::1', 0],
    ['localhost:443', 'localhost', 443],
  ])('%s', (text, host, port) => {
    expect(splitListenAddress(text)).toEqual({ host, port });
  });

  test('none', () => {
    expect(splitListenAddress('')).toBeNull();
  });
});

describe('mistakes', () => {
  test.each([
    ['--manifest m', 'unknown flag --manifest, did you mean --manifests?'],
    ['--frobnicate-everything', 'unknown flag --frobnicate-everything'],
    ['--constructor=1', 'unknown flag --constructor'],
    ['serv', 'unknown command "serv", did you mean "serve"?'],
    ['serve translate', 'unexpected argument "translate" (a switch is turned off with --flag=false)'],
    ['serve --update-status false', 'unexpected argument "false" (a switch is turned off with --flag=false)'],
    ['--manifests', '--manifests needs a value'],
    ['--manifests m --http-port=http', '--http-port "http" is not a port (0 to 65535)'],
    ['--manifests m --http-port=65536', '--http-port "65536" is not a port (0 to 65535)'],
    ['--manifests m --http-port=-1', '--http-port "-1" is not a port (0 to 65535)'],
    ['--manifests m --http-port=', '--http-port "" is not a port (0 to 65535)'],
    ['--manifests m --deep-inspect=yes', '--deep-inspect "yes" is not a bool (true or false)'],
    ['--manifests m --configmap=settings', '--configmap "settings" is not of the form namespace/name'],
    ['--manifests m --workers=0', '--workers "0" is not a number of workers (1 to 256, or auto)'],
    ['--manifests m --election-ttl=30', '--election-ttl "30" is not a duration (such as 30s, 5m or 1h30m)'],
    ['--manifests m --time-buckets=1,x', '--time-buckets "1,x" holds "x", which is not a number'],
    ['--manifests m --time-buckets=2,1', '--time-buckets "2,1" is not in ascending order'],
    ['--manifests m --log-format=xml', '--log-format "xml" is not one of auto, json, pretty'],
    ['--manifests m --output=json', '--output is not a flag of "sluice serve"'],
    ['annotations --http-port=1', '--http-port is not a flag of "sluice annotations"'],
    ['translate', 'translate reads a folder: give --manifests DIR'],
    [
      '--watch-namespace=a --watch-namespace-selector=b',
      '--watch-namespace and --watch-namespace-selector exclude each other',
    ],
    [
      '--manifests m --watch-namespace-selector=b',
      '--watch-namespace-selector needs an API server: it has no meaning with --manifests',
    ],
    ['--certificate-authority=ca.crt', '--certificate-authority needs --apiserver-host'],
    ...[
      'store:6379',
      'http://store',
      'redis://',
      'redis://:pass%word@store',
      'redis://a%b@store',
      'redis://store/limits',
      'redis://store:99999',
    ].map((url) => [`--manifests m --limit-store-url=${url}`, STORE_URL] as const),
    ...['0s', '10001ms'].map(
      (time) =>
        [`--manifests m --limit-store-timeout=${time}`, '--limit-store-timeout must be from 1ms to 10s'] as const,
    ),
    [
      '--manifests m --limit-store-url=redis://store --limit-store-failure=ajar',
      '--limit-store-failure "ajar" is not one of local, open, closed',
    ],
    [
      '--manifests m --limit-store-url=redis://store --limit-store-ca=ca.pem',
      '--limit-store-ca needs a --limit-store-url that begins with rediss://',
    ],
    ['--manifests m --limit-store-password-file=p', '--limit-store-password-file needs --limit-store-url'],
    ['--manifests m --limit-entries-full=shut', '--limit-entries-full "shut" is not one of open, closed'],
    ['--manifests m --limit-entries=7', '--limit-entries "7" is not a whole number from 8 to 16777216'],
    ...['0', '10001', 'many'].map(
      (places) =>
        [
          `--manifests m --max-active-checks=${places}`,
          `--max-active-checks "${places}" is not a whole number from 1 to 10000`,
        ] as const,
    ),
    [
      '--manifests m --publish-service=a/b --publish-status-address=10.0.0.1',
      '--publish-service and --publish-status-address exclude each other',
    ],
    [
      '--manifests m --kubeconfig k',
      '--manifests excludes --apiserver-host and --kubeconfig: objects come from one place',
    ],
    [
      '--manifests m --metrics-per-undefined-host --metrics-per-host=false',
      '--metrics-per-undefined-host needs --metrics-per-host=true',
    ],
    ['--manifests m --validating-webhook=8443', webhookAddress('8443')],
    ['--manifests m --validating-webhook=::1:8443', webhookAddress('::1:8443')],
    ['--manifests m --validating-webhook=[::1]:x', webhookAddress('[::1]:x')],
    [
      '--manifests m --validating-webhook=:9443 --validating-webhook-key=k',
      '--validating-webhook needs --validating-webhook-certificate and --validating-webhook-key',
    ],
    [
      '--manifests m --validating-webhook=:8443 --validating-webhook-certificate=c --validating-webhook-key=k',
      '--validating-webhook must have another port than --http-port, --https-port and --healthz-port',
    ],
    ['--manifests m --health-check-path=ok', '--health-check-path must start with /'],
    ['--manifests m --http-port=8443', '--http-port, --https-port and --healthz-port must differ from each other'],
  ])('%s', (line, message) => {
    expect(parse(line)).toEqual({ ok: false, message });
  });

  test('two free ports do not collide', () => {
    expect(parse('--manifests m --http-port=0 --https-port=0 --healthz-port=0').ok).toBe(true);
  });
});

describe('flags that are not carried out yet', () => {
  test('warn when they are given, without their value', () => {
    expect(parse('--manifests m --maxmind-license-key=s3cret --maxmind-mirror=https://m.test')).toMatchObject({
      ok: true,
      warnings: [
        '--maxmind-license-key is not carried out yet. No GeoIP database is downloaded.',
        '--maxmind-mirror is not carried out yet. No GeoIP database is downloaded.',
      ],
    });
  });

  test('stay silent when they repeat their default', () => {
    expect(parse('--manifests m --enable-ssl-passthrough=false --maxmind-mirror=')).toMatchObject({
      ok: true,
      warnings: [],
    });
  });

  test('take the arguments that the ingress-nginx chart writes', () => {
    const line =
      '--manifests m --publish-service=ingress/ingress-controller --election-id=ingress-leader ' +
      '--controller-class=k8s.io/ingress-nginx --ingress-class=nginx --configmap=ingress/ingress-controller ' +
      '--validating-webhook=:8443 --validating-webhook-certificate=/usr/local/certificates/cert ' +
      '--validating-webhook-key=/usr/local/certificates/key --http-port=80 --https-port=443 --v=2 --logtostderr';
    expect(parse(line)).toMatchObject({ ok: true, command: 'serve' });
  });
});
