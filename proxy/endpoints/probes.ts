// One probe of one endpoint: over TCP, HTTP or the gRPC health protocol. A probe opens a connection of its own and closes
// it, so that it sees what a new client would see; it never throws, and it ends within its time limit.

import { request as httpRequest } from 'node:http';
import { connect as http2Connect } from 'node:http2';
import { request as httpsRequest } from 'node:https';
import { connect } from 'node:net';
import type { ProbeSettings } from '../table/upstream-settings.ts';
import type { CheckTarget } from './check-schedule.ts';
import { endpointKey } from './endpoint-key.ts';

/** True when the endpoint answered as the check asks. False as well when `signal` ends it. */
export function probe(target: CheckTarget, signal: AbortSignal): Promise<boolean> {
  const { check, address } = target;
  const place: Place = { address, port: check.port ?? target.port, signal };
  switch (check.probe.kind) {
    case 'tcp':
      return probeTcp(place);
    case 'http':
      return probeHttp(place, check.probe);
    case 'grpc':
      return probeGrpc(place, check.probe);
    default:
      return check.probe satisfies never;
  }
}

interface Place {
  readonly address: string;
  readonly port: number;
  readonly signal: AbortSignal;
}

/** As requests to HTTPS upstreams (`proxy-ssl-verify` is off by default): health is no question of trust. */
const unverified = { rejectUnauthorized: false } as const;

function probeTcp({ address, port, signal }: Place): Promise<boolean> {
  return settle((done) => {
    const socket = connect({ host: address, port, signal });
    socket.once('connect', () => done(true)).once('error', () => done(false));
    return () => socket.destroy();
  });
}

/**
 * GET without keep-alive; the status decides as soon as the head is there. Deviation: node:http and not undici, whose
 * pools and interceptors a single request without reuse does not need.
 */
function probeHttp(place: Place, settings: Extract<ProbeSettings, { kind: 'http' }>): Promise<boolean> {
  const { address, port, signal } = place;
  return settle((done) => {
    const headers = { host: settings.host ?? endpointKey({ address, port }), 'user-agent': 'sluice-health-check' };
    const options = { host: address, port, path: settings.path, headers, agent: false, signal } as const;
    const request = settings.overTls ? httpsRequest({ ...options, ...unverified }) : httpRequest(options);
    request.once('response', ({ statusCode = 0 }) =>
      done(statusCode >= settings.minStatus && statusCode <= settings.maxStatus),
    );
    request.on('error', () => done(false)).end();
    return () => request.destroy();
  });
}

/** Most bytes of an answer that are kept: a HealthCheckResponse has seven. */
const maxGrpcBytes = 1024;

/** grpc.health.v1.Health/Check over HTTP/2; good is grpc-status 0 with the state SERVING. */
function probeGrpc(
  { address, port, signal }: Place,
  settings: Extract<ProbeSettings, { kind: 'grpc' }>,
): Promise<boolean> {
  const { service, overTls } = settings;
  return settle((done) => {
    const session = http2Connect(`${overTls ? 'https' : 'http'}://${endpointKey({ address, port })}`, unverified);
    const fail = () => done(false);
    session.once('error', fail).once('close', fail);
    signal.addEventListener('abort', fail, { once: true });
    const stream = session.request({
      ':method': 'POST',
      ':path': '/grpc.health.v1.Health/Check',
      'content-type': 'application/grpc',
      te: 'trailers',
    });
    let body = Buffer.alloc(0);
    let status: unknown;
    // A status in the head means that no message follows, and without one nothing is serving.
    stream.on('trailers', (trailers) => {
      status = trailers['grpc-status'];
    });
    stream.on('data', (part: Buffer) => {
      if (body.length < maxGrpcBytes) body = Buffer.concat([body, part]);
    });
    stream.on('end', () => done(`${status}` === '0' && isServing(body))).on('error', fail);
    stream.end(encodeCheckRequest(service));
    return () => {
      signal.removeEventListener('abort', fail);
      session.destroy();
    };
  });
}

/** Runs something that says `done` once or more; the first counts, then it is cleaned up. */
function settle(start: (done: (isGood: boolean) => void) => () => void): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  let cleanUp = () => {};
  cleanUp = start(resolve);
  return promise.finally(() => cleanUp());
}

/** A gRPC message (flag, length) that holds HealthCheckRequest: field 1, the service's name, left out when it is empty. */
function encodeCheckRequest(service: string): Buffer {
  const name = Buffer.from(service);
  const message = name.length === 0 ? name : Buffer.concat([Buffer.from([0x0a, ...varint(name.length)]), name]);
  const prefix = Buffer.alloc(5);
  prefix.writeUInt32BE(message.length, 1);
  return Buffer.concat([prefix, message]);
}

/** Protocol Buffers' encoding of whole numbers: seven bits a byte, the lowest first. */
function varint(value: number): readonly number[] {
  return value < 0x80 ? [value] : [(value & 0x7f) | 0x80, ...varint(value >>> 7)];
}

/** Behind the five bytes of the gRPC frame: HealthCheckResponse, field 1 (a varint), 1 is SERVING. */
function isServing(body: Buffer): boolean {
  return body.length >= 7 && body[0] === 0 && body.readUInt32BE(1) >= 2 && body[5] === 0x08 && body[6] === 1;
}
