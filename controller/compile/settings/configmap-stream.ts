// ConfigMap keys about TCP and UDP services. ConfigMap reference section J, then Sluice's own.

import { defaultStreamSettings, type StreamSettings } from '#proxy/table/stream-settings.ts';
import { disableAccessLog, disableStreamAccessLog, logFormatStream } from './configmap-logging.ts';
import { configMapFamily } from './define.ts';
import { MAX_TIMER_MS, timerMs } from './durations.ts';
import type { ConfigMapRecord, GlobalValues } from './record.ts';
import { bool, integerFrom, nginxTime, secondsFromOne } from './types.ts';

const stream = configMapFamily({ group: 'TCP and UDP services', support: 'full' });

const timeout = stream({
  key: 'proxy-stream-timeout',
  type: nginxTime,
  default: 600_000,
  doc: 'Time without a byte in either direction after which a connection, a UDP session or a passthrough ends.',
});
const nextUpstream = stream({
  key: 'proxy-stream-next-upstream',
  type: bool,
  default: true,
  doc: 'Tries another endpoint when a connection cannot be made.',
});
const nextUpstreamTimeout = stream({
  key: 'proxy-stream-next-upstream-timeout',
  type: nginxTime,
  default: 600_000,
  doc: 'Time in which another attempt may start; `0` is no limit.',
});
const nextUpstreamTries = stream({
  key: 'proxy-stream-next-upstream-tries',
  type: integerFrom(0),
  default: 3,
  doc: 'Attempts in total; `0` is no limit.',
});
const responses = stream({
  key: 'proxy-stream-responses',
  type: integerFrom(0),
  default: 1,
  doc: 'UDP datagrams that answer one of the client: with the last of them the session is over. `0`: none is waited for.',
});

/** Section J, in the order of the reference. */
export const streamKeys: readonly ConfigMapRecord<unknown>[] = [
  timeout,
  nextUpstream,
  nextUpstreamTimeout,
  nextUpstreamTries,
  responses,
];

const connectTimeout = stream({
  key: 'sluice-stream-connect-timeout',
  type: secondsFromOne,
  default: 5,
  doc: 'Time for one attempt to connect to an endpoint of a TCP service (nginx: 60).',
});
const udpMaxSessions = stream({
  key: 'sluice-udp-max-sessions',
  type: integerFrom(1),
  default: 4096,
  doc: 'UDP sessions of one worker, all services together; datagrams of further clients are dropped and counted.',
});

/** Sluice's own, in the order of the documentation. */
export const ownStreamKeys: readonly ConfigMapRecord<unknown>[] = [connectTimeout, udpMaxSessions];

export function streamSettings(values: GlobalValues): StreamSettings {
  return {
    ...defaultStreamSettings,
    idleTimeoutMs: Math.min(values.get(timeout), MAX_TIMER_MS),
    connectTimeoutMs: timerMs(values.get(connectTimeout)),
    maxAttempts: values.get(nextUpstream) ? nullIfZero(values.get(nextUpstreamTries)) : 1,
    retryTimeoutMs: nullIfZero(Math.min(values.get(nextUpstreamTimeout), MAX_TIMER_MS)),
    udpResponses: values.get(responses),
    maxUdpSessions: values.get(udpMaxSessions),
    accessLog: !values.get(disableAccessLog) && !values.get(disableStreamAccessLog),
    logFormat: values.get(logFormatStream),
  };
}

function nullIfZero(value: number): number | null {
  return value === 0 ? null : value;
}
