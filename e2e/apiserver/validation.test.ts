// What a real server refuses and what it lets through: the recorded rows, one test each.

import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { type ApiServer, startApiServer } from './server.ts';
import { Client, type Response } from './testing/client.ts';
import {
  endpointSlice,
  ingress,
  ingressClass,
  ingressPath,
  lease,
  PATHS,
  secret,
  service,
} from './testing/manifests.ts';

let server: ApiServer;
let client: Client;

beforeAll(async () => {
  server = await startApiServer();
  client = new Client(server);
});
afterAll(() => server[Symbol.asyncDispose]());

let count = 0;
/** A name no other test uses. */
const nextName = () => `x${count++}`;

interface Row {
  readonly name: string;
  readonly send: (name: string) => { readonly path: string; readonly body: object };
  /** What follows `<Kind> "<name>" is invalid: `; its beginning is enough. */
  readonly refused?: string;
}

function expectAnswer(response: Response, name: string, refused: string | undefined): void {
  if (refused === undefined) {
    expect(response.body.message ?? 'created').toBe('created');
    expect(response.code).toBe(201);
    return;
  }
  expect([response.code, response.body.reason]).toEqual([422, 'Invalid']);
  expect(response.body.message).toMatch(new RegExp(`^[A-Z]\\w+(\\.[a-z0-9.]+)? "${name}" is invalid: `));
  expect(response.body.message.replace(/^.*? is invalid: /, '').slice(0, refused.length)).toBe(refused);
}

const slice =
  (content: object): Row['send'] =>
  (name) => ({ path: PATHS.endpointSlices, body: endpointSlice(name, content) });
const withAddress = (...addresses: string[]) => slice({ endpoints: [{ addresses }] });
const withPath = (path: object): Row['send'] => withSpec({ rules: [{ http: { paths: [ingressPath(path)] } }] });
const withSpec =
  (spec: object, metadata: object = {}): Row['send'] =>
  (name) => ({ path: PATHS.ingresses, body: ingress(name, spec, metadata) });
const withHost = (host: string) => withSpec({ rules: [{ host, http: { paths: [ingressPath({})] } }] });
const withSecret =
  (type: string, data: object): Row['send'] =>
  (name) => ({ path: PATHS.secrets, body: secret(name, type, data) });
const withLease =
  (spec: object): Row['send'] =>
  (name) => ({ path: PATHS.leases, body: lease(name, spec) });
const withService =
  (spec: object): Row['send'] =>
  (name) => ({ path: PATHS.services, body: service(name, spec) });

const PATH_FIELD = 'spec.rules[0].http.paths[0]';
const FIRST_ADDRESS = 'endpoints[0].addresses[0]';
const SUBDOMAIN = 'a lowercase RFC 1123 subdomain must consist of lower case alpha';

const ROWS: readonly Row[] = [
  {
    name: 'loopback address',
    send: withAddress('127.0.0.1'),
    refused: `${FIRST_ADDRESS}: Invalid value: "127.0.0.1": may not be in the loopback range (127.0.0.0/8, `,
  },
  {
    name: 'IPv6 loopback address',
    send: slice({ addressType: 'IPv6', endpoints: [{ addresses: ['::1'] }] }),
    refused: `${FIRST_ADDRESS}: Invalid value: "::1": may not be in the loopback range`,
  },
  {
    name: 'link-local address',
    send: withAddress('169.254.1.1'),
    refused: `${FIRST_ADDRESS}: Invalid value: "169.254.1.1": may not be in the link-local range (169.254.0`,
  },
  {
    name: 'host name in an IPv4 slice',
    send: withAddress('a.test'),
    refused: `${FIRST_ADDRESS}: Invalid value: "a.test": must be a valid IP address, (e.g. 10.9.8.7 or 2001`,
  },
  { name: 'IPv6 address in an IPv4 slice', send: withAddress('2001:db8::1'), refused: FIRST_ADDRESS },
  {
    name: '1001 endpoints',
    send: slice({ endpoints: Array.from({ length: 1001 }, () => ({ addresses: ['10.1.0.1'] })) }),
    refused: 'endpoints: Too many: 1001: must have at most 1000 items',
  },
  {
    name: 'two unnamed ports',
    send: slice({ ports: [{ port: 1 }, { port: 2 }] }),
    refused: 'ports[1].name: Duplicate value: ""',
  },
  { name: 'no addressType', send: slice({ addressType: '' }), refused: 'addressType: Required value' },
  {
    name: 'the same address twice',
    send: slice({ endpoints: [{ addresses: ['10.1.0.1'] }, { addresses: ['10.1.0.1'] }] }),
  },
  { name: 'two addresses in one endpoint', send: withAddress('10.1.0.1', '10.1.0.2') },

  {
    name: 'no pathType',
    send: withPath({ pathType: undefined }),
    refused: `${PATH_FIELD}.pathType: Required value: pathType must be specified`,
  },
  {
    name: 'unknown pathType',
    send: withPath({ pathType: 'Regex' }),
    refused: `${PATH_FIELD}.pathType: Unsupported value: "Regex": supported values: "Exact", "ImplementationSpecific", "Prefix"`,
  },
  {
    name: 'Prefix path without /',
    send: withPath({ path: 'foo' }),
    refused: `${PATH_FIELD}.path: Invalid value: "foo": must be an absolute path`,
  },
  {
    name: 'ImplementationSpecific path without /',
    send: withPath({ path: 'foo', pathType: 'ImplementationSpecific' }),
    refused: `${PATH_FIELD}.path: Invalid value: "foo": must be an absolute path`,
  },
  {
    name: 'ImplementationSpecific without path',
    send: withPath({ path: undefined, pathType: 'ImplementationSpecific' }),
  },
  {
    name: 'path with //',
    send: withPath({ path: '/a//b' }),
    refused: `${PATH_FIELD}.path: Invalid value: "/a//b": must not contain '//'`,
  },
  {
    name: 'path with /../',
    send: withPath({ path: '/a/../b' }),
    refused: `${PATH_FIELD}.path: Invalid value: "/a/../b": must not contain '/../'`,
  },
  {
    name: 'path with %2F',
    send: withPath({ path: '/a%2Fb' }),
    refused: `${PATH_FIELD}.path: Invalid value: "/a%2Fb": must not contain '%2F'`,
  },
  {
    name: 'path that ends with /..',
    send: withPath({ path: '/a/..' }),
    refused: `${PATH_FIELD}.path: Invalid value: "/a/..": cannot end with '/..'`,
  },
  { name: 'regex path as Prefix', send: withPath({ path: '/a(/|$)(.*)' }) },
  {
    name: 'IP as host',
    send: withHost('10.0.0.1'),
    refused: 'spec.rules[0].host: Invalid value: "10.0.0.1": must be a DNS name, not an IP address',
  },
  { name: 'host *.a.test', send: withHost('*.a.test') },
  {
    name: 'host *',
    send: withHost('*'),
    refused:
      'spec.rules[0].host: Invalid value: "*": a wildcard DNS-1123 subdomain must start with \'*.\', followed by a va',
  },
  {
    name: 'host with capitals',
    send: withHost('A.test'),
    refused: `spec.rules[0].host: Invalid value: "A.test": ${SUBDOMAIN}`,
  },
  {
    name: 'class annotation and another ingressClassName',
    send: withSpec({ ingressClassName: 'other' }, { annotations: { 'kubernetes.io/ingress.class': 'nginx' } }),
    refused:
      'annotations.kubernetes.io/ingress.class: Invalid value: "nginx": must match `ingressClassName` when both are',
  },
  {
    name: 'neither rules nor defaultBackend',
    send: withSpec({ rules: undefined }),
    refused: 'spec: Invalid value: null: either `defaultBackend` or `rules` must be specified',
  },
  { name: 'rule without http', send: withSpec({ rules: [{ host: 'a.test' }] }) },
  {
    name: 'backend port name and number',
    send: withSpec({ defaultBackend: { service: { name: 'web', port: { name: 'http', number: 80 } } } }),
    refused: 'spec.defaultBackend: Invalid value: "": cannot set both port name & port number',
  },
  {
    name: 'backend without port',
    send: withSpec({ defaultBackend: { service: { name: 'web' } } }),
    refused: 'spec.defaultBackend: Required value: port name or number is required',
  },
  { name: 'tls without secretName and hosts', send: withSpec({ tls: [{}] }) },

  {
    name: 'TLS Secret without tls.key',
    send: withSecret('kubernetes.io/tls', { 'tls.crt': '' }),
    refused: 'data[tls.key]: Required value',
  },
  {
    name: 'TLS Secret with rubbish',
    send: withSecret('kubernetes.io/tls', { 'tls.crt': 'cnViYmlzaA==', 'tls.key': 'cnViYmlzaA==' }),
  },
  { name: 'TLS Secret with empty values', send: withSecret('kubernetes.io/tls', { 'tls.crt': '', 'tls.key': '' }) },

  {
    name: 'leaseDurationSeconds 0',
    send: withLease({ leaseDurationSeconds: 0 }),
    refused: 'spec.leaseDurationSeconds: Invalid value: 0: must be greater than 0',
  },
  { name: 'Service without ports', send: withService({ ports: undefined }), refused: 'spec.ports: Required value' },
  { name: 'headless Service without ports', send: withService({ ports: undefined, clusterIP: 'None' }) },
  {
    name: 'ExternalName without name',
    send: withService({ type: 'ExternalName' }),
    refused: 'spec.externalName: Required value',
  },
  {
    name: 'two Service ports, one without name',
    send: withService({ ports: [{ port: 80 }, { name: 'b', port: 81 }] }),
    refused: 'spec.ports[0].name: Required value',
  },
];

test.each(ROWS)('$name', async ({ send, refused }) => {
  const name = nextName();
  const { path, body } = send(name);
  expectAnswer(await client.post(path, body), name, refused);
});

test.each([
  ['no ports', { ports: undefined }, [{ addresses: ['10.1.0.1'], conditions: {} }], null],
  [
    'port without name',
    { ports: [{ port: 80 }] },
    [{ addresses: ['10.1.0.1'], conditions: {} }],
    [{ name: '', protocol: 'TCP', port: 80 }],
  ],
  [
    'port without number',
    { ports: [{ name: 'x' }] },
    [{ addresses: ['10.1.0.1'], conditions: {} }],
    [{ name: 'x', protocol: 'TCP' }],
  ],
  ['no endpoints', { endpoints: [], ports: [{ port: 3000 }] }, null, [{ name: '', protocol: 'TCP', port: 3000 }]],
])('an EndpointSlice with %s comes back with what it lacks', async (_name, content, endpoints, ports) => {
  const { code, body } = await client.post(PATHS.endpointSlices, endpointSlice(nextName(), content));
  expect([code, body.endpoints, body.ports]).toEqual([201, endpoints, ports]);
});

test('an FQDN slice is made with a warning', async () => {
  const { code, headers } = await client.post(
    PATHS.endpointSlices,
    endpointSlice(nextName(), { addressType: 'FQDN', endpoints: [{ addresses: ['a.test'] }] }),
  );
  expect([code, headers['warning']]).toEqual([201, '299 - "spec.addressType: FQDN endpoints are deprecated"']);
});

test.each<[string, string, (name: string) => object, object, string]>([
  [
    'addressType',
    PATHS.endpointSlices,
    (name) => endpointSlice(name),
    { addressType: 'IPv6', endpoints: [{ addresses: ['2001:db8::1'] }] },
    'addressType: Invalid value: "IPv6": field is immutable',
  ],
  [
    'IngressClass controller',
    PATHS.ingressClasses,
    (name) => ingressClass(name),
    { spec: { controller: 'x.test/z' } },
    'spec.controller: Invalid value: "x.test/z": field is immutable',
  ],
  [
    'Secret type',
    PATHS.secrets,
    (name) => secret(name, 'example.test/other', {}),
    { type: 'Opaque' },
    'type: Invalid value: "Opaque": field is immutable',
  ],
  [
    'cluster IP',
    PATHS.services,
    (name) => service(name),
    { spec: { clusterIP: '10.96.0.1' } },
    'spec.clusterIPs[0]: Invalid value: "10.96.0.1": may not change once set',
  ],
])('the %s cannot change', async (_name, path, make, change, refused) => {
  const name = nextName();
  expect((await client.post(path, make(name))).code).toBe(201);
  expectAnswer(await client.patch(`${path}/${name}`, 'merge', change), name, refused);
});

describe('Lease times', () => {
  test.each([
    ['milliseconds, as Date.toISOString makes them', '2026-11-21T09:28:32.795Z', 'cannot parse ".795Z" as ".000000"'],
    ['no fraction', '2026-11-21T09:28:32Z', 'cannot parse "Z" as ".000000"'],
  ])('%s are refused', async (_name, renewTime, words) => {
    const { code, body } = await client.post(PATHS.leases, lease(nextName(), { renewTime }));
    expect([code, body.reason]).toEqual([400, 'BadRequest']);
    expect(body.message).toBe(
      `Lease in version "v1" cannot be handled as a Lease: parsing time "${renewTime}" as "2006-01-02T15:04:05.000000Z07:00": ${words}`,
    );
  });

  test.each([
    ['microseconds', '2026-11-21T09:28:32.795000Z', '2026-11-21T09:28:32.795000Z'],
    ['another zone', '2026-11-21T11:28:32.000001+02:00', '2026-11-21T09:28:32.000001Z'],
  ])('%s come back in UTC', async (_name, renewTime, back) => {
    const { code, body } = await client.post(PATHS.leases, lease(nextName(), { renewTime }));
    expect([code, body.spec.renewTime]).toEqual([201, back]);
  });
});

describe('the default IngressClass', () => {
  test('is given to an Ingress that names none', async () => {
    const className = `d-${nextName()}`;
    await server.apply([ingressClass(className, { isDefault: true })]);
    const bare = await client.post(PATHS.ingresses, ingress(nextName()));
    const annotated = await client.post(
      PATHS.ingresses,
      ingress(nextName(), {}, { annotations: { 'kubernetes.io/ingress.class': 'nginx' } }),
    );
    server.delete('networking.k8s.io/v1', 'IngressClass', '', className);
    expect([bare.body.spec.ingressClassName, annotated.body.spec.ingressClassName]).toEqual([className, undefined]);
  });
});

describe('unknown fields', () => {
  const nonsense = () => ingress(nextName(), { nonsense: 1 });

  test('are dropped with a warning', async () => {
    const { code, headers, body } = await client.post(PATHS.ingresses, nonsense());
    expect([code, headers['warning'], body.spec.nonsense]).toEqual([
      201,
      '299 - "unknown field \\"spec.nonsense\\""',
      undefined,
    ]);
  });

  test('are dropped silently with fieldValidation=Ignore', async () => {
    const { code, headers } = await client.post(`${PATHS.ingresses}?fieldValidation=Ignore`, nonsense());
    expect([code, headers['warning']]).toEqual([201, undefined]);
  });

  test('are refused with fieldValidation=Strict', async () => {
    const { code, body } = await client.post(`${PATHS.ingresses}?fieldValidation=Strict`, nonsense());
    expect([code, body.message]).toEqual([
      400,
      'Ingress in version "v1" cannot be handled as a Ingress: strict decoding error: unknown field "spec.nonsense"',
    ]);
  });
});

test.each([
  ['text for a list', { rules: 'x' }, 'json: cannot unmarshal string into Go struct field spec.rules of type []struct'],
  [
    'number for a text',
    { ingressClassName: 1 },
    'json: cannot unmarshal number into Go struct field spec.ingressClassName of type string',
  ],
])('%s is a 400', async (_name, spec, words) => {
  const { code, body } = await client.post(PATHS.ingresses, ingress(nextName(), spec));
  expect([code, body.message]).toEqual([400, `Ingress in version "v1" cannot be handled as a Ingress: ${words}`]);
});

test('names are checked per kind', async () => {
  expectAnswer(
    await client.post(PATHS.services, service('1a')),
    '1a',
    'metadata.name: Invalid value: "1a": a DNS-1035 label',
  );
  expectAnswer(
    await client.post(PATHS.ingresses, ingress('A')),
    'A',
    `metadata.name: Invalid value: "A": ${SUBDOMAIN}`,
  );
});

test('what the server sets is set', async () => {
  const { body } = await client.post(PATHS.ingresses, ingress(nextName()));
  expect(body.metadata).toMatchObject({ uid: expect.stringMatching(/^[0-9a-f-]{36}$/), generation: 1 });
  expect(body.metadata.creationTimestamp).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
  expect(body.status).toEqual({ loadBalancer: {} });
});
