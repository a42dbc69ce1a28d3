// Starts every origin that demo/manifests names, each on its fixed port.

import { join } from 'node:path';
import { chatPage, openChatRoom } from './chat.ts';
import { defaultBackend } from './default-backend.ts';
import { failing, slow } from './lab.ts';
import { listen, type Origin } from './origin.ts';
import { site } from './site.ts';
import { whoami } from './whoami.ts';

/** Ports as the EndpointSlices in demo/manifests name them. */
export const ORIGIN_PORTS = {
  whoami1: 9181,
  whoami2: 9182,
  site: 9183,
  chat: 9184,
  slow: 9185,
  failing: 9186,
  defaultBackend: 9187,
} as const;

/** Rejects, with nothing left running, when one of the ports is taken. */
export async function startOrigins(ports: Readonly<Record<keyof typeof ORIGIN_PORTS, number>>): Promise<Origin[]> {
  const starts = await Promise.allSettled([
    listen('whoami, first replica', ports.whoami1, whoami('whoami-1')),
    listen('whoami, second replica', ports.whoami2, whoami('whoami-2')),
    listen('site', ports.site, site(join(import.meta.dirname, '../site'))),
    startChat(ports.chat),
    listen('slow', ports.slow, slow),
    listen('failing', ports.failing, failing),
    listen('default backend', ports.defaultBackend, defaultBackend),
  ]);
  const running = starts.flatMap((start) => (start.status === 'fulfilled' ? [start.value] : []));
  const failed = starts.find((start) => start.status === 'rejected');
  if (failed === undefined) return running;
  await Promise.all(running.map((origin) => origin.close()));
  throw failed.reason;
}

async function startChat(port: number): Promise<Origin> {
  const origin = await listen('chat', port, chatPage);
  const closeRoom = openChatRoom(origin.server);
  const close = (): Promise<void> => {
    closeRoom();
    return origin.close();
  };
  return { ...origin, close };
}
