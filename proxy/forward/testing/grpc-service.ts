// A gRPC service on loopback made with @grpc/grpc-js, and its client. Messages are bytes: no schema is needed.

import * as grpc from '@grpc/grpc-js';

const bytes = {
  requestSerialize: (value: Buffer): Buffer => value,
  requestDeserialize: (value: Buffer): Buffer => value,
  responseSerialize: (value: Buffer): Buffer => value,
  responseDeserialize: (value: Buffer): Buffer => value,
};

const method = (path: string, requestStream: boolean, responseStream: boolean) => ({
  path,
  requestStream,
  responseStream,
  ...bytes,
});

/** Each way of calling. `Hang` never answers, `Fail` answers with the status whose number it is sent, else NOT_FOUND. */
const echoDefinition = {
  unary: method('/test.Echo/Unary', false, false),
  collect: method('/test.Echo/Collect', true, false),
  expand: method('/test.Echo/Expand', false, true),
  chat: method('/test.Echo/Chat', true, true),
  hang: method('/test.Echo/Hang', false, false),
  fail: method('/test.Echo/Fail', false, false),
} as const;

type Done = grpc.requestCallback<Buffer>;
type Unary = (message: Buffer, metadata: grpc.Metadata, options: grpc.CallOptions, done: Done) => grpc.ClientUnaryCall;

/** What the generated client can do. */
export interface EchoClient {
  readonly unary: Unary;
  readonly hang: Unary;
  readonly fail: Unary;
  collect(done: Done): grpc.ClientWritableStream<Buffer>;
  expand(message: Buffer): grpc.ClientReadableStream<Buffer>;
  chat(): grpc.ClientDuplexStream<Buffer, Buffer>;
  close(): void;
}

/** A client that speaks HTTP/2 without TLS from the start. */
export function connectEcho(port: number): EchoClient {
  const Client = grpc.makeGenericClientConstructor(echoDefinition, 'Echo');
  return new Client(`127.0.0.1:${port}`, grpc.credentials.createInsecure()) as unknown as EchoClient;
}

export interface EchoServer {
  readonly port: number;
  /** Calls seen, and those whose client went away. */
  readonly calls: number;
  readonly cancelled: number;
  /** Headers of the last call. */
  readonly metadata: grpc.Metadata;
  [Symbol.asyncDispose](): Promise<void>;
}

interface Counts {
  calls: number;
  cancelled: number;
  metadata: grpc.Metadata;
}

function handlers(counts: Counts): grpc.UntypedServiceImplementation {
  const note = (call: grpc.ServerUnaryCall<Buffer, Buffer>): void => {
    counts.calls++;
    counts.metadata = call.metadata;
    call.on('cancelled', () => counts.cancelled++);
  };
  return {
    unary: (call: grpc.ServerUnaryCall<Buffer, Buffer>, done: grpc.sendUnaryData<Buffer>) => {
      note(call);
      const trailers = new grpc.Metadata();
      trailers.set('x-trailer', 'yes');
      done(null, call.request, trailers);
    },
    hang: note,
    fail: (call: grpc.ServerUnaryCall<Buffer, Buffer>, done: grpc.sendUnaryData<Buffer>) => {
      note(call);
      done({ code: Number(call.request.toString()) || grpc.status.NOT_FOUND, details: 'no such thing' });
    },
    collect: (call: grpc.ServerReadableStream<Buffer, Buffer>, done: grpc.sendUnaryData<Buffer>) => {
      counts.calls++;
      let count = 0;
      call.on('data', () => count++);
      call.on('end', () => done(null, Buffer.from(String(count))));
    },
    /** As many messages as the request says. */
    expand: (call: grpc.ServerWritableStream<Buffer, Buffer>) => {
      counts.calls++;
      const total = Number(call.request.toString());
      let at = 0;
      const go = (): void => {
        while (at < total) if (!call.write(Buffer.from(String(at++)))) return void call.once('drain', go);
        call.end();
      };
      go();
    },
    chat: (call: grpc.ServerDuplexStream<Buffer, Buffer>) => {
      counts.calls++;
      call.on('cancelled', () => counts.cancelled++);
      call.on('error', () => {});
      call.on('data', (message: Buffer) => call.write(message));
      call.on('end', () => call.end());
    },
  };
}

/** Starts the service; `credentials` default to none. */
export async function startEcho(credentials = grpc.ServerCredentials.createInsecure()): Promise<EchoServer> {
  const counts: Counts = { calls: 0, cancelled: 0, metadata: new grpc.Metadata() };
  const server = new grpc.Server();
  server.addService(echoDefinition, handlers(counts));
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', credentials, (error, bound) => (error === null ? resolve(bound) : reject(error)));
  });
  return {
    port,
    get calls() {
      return counts.calls;
    },
    get cancelled() {
      return counts.cancelled;
    },
    get metadata() {
      return counts.metadata;
    },
    async [Symbol.asyncDispose]() {
      server.forceShutdown();
    },
  };
}
