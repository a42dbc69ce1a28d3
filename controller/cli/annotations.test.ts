// What `sluice annotations` prints.

import { describe, expect, test } from '@jest/globals';
import { annotations, ownAnnotations } from '../compile/settings/annotations.ts';
import { renderAnnotations } from './annotations.ts';

describe('renderAnnotations', () => {
  test('json has every annotation with its plain fields', () => {
    const parsed = JSON.parse(renderAnnotations('json'));
    expect(parsed.prefix).toBe('nginx.ingress.kubernetes.io');
    expect(parsed.annotations.map(({ name }: { name: string }) => name)).toEqual(annotations.map(({ name }) => name));
    expect(parsed.own.prefix).toBe('sluice.ingress.kubernetes.io');
    expect(parsed.own.annotations.map(({ name }: { name: string }) => name)).toEqual(
      ownAnnotations.map(({ name }) => name),
    );
    expect(parsed.annotations.find(({ name }: { name: string }) => name === 'limit-allowlist')).toEqual({
      name: 'limit-allowlist',
      aliases: ['limit-whitelist'],
      group: 'Rate limits',
      value: 'comma list of CIDR',
      default: null,
      globalKey: null,
      scope: 'path',
      risk: 'Low',
      onInvalid: 'rejectIngress',
      onUnparsable: 'rejectIngress',
      range: null,
      dependsOn: [],
      support: 'full',
      whenUnsupported: 'warn',
      doc: 'Client networks that are not limited.',
      note: '',
    });
  });

  test('text has a summary, and one line for each annotation under its group', () => {
    const lines = renderAnnotations('text').split('\n');
    expect(lines[0]).toMatch(/^136 annotations, prefix nginx\.ingress\.kubernetes\.io\/ .*: \d+ full, \d+ partial, /);
    for (const { name, group, support } of annotations) {
      const index = lines.findIndex((line) => line.startsWith(`  ${name} `));
      expect(lines[index]).toContain(support);
      expect(lines.slice(0, index).findLast((line) => /^[A-Z]/.test(line))).toBe(group);
    }
    expect(lines).toContainEqual(
      expect.stringMatching(/^\d+ annotations of Sluice itself, prefix sluice\.ingress\.kubernetes\.io\/: /),
    );
    for (const { name } of ownAnnotations)
      expect(lines.filter((line) => line.startsWith(`  ${name} `))).toHaveLength(1);
    const closing = lines.find((line) => line.startsWith('  auth-url '));
    expect(closing).toMatch(/notYet +High +503 +requests would reach/);
  });
});
