// The way into the HTTP listeners for connections that must say something first: a PROXY header (`use-proxy-protocol`), or a
// TLS server name that may belong to a host with passthrough.
//
//   accepted --rules null--> listener                                     (the usual case: one look at the settings)
//   accepted --> prelude --known name--> session to an endpoint, TLS untouched
//                   |  +--> listener, with the address that the header names
//                   +--> closed

import type net from 'node:net';
import type { ProxyContext } from '../forward/context.ts';
import { matchPassthrough } from '../match/sni.ts';
import { clientOf } from '../stream/client-addresses.ts';
import type { StreamClient, StreamObserver } from '../stream/stream-record.ts';
import { type SessionHome, TcpSession } from '../stream/tcp-session.ts';
import type { ProxiedAddresses } from '../stream/wire/proxy-header.ts';
import type { Peer, Peers } from './peers.ts';
import { Prelude, type PreludeHome, type PreludeResult, type PreludeRules } from './prelude.ts';
import { ProxySenders } from './proxy-senders.ts';
import { attachDataEvents, canAdopt, changeOwner, type SocketAdopter, type SocketOwner } from './sockets.ts';

/** A listener behind the entrance. */
export interface Lobby {
  readonly isTls: boolean;
  readonly peers: Peers;
  /** Clients whose TLS ended at the load balancer; used on plain listeners only. */
  readonly securePeers: Peers;
  /** Goes on with a connection. `socket` is paused and still delivers its events to the prelude. */
  enter(socket: net.Socket, peer: Peer, rest: Buffer): void;
}

export interface EntranceHome {
  readonly context: ProxyContext;
  /** From here to `left` it counts as a client connection. */
  entered(connection: Prelude | TcpSession): void;
  left(connection: Prelude | TcpSession): void;
}

interface Visitor {
  readonly lobby: Lobby;
  readonly client: StreamClient;
}

/** A load balancer that took the connection on this port has ended TLS itself (ingress-nginx, `lua_ingress.lua`). */
const HTTPS_PORT = 443;

export class Entrance implements PreludeHome, SessionHome {
  readonly context: ProxyContext;
  readonly observer: StreamObserver;
  readonly #home: EntranceHome;
  readonly #adopter: SocketAdopter;
  readonly #staticReadBuffer: boolean;
  readonly #senders: ProxySenders;
  readonly #visitors = new Map<Prelude, Visitor>();
  /** Connections refused for their PROXY header, or for want of one. */
  refused = 0;

  constructor(home: EntranceHome, observer: StreamObserver, adopter: SocketAdopter, staticReadBuffer: boolean) {
    this.context = home.context;
    this.observer = observer;
    this.#home = home;
    this.#adopter = adopter;
    this.#staticReadBuffer = staticReadBuffer;
    this.#senders = new ProxySenders(home.context);
  }

  /** What a new connection must say first; null: nothing. */
  rulesFor(isTls: boolean): PreludeRules | null {
    const { index, global } = this.context.current;
    const expectsProxyHeader = global.proxyProtocol.isExpected;
    const readsClientHello = isTls && index.passthroughHosts > 0;
    if (!expectsProxyHeader && !readsClientHello) return null;
    return { expectsProxyHeader, readsClientHello, timeoutMs: global.proxyProtocol.headerTimeoutMs };
  }

  /** Whether a PROXY header of the peer at this address says whose its connection is. */
  believes(address: string): boolean {
    return this.#senders.believes(address);
  }

  /** Takes a connection for which there are rules. */
  admit(accepted: net.Socket, rules: PreludeRules, lobby: Lobby): void {
    const prelude = new Prelude(this, rules);
    const client = clientOf({
      sourceAddress: accepted.remoteAddress ?? '',
      sourcePort: accepted.remotePort ?? 0,
      destinationAddress: accepted.localAddress ?? '',
      destinationPort: accepted.localPort ?? 0,
    });
    this.#visitors.set(prelude, { lobby, client });
    this.#home.entered(prelude);
    // A socket that goes on to Node's TLS stays Node's.
    const socket = lobby.isTls ? this.#listenTo(accepted, prelude) : this.#own(accepted, prelude);
    prelude.open(socket);
  }

  preludeDone(prelude: Prelude, socket: net.Socket, { addresses, serverName, rest }: PreludeResult): void {
    const { lobby, client } = this.#leave(prelude);
    const believed = addresses !== null && this.#senders.believes(client.address) ? addresses : null;
    const { index } = this.context.current;
    const upstream = serverName === null ? null : matchPassthrough(index, serverName);
    if (upstream === null) return lobby.enter(socket, peerOf(lobby, client, believed), rest);
    const origin = { protocol: 'tcp', port: client.localPort, namespace: '', service: '', servicePort: '' } as const;
    const session = new TcpSession(this, believed === null ? client : clientOf(believed), {
      origin: { ...origin, serverName: serverName ?? '' },
      upstream: this.context.endpoints.get(upstream),
      header: '',
      first: rest,
    });
    this.#home.entered(session);
    session.start(this.#take(socket, session.client));
  }

  preludeFailed(prelude: Prelude, why: string): void {
    if (why !== '') this.refused++;
    this.#leave(prelude);
  }

  sessionClosed(session: TcpSession): void {
    this.#home.left(session);
  }

  #leave(prelude: Prelude): Visitor {
    const visitor = this.#visitors.get(prelude);
    if (visitor === undefined) throw new Error('a prelude ended twice');
    this.#visitors.delete(prelude);
    this.#home.left(prelude);
    return visitor;
  }

  #own(accepted: net.Socket, owner: SocketOwner): net.Socket {
    if (this.#staticReadBuffer && canAdopt(accepted)) return this.#adopter.adopt(accepted, owner);
    return this.#listenTo(accepted, owner);
  }

  #listenTo(accepted: net.Socket, owner: SocketOwner): net.Socket {
    attachDataEvents(accepted, owner);
    return accepted;
  }

  /** Gives a socket with `data` events to an owner that passes much on: it reads into our buffers from here on. */
  #take(socket: net.Socket, owner: SocketOwner): net.Socket {
    if (!this.#staticReadBuffer || !canAdopt(socket) || socket.readableLength > 0) {
      changeOwner(socket, owner);
      return socket;
    }
    const adopted = this.#adopter.adopt(socket, owner);
    adopted.pause();
    return adopted;
  }
}

function peerOf({ peers, securePeers, isTls }: Lobby, client: StreamClient, addresses: ProxiedAddresses | null): Peer {
  if (addresses === null) return peers.of(client.address);
  const isSecure = !isTls && addresses.destinationPort === HTTPS_PORT;
  return (isSecure ? securePeers : peers).of(addresses.sourceAddress, addresses.sourcePort);
}
