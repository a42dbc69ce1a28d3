// The program as a process: exit codes, one line for each mistake, and the launcher that finds a fitting Node.

import { describe, expect, test } from '@jest/globals';
import { flags } from '../options/flags.ts';
import { PRETEND_NODE_20, runSluice } from './testing/run-sluice.ts';
import { VERSION } from './version.ts';

test('--help prints every flag and exits 0', async () => {
  const { code, stdout, stderr } = await runSluice(['--help']);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  for (const name of Object.keys(flags)) expect(stdout).toContain(`--${name}`);
});

test.each([['version'], ['--version']])('%s prints the version and exits 0', async (argument) => {
  const { code, stdout } = await runSluice([argument]);
  expect(code).toBe(0);
  expect(stdout).toBe(`sluice ${VERSION} (Node ${process.versions.node})\n`);
});

test.each([
  ['an unknown flag', ['--manifest', 'x'], 'sluice: unknown flag --manifest, did you mean --manifests?\n'],
  ['an unknown command', ['sreve'], 'sluice: unknown command "sreve", did you mean "serve"?\n'],
  [
    'a bad port',
    ['--manifests', '.', '--http-port', 'eighty'],
    'sluice: --http-port "eighty" is not a port (0 to 65535)\n',
  ],
])('%s: one line on stderr, exit code 2', async (_, args, line) => {
  expect(await runSluice(args)).toMatchObject({ code: 2, signal: null, stdout: '', stderr: line });
});

describe('the npm bin sluice.js', () => {
  /** Says at the end of the process which it was, and with which flags of Node. */
  const REPORT = 'data:text/javascript,process.on("exit",()=>console.log(process.pid,...process.execArgv.slice(2)))';

  test.each([
    ['is limited', [], {}, ' --max-semi-space-size=8'],
    ['the limit of NODE_OPTIONS wins', [], { NODE_OPTIONS: '--max-semi-space-size=2' }, ''],
    ["so does that of Node's command line", ['--max_semi_space_size=4'], {}, ' --max_semi_space_size=4'],
  ])('the young generation of V8: %s', async (_, flags, env, reported) => {
    const nodeArguments = ['--import', REPORT, ...flags];
    const { stdout, stderr, pid } = await runSluice(['version'], { entry: 'sluice.js', nodeArguments, env });
    const version = `sluice ${VERSION} (Node ${process.versions.node})`;
    expect({ stdout, stderr }).toEqual({ stdout: `${version}\n${pid}${reported}\n`, stderr: '' });
  });

  test('runs main.ts in the same process on a new Node', async () => {
    const { code, stdout } = await runSluice(['version'], { entry: 'sluice.js' });
    expect({ code, stdout }).toEqual({ code: 0, stdout: `sluice ${VERSION} (Node ${process.versions.node})\n` });
  });

  test('runs the Node of the npm package "node" on an old one, and keeps output and exit code', async () => {
    const run = (...args: string[]) => runSluice(args, { entry: 'sluice.js', nodeArguments: PRETEND_NODE_20 });
    expect(await run('version')).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/^sluice .* \(Node 2[4-9]\./),
    });
    expect(await run('--nonsense-flag')).toMatchObject({ code: 2, stderr: 'sluice: unknown flag --nonsense-flag\n' });
  });
});
