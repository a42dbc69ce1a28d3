// ConfigMap keys about logs. ConfigMap reference section G.

import { defaultStreamSettings, logVariablePattern, streamLogVariables } from '#proxy/table/stream-settings.ts';
import { configMapFamily } from './define.ts';
import type { ConfigMapRecord } from './record.ts';
import { bool, integerFrom, list, oneOf, textNamed } from './types.ts';

const logging = configMapFamily({ group: 'Logging', support: 'notYet' });
const destination = configMapFamily({ group: 'Logging', support: 'notYet', note: 'logs go to standard output' });
const format = configMapFamily({ group: 'Logging', support: 'notYet', note: 'the access log has its own format' });
const filePath = textNamed('file path');

/** Turns both access logs off. */
export const disableAccessLog: ConfigMapRecord<boolean> = logging({
  key: 'disable-access-log',
  type: bool,
  default: false,
  support: 'full',
  doc: 'Writes no access log.',
});

/** Turns the HTTP access log off. */
export const disableHttpAccessLog: ConfigMapRecord<boolean> = logging({
  key: 'disable-http-access-log',
  type: bool,
  default: false,
  support: 'full',
  doc: 'Writes no access log of HTTP requests.',
});

/** Turns the log of TCP, UDP and passthrough connections off. */
export const disableStreamAccessLog: ConfigMapRecord<boolean> = logging({
  key: 'disable-stream-access-log',
  type: bool,
  default: false,
  support: 'full',
  doc: 'Writes no access log of TCP, UDP and passthrough connections.',
});

/** Format of that log. */
export const logFormatStream: ConfigMapRecord<string> = logging({
  key: 'log-format-stream',
  type: textNamed('nginx log format'),
  default: defaultStreamSettings.logFormat,
  support: 'partial',
  shortfall: (text) => unknownLogVariables(text),
  doc: 'Format of the access log of TCP, UDP and passthrough connections.',
  note: `known are ${streamLogVariables.map((name) => `$${name}`).join(' ')}; any other variable is written as -`,
});

function unknownLogVariables(format: string): string | null {
  const names = format.matchAll(new RegExp(logVariablePattern, 'g')).map(([, braced, plain]) => braced ?? plain ?? '');
  const unknown = [...names.filter((name) => !streamLogVariables.some((known) => known === name))];
  return unknown.length === 0 ? null : `${unknown.map((name) => `$${name}`).join(', ')} is written as -`;
}

/** Requests that no Ingress takes. */
export const enableAccessLogForDefaultBackend: ConfigMapRecord<boolean> = logging({
  key: 'enable-access-log-for-default-backend',
  type: bool,
  default: false,
  support: 'full',
  doc: 'Logs requests that the default backend answers.',
});

/** All of this family, in the order of the reference. */
export const loggingKeys: readonly ConfigMapRecord<unknown>[] = [
  disableAccessLog,
  disableHttpAccessLog,
  disableStreamAccessLog,
  destination({
    key: 'access-log-path',
    type: filePath,
    default: '/var/log/nginx/access.log',
    inert: ['/dev/stdout'],
    doc: 'File of the access logs.',
  }),
  destination({
    key: 'http-access-log-path',
    type: filePath,
    default: '',
    inert: ['/dev/stdout'],
    doc: 'File of the HTTP access log.',
  }),
  destination({
    key: 'stream-access-log-path',
    type: filePath,
    default: '',
    doc: 'File of the TCP and UDP access log.',
  }),
  logging({
    key: 'access-log-params',
    type: textNamed('nginx parameters'),
    default: '',
    support: 'noEffect',
    doc: 'Buffering of the access log.',
    note: 'nginx log parameters mean nothing here',
  }),
  destination({
    key: 'error-log-path',
    type: filePath,
    default: '/var/log/nginx/error.log',
    inert: ['/dev/stderr'],
    doc: 'File of the error log.',
  }),
  logging({
    key: 'error-log-level',
    type: oneOf(['debug', 'info', 'notice', 'warn', 'error', 'crit', 'alert', 'emerg']),
    default: 'notice',
    doc: 'Lowest level of the error log.',
    note: 'the level is the one of the command line',
  }),
  format({
    key: 'log-format-upstream',
    type: textNamed('nginx log format'),
    default:
      '$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" "$http_user_agent" $request_length $request_time [$proxy_upstream_name] [$proxy_alternative_upstream_name] $upstream_addr $upstream_response_length $upstream_response_time $upstream_status $req_id',
    doc: 'Format of the HTTP access log.',
  }),
  logFormatStream,
  format({ key: 'log-format-escape-json', type: bool, default: false, doc: 'Escapes log values for JSON.' }),
  format({ key: 'log-format-escape-none', type: bool, default: false, doc: 'Does not escape log values.' }),
  logging({
    key: 'skip-access-log-urls',
    type: list,
    default: [],
    doc: 'Request paths that are not logged.',
    note: 'these paths are logged too',
  }),
  enableAccessLogForDefaultBackend,
  logging({
    key: 'enable-auth-access-log',
    type: bool,
    default: false,
    doc: 'Logs requests to authentication services.',
    note: 'there are no such requests',
  }),
  destination({ key: 'enable-syslog', type: bool, default: false, doc: 'Sends logs to syslog.' }),
  destination({ key: 'syslog-host', type: textNamed('host name'), default: '', doc: 'Address of syslog.' }),
  destination({ key: 'syslog-port', type: integerFrom(1, 65_535), default: 514, doc: 'UDP port of syslog.' }),
];
