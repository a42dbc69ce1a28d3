// One port of a UDP service in one worker: its sockets, and the sessions of its clients.
//
// The system spreads clients over the workers' sockets (SO_REUSEPORT) by their address and port, so that a client stays with
// one worker. Sessions are bounded over all services of a worker: a datagram of a new client beyond is dropped and counted.

import dgram from 'node:dgram';
import { isIPv4 } from 'node:net';
import type { ProxyContext } from '../forward/context.ts';
import type { StreamService } from '../table/types.ts';
import { clientOf } from './client-addresses.ts';
import { Departure } from './departure.ts';
import type { StreamClient, StreamObserver } from './stream-record.ts';
import type { StreamUpstream } from './stream-upstream.ts';
import { originOf } from './tcp-service.ts';
import { UdpSession, type UdpSessionHome } from './udp-session.ts';

/** Bytes of answers on their way out of one port; beyond, answers are dropped. */
const MAX_QUEUED_BYTES = 4 * 1024 * 1024;

/** What the services of a worker share. */
export interface UdpServiceHome {
  readonly context: ProxyContext;
  readonly observer: StreamObserver;
  readonly reusePort: boolean;
  /** Takes a place for one more session; false when there is none. */
  takePlace(): boolean;
  givePlaceBack(): void;
  upstreamOf(id: string): StreamUpstream | undefined;
}

interface Place {
  readonly socket: dgram.Socket;
  readonly port: number;
  readonly address: string;
}

export class UdpService implements UdpSessionHome {
  readonly context: ProxyContext;
  readonly observer: StreamObserver;
  readonly #home: UdpServiceHome;
  readonly #sockets: dgram.Socket[] = [];
  readonly #sessions = new Map<string, UdpSession>();
  /** Where answers of a session go. */
  readonly #places = new Map<UdpSession, Place>();
  readonly #departure = new Departure();
  #service: StreamService;
  #isClosing = false;

  constructor(home: UdpServiceHome, service: StreamService) {
    this.context = home.context;
    this.observer = home.observer;
    this.#home = home;
    this.#service = service;
  }

  get size(): number {
    return this.#sessions.size;
  }

  configure(service: StreamService): void {
    this.#service = service;
  }

  /** Opens the port on all hosts; gives the port. Rejects with the system's error, and nothing is open then. */
  async open(hosts: readonly string[]): Promise<number> {
    let { port } = this.#service;
    try {
      for (const host of hosts) port = await this.#bind(host, port);
    } catch (error) {
      this.#closeSockets();
      throw error;
    }
    return port;
  }

  /** Takes no new clients from now on. Sessions that await answers get them until `drain` is over. */
  close(): void {
    this.#isClosing = true;
    for (const session of [...this.#sessions.values()]) if (!session.isAwaiting) session.cut();
    if (this.#sessions.size === 0) this.#closeSockets();
  }

  /** Ends sessions that have not had their answers by then; gives how many. Call after `close`. */
  async drain(deadlineMs: number): Promise<number> {
    if (this.#sessions.size > 0) await this.#departure.wait(deadlineMs);
    const left = [...this.#sessions.values()];
    for (const session of left) session.cut();
    this.#closeSockets();
    return left.length;
  }

  reply(session: UdpSession, datagram: Buffer): void {
    const place = this.#places.get(session);
    if (place === undefined || place.socket.getSendQueueSize() > MAX_QUEUED_BYTES) return;
    // The callback takes the error of this datagram, which would otherwise be the socket's.
    place.socket.send(datagram, place.port, place.address, () => undefined);
  }

  sessionClosed(session: UdpSession): void {
    this.#sessions.delete(session.key);
    this.#places.delete(session);
    this.#home.givePlaceBack();
    if (this.#sessions.size > 0) return;
    if (this.#isClosing) this.#closeSockets();
    this.#departure.allGone();
  }

  async #bind(host: string, port: number): Promise<number> {
    if (host !== '') return this.#bindOne(host, isIPv4(host) ? 'udp4' : 'udp6', port);
    try {
      return await this.#bindOne('::', 'udp6', port);
    } catch (error) {
      // A system without IPv6: as TCP listeners do there.
      const { code } = error as NodeJS.ErrnoException;
      if (code !== 'EAFNOSUPPORT' && code !== 'EADDRNOTAVAIL') throw error;
      return this.#bindOne('0.0.0.0', 'udp4', port);
    }
  }

  async #bindOne(address: string, type: 'udp4' | 'udp6', port: number): Promise<number> {
    const socket = dgram.createSocket({ type, reusePort: this.#home.reusePort });
    await new Promise<void>((resolve, reject) => {
      socket.once('error', (error) => {
        socket.close();
        reject(error);
      });
      socket.bind({ port, address }, () => {
        socket.removeAllListeners('error');
        // What the system says of one datagram concerns no other.
        socket.on('error', () => undefined);
        resolve();
      });
    });
    this.#sockets.push(socket);
    const localPort = socket.address().port;
    socket.on('message', (datagram, from) => this.#onDatagram(socket, datagram, from, localPort));
    return localPort;
  }

  #onDatagram(socket: dgram.Socket, datagram: Buffer, from: dgram.RemoteInfo, localPort: number): void {
    const key = `${from.address} ${from.port}`;
    const session = this.#sessions.get(key) ?? this.#openSession(socket, key, from, localPort);
    session?.send(datagram);
  }

  #openSession(socket: dgram.Socket, key: string, from: dgram.RemoteInfo, localPort: number): UdpSession | null {
    if (this.#isClosing) return null;
    const client = clientOf({
      sourceAddress: from.address,
      sourcePort: from.port,
      destinationAddress: socket.address().address,
      destinationPort: localPort,
    });
    const upstream = this.#home.upstreamOf(this.#service.id);
    const endpoint = upstream?.pick(null) ?? null;
    if (upstream === undefined || endpoint === null) return this.#refused(client, 502, 'no endpoint');
    if (!this.#home.takePlace()) return this.#refused(client, 503, 'too many sessions');
    const session = new UdpSession(this, key, client, { origin: originOf(this.#service), upstream, endpoint });
    this.#sessions.set(key, session);
    this.#places.set(session, { socket, port: from.port, address: from.address });
    session.start();
    return session;
  }

  #refused(client: StreamClient, status: 502 | 503, detail: string): null {
    const origin = originOf(this.#service);
    this.observer.onStreamOpened(origin);
    const nothing = { bytesSent: 0, bytesReceived: 0, durationMs: 0, endpoint: null };
    this.observer.onStreamClosed({ origin, client, status, detail, ...nothing });
    return null;
  }

  #closeSockets(): void {
    for (const socket of this.#sockets.splice(0)) socket.close();
  }
}
