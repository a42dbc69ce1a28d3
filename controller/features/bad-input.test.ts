// Wrong input of every kind: its owner gets one clear answer, and nothing else is affected.

import { Agent } from 'node:http';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { fixture } from '../compile/testing/fixtures.ts';
import type { Diagnostic } from '../objects/diagnostic.ts';
import { FeatureSluice } from './testing/feature-sluice.ts';
import { TestFolder } from './testing/manifest-folder.ts';
import { ingress, ingressClass, type Manifest, serviceWith, textOf, tlsSecret } from './testing/manifests.ts';
import { type Origin, startNamedOrigin } from './testing/origins.ts';

const MIB = 1024 * 1024;

let origin: Origin;
let folder: TestFolder;
let sluice: FeatureSluice;

beforeEach(async () => {
  origin = await startNamedOrigin('good');
  folder = await TestFolder.create({
    'good.yaml': textOf(
      ingressClass,
      ...serviceWith('web', origin.port),
      ingress('good', { hosts: { 'good.test': { '/': 'web' } } }),
    ),
  });
  sluice = await FeatureSluice.start(folder.dir, { flags: ['--workers=1'] });
});

afterEach(async () => {
  await sluice[Symbol.asyncDispose]();
  await folder[Symbol.asyncDispose]();
  await origin[Symbol.asyncDispose]();
});

/** Writes the file and gives what is said about it, once anything is. */
async function diagnose(file: string, text: string): Promise<readonly Diagnostic[]> {
  await folder.replace(file, text);
  await sluice.until(() => problemsOf(file).length > 0);
  return problemsOf(file);
}

function problemsOf(file: string): readonly Diagnostic[] {
  return sluice.diagnostics.filter(({ source }) => source?.file === file);
}

/** Writes the objects and a good Ingress behind them, and gives what is said about them when all workers serve that one. */
async function serveBeside(host: string, ...manifests: readonly Manifest[]): Promise<readonly Diagnostic[]> {
  const text = textOf(...manifests, ingress(host, { hosts: { [host]: { '/': 'web' } } }));
  await sluice.live(
    () => folder.replace('beside.yaml', text),
    () => sluice.table.virtualHosts.some(({ name }) => name === host),
  );
  expect(await statusOf(host)).toBe(200);
  return problemsOf('beside.yaml');
}

/** Asks the good host over and over, on one connection, for as long as `action` runs: it must not notice. */
async function undisturbed(action: () => Promise<void>): Promise<void> {
  using agent = disposableAgent();
  const statuses = new Set<number>();
  let isOver = false;
  const watch = async (): Promise<void> => {
    do statuses.add((await sluice.ask({ host: 'good.test', agent: agent.agent })).status);
    while (!isOver);
  };
  const watching = watch();
  try {
    await action();
  } finally {
    isOver = true;
    await watching;
  }
  expect([...statuses]).toEqual([200]);
}

function disposableAgent(): Disposable & { readonly agent: Agent } {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  return { agent, [Symbol.dispose]: () => agent.destroy() };
}

function statusOf(host: string, path = '/'): Promise<number> {
  return sluice.ask({ host, path }).then(({ status }) => status);
}

describe('a file that cannot be read as manifests', () => {
  test('YAML syntax error: file and line are named, the other documents of the file serve', async () => {
    await undisturbed(async () => {
      const good = textOf(ingress('more', { hosts: { 'more.test': { '/': 'web' } } }));
      const text = `${good}---\nkind: Ingress\nspec: [1,\nrules:\n`;
      const [problem, ...others] = await diagnose('broken.yaml', text);
      expect(others).toEqual([]);
      expect(problem).toMatchObject({ severity: 'error', reason: 'InvalidManifest' });
      const line = text.split('\n').indexOf('rules:') + 1;
      expect(problem?.source).toEqual({ file: 'broken.yaml', line });
      expect(problem?.message).toMatch(
        new RegExp(`^broken\\.yaml:${line}: YAML syntax error: .+; this document is not used, other documents`),
      );
      expect(sluice.table.virtualHosts.map(({ name }) => name)).toContain('more.test');
    });
  });

  test('100 MB: refused by its size, not read', async () => {
    await undisturbed(async () => {
      const [problem] = await diagnose('huge.yaml', `# ${'x'.repeat(100 * MIB)}\n`);
      expect(problem).toMatchObject({ severity: 'error', reason: 'ManifestTooLarge' });
      expect(problem?.message).toMatch(
        /the file is larger than the limit of 16777216 bytes \(--max-manifest-bytes\); nothing of it is used until it is fixed$/,
      );
    });
  });

  test('an unknown kind is ignored, and says so', async () => {
    await undisturbed(async () => {
      const route = { apiVersion: 'example.com/v1', kind: 'MagicRoute', metadata: { name: 'x' } };
      const [problem] = await diagnose('magic.yaml', textOf(route));
      expect(problem).toMatchObject({ severity: 'warning', reason: 'UnknownKind', field: 'kind' });
      expect(problem?.message).toMatch(
        /^kind "MagicRoute" is unknown \(.+\); it is ignored and traffic is not affected$/,
      );
    });
  });
});

describe('an Ingress', () => {
  test('without rules and default backend serves nothing', async () => {
    await undisturbed(async () => {
      const [problem] = await diagnose('ingress.yaml', textOf(ingress('empty', { hosts: {} })));
      expect(problem).toMatchObject({ severity: 'error', reason: 'MissingField', field: 'spec' });
      expect(problem?.message).toBe(
        'spec has neither rules nor defaultBackend; the object is not used: none of its hosts and paths are served',
      );
    });
  });

  test('with a bad host label loses that rule only', async () => {
    await undisturbed(async () => {
      const hosts = { 'bad_label.test': { '/': 'web' }, 'other.test': { '/': 'web' } };
      const [problem, ...others] = await serveBeside('fine.test', ingress('half', { hosts }));
      expect(others).toEqual([]);
      expect(problem).toMatchObject({ severity: 'error', reason: 'InvalidField', field: 'spec.rules[0].host' });
      expect(problem?.message).toMatch(/^spec\.rules\[0\]\.host "bad_label\.test" .+; this rule is not served$/);
      expect(await statusOf('other.test')).toBe(200);
      expect(await statusOf('bad_label.test')).toBe(404);
    });
  });

  test('whose only host is bad does not catch unknown hosts with its default backend', async () => {
    await undisturbed(async () => {
      const broken = ingress('broken', { hosts: { 'bad_label.test': { '/': 'web' } } });
      const defaultBackend = { service: { name: 'web', port: { number: 80 } } };
      const spec = { ...(broken['spec'] as object), defaultBackend };
      const problems = await serveBeside('fine.test', { ...broken, spec });
      expect(problems.map(({ reason }) => reason)).toEqual(['DefaultBackendIgnored', 'InvalidField']);
      expect(await statusOf('unknown.test')).toBe(404);
    });
  });

  test('with a Service port that does not exist answers 503 there, and the other paths serve', async () => {
    await undisturbed(async () => {
      const hosts = { 'ports.test': { '/': 'web', '/wrong': 'web:81' } };
      const [problem, ...others] = await serveBeside('fine.test', ingress('ports', { hosts }));
      expect(others).toEqual([]);
      expect(problem?.reason).toBe('ServicePortNotFound');
      expect(problem?.field).toMatch(/^spec\.rules\[0\]\.http\.paths\[1\]\.backend\.service\.port/);
      expect(problem?.message).toBe('Service default/web has no port 81; requests for this backend are answered 503');
      expect(await statusOf('ports.test', '/wrong')).toBe(503);
      expect(await statusOf('ports.test', '/')).toBe(200);
    });
  });

  test('with 10,000 paths serves each of them', async () => {
    await undisturbed(async () => {
      const paths = Object.fromEntries(Array.from({ length: 10_000 }, (_, i) => [`/path-${i}`, 'web']));
      const isThere = () => sluice.table.virtualHosts.some(({ name }) => name === 'many.test');
      await sluice.live(
        () => folder.replace('many.json', textOf(ingress('many', { hosts: { 'many.test': paths } }))),
        isThere,
      );
      for (const path of ['/path-0', '/path-4999', '/path-9999/below'])
        expect(await statusOf('many.test', path)).toBe(200);
      expect(await statusOf('many.test', '/path-10000')).toBe(404);
      expect(sluice.diagnostics).toEqual([]);
    });
  });

  test('with 10,000 bad paths is reported without flooding the log', async () => {
    await undisturbed(async () => {
      const paths = Object.fromEntries(Array.from({ length: 10_000 }, (_, i) => [`path-${i}`, 'web']));
      const problems = await diagnose('many.json', textOf(ingress('many', { hosts: { 'many.test': paths } })));
      expect(problems).toHaveLength(10_000);
      expect(problems[0]?.message).toMatch(/"path-\d+" .+; this path is not served$/);
      expect(sluice.complaints.length).toBeLessThanOrEqual(101);
    });
  });
});

describe('a TLS Secret whose key does not fit its certificate', () => {
  const goodPair = pair('foo-bar-com', 'foo-bar-com');
  const mismatched = pair('foo-bar-com', 'example-com');
  const tlsIngress = ingress('tls', { hosts: { 'foo.bar.com': { '/': 'web' } }, tlsSecret: 'tls' });

  function pair(certificate: string, key: string): { readonly certPem: string; readonly keyPem: string } {
    return { certPem: fixture(`${certificate}.crt`), keyPem: fixture(`${key}.key`) };
  }

  function serialNumber(): Promise<string> {
    return sluice.ask({ scheme: 'https', host: 'foo.bar.com' }).then((answer) => answer.serialNumber);
  }

  test('gets the default certificate', async () => {
    await undisturbed(async () => {
      const problems = await serveBeside('fine.test', tlsIngress, tlsSecret('tls', mismatched));
      expect(problems.map(({ object }) => object.kind)).toContain('Secret');
      const text = JSON.stringify(problems);
      expect(text).toMatch(/default certificate/);
      expect(text).not.toContain('PRIVATE KEY');
      const defaultSerial = (await sluice.ask({ scheme: 'https', host: 'good.test' })).serialNumber;
      expect(await serialNumber()).toBe(defaultSerial);
    });
  });

  test('keeps the last good pair when it had one', async () => {
    await undisturbed(async () => {
      expect(await serveBeside('before.test', tlsIngress, tlsSecret('tls', goodPair))).toEqual([]);
      const before = await serialNumber();
      const problems = await serveBeside('after.test', tlsIngress, tlsSecret('tls', mismatched));
      expect(problems.map(({ message }) => message).join('\n')).toMatch(/last good|before it|keeps/);
      expect(await serialNumber()).toBe(before);
    });
  });
});
