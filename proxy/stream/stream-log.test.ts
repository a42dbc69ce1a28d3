import { describe, expect, test } from '@jest/globals';
import { defaultStreamSettings } from '../table/stream-settings.ts';
import { StreamLog, streamLine } from './stream-log.ts';
import type { StreamRecord } from './stream-record.ts';

const NOW = Date.UTC(2026, 0, 2, 3, 4, 5, 678);
const record: StreamRecord = {
  origin: { protocol: 'tcp', port: 5432, namespace: 'db', service: 'pg', servicePort: 'sql', serverName: '' },
  client: { address: '2001:db8::1', port: 4000, localAddress: '10.0.0.1', localPort: 5432 },
  status: 200,
  bytesSent: 10,
  bytesReceived: 20,
  durationMs: 1234.5,
  endpoint: { address: 'fd00::2', port: 15_432 },
  detail: '',
};

const braced = (name: string) => `\${${name}}`;

describe('streamLine', () => {
  test.each<[string, string]>([
    [defaultStreamSettings.logFormat, '[2001:db8::1] [02/Jan/2026:03:04:05 +0000] TCP 200 10 20 1.234'],
    [`$remote_addr:$remote_port -> $server_addr:${braced('server_port')}x`, '2001:db8::1:4000 -> 10.0.0.1:5432x'],
    ['$time_iso8601 $msec', '2026-01-02T03:04:05+00:00 1767323045.678'],
    ['$upstream_addr $proxy_upstream_name', '[fd00::2]:15432 tcp-db-pg-sql'],
    [`$unknown ${braced('also_unknown')} $ 5$`, '- - $ 5$'],
    ['', ''],
  ])('%j', (format, want) => {
    expect(streamLine(format)(record, NOW)).toBe(want);
  });

  test('a server name cannot forge a line', () => {
    const forged = { ...record, origin: { ...record.origin, serverName: 'a"\n[x] \\' } };
    expect(streamLine('$ssl_preread_server_name')(forged, NOW)).toBe('a\\x22\\x0A[x]\\x20\\x5C');
  });
});

test('settings count from one line to the next', () => {
  let settings = { ...defaultStreamSettings, logFormat: '$status' };
  const lines: string[] = [];
  const log = new StreamLog(
    () => settings,
    () => NOW,
    (line) => lines.push(line),
  );
  log.add(record);
  settings = { ...settings, accessLog: false };
  log.add(record);
  settings = { ...settings, accessLog: true, logFormat: '$protocol' };
  log.add(record);
  expect(lines).toEqual(['200\n', 'TCP\n']);
});
