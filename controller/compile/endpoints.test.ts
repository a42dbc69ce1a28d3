// What the decoder lets no manifest say. All else about endpoints is in the golden cases.

import { expect, test } from '@jest/globals';
import { plainEndpoint } from '#proxy/table/defaults.ts';
import type { EndpointSlice } from '../objects/types.ts';
import { sliceEndpoints, sortEndpoints } from './endpoints.ts';
import { metaOf } from './testing/objects.ts';

const port = { name: '', protocol: 'TCP', port: 80, targetPort: 8080 };

function sliceOf(addressType: EndpointSlice['addressType'], address: string): EndpointSlice {
  return {
    kind: 'EndpointSlice',
    meta: metaOf('web-1'),
    serviceName: 'web',
    addressType,
    weight: 1,
    ports: [{ name: '', protocol: 'TCP', port: 8080 }],
    endpoints: [
      {
        addresses: [address],
        conditions: { ready: true, serving: true, terminating: false },
        zone: '',
        hintZones: [],
        nodeName: '',
      },
    ],
  };
}

test('names in an FQDN slice never become endpoints: the table promises addresses', () => {
  const slices = [sliceOf('FQDN', 'a.example.com'), sliceOf('IPv4', '10.0.0.1')];
  expect(sliceEndpoints(slices, port, null)).toEqual([plainEndpoint('10.0.0.1', 8080)]);
});

test('endpoints are sorted by address text, then by port as a number', () => {
  const endpoints = [
    plainEndpoint('10.0.0.2', 80),
    plainEndpoint('10.0.0.10', 9000),
    plainEndpoint('10.0.0.10', 80),
    plainEndpoint('10.0.0.2', 80),
  ];
  expect(sortEndpoints(endpoints).map(({ address, port: number }) => `${address} ${number}`)).toEqual([
    '10.0.0.10 80',
    '10.0.0.10 9000',
    '10.0.0.2 80',
  ]);
});
