// The net.Server behind something that listens, for tests of what the system says to it alone. Node tells it to whoever
// follows its diagnostics channel.

import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import type { Server } from 'node:net';

const CHANNEL = 'tracing:net.server.listen:asyncStart';

/** Runs `start` and gives the server that began to listen in it; throws when none did. */
export async function listeningServer(start: () => Promise<unknown>): Promise<Server> {
  const servers: Server[] = [];
  const note = (message: unknown) => servers.push((message as { readonly server: Server }).server);
  subscribe(CHANNEL, note);
  try {
    await start();
  } finally {
    unsubscribe(CHANNEL, note);
  }
  const [server] = servers;
  if (server === undefined) throw new Error('nothing began to listen');
  return server;
}
