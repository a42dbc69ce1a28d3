// ConfigMap keys about traces. ConfigMap reference section H.

import { configMapFamily } from './define.ts';
import type { ConfigMapRecord } from './record.ts';
import { bool, fraction, integerFrom, oneOf, textNamed } from './types.ts';

const tracing = configMapFamily({ group: 'Tracing', support: 'notYet', note: 'no spans are recorded' });

/** All of this family, in the order of the reference. */
export const tracingKeys: readonly ConfigMapRecord<unknown>[] = [
  tracing({ key: 'enable-opentelemetry', type: bool, default: false, doc: 'Records a span for each request.' }),
  tracing({ key: 'opentelemetry-operation-name', type: textNamed('name'), default: '', doc: 'Name of the spans.' }),
  tracing({
    key: 'opentelemetry-trust-incoming-span',
    type: bool,
    default: true,
    doc: 'Whether spans continue the trace that the client names.',
  }),
  tracing({
    key: 'opentelemetry-config',
    type: textNamed('file path'),
    default: '/etc/ingress-controller/telemetry/opentelemetry.toml',
    support: 'noEffect',
    doc: 'Configuration file of the nginx module.',
    note: 'there is no nginx module to configure',
  }),
  tracing({ key: 'otlp-collector-host', type: textNamed('host name'), default: '', doc: 'Where spans are sent.' }),
  tracing({ key: 'otlp-collector-port', type: integerFrom(1, 65_535), default: 4317, doc: 'Port of the collector.' }),
  tracing({ key: 'otel-service-name', type: textNamed('name'), default: 'nginx', doc: 'Service name in the spans.' }),
  tracing({
    key: 'otel-sampler',
    type: oneOf(['AlwaysOn', 'AlwaysOff', 'TraceIdRatioBased']),
    default: 'AlwaysOn',
    doc: 'Which requests get a span.',
  }),
  tracing({ key: 'otel-sampler-ratio', type: fraction, default: 0.01, doc: 'Share of `TraceIdRatioBased`.' }),
  tracing({
    key: 'otel-sampler-parent-based',
    type: bool,
    default: true,
    doc: 'Follows the decision of the trace that the client names.',
  }),
  tracing({ key: 'otel-max-queuesize', type: integerFrom(1), default: 2048, doc: 'Spans waiting to be sent.' }),
  tracing({
    key: 'otel-schedule-delay-millis',
    type: integerFrom(0),
    default: 5000,
    doc: 'Milliseconds between two deliveries.',
  }),
  tracing({ key: 'otel-max-export-batch-size', type: integerFrom(1), default: 512, doc: 'Spans in one delivery.' }),
];
