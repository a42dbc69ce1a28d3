// Tables with TCP and UDP services, for tests.

import { type TestProxy, tableOf } from '../../forward/testing/test-proxy.ts';
import { plainEndpoint, plainUpstream } from '../../table/defaults.ts';
import { defaultStreamSettings, type StreamSettings } from '../../table/stream-settings.ts';
import type { GlobalSettings, RoutingTable, StreamService } from '../../table/types.ts';

export interface TestService {
  /** `tcp:5432`; the number tells services apart. Default `tcp:1`. */
  readonly id?: string;
  /** Ports of loopback. */
  readonly endpoints?: readonly number[];
  /** Default 127.0.0.1. */
  readonly address?: string;
  /** Default 0: the system chooses. */
  readonly port?: number;
  readonly expectsProxyHeader?: boolean;
  readonly sendsProxyHeader?: boolean;
}

export function serviceOf(test: TestService): StreamService {
  const id = test.id ?? 'tcp:1';
  const endpoints = (test.endpoints ?? []).toSorted((a, b) => a - b);
  return {
    id,
    protocol: id.startsWith('udp') ? 'udp' : 'tcp',
    port: test.port ?? 0,
    expectsProxyHeader: test.expectsProxyHeader ?? false,
    sendsProxyHeader: test.sendsProxyHeader ?? false,
    upstream: plainUpstream(
      id,
      endpoints.map((port) => plainEndpoint(test.address ?? '127.0.0.1', port)),
    ),
    labels: { namespace: 'ns', service: 'db', servicePort: 'sql' },
  };
}

export function streamTable(
  services: readonly TestService[],
  stream: Partial<StreamSettings> = {},
  global: Partial<GlobalSettings> = {},
): RoutingTable {
  const settings = { ...global, stream: { ...defaultStreamSettings, ...stream } };
  return { ...tableOf([], settings), streams: services.map(serviceOf) };
}

/** Puts services into force and waits for their ports. */
export async function publishServices(
  proxy: TestProxy,
  services: readonly TestService[],
  stream: Partial<StreamSettings> = {},
  global: Partial<GlobalSettings> = {},
): Promise<void> {
  proxy.publish(streamTable(services, stream, global));
  await proxy.worker.streams.settled();
}
