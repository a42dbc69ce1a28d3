// Diagnostics reach the log once when they appear and once when they are gone.

import { expect, test } from '@jest/globals';
import type { Diagnostic } from '../objects/diagnostic.ts';
import { DiagnosticLog } from './diagnostic-log.ts';

function diagnosticOf(name: string, severity: Diagnostic['severity'] = 'error', line = 1): Diagnostic {
  return {
    severity,
    reason: 'ServiceNotFound',
    object: { kind: 'Ingress', namespace: 'demo', name },
    field: '',
    message: 'no such Service; the path answers 503',
    source: { file: 'a.yaml', line },
  };
}

function start() {
  const lines: string[] = [];
  const write = (level: string) => (_fields: unknown, text: string) => {
    lines.push(`${level} ${text.replace(/: no such.*/, '')}`);
  };
  const log = new DiagnosticLog({
    error: write('E'),
    warn: write('W'),
    info: write('I'),
    debug: write('D'),
  } as unknown as ConstructorParameters<typeof DiagnosticLog>[0]);
  const report = (...diagnostics: Diagnostic[]): string[] => {
    log.report(diagnostics);
    return lines.splice(0);
  };
  return report;
}

test('a problem is logged at its level, once', () => {
  const report = start();
  const all = [diagnosticOf('a'), diagnosticOf('b', 'warning'), diagnosticOf('c', 'info')];
  expect(report(...all)).toEqual(['E error Ingress demo/a', 'W warning Ingress demo/b', 'D info Ingress demo/c']);
  expect(report(...all)).toEqual([]);
});

test('a resolved problem is logged, and again when it comes back', () => {
  const report = start();
  report(diagnosticOf('a'), diagnosticOf('b'));
  expect(report(diagnosticOf('b'))).toEqual(['I resolved: error Ingress demo/a']);
  expect(report(diagnosticOf('a'), diagnosticOf('b'))).toEqual(['E error Ingress demo/a']);
});

test('moving to another line is not a new problem', () => {
  const report = start();
  report(diagnosticOf('a', 'error', 1));
  expect(report(diagnosticOf('a', 'error', 9))).toEqual([]);
});

test('thousands of problems are counted, not listed', () => {
  const report = start();
  const many = Array.from({ length: 1000 }, (_, i) => diagnosticOf(`i${i}`));
  const lines = report(...many);
  expect(lines).toHaveLength(101);
  expect(lines.at(-1)).toBe('W 900 more new diagnostics; "sluice translate" prints them all');
});
