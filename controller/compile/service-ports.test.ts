import { describe, expect, test } from '@jest/globals';
import type { ServicePort } from '../objects/types.ts';
import type { BackendUse } from './host-plan.ts';
import { clusterIpPort, externalPort, findServicePort } from './service-ports.ts';
import { serviceOf } from './testing/objects.ts';

const port = (name: string, number: number, targetPort: number | string): ServicePort => ({
  name,
  protocol: 'TCP',
  port: number,
  targetPort,
});
const use = (text: string): BackendUse => ({
  service: 'web',
  port: text,
  portKind: text === '' ? 'none' : /^\d+$/.test(text) ? 'number' : 'name',
});
const service = serviceOf({ ports: [port('http', 80, 'web'), port('admin', 9000, 8080), port('late', 8080, 1)] });

describe('findServicePort', () => {
  test.each([
    ['number', '80', 'http'],
    ['name', 'admin', 'admin'],
    ['targetPort as number, before a later port of that number', '8080', 'admin'],
    ['targetPort as name', 'web', 'http'],
    ['unknown number', '81', undefined],
    ['unknown name', 'grpc', undefined],
    ['nothing given', '', undefined],
  ])('by %s', (_, text, want) => {
    expect(findServicePort(service, use(text))?.name).toBe(want);
  });

  test('nothing given does not find an unnamed port', () => {
    expect(findServicePort(serviceOf({ ports: [port('', 80, 80)] }), use(''))).toBeNull();
  });
});

describe('externalPort', () => {
  test.each([
    ['a listed number gives its targetPort', '9000', 8080],
    ['a listed name gives its targetPort', 'late', 1],
    ['a named targetPort means nothing outside: the port', 'http', 80],
    ['an unlisted number counts by itself', '443', 443],
    ['an unknown name is nothing', 'grpc', null],
    ['nothing given is nothing', '', null],
  ])('%s', (_, text, want) => {
    expect(externalPort(service, use(text))).toBe(want);
  });
});

describe('clusterIpPort', () => {
  test.each([
    ['a number counts by itself', '81', 81],
    ['a name is looked up', 'admin', 9000],
    ['an unknown name is nothing', 'grpc', null],
    ['nothing given is nothing', '', null],
  ])('%s', (_, text, want) => {
    expect(clusterIpPort(service, use(text))).toBe(want);
  });
});
