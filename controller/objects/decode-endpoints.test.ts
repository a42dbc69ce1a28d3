import { describe, expect, test } from '@jest/globals';
import { decodeObject } from './decode.ts';
import { decodeAs, rawObject, summary } from './testing/raw-objects.ts';

describe('Service', () => {
  test('has the Kubernetes defaults', () => {
    const { object, diagnostics } = decodeAs('Service', rawObject('Service', { spec: { ports: [{ port: 80 }] } }));
    expect(diagnostics).toEqual([]);
    expect(object).toEqual({
      kind: 'Service',
      meta: expect.anything(),
      type: 'ClusterIP',
      clusterIP: '',
      externalName: '',
      ports: [{ name: '', protocol: 'TCP', port: 80, targetPort: 80 }],
      trafficDistribution: '',
    });
  });

  test.each<[string, unknown, string[]]>([
    ['headless without ports', { clusterIP: 'None' }, []],
    ['a named target port', { ports: [{ port: 80, targetPort: 'http' }] }, []],
    ['an external name with a dot at its end', { type: 'ExternalName', externalName: 'a.test.' }, []],
    ['an external name in capitals', { type: 'ExternalName', externalName: 'A.test' }, []],
    ['no ports', {}, ['error MissingField spec.ports']],
    ['an unknown type', { type: 'Internal', ports: [{ port: 80 }] }, ['error InvalidField spec.type']],
    ['no external name', { type: 'ExternalName' }, ['error MissingField spec.externalName']],
    ['a bad external name', { type: 'ExternalName', externalName: 'a_b' }, ['error InvalidField spec.externalName']],
    ['two unnamed ports', { ports: [{ port: 80 }, { port: 81 }] }, ['warning UnnamedPort spec.ports']],
    [
      'a port twice',
      {
        ports: [
          { name: 'a', port: 80 },
          { name: 'b', port: 80 },
        ],
      },
      ['error DuplicatePort spec.ports[1]'],
    ],
    [
      'a port name twice',
      {
        ports: [
          { name: 'a', port: 80 },
          { name: 'a', port: 81 },
        ],
      },
      ['error DuplicatePort spec.ports[1].name'],
    ],
  ])('judges %s', (_name, spec, want) => {
    expect(summary(decodeAs('Service', rawObject('Service', { spec })).diagnostics)).toEqual(want);
  });

  test('the same port number with two protocols is no duplicate', () => {
    const ports = [
      { name: 'dns', port: 53, protocol: 'UDP' },
      { name: 'dns-tcp', port: 53 },
    ];
    expect(decodeAs('Service', rawObject('Service', { spec: { ports } })).object.ports).toHaveLength(2);
  });

  test.each<[string, unknown]>([
    ['no number', { name: 'x' }],
    ['text as number', { port: '80' }],
    ['a bad name', { name: 'X', port: 81 }],
    ['a bad target', { port: 81, targetPort: 'not a port' }],
    ['a target out of range', { port: 81, targetPort: 70000 }],
  ])('a port with %s costs only itself', (_name, bad) => {
    const raw = rawObject('Service', { spec: { ports: [bad, { name: 'good', port: 80 }] } });
    const { object, diagnostics } = decodeAs('Service', raw);
    expect(object.ports.map((port) => port.name)).toEqual(['good']);
    expect(diagnostics).toHaveLength(1);
    expect(diagnostics[0]?.field).toMatch(/^spec\.ports\[0\]/);
  });
});

describe('EndpointSlice', () => {
  const slice = (body: Readonly<Record<string, unknown>>) =>
    rawObject('EndpointSlice', {
      metadata: { name: 'web-1', namespace: 'shop', labels: { 'kubernetes.io/service-name': 'web' } },
      addressType: 'IPv4',
      ...body,
    });

  test('has the Kubernetes defaults', () => {
    const { object, diagnostics } = decodeAs(
      'EndpointSlice',
      slice({ endpoints: [{ addresses: ['10.1.0.1', '10.1.0.2'] }], ports: [{ port: 80 }, { name: 'x' }] }),
    );
    expect(diagnostics).toEqual([]);
    expect(object).toMatchObject({
      serviceName: 'web',
      addressType: 'IPv4',
      endpoints: [
        {
          addresses: ['10.1.0.1', '10.1.0.2'],
          conditions: { ready: true, serving: true, terminating: false },
          zone: '',
          hintZones: [],
          nodeName: '',
        },
      ],
      ports: [
        { name: '', protocol: 'TCP', port: 80 },
        { name: 'x', protocol: 'TCP', port: null },
      ],
    });
  });

  test.each([
    [{}, { ready: true, serving: true, terminating: false }],
    [{ ready: null }, { ready: true, serving: true, terminating: false }],
    [{ ready: false }, { ready: false, serving: false, terminating: false }],
    [
      { ready: false, serving: true, terminating: true },
      { ready: false, serving: true, terminating: true },
    ],
  ])('conditions %j', (conditions, want) => {
    const raw = slice({ endpoints: [{ addresses: ['10.1.0.1'], conditions }] });
    expect(decodeAs('EndpointSlice', raw).object.endpoints[0]?.conditions).toEqual(want);
  });

  test.each([
    [undefined, 1, 0],
    ['1', 1, 0],
    ['7', 7, 0],
    ['1000', 1000, 0],
    ['0', 1, 1],
    ['1001', 1, 1],
    ['-3', 1, 1],
    ['1.5', 1, 1],
    ['heavy', 1, 1],
    ['', 1, 1],
  ])('weight %j is %d', (text, want, complaints) => {
    const annotations = text === undefined ? {} : { 'sluice.ingress.kubernetes.io/weight': text };
    const labels = { 'kubernetes.io/service-name': 'web' };
    const raw = { ...slice({}), metadata: { name: 'web-1', namespace: 'shop', labels, annotations } };
    const { object, diagnostics } = decodeAs('EndpointSlice', raw);
    expect([object.weight, diagnostics.length]).toEqual([want, complaints]);
    for (const { message } of diagnostics) expect(message).toContain('the endpoints of the slice have weight 1');
  });

  test('null endpoints and ports are empty', () => {
    const { object, diagnostics } = decodeAs('EndpointSlice', slice({ endpoints: null, ports: null }));
    expect([object.endpoints, object.ports, diagnostics]).toEqual([[], [], []]);
  });

  test.each(['127.0.0.1', '127.0.0.9'])('takes loopback %s: a folder feeds local origins', (address) => {
    const { object, diagnostics } = decodeAs('EndpointSlice', slice({ endpoints: [{ addresses: [address] }] }));
    expect([object.endpoints.length, diagnostics]).toEqual([1, []]);
  });

  test.each(['169.254.1.1', '0.0.0.0', '224.0.0.1', 'a.test', '010.0.0.1', '10.0.0.1:80', '::1', '::ffff:10.0.0.1'])(
    'refuses %s in an IPv4 slice, and only that address',
    (address) => {
      const endpoints = [{ addresses: [address, '10.1.0.1'] }, { addresses: [address] }, { addresses: ['10.1.0.2'] }];
      const { object, diagnostics } = decodeAs('EndpointSlice', slice({ endpoints }));
      expect(object.endpoints.map((endpoint) => endpoint.addresses)).toEqual([['10.1.0.1'], ['10.1.0.2']]);
      expect(summary(diagnostics)).toEqual([
        'error InvalidField endpoints[0].addresses[0]',
        'error InvalidField endpoints[1].addresses[0]',
      ]);
    },
  );

  test.each<[string, string[]]>([
    ['2001:db8::1', []],
    ['::1', []],
    ['fe80::1', ['error InvalidField endpoints[0].addresses[0]']],
    ['10.0.0.1', ['error InvalidField endpoints[0].addresses[0]']],
  ])('judges %s in an IPv6 slice', (address, want) => {
    const raw = slice({ addressType: 'IPv6', endpoints: [{ addresses: [address] }] });
    expect(summary(decodeAs('EndpointSlice', raw).diagnostics)).toEqual(want);
  });

  test.each<[string, unknown, string]>([
    ['FQDN', 'FQDN', 'warning UnsupportedAddressType addressType'],
    ['nothing', undefined, 'error MissingField addressType'],
    ['IPv5', 'IPv5', 'error InvalidField addressType'],
  ])('refuses the address type %s', (_name, addressType, want) => {
    const { object, diagnostics } = decodeObject(slice({ addressType }), null);
    expect([object, summary(diagnostics)]).toEqual([null, [want]]);
  });

  test('more endpoints than an API server takes are used, with a warning', () => {
    const endpoints = Array.from({ length: 1001 }, (_, i) => ({ addresses: [`10.1.${i >> 8}.${i & 255}`] }));
    const { object, diagnostics } = decodeAs('EndpointSlice', slice({ endpoints }));
    expect([object.endpoints.length, summary(diagnostics)]).toEqual([1001, ['warning TooManyEndpoints endpoints']]);
  });

  test('bad endpoints and ports cost only themselves', () => {
    const raw = slice({
      endpoints: [
        '10.1.0.1',
        { addresses: [] },
        { addresses: ['10.1.0.2'], conditions: { ready: 'yes' } },
        { addresses: ['10.1.0.3'] },
      ],
      ports: [{ port: 0 }, { port: 80 }, { port: 81 }, { name: 'X', port: 82 }],
    });
    const { object, diagnostics } = decodeAs('EndpointSlice', raw);
    expect(object.endpoints.map((endpoint) => endpoint.addresses[0])).toEqual(['10.1.0.3']);
    expect(object.ports.map((port) => port.port)).toEqual([80]);
    expect(summary(diagnostics)).toEqual([
      'error InvalidField endpoints[0]',
      'error InvalidField endpoints[1].addresses',
      'error InvalidField endpoints[2].conditions.ready',
      'error InvalidField ports[0].port',
      'error DuplicatePort ports[2].name',
      'error InvalidField ports[3].name',
    ]);
  });

  test('a slice of no Service says that it gets no traffic', () => {
    const { diagnostics } = decodeAs('EndpointSlice', rawObject('EndpointSlice', { addressType: 'IPv4' }));
    expect(summary(diagnostics)).toEqual(['warning SliceWithoutService metadata.labels[kubernetes.io/service-name]']);
  });
});
