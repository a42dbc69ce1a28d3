// One client of a UDP service: its datagrams go to one endpoint, what that sends comes back to the client.
//
// Over when nothing came or went for `proxy-stream-timeout`, when the endpoint has sent `proxy-stream-responses` datagrams for
// each one of the client (nginx counts the same way), or when the system says that the endpoint is not there.

import dgram from 'node:dgram';
import { isIPv6 } from 'node:net';
import type { ProxyContext } from '../forward/context.ts';
import { Deadline, type Timed } from '../forward/timer-wheel.ts';
import type { StreamClient, StreamObserver, StreamOrigin, StreamStatus } from './stream-record.ts';
import type { StreamEndpoint, StreamUpstream } from './stream-upstream.ts';

/** Datagrams held until the socket knows its endpoint, which takes one turn of the event loop. */
const MAX_HELD = 16;
/** Bytes on their way out of one socket; datagrams beyond are dropped, as the system would do. */
const MAX_QUEUED_BYTES = 1024 * 1024;

export interface UdpSessionHome {
  readonly context: ProxyContext;
  readonly observer: StreamObserver;
  /** Sends a datagram to the client. */
  reply(session: UdpSession, datagram: Buffer): void;
  /** Called once. */
  sessionClosed(session: UdpSession): void;
}

export class UdpSession implements Timed {
  /** What the service finds it by. */
  readonly key: string;
  readonly client: StreamClient;
  readonly #home: UdpSessionHome;
  readonly #origin: StreamOrigin;
  readonly #upstream: StreamUpstream;
  readonly #endpoint: StreamEndpoint;
  /** What `begin` of the endpoint gave. */
  #probe = 0;
  readonly #socket: dgram.Socket;
  readonly #deadline = new Deadline(this);
  readonly #openedAtMs: number;
  #held: Buffer[] | null = [];
  #isClosed = false;
  #requests = 0;
  #responses = 0;
  #bytesReceived = 0;
  #bytesSent = 0;

  constructor(
    home: UdpSessionHome,
    key: string,
    client: StreamClient,
    target: { readonly origin: StreamOrigin; readonly upstream: StreamUpstream; readonly endpoint: StreamEndpoint },
  ) {
    this.key = key;
    this.client = client;
    this.#home = home;
    this.#origin = target.origin;
    this.#upstream = target.upstream;
    this.#endpoint = target.endpoint;
    this.#openedAtMs = home.context.preciseNowMs();
    this.#socket = dgram.createSocket({
      type: isIPv6(this.#endpoint.address) ? 'udp6' : 'udp4',
      // It is an address: nobody needs to be asked, and the answer may come at once.
      lookup: (address, _options, done) => done(null, address, isIPv6(address) ? 6 : 4),
    });
    this.#socket.on('message', (datagram) => this.#onResponse(datagram));
    this.#socket.on('error', (error) => this.#failed(error));
  }

  /** Begins to connect. The session may be over within this call: the system can lack a socket for it. */
  start(): void {
    this.#probe = this.#endpoint.begin();
    this.#home.observer.onStreamOpened(this.#origin);
    // Node gives the error of a connection that is refused at once (no route) to the callback, and not as an event.
    const onConnect = (error?: Error) => (error === undefined ? this.#connected() : this.#failed(error));
    this.#socket.connect(this.#endpoint.port, this.#endpoint.address, onConnect);
  }

  /** The endpoint still owes the client something. */
  get isAwaiting(): boolean {
    return this.#responses < this.#requests * this.#home.context.current.global.stream.udpResponses;
  }

  /** Takes a datagram of the client. */
  send(datagram: Buffer): void {
    if (this.#isClosed) return;
    this.#requests++;
    this.#bytesReceived += datagram.length;
    this.#touch();
    if (this.#held === null) this.#pass(datagram);
    else if (this.#held.length < MAX_HELD) this.#held.push(datagram);
  }

  onDeadline(): void {
    this.#close(200, 'idle');
  }

  /** Ends it: its service is gone, or the worker stops. */
  cut(): void {
    this.#close(this.isAwaiting ? 500 : 200, 'cut by Sluice');
  }

  #connected(): void {
    if (this.#isClosed) return;
    const held = this.#held ?? [];
    this.#held = null;
    for (const datagram of held) this.#pass(datagram);
  }

  #pass(datagram: Buffer): void {
    if (this.#socket.getSendQueueSize() + datagram.length > MAX_QUEUED_BYTES) return;
    this.#socket.send(datagram, (error) => {
      // Refused or too large: the client learns of it as little as from a network that drops.
      if (error !== null) this.#failed(error);
      else if (!this.isAwaiting) this.#close(200, '');
    });
  }

  #onResponse(datagram: Buffer): void {
    if (this.#isClosed) return;
    if (this.#responses === 0) {
      this.#upstream.onAnswered(this.#endpoint, this.#home.context.preciseNowMs() - this.#openedAtMs);
    }
    this.#responses++;
    this.#bytesSent += datagram.length;
    this.#home.reply(this, datagram);
    this.#touch();
    if (!this.isAwaiting && this.#held === null) this.#close(200, '');
  }

  #touch(): void {
    const { wheel, current } = this.#home.context;
    wheel.set(this.#deadline, current.global.stream.idleTimeoutMs);
  }

  #failed(error: NodeJS.ErrnoException): void {
    this.#close(502, error.code ?? error.message);
  }

  #close(status: StreamStatus, detail: string): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    const { context, observer } = this.#home;
    const durationMs = context.preciseNowMs() - this.#openedAtMs;
    context.wheel.remove(this.#deadline);
    this.#socket.close();
    if (status === 502) this.#upstream.onFailed(this.#endpoint, durationMs);
    this.#endpoint.end(this.#probe);
    observer.onStreamClosed({
      origin: this.#origin,
      client: this.client,
      status,
      bytesSent: this.#bytesSent,
      bytesReceived: this.#bytesReceived,
      durationMs,
      endpoint: this.#endpoint,
      detail,
    });
    this.#home.sessionClosed(this);
  }
}
