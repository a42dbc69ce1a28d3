// One port of a TCP service in one worker: its listening sockets and the way from an accepted connection to a session.
//
//   accepted --(`:PROXY`: prelude)--> session
// Endpoints and settings may change at any time; the sockets stay open, and running sessions go on.

import net from 'node:net';
import type { ProxyContext } from '../forward/context.ts';
import { Prelude, type PreludeHome, type PreludeResult } from '../listen/prelude.ts';
import { attachDataEvents, canAdopt, changeOwner, type SocketAdopter, type SocketOwner } from '../listen/sockets.ts';
import type { StreamService } from '../table/types.ts';
import { listenOn } from './bind.ts';
import { clientOf } from './client-addresses.ts';
import { Departure } from './departure.ts';
import type { StreamClient, StreamObserver, StreamOrigin } from './stream-record.ts';
import type { StreamUpstream } from './stream-upstream.ts';
import { type SessionHome, TcpSession } from './tcp-session.ts';
import { renderProxyV1 } from './wire/proxy-header-writer.ts';

/** Listening sockets per address and worker: libuv accepts one connection per socket and turn. */
const ACCEPT_SOCKETS = 4;

/** What the services of a worker share. */
export interface TcpServiceHome {
  readonly context: ProxyContext;
  readonly observer: StreamObserver;
  readonly adopter: SocketAdopter;
  readonly staticReadBuffer: boolean;
  readonly reusePort: boolean;
  /** Whether one more connection may be served. */
  hasRoom(): boolean;
  /** The upstream of a service; `undefined` when it is gone. */
  upstreamOf(id: string): StreamUpstream | undefined;
  /** Whether the PROXY header of this peer says whose the connection is (`proxy-real-ip-cidr`). */
  believes(address: string): boolean;
  onFailedAccept(): void;
}

export class TcpService implements SessionHome, PreludeHome {
  readonly context: ProxyContext;
  readonly observer: StreamObserver;
  readonly #home: TcpServiceHome;
  readonly #servers: net.Server[] = [];
  readonly #sessions = new Set<TcpSession>();
  readonly #preludes = new Map<Prelude, StreamClient>();
  readonly #departure = new Departure();
  #service: StreamService;

  constructor(home: TcpServiceHome, service: StreamService) {
    this.context = home.context;
    this.observer = home.observer;
    this.#home = home;
    this.#service = service;
  }

  /** Connections that are served, those whose PROXY header is awaited included. */
  get size(): number {
    return this.#sessions.size + this.#preludes.size;
  }

  /** Takes over changed settings; new connections use them. */
  configure(service: StreamService): void {
    this.#service = service;
  }

  /** Opens the port on all hosts; gives the port. Rejects with the system's error, and nothing is open then. */
  async open(hosts: readonly string[]): Promise<number> {
    const { reusePort } = this.#home;
    let { port } = this.#service;
    try {
      for (const host of hosts) {
        for (let i = 0; i < (reusePort ? ACCEPT_SOCKETS : 1); i++) {
          const server = this.#createServer();
          this.#servers.push(server);
          port = await listenOn(server, { host, port, reusePort }, () => this.#home.onFailedAccept());
        }
      }
    } catch (error) {
      this.close();
      throw error;
    }
    return port;
  }

  /** Stops accepting. Sessions go on. */
  close(): void {
    for (const server of this.#servers.splice(0)) server.close();
    for (const prelude of [...this.#preludes.keys()]) prelude.drain();
  }

  /** Ends sessions that are not over by then; gives how many. Resolves early when all are. Call after `close`. */
  async drain(deadlineMs: number): Promise<number> {
    if (this.#sessions.size > 0) await this.#departure.wait(deadlineMs);
    const left = [...this.#sessions];
    for (const session of left) session.cut();
    return left.length;
  }

  /** Lets sessions go on for so long at most: the service is gone. */
  limitSessions(remainingMs: number): void {
    for (const session of this.#sessions) session.limit(remainingMs);
  }

  sessionClosed(session: TcpSession): void {
    this.#sessions.delete(session);
    if (this.#sessions.size === 0) this.#departure.allGone();
  }

  preludeDone(prelude: Prelude, socket: net.Socket, { addresses, rest }: PreludeResult): void {
    const peer = this.#preludes.get(prelude) as StreamClient;
    this.#preludes.delete(prelude);
    const client = addresses !== null && this.#home.believes(peer.address) ? clientOf(addresses) : peer;
    const session = this.#createSession(client, rest.length === 0 ? null : rest);
    changeOwner(socket, session.client);
    session.start(socket);
  }

  preludeFailed(prelude: Prelude, why: string): void {
    const client = this.#preludes.get(prelude);
    if (client === undefined) return;
    this.#preludes.delete(prelude);
    this.#refused(client, 400, why);
  }

  #createServer(): net.Server {
    return net.createServer({ pauseOnConnect: true, allowHalfOpen: true, noDelay: true }, (accepted) =>
      this.#accept(accepted),
    );
  }

  #accept(accepted: net.Socket): void {
    const client = clientOf({
      sourceAddress: accepted.remoteAddress ?? '',
      sourcePort: accepted.remotePort ?? 0,
      destinationAddress: accepted.localAddress ?? '',
      destinationPort: accepted.localPort ?? 0,
    });
    if (!this.#home.hasRoom()) {
      accepted.destroy();
      return this.#refused(client, 503, 'too many connections');
    }
    if (this.#service.expectsProxyHeader) return this.#readPrelude(accepted, client);
    const session = this.#createSession(client, null);
    const socket = this.#own(accepted, session.client);
    socket.pause();
    session.start(socket);
  }

  #readPrelude(accepted: net.Socket, client: StreamClient): void {
    const timeoutMs = this.context.current.global.proxyProtocol.headerTimeoutMs;
    const prelude = new Prelude(this, { expectsProxyHeader: true, readsClientHello: false, timeoutMs });
    this.#preludes.set(prelude, client);
    prelude.open(this.#own(accepted, prelude));
  }

  #createSession(client: StreamClient, first: Buffer | null): TcpSession {
    const { id, sendsProxyHeader } = this.#service;
    const session = new TcpSession(this, client, {
      origin: originOf(this.#service),
      upstream: this.#home.upstreamOf(id),
      header: sendsProxyHeader ? renderProxyV1(addressesOf(client)) : '',
      first,
    });
    this.#sessions.add(session);
    return session;
  }

  #own(accepted: net.Socket, owner: SocketOwner): net.Socket {
    const { adopter, staticReadBuffer } = this.#home;
    if (staticReadBuffer && canAdopt(accepted)) return adopter.adopt(accepted, owner);
    attachDataEvents(accepted, owner);
    return accepted;
  }

  #refused(client: StreamClient, status: 400 | 503, detail: string): void {
    const origin = originOf(this.#service);
    this.observer.onStreamOpened(origin);
    const nothing = { bytesSent: 0, bytesReceived: 0, durationMs: 0, endpoint: null };
    this.observer.onStreamClosed({ origin, client, status, detail, ...nothing });
  }
}

export function originOf({ protocol, port, labels }: StreamService): StreamOrigin {
  return {
    protocol,
    port,
    namespace: labels.namespace,
    service: labels.service,
    servicePort: labels.servicePort,
    serverName: '',
  };
}

function addressesOf({ address, port, localAddress, localPort }: StreamClient) {
  return {
    sourceAddress: address,
    sourcePort: port,
    destinationAddress: localAddress,
    destinationPort: localPort,
  };
}
