// ConfigMap keys about the firewall, GeoIP, raw nginx text and the tuning of nginx itself. ConfigMap reference sections I,
// K and L.

import { configMapFamily } from './define.ts';
import type { ConfigMapRecord } from './record.ts';
import { bool, cidrList, integer, integerFrom, list, nginxTime, optional, rawText, textNamed } from './types.ts';

const firewall = configMapFamily({
  group: 'Firewall and GeoIP',
  support: 'refused',
  note: 'Sluice has no firewall engine; requests are served without its checks',
});
const geoIp = configMapFamily({ group: 'Firewall and GeoIP', support: 'notYet', note: 'places are not looked up' });

/** Sections I, in the order of the reference. */
export const firewallKeys: readonly ConfigMapRecord<unknown>[] = [
  firewall({ key: 'enable-modsecurity', type: bool, default: false, doc: 'Checks requests with ModSecurity.' }),
  firewall({
    key: 'enable-owasp-modsecurity-crs',
    type: bool,
    default: false,
    doc: 'Adds the OWASP core rule set to ModSecurity.',
  }),
  firewall({ key: 'modsecurity-snippet', type: rawText, default: '', doc: 'Own ModSecurity rules.' }),
  geoIp({ key: 'use-geoip2', type: bool, default: false, doc: 'Looks up the place of the client.' }),
  geoIp({
    key: 'geoip2-autoreload-in-minutes',
    type: integer,
    default: 0,
    doc: 'Minutes between two looks at the GeoIP database.',
  }),
];

const snippet = configMapFamily({
  group: 'Raw snippets',
  support: 'refused',
  note: 'Sluice runs no nginx text; requests are served without it',
});

/** Section K, in the order of the reference. */
export const snippetKeys: readonly ConfigMapRecord<unknown>[] = [
  snippet({ key: 'main-snippet', type: rawText, default: '', doc: 'Raw nginx text for the main block.' }),
  snippet({ key: 'http-snippet', type: rawText, default: '', doc: 'Raw nginx text for the HTTP block.' }),
  snippet({ key: 'server-snippet', type: rawText, default: '', doc: 'Raw nginx text for every host.' }),
  snippet({ key: 'location-snippet', type: rawText, default: '', doc: 'Raw nginx text for every path.' }),
  snippet({ key: 'stream-snippet', type: rawText, default: '', doc: 'Raw nginx text for TCP and UDP.' }),
];

const engine = configMapFamily({
  group: 'Engine tuning',
  support: 'noEffect',
  note: 'it tunes nginx itself, which is not here',
});

/** Time to drain connections when a worker stops, milliseconds. */
export const workerShutdownTimeout: ConfigMapRecord<number> = engine({
  key: 'worker-shutdown-timeout',
  type: nginxTime,
  default: 240_000,
  support: 'full',
  doc: 'Time that open connections get to finish when Sluice stops.',
});

/** Client connections per worker. */
export const maxWorkerConnections: ConfigMapRecord<number> = engine({
  key: 'max-worker-connections',
  type: integerFrom(0),
  default: 16_384,
  support: 'full',
  doc: 'Client connections of one worker, at most `--max-connections`; further ones are closed as they come. `0` leaves it to the flag.',
});

/** Section L, in the order of the reference. */
export const engineKeys: readonly ConfigMapRecord<unknown>[] = [
  engine({
    key: 'worker-processes',
    type: textNamed('number or `auto`'),
    default: 'auto',
    doc: 'Number of workers.',
    note: 'the number of workers is the flag --workers, by default the cores the container may use',
  }),
  engine({ key: 'worker-cpu-affinity', type: textNamed('CPU masks'), default: '', doc: 'Binds workers to cores.' }),
  workerShutdownTimeout,
  engine({
    key: 'enable-serial-reloads',
    type: bool,
    default: false,
    doc: 'One reload at a time.',
    note: 'Sluice never reloads',
  }),
  maxWorkerConnections,
  engine({ key: 'max-worker-open-files', type: integer, default: 0, doc: 'Open files per worker.' }),
  engine({ key: 'enable-multi-accept', type: bool, default: true, doc: 'Accepts many connections at once.' }),
  engine({ key: 'enable-aio-write', type: bool, default: true, doc: 'Writes files asynchronously.' }),
  engine({ key: 'map-hash-bucket-size', type: integer, default: 64, doc: 'Size of a hash table of nginx.' }),
  engine({ key: 'variables-hash-bucket-size', type: integer, default: 256, doc: 'Size of a hash table of nginx.' }),
  engine({ key: 'variables-hash-max-size', type: integer, default: 2048, doc: 'Size of a hash table of nginx.' }),
  engine({ key: 'server-name-hash-max-size', type: integer, default: 1024, doc: 'Size of a hash table of nginx.' }),
  engine({
    key: 'server-name-hash-bucket-size',
    type: optional(integer),
    default: null,
    doc: 'Size of a hash table of nginx.',
  }),
  engine({ key: 'proxy-headers-hash-max-size', type: integer, default: 512, doc: 'Size of a hash table of nginx.' }),
  engine({ key: 'proxy-headers-hash-bucket-size', type: integer, default: 64, doc: 'Size of a hash table of nginx.' }),
  engine({ key: 'lua-shared-dicts', type: list, default: [], doc: 'Sizes of shared memory for Lua.' }),
  engine({
    key: 'nginx-status-ipv4-whitelist',
    type: cidrList,
    default: ['127.0.0.1/32'],
    support: 'notYet',
    doc: 'Who may read /nginx_status over IPv4.',
    note: 'there is no /nginx_status; see /metrics',
  }),
  engine({
    key: 'nginx-status-ipv6-whitelist',
    type: cidrList,
    default: ['::1/128'],
    support: 'notYet',
    doc: 'Who may read /nginx_status over IPv6.',
    note: 'there is no /nginx_status; see /metrics',
  }),
];
