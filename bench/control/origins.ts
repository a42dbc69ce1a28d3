// Two live pods on this machine, told apart by their answers. They also echo over WebSocket.

import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { networkInterfaces } from 'node:os';
import { WebSocket, WebSocketServer } from 'ws';
import type { PodAddress } from './cluster.ts';

export interface Origin extends PodAddress {
  readonly name: string;
  readonly server: Server;
}

/** An IPv4 address of this machine besides loopback, which an API server refuses in an EndpointSlice. Throws without. */
export function ownAddress(): string {
  const found = Object.values(networkInterfaces())
    .flatMap((entries) => entries ?? [])
    .find(({ family, internal }) => family === 'IPv4' && !internal);
  if (found === undefined) throw new Error('this machine has no IPv4 address besides loopback');
  return found.address;
}

export async function startOrigin(name: string, address: string): Promise<Origin> {
  const server = createServer((_, response) => response.end(name));
  new WebSocketServer({ server });
  await new Promise<void>((resolve) => server.listen(0, address, resolve));
  return { name, address, server, port: (server.address() as AddressInfo).port };
}

export function stopOrigin({ server }: Origin): void {
  server.close();
  server.closeAllConnections();
}

/** Well within the 60 s after which nginx and Sluice cut a WebSocket that says nothing (`proxy-read-timeout`). */
const PING_MS = 10_000;

/** Opens a WebSocket through the proxy on the port; resolves when it is open. From then on it is never idle for long. */
export async function openWebSocket(port: number, host: string): Promise<WebSocket> {
  const socket = new WebSocket(`ws://127.0.0.1:${port}/app`, { headers: { host } });
  await new Promise<void>((resolve, reject) => {
    socket.once('open', resolve);
    socket.once('error', reject);
  });
  socket.on('error', () => {});
  const pinging = setInterval(() => socket.ping(), PING_MS);
  socket.once('close', () => clearInterval(pinging));
  return socket;
}

export const countCut = (sockets: readonly WebSocket[]): number =>
  sockets.filter(({ readyState }) => readyState !== WebSocket.OPEN).length;
