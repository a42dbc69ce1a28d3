// Which addresses a listener takes, and the one step of opening it.

import type net from 'node:net';
import { isIPv4 } from 'node:net';
import type { BindSettings } from '../table/stream-settings.ts';

const BACKLOG = 4096;

/**
 * Addresses to listen on. `host` is the flag `--bind-address`, which wins over the ConfigMap; '' stands for every address, IPv4
 * and IPv6 in one socket where the system has both.
 */
export function hostsToBind(host: string, bind: BindSettings): readonly string[] {
  if (host !== '') return [host];
  const named = bind.hasIpv6 ? bind.addresses : bind.addresses.filter(isIPv4);
  if (named.length > 0) return named;
  return [bind.hasIpv6 ? '' : '0.0.0.0'];
}

/**
 * Lets a server listen; gives the port it got. Rejects with the system's error, or when it is closed meanwhile, of which
 * Node says nothing else. `onFailedAccept`: later, for one connection.
 */
export async function listenOn(
  server: net.Server,
  { host, port, reusePort }: { readonly host: string; readonly port: number; readonly reusePort: boolean },
  onFailedAccept: () => void,
): Promise<number> {
  await new Promise<void>((resolve, reject) => {
    const onClosed = () => reject(new Error('closed before it was open'));
    server.once('error', reject);
    server.once('close', onClosed);
    server.listen({ port, ...(host === '' ? {} : { host }), backlog: BACKLOG, reusePort }, () => {
      server.off('error', reject);
      server.off('close', onClosed);
      // Unheard, it would end the worker.
      server.on('error', onFailedAccept);
      resolve();
    });
  });
  return (server.address() as net.AddressInfo).port;
}
