// Connections for copies of requests, as undici's client wants them, but without a buffer of Node's for each read.
//
// undici pulls (`readable`, then `read()`); Node's stream machinery behind that, and 64 KB allocated for each read, cost
// more than the answer. A `CopySocket` reads into one buffer for all, and hands out the bytes as they come.

import net from 'node:net';
import tls from 'node:tls';
import type { buildConnector } from 'undici';
import { TlsSessions } from './tls-sessions.ts';

const READ_BUFFER_BYTES = 32 * 1024;
/** As undici's own connections have it, ms. */
const KEEP_ALIVE_DELAY_MS = 60_000;

/** Opens a connection, and gives it at once: whoever gives up waiting can destroy it. */
export type CopyConnector = (options: buildConnector.Options, opened: buildConnector.Callback) => net.Socket;

/** Gives the connections of one worker. `lookup` finds the addresses of names. */
export function copyConnector(lookup: net.LookupFunction): CopyConnector {
  const buffer = Buffer.allocUnsafeSlow(READ_BUFFER_BYTES);
  const sessions = new TlsSessions();
  let secureContext: tls.SecureContext | null = null;
  return ({ protocol, hostname, port, servername }, opened) => {
    if (protocol !== 'https:') {
      const socket = new CopySocket(buffer);
      reportOpening(socket, 'connect', opened);
      return socket.connect({ host: hostname, port: Number(port || 80), lookup });
    }
    secureContext ??= tls.createSecureContext();
    const endpoint = { address: servername || hostname, port: Number(port || 443) };
    const session = sessions.take(endpoint);
    const socket = tls.connect({
      host: hostname,
      port: endpoint.port,
      lookup,
      secureContext,
      // As nginx without `proxy_ssl_verify`: copies go to test deployments with certificates of their own.
      rejectUnauthorized: false,
      // '' keeps Node from sending a name of its own choice.
      servername: servername ?? '',
      ALPNProtocols: ['http/1.1'],
      ...(session === undefined ? {} : { session }),
    });
    socket.on('session', (newest: Buffer) => sessions.put(endpoint, newest));
    reportOpening(socket, 'secureConnect', (...outcome) => {
      if (outcome[0] !== null) sessions.drop(endpoint);
      opened(...outcome);
    });
    return socket;
  };
}

/** Says once how the opening of a connection went. Later errors are undici's matter. */
function reportOpening(socket: net.Socket, event: string, opened: buildConnector.Callback): void {
  let isReported = false;
  socket.setNoDelay(true).setKeepAlive(true, KEEP_ALIVE_DELAY_MS);
  socket.once(event, () => {
    isReported = true;
    opened(null, socket);
  });
  socket.on('error', (error) => {
    if (!isReported) opened(error, null);
    isReported = true;
  });
}

/** Bytes do not go through the stream: they are there for one `read()` within one `readable`. */
class CopySocket extends net.Socket {
  #chunk: Buffer | null = null;
  #isAtEnd = false;

  constructor(buffer: Buffer) {
    const onread = { buffer, callback: (bytesRead: number): boolean => this.#deliver(buffer, bytesRead) };
    super({ onread });
  }

  /** Node tells the end of the stream by `push(null)`, and nothing else with a buffer of one's own. */
  override push(chunk: unknown): boolean {
    this.#isAtEnd = true;
    return super.push(chunk);
  }

  /** Not at the end and with 0 it is Node that reads: to start, and to tell of the end. */
  override read(size?: number): Buffer | null {
    const chunk = this.#chunk;
    if (chunk === null) return size === 0 || this.#isAtEnd ? super.read(size) : null;
    this.#chunk = null;
    return chunk;
  }

  /** undici calls both for each copy, so that nothing idle holds the process: it is closed within seconds anyway. */
  override ref(): this {
    return this;
  }

  override unref(): this {
    return this;
  }

  #deliver(buffer: Buffer, bytesRead: number): boolean {
    // A copy: undici looks back at the names of fields when more of a head comes, behind other reads into the buffer.
    this.#chunk = Buffer.from(buffer.subarray(0, bytesRead));
    this.emit('readable');
    return true;
  }
}
