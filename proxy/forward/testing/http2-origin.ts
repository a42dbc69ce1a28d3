// An HTTP/2 server that sends exactly the frames it is told, right or wrong: each connection is scripted by the test.

import { once } from 'node:events';
import net from 'node:net';
import { CLIENT_PREFACE, Flag, FrameType } from '../../http2/protocol.ts';
import { block, type Fields, frame, Http2Client, type ReceivedFrame } from '../../listen/testing/http2-client.ts';

export const OK: Fields = [[':status', '200']];

/** The server's end of one connection: reads frames as the test client does, and greets with SETTINGS. */
export class ServerEnd extends Http2Client {
  /** Ids of the requests whose head has come, in order. */
  get requests(): readonly number[] {
    return this.frames.filter(({ type }) => type === FrameType.headers).map(({ streamId }) => streamId);
  }

  /** Sends a whole response. */
  respond(streamId: number, body = '', fields: Fields = OK): void {
    this.request(streamId, fields, body === '');
    if (body !== '') this.data(streamId, body, true);
  }

  framesOf(type: number): readonly ReceivedFrame[] {
    return this.frames.filter((each) => each.type === type);
  }
}

export interface Http2Origin {
  readonly port: number;
  /** In the order they were opened. */
  readonly connections: readonly ServerEnd[];
  [Symbol.asyncDispose](): Promise<void>;
}

/** `onRequest` is called once for each request head. `settings` is the payload of the first SETTINGS; null sends none. */
export async function startHttp2Origin(
  onRequest: (server: ServerEnd, streamId: number, connection: number) => void,
  settings: Buffer | null = Buffer.alloc(0),
): Promise<Http2Origin> {
  const connections: ServerEnd[] = [];
  const listener = net.createServer((socket) => {
    socket.once('data', (first: Buffer) => {
      const end = new ServerEnd(socket);
      const number = connections.push(end) - 1;
      if (settings !== null) end.send(frame(FrameType.settings, 0, 0, settings));
      let seen = 0;
      socket.on('data', () => {
        while (seen < end.requests.length) onRequest(end, end.requests[seen++] as number, number);
      });
      socket.emit('data', first.subarray(CLIENT_PREFACE.length));
    });
  });
  listener.listen(0, '127.0.0.1');
  await once(listener, 'listening');
  return {
    port: (listener.address() as net.AddressInfo).port,
    connections,
    async [Symbol.asyncDispose]() {
      for (const { socket } of connections) socket.destroy();
      listener.close();
      await once(listener, 'close');
    },
  };
}

/** A head with END_STREAM, not necessarily a valid one. */
export function headFrame(streamId: number, fields: Fields): Buffer {
  return frame(FrameType.headers, Flag.endHeaders | Flag.endStream, streamId, block(fields));
}
