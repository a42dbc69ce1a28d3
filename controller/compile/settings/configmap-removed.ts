// ConfigMap keys that ingress-nginx v1.15 still documents but no longer reads. Accepted, so that an old ConfigMap gives
// a clear answer instead of "unknown key".

import { configMapFamily } from './define.ts';
import type { ConfigMapRecord } from './record.ts';
import { text } from './types.ts';

const removed = configMapFamily({ group: 'Removed keys', support: 'noEffect' });

const GEOIP_NOTE = 'ingress-nginx has dropped GeoIP legacy databases; the newer key is use-geoip2';
const JAEGER_NOTE = 'ingress-nginx has dropped Jaeger; the newer keys are enable-opentelemetry and otlp-collector-host';

const JAEGER_KEYS: readonly string[] = [
  'jaeger-collector-host',
  'jaeger-collector-port',
  'jaeger-endpoint',
  'jaeger-service-name',
  'jaeger-propagation-format',
  'jaeger-sampler-type',
  'jaeger-sampler-param',
  'jaeger-sampler-host',
  'jaeger-sampler-port',
  'jaeger-trace-context-header-name',
  'jaeger-debug-header',
  'jaeger-baggage-header',
  'jaeger-trace-baggage-header-prefix',
];

/** All 14, in the order of the ingress-nginx documentation. */
export const removedKeys: readonly ConfigMapRecord<unknown>[] = [
  removed({ key: 'use-geoip', type: text, default: '', doc: 'Looked up the place of the client.', note: GEOIP_NOTE }),
  ...JAEGER_KEYS.map((key) =>
    removed({ key, type: text, default: '', doc: 'Sent traces to Jaeger.', note: JAEGER_NOTE }),
  ),
];
