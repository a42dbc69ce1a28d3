// Shows that a contender passes gRPC calls on whole: h2load counts bytes and statuses, this compares every byte of the
// messages and reads the trailers. Runs before any timing, with a client that is not ours.

import { once } from 'node:events';
import { type ClientHttp2Session, connect, type IncomingHttpHeaders } from 'node:http2';
import { HOST } from './contenders/contender.ts';
import { makeBody } from './origin/body.ts';

/** Path of the method that every call of the benchmark names. */
export const GRPC_METHOD = '/bench.Echo/Unary';

/** What tells a request to be a gRPC call (gRPC over HTTP/2, "Requests"). */
export const GRPC_HEADERS = { 'content-type': 'application/grpc', te: 'trailers' } as const;

const CALLS = 500;
const CALLS_AT_ONCE = 50;

/** A message of so many bytes in gRPC's framing: no compression, its length, its bytes. */
export function grpcMessage(bytes: number): Buffer {
  const prefix = Buffer.alloc(5);
  prefix.writeUInt32BE(bytes, 1);
  return Buffer.concat([prefix, makeBody(bytes)]);
}

/** Makes a few hundred calls with messages up to `bytes` long. Rejects at the first that is not answered rightly. */
export async function checkGrpc(port: number, bytes: number): Promise<void> {
  const session = connect(`https://127.0.0.1:${port}`, { servername: HOST, rejectUnauthorized: false });
  // Streams tell of a session that fails, too.
  session.on('error', () => {});
  try {
    await once(session, 'connect');
    for (let done = 0; done < CALLS; done += CALLS_AT_ONCE) {
      const sizes = Array.from({ length: CALLS_AT_ONCE }, (_, i) => Math.max(0, bytes - ((done + i) % (bytes + 1))));
      await Promise.all(sizes.map((size) => checkCall(session, size)));
    }
  } finally {
    session.destroy();
  }
}

async function checkCall(session: ClientHttp2Session, bytes: number): Promise<void> {
  const message = grpcMessage(bytes);
  const stream = session.request({ ...GRPC_HEADERS, ':method': 'POST', ':path': GRPC_METHOD, ':authority': HOST });
  const parts: Buffer[] = [];
  let status: unknown;
  let grpcStatus: unknown;
  stream.on('response', (headers) => {
    status = headers[':status'];
  });
  stream.on('trailers', (trailers: IncomingHttpHeaders) => {
    grpcStatus = trailers['grpc-status'];
  });
  stream.on('data', (part: Buffer) => parts.push(part));
  stream.end(message);
  await once(stream, 'close');
  const isRight = status === 200 && grpcStatus === '0' && Buffer.concat(parts).equals(message);
  if (!isRight) throw new Error(`a gRPC call with ${bytes} bytes: status ${status}, grpc-status ${grpcStatus}`);
}
